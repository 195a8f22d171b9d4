package importer_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
	"github.com/weirhq/weir/internal/store"
)

// TestOnlyOpenPipelines asks about what still ran, and about nothing else.
func TestOnlyOpenPipelines(t *testing.T) {
	for engine, open := range engines {
		t.Run(engine, func(t *testing.T) {
			w := smallWorld()
			running := w.StartPipeline(w.Projects[0], gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "slow"}}})
			other := w.StartPipeline(w.Projects[1], gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "slow"}}})
			h := newHarness(t, open(t), w)
			if s := h.sync(t, importer.Options{Only: importer.ScopeOpen}); s.Requests != 0 || s.State != ci.SyncComplete {
				t.Errorf("before anything is known it took %d requests and ended %s, want none and complete", s.Requests, s.State)
			}
			h.sync(t, importer.Options{})
			before := h.currency(t)
			h.server.Advance(time.Minute)
			h.must(t, w.FinishPipeline(running, "failed"))
			h.must(t, w.FinishPipeline(other, "success"))
			w.AddPipeline(w.Projects[1], gitlabtest.PipelineSpec{At: w.Now(), Jobs: []gitlabtest.JobSpec{{Name: "new"}}})
			h.server.ResetRequests()
			s := h.sync(t, importer.Options{Only: importer.ScopeOpen, Projects: []string{w.Projects[0].FullPath}})
			if s.Kind != importer.KindOpen || s.State != ci.SyncComplete {
				t.Errorf("the sync is %s and %s, want %s and complete", s.Kind, s.State, importer.KindOpen)
			}
			if got := h.requests(); got != 3 {
				t.Errorf("one open pipeline took %d requests, want 3: %v", got, h.server.RequestCount())
			}
			if got, want := h.statusOf(t, running, other), []string{"failed", "pending"}; !slices.Equal(got, want) {
				t.Errorf("the pipelines are stored as %v, want %v", got, want)
			}
			h.server.ResetRequests()
			h.sync(t, importer.Options{Only: importer.ScopeOpen})
			if got := h.requests(); got != 3 {
				t.Errorf("the pipeline that was left took %d requests, want 3: %v", got, h.server.RequestCount())
			}
			if got, want := h.statusOf(t, running, other), []string{"failed", "success"}; !slices.Equal(got, want) {
				t.Errorf("the pipelines are stored as %v, want %v", got, want)
			}
			if s := h.sync(t, importer.Options{Only: importer.ScopeOpen}); s.Requests != 0 {
				t.Errorf("with nothing open it took %d requests", s.Requests)
			}
			after := h.currency(t)
			for id, was := range before {
				now := after[id]
				if !now.SyncedTo.Equal(*was.SyncedTo) || !now.LastSyncedAt.Equal(*was.LastSyncedAt) {
					t.Errorf("project %d: the claim moved from %v to %v although no list was read", id, was.SyncedTo, now.SyncedTo)
				}
				if *now.OpenPipelines != 0 {
					t.Errorf("project %d: %d pipelines are followed, want 0", id, *now.OpenPipelines)
				}
			}
			h.sync(t, importer.Options{})
			h.compare(t)
		})
	}
}

// TestHookedPipelineIsOpen: what only a hook has told of is asked for.
func TestHookedPipelineIsOpen(t *testing.T) {
	h := newHarness(t, openDuckDB(t), smallWorld())
	h.sync(t, importer.Options{})
	if _, err := h.store.Apply(t.Context(), store.Batch{Pipelines: []ci.Pipeline{{
		InstanceID: h.source.Instance.ID, ID: 999, ProjectID: ci.ProjectID(h.server.World().Projects[0].ID), Status: ci.Success,
		RefType: "branch", TimePrecision: ci.Seconds, SyncedAt: today,
	}}}); err != nil {
		t.Fatal(err)
	}
	if s := h.sync(t, importer.Options{Only: importer.ScopeOpen}); s.Requests != 1 {
		t.Errorf("it took %d requests, want 1: GitLab does not know the pipeline", s.Requests)
	}
	h.compare(t)
}

// TestFirst visits what someone looks at before the rest.
func TestFirst(t *testing.T) {
	w := gitlabtest.Uniform(12, 1, 1)
	h := newHarness(t, openDuckDB(t), w)
	first := []string{strings.ToUpper(w.Projects[10].FullPath), "no/such/project"}
	h.server.Latency("GET /projects/:id/pipelines", time.Millisecond) // so that the first turns are under way together
	h.sync(t, importer.Options{First: first})
	var order []string
	for _, r := range h.server.Requests() {
		if r.Endpoint == "GET /projects/:id/pipelines" && !slices.Contains(order, r.Path) {
			order = append(order, r.Path)
		}
	}
	want := "/api/v4/projects/" + text(w.Projects[10].ID) + "/pipelines"
	if at := slices.Index(order, want); at < 0 || at >= 8 {
		t.Errorf("the project was visited as number %d of %d, want among the first that are visited together", at+1, len(order))
	}
	h.compare(t)
}

func TestContradictoryOptions(t *testing.T) {
	h := newHarness(t, openDuckDB(t), smallWorld())
	for _, o := range []importer.Options{{Only: "closed"}, {Only: importer.ScopeOpen, Full: true}} {
		_, err := h.importer.Sync(t.Context(), h.source, o, nil)
		var p *ci.Problem
		if !errors.As(err, &p) || p.Code != ci.BadRequest {
			t.Errorf("%+v: got %v, want %s", o, err, ci.BadRequest)
		}
	}
	if got := h.requests(); got != 0 {
		t.Errorf("GitLab was asked %d times", got)
	}
}

// currency gives what the store says of how current each project is.
func (h *harness) currency(t *testing.T) map[ci.ProjectID]ci.ProjectSync {
	t.Helper()
	syncs, err := h.store.ProjectSyncs(t.Context(), h.source.Instance.ID)
	h.must(t, err)
	return syncs
}

// statusOf gives the stored status of pipelines; empty for one that is not stored.
func (h *harness) statusOf(t *testing.T, list ...*gitlabtest.Pipeline) []string {
	t.Helper()
	got := stored(t.Context(), t, h.store)["pipelines"]
	words := make([]string, len(list))
	for i, pl := range list {
		words[i] = got[text(pl.ID)]["status"]
	}
	return words
}

func (h *harness) must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
