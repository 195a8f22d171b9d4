package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/metric"
)

// TestBadConfigurationStaysOut gives a running server, after a good one, each
// kind of file with something wrong in it.
func TestBadConfigurationStaysOut(t *testing.T) {
	p := start(t, gitlabtest.NewWorld())
	apply := func(name, content string) error {
		_, err := p.client.ApplyCatalog(t.Context(), []api.CatalogFile{{Name: name, Content: content}})
		return err
	}
	costs := func(name, content string) error {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(content), 0o600); err != nil {
			return err
		}
		p.server.Reload(t.Context())
		return nil
	}
	const services = "version: 1\nservices:\n  - {identifier: shop, owner: storefront, match: {project: acme/shop}}\nrules:\n  - {name: tags, match: {group: acme, ref_type: tag}, service: shop}\n"
	for _, tt := range []struct {
		name, file        string
		put               func(name, content string) error
		good, bad, better string
		kind, place, says string
	}{
		{
			"prices", "costs.yaml", costs, "currency: EUR\nrules:\n  - per_minute: 0.5\n", "currency: USD\nrules:\n  - per_minute: -1\n", "currency: CHF\nrules:\n  - per_minute: 1\n",
			"costs", filepath.Join(p.dir, "costs.yaml"), "line 3: per_minute of rule 1 is -1.",
		},
		{
			"prices that are no YAML", "costs.yaml", costs, "currency: EUR\n", "currency: [\n", "",
			"costs", filepath.Join(p.dir, "costs.yaml"), "line 1: ",
		},
		{"services", "services.yaml", apply, services, "version: 1\nservices:\n  - identifier: shop\n    ownr: nobody\n", services, "catalog", "services.yaml:4", "ownr"},
		{"rules", "rules.yaml", apply, services, "version: 1\nrules:\n  - {match: {ref: \"/v(/\"}, service: shop}\n", services, "catalog", "rules.yaml:3", "is no RE2 expression"},
		{"rules of a service that is not there", "rules.yaml", apply, services, "version: 1\nrules:\n  - {match: {ref: main}, service: basket}\n", services, "catalog", "rules.yaml:3", "basket"},
		{"Backstage", "catalog-info.yaml", apply, services, "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: [\n", services, "catalog", "catalog-info.yaml:", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.put(tt.file, tt.good); err != nil {
				t.Fatal(err)
			}
			before, logged := inForce(t, p), len(p.log.String())
			if status := status(t, p); len(status.Refused) != 0 {
				t.Fatalf("refused already: %+v", status.Refused)
			}
			for range 2 { // what is wrong still is not told again when nobody touched the file
				if err := tt.put(tt.file, tt.bad); (err != nil) != (tt.kind == "catalog") {
					t.Fatalf("put: %v", err)
				}
			}
			if diff := cmp.Diff(before, inForce(t, p)); diff != "" {
				t.Errorf("in force before (-) and after (+):\n%s", diff)
			}
			refused := status(t, p).Refused
			if len(refused) != 1 || refused[0].Kind != tt.kind || len(refused[0].Findings) == 0 || refused[0].At.IsZero() || refused[0].Files[0] != tt.file {
				t.Fatalf("the status says %+v", refused)
			}
			f := refused[0].Findings[0]
			if !strings.HasPrefix(f.Place, tt.place) || !strings.Contains(f.Cause, tt.says) || f.Remedy == "" {
				t.Errorf("finding %+v", f)
			}
			log := p.log.String()[logged:]
			if n := strings.Count(log, "configuration refused"); n == 0 || n > 1 && tt.kind == "costs" || !strings.Contains(log, tt.place) {
				t.Errorf("%d log lines: %s", n, log)
			}
			if err := tt.put(tt.file, tt.better); err != nil {
				t.Fatal(err)
			}
			if status := status(t, p); len(status.Refused) != 0 {
				t.Errorf("mended, and still: %+v", status.Refused)
			}
			if cmp.Equal(before, inForce(t, p)) != (tt.better == tt.good) {
				t.Error("what came after it is not in force")
			}
		})
	}
	// A preview is no attempt.
	if _, err := p.client.PreviewCatalog(t.Context(), []api.CatalogFile{{Name: "x.yaml", Content: "version: 7"}}); err == nil {
		t.Error("a bad file was previewed")
	}
	if status := status(t, p); len(status.Refused) != 0 {
		t.Errorf("a preview is remembered: %+v", status.Refused)
	}
}

// TestPricesOfNoFile: a file that is taken away takes its prices along.
func TestPricesOfNoFile(t *testing.T) {
	p := start(t, gitlabtest.NewWorld())
	name := filepath.Join(p.dir, "costs.yaml")
	for _, step := range []struct {
		change   func() error
		currency string
		refused  int
	}{
		{func() error { return os.WriteFile(name, []byte("currency: EUR\n"), 0o600) }, "EUR", 0},
		{func() error { return os.WriteFile(name, []byte("- wrong"), 0o600) }, "EUR", 1},
		{func() error { return os.Remove(name) }, "", 0},
		{func() error { return os.Mkdir(name, 0o700) }, "", 1}, // it cannot be read
		{func() error { return os.Remove(name) }, "", 0},
	} {
		if err := step.change(); err != nil {
			t.Fatal(err)
		}
		p.server.Reload(t.Context())
		if got := inForce(t, p).Currency; got != step.currency {
			t.Errorf("currency %q, want %q", got, step.currency)
		}
		if refused := status(t, p).Refused; len(refused) != step.refused {
			t.Errorf("refused %+v", refused)
		}
	}
}

// configuration is what a server goes by.
type configuration struct {
	Currency string
	Services []api.CatalogService
	Rules    []api.CatalogRule
}

func inForce(t *testing.T, p *program) configuration {
	t.Helper()
	report, err := p.client.Report(t.Context(), metric.Query{Metric: "cost", From: time.Now().Add(-time.Hour).Format(time.RFC3339)})
	if err != nil {
		t.Fatal(err)
	}
	services, err := p.client.Services(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rules, err := p.client.Rules(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return configuration{report.Currency, services, rules}
}

func status(t *testing.T, p *program) api.Status {
	t.Helper()
	s, err := p.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}
