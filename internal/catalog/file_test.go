package catalog

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/weirhq/weir/internal/ci"
)

// TestRefused reads testdata/refused/*.txtar: files that are wrong, and in the
// file `want` every finding with its place.
func TestRefused(t *testing.T) {
	scripts, err := filepath.Glob("testdata/refused/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("scripts %v, %v", scripts, err)
	}
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(script)
			if err != nil {
				t.Fatal(err)
			}
			var files []File
			want := ""
			for _, f := range archive.Files {
				if f.Name == "want" {
					want = strings.TrimSpace(string(f.Data))
					continue
				}
				files = append(files, File{f.Name, f.Data})
			}
			config, err := Parse(files)
			if err == nil {
				err = config.Check()
			}
			var r *Refused
			if !errors.As(err, &r) {
				t.Fatalf("error %v, want findings", err)
			}
			var got []string
			for _, f := range r.Findings {
				got = append(got, f.String())
				if !strings.HasSuffix(f.Remedy, ".") || !strings.HasSuffix(f.Cause, ".") {
					t.Errorf("no sentences: %s", f)
				}
			}
			if diff := cmp.Diff(want, strings.Join(got, "\n")); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if ci.CodeOf(err) != ci.BadRequest {
				t.Errorf("code %s", ci.CodeOf(err))
			}
		})
	}
}

const complete = `version: 1
services:
  - identifier: shop
    name: Shop
    description: sells
    owner: storefront
    tier: 1
    lifecycle: production
    match: {project: acme/shop}
  - identifier: cart
    match:
      - {project: acme/cart, ref: [main, "release/*"]}
      - {topic: cart}
  - identifier: pay
rules:
  - name: monorepo
    match: {project: acme/mono}
    each:
      - {match: {job: "pay:*"}, service: pay}
      - {match: {job: "cart:*"}, services: [cart]}
  - match: {group: "acme/legacy", default_branch: true}
    services: [shop, pay]
    enabled: false
deploys:
  - name: production
    match: {job: /^deploy prod/, ref_type: tag}
    environment: production
  - match: {pipeline: release}
    environment: eu
    tier: staging
    service: shop
`

func TestParse(t *testing.T) {
	got, err := Parse([]File{{"services.yaml", []byte(complete)}})
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Services: []Service{
			{Identifier: "shop", Name: "Shop", Description: "sells", Owner: "storefront", Tier: "1", Lifecycle: "production", Source: "file", Matches: []Match{{"project": {"acme/shop"}}}},
			{Identifier: "cart", Source: "file", Matches: []Match{{"project": {"acme/cart"}, "ref": {"main", "release/*"}}, {"topic": {"cart"}}}},
			{Identifier: "pay", Source: "file"},
		},
		Rules: []Rule{
			{Name: "monorepo", Source: "file", Cases: []Case{
				{Match: Match{"project": {"acme/mono"}, "job": {"pay:*"}}, Services: []string{"pay"}},
				{Match: Match{"project": {"acme/mono"}, "job": {"cart:*"}}, Services: []string{"cart"}},
			}},
			{Disabled: true, Source: "file", Cases: []Case{{Match: Match{"group": {"acme/legacy"}, "default_branch": {"true"}}, Services: []string{"shop", "pay"}}}},
		},
		Deploys: []Deploy{
			{Name: "production", Match: Match{"job": {"/^deploy prod/"}, "ref_type": {"tag"}}, Environment: "production", Source: "file"},
			{Match: Match{"pipeline": {"release"}}, Environment: "eu", Tier: "staging", Service: "shop", Source: "file"},
		},
	}
	if diff := cmp.Diff(want, got, withoutPlaces()); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if err := got.Check(); err != nil {
		t.Error(err)
	}
}

func TestParseSections(t *testing.T) {
	got, err := Parse([]File{{"a.yaml", []byte("version: 1\nrules: []\n")}, {"b.yaml", []byte("version: 1\ndeploys:\n")}})
	if err != nil || got.Services != nil || got.Rules == nil || got.Deploys == nil || len(got.Rules)+len(got.Deploys) > 0 {
		t.Errorf("%#v, %v; want no services section and two empty ones", got, err)
	}
	if got, err := Parse(nil); err != nil || !cmp.Equal(got, Config{}, withoutPlaces()) {
		t.Errorf("no files: %#v, %v", got, err)
	}
}

func TestBackstage(t *testing.T) {
	got, err := Parse([]File{{"catalog-info.yaml", []byte(`apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: ledger
  title: Ledger
  annotations: {gitlab.com/project-slug: acme/pay/ledger, backstage.io/techdocs-ref: "dir:."}
spec: {type: service, owner: "group:default/payments", system: money, lifecycle: production}
---
apiVersion: backstage.io/v1alpha1
kind: API
metadata: {name: ledger-api}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: vault
  annotations: {backstage.io/source-location: "url:https://gitlab.example.com/acme/pay/vault/-/tree/main/"}
spec: {owner: security}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: nowhere}
`)}})
	if err != nil {
		t.Fatal(err)
	}
	want := Config{Services: []Service{
		{Identifier: "ledger", Name: "Ledger", Owner: "payments", Lifecycle: "production", Source: "backstage", Matches: []Match{{"project": {"acme/pay/ledger"}}}},
		{Identifier: "vault", Owner: "security", Source: "backstage", Matches: []Match{{"project": {"acme/pay/vault"}}}},
		{Identifier: "nowhere", Source: "backstage"},
	}}
	if diff := cmp.Diff(want, got, withoutPlaces()); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
}

// TestSchemaAgrees holds the JSON Schema to what Parse reads.
func TestSchemaAgrees(t *testing.T) {
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(Schema())))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("services.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("services.json")
	if err != nil {
		t.Fatal(err)
	}
	proposed, err := Propose([]Project{{FullPath: "acme/shop"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		text string
		good bool
	}{
		{complete, true},
		{string(proposed), true},
		{"version: 1\nrules: []\n", true},
		{"version: 2\n", false},
		{"version: 1\nservice: []\n", false},
		{"version: 1\nservices: [{name: x}]\n", false},
		{"version: 1\ndeploys: [{match: {job: x}}]\n", false},
		{"version: 1\ndeploys: [{match: {jobs: x}, environment: y}]\n", false},
		{"version: 1\ndeploys: [{match: {job: x}, environment: y, tier: prod}]\n", false},
	} {
		_, err := Parse([]File{{"f", []byte(test.text)}})
		if (err == nil) != test.good {
			t.Errorf("Parse(%q): %v", test.text, err)
		}
		var value any
		if err := yaml.Unmarshal([]byte(test.text), &value); err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		instance, err := jsonschema.UnmarshalJSON(strings.NewReader(string(b)))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(instance); (err == nil) != test.good {
			t.Errorf("the schema on %q: %v", test.text, err)
		}
	}
	properties := document.(map[string]any)["$defs"].(map[string]any)["match"].(map[string]any)["properties"].(map[string]any)
	if len(properties) != len(fields()) {
		t.Errorf("the schema has %d fields of a match, the code %d", len(properties), len(fields()))
	}
	for _, f := range fields() {
		if properties[f.name] == nil {
			t.Errorf("the schema does not know %s", f.name)
		}
	}
}

func TestPropose(t *testing.T) {
	text, err := Propose([]Project{{FullPath: "acme/web/api"}, {FullPath: "acme/pay/api"}, {FullPath: "acme/shop"}, {FullPath: "a/b-c"}, {FullPath: "a-b/c"}})
	if err != nil {
		t.Fatal(err)
	}
	config, err := Parse([]File{{"services.yaml", text}})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	got := map[string]string{}
	for _, s := range config.Services {
		got[s.Identifier] = s.Matches[0]["project"][0] + " of " + s.Owner
	}
	want := map[string]string{"web-api": "acme/web/api of web", "pay-api": "acme/pay/api of pay", "shop": "acme/shop of acme", "b-c": "a/b-c of a", "c": "a-b/c of a-b"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("proposed (-want +got):\n%s\n%s", diff, text)
	}
	if text, err := Propose(nil); err != nil || !strings.Contains(string(text), "services: []") {
		t.Errorf("nothing to propose: %s, %v", text, err)
	}
}

// FuzzParse: whatever comes in, Parse answers with a configuration or findings.
func FuzzParse(f *testing.F) {
	f.Add([]byte(complete))
	f.Add([]byte("version: 1\nservices: &a [*a]\n"))
	f.Add([]byte("apiVersion: x\nkind: Component\nmetadata: []\n"))
	f.Add([]byte("\t- :"))
	f.Fuzz(func(t *testing.T, b []byte) {
		config, err := Parse([]File{{"f", b}})
		if err == nil {
			err = config.Check()
		}
		var r *Refused
		if err != nil && (!errors.As(err, &r) || len(r.Findings) == 0) {
			t.Errorf("error without findings: %v", err)
		}
	})
}

func withoutPlaces() cmp.Option {
	return cmp.FilterPath(func(p cmp.Path) bool {
		return p.Last().String() == ".at" || p.Last().String() == ".matchAt"
	}, cmp.Ignore())
}
