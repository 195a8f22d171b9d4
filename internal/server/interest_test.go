package server

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/metric"
	"github.com/weirhq/weir/internal/store"
)

// What a report, a run's path or an explanation is about is what somebody
// looks at; a report about everything is not about any project.
func TestWhatSomebodyLooksAt(t *testing.T) {
	s, err := Open(t.Context(), Config{DataDir: t.TempDir(), Poll: &Poll{}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	now := time.Now().UTC()
	instance, err := s.store.EnsureInstance(t.Context(), "https://gitlab.example.com", now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.Apply(t.Context(), store.Batch{
		Projects:  []ci.Project{{InstanceID: instance.ID, ID: 5, FullPath: "acme/run", CIAccess: ci.CIEnabled, SyncedAt: now}},
		Pipelines: []ci.Pipeline{{InstanceID: instance.ID, ID: 50, ProjectID: 5, CreatedAt: &now, StartedAt: &now, FinishedAt: &now, Status: ci.Success, RefType: "branch", TimePrecision: ci.Seconds, SyncedAt: now}},
	}); err != nil {
		t.Fatal(err)
	}
	client := api.NewClient("http://weir.internal", api.NewSecret(s.LocalToken()), &http.Client{Transport: Transport(s.Handler())})
	for _, q := range []metric.Query{
		{Metric: "runs"},
		{Metric: "runs", By: []string{"project"}, Where: []string{"ref=main"}},
		{Metric: "runs", Where: []string{"project=acme/shop", "project=acme/web"}},
		{Metric: "critical_path", Run: instance.BaseURL + "/50"},
	} {
		if _, err := client.Report(t.Context(), q); err != nil {
			t.Errorf("%+v: %v", q, err)
		}
	}
	if diff := cmp.Diff([]string{"acme/run", "acme/web", "acme/shop"}, s.engine.poller.interest.first()); diff != "" {
		t.Errorf("looked at (-want +got):\n%s", diff)
	}
	_, _ = client.Report(t.Context(), metric.Query{Metric: "critical_path", Run: "nonsense"}) // refused, and no project
	if _, err := client.Explain(t.Context(), instance.ID, 50); err != nil {
		t.Error(err)
	}
	if got := s.engine.poller.interest.first(); len(got) != 3 || got[0] != "acme/run" {
		t.Errorf("looked at %v", got)
	}
}
