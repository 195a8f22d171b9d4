package importer_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
)

// idleRound is what a round costs in which nothing happened, of a world with one
// group at its top and up to a hundred projects: the group, those below it, the
// newest projects; whether there is GraphQL, and a probe.
const idleRound = 5

// TestRound has one thing happen in a world that is stored, and wants the next
// round to find it, at no more than the requests that it is worth.
func TestRound(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, h *harness, w *settledWorld)
		most   int // requests of the round beyond an idle one
	}{
		{"nothing", func(*testing.T, *harness, *settledWorld) {}, 0},
		{"scheduled pipeline", func(_ *testing.T, _ *harness, w *settledWorld) { w.quietly("schedule") }, 6},
		{"pipeline by the API", func(_ *testing.T, _ *harness, w *settledWorld) { w.quietly("api") }, 6},
		{"first pipeline of a project", func(_ *testing.T, _ *harness, w *settledWorld) { w.add(w.Project("acme/empty"), "push") }, 5},
		{"first child of a project", func(_ *testing.T, _ *harness, w *settledWorld) { w.add(w.Project("acme/a"), "parent_pipeline") }, 5},
		{"child alone", func(t *testing.T, h *harness, w *settledWorld) {
			_, err := w.RetryJob(w.child, w.child.Jobs[0], nil)
			h.must(t, err)
			h.must(t, w.FinishPipeline(w.child, "success"))
		}, 5},
		{"new external pipeline", func(_ *testing.T, _ *harness, w *settledWorld) {
			w.AddPipeline(w.Project("acme/outside"), gitlabtest.PipelineSpec{At: w.Now(), Source: "external", NullUpdated: true, Status: "success"})
		}, 5},
		{"external pipeline alone", func(_ *testing.T, _ *harness, w *settledWorld) { w.Edit(func() { w.external.Status = "failed" }) }, 5},
		{"external pipeline deleted", func(t *testing.T, h *harness, w *settledWorld) { h.must(t, w.DeletePipeline(w.external)) }, 4},
		{"manual job played after weeks", func(t *testing.T, h *harness, w *settledWorld) {
			h.server.Advance(21 * 24 * time.Hour)
			h.must(t, w.PlayJob(w.manual, w.manual.Jobs[1], nil))
			h.must(t, w.FinishPipeline(w.manual, "failed"))
		}, 5},
		{"old pipeline retried", func(t *testing.T, h *harness, w *settledWorld) {
			old := w.Project("acme/a").Pipelines[0]
			_, err := w.RetryJob(old, old.Jobs[0], nil)
			h.must(t, err)
			h.must(t, w.FinishPipeline(old, "failed"))
		}, 5},
		{"new project", func(_ *testing.T, _ *harness, w *settledWorld) { w.add(w.AddProject("acme/new"), "push") }, 8},
		{"new project in a new group", func(_ *testing.T, _ *harness, w *settledWorld) { w.add(w.AddProject("acme/below/new"), "push") }, 8},
		{"renamed", func(t *testing.T, h *harness, w *settledWorld) {
			h.must(t, w.MoveProject(w.Project("acme/a"), "acme/renamed"))
		}, 3},
		{"moved", func(t *testing.T, h *harness, w *settledWorld) {
			h.must(t, w.MoveProject(w.Project("acme/a"), "acme/sub/a"))
		}, 3},
		{"deleted", func(_ *testing.T, _ *harness, w *settledWorld) { w.DeleteProject(w.Project("acme/a")) }, 4},
		{"deleted, and another one made", func(_ *testing.T, _ *harness, w *settledWorld) {
			w.DeleteProject(w.Project("acme/a"))
			w.add(w.AddProject("acme/new"), "push")
		}, 9},
		{"archived", func(_ *testing.T, _ *harness, w *settledWorld) { w.ArchiveProject(w.Project("acme/a"), true) }, 1},
		{"given another name", func(_ *testing.T, _ *harness, w *settledWorld) {
			p := w.Project("acme/a")
			w.Edit(func() { p.Name = "Apples" })
		}, 1},
		{"given topics", func(_ *testing.T, _ *harness, w *settledWorld) {
			p := w.Project("acme/a")
			w.Edit(func() { p.Topics = []string{"x"} })
		}, 1},
		{"active", func(_ *testing.T, _ *harness, w *settledWorld) {
			p := w.Project("acme/a")
			active := w.Now().Truncate(time.Hour).Add(789 * time.Millisecond)
			w.Edit(func() { p.LastActivityAt = active })
		}, 0},
		{"CI switched off", func(_ *testing.T, _ *harness, w *settledWorld) { w.SetBuildsAccess(w.Project("acme/a"), "disabled") }, 1},
		{"CI switched on", func(_ *testing.T, _ *harness, w *settledWorld) { w.SetBuildsAccess(w.Project("acme/off"), "enabled") }, 4},
		{"group renamed", func(_ *testing.T, _ *harness, w *settledWorld) {
			g := w.Group("acme/sub")
			w.Edit(func() { g.Name = "Submarine" })
		}, 3},
		{"every pipeline is retried", func(t *testing.T, h *harness, w *settledWorld) {
			for _, p := range w.Projects {
				for _, pl := range p.Pipelines {
					if pl.Source == "push" && pl.Jobs[0].Status == "success" {
						_, err := w.RetryJob(pl, pl.Jobs[0], nil)
						h.must(t, err)
						h.must(t, w.FinishPipeline(pl, "success"))
					}
				}
			}
		}, 40},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newSettledWorld()
			h := newHarness(t, openDuckDB(t), w.World)
			h.settle(t)
			before := h.currency(t)
			h.server.Advance(time.Minute)
			tt.change(t, h, w)
			h.server.Advance(5 * time.Minute)
			h.server.ResetRequests()
			s := h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
			if got, most := h.requests(), idleRound+tt.most; got > most {
				t.Errorf("the round took %d requests, want at most %d: %v", got, most, h.server.RequestCount())
			}
			if s.State != ci.SyncComplete {
				t.Errorf("the round ended %s", s.State)
			}
			h.compare(t)
			for id, now := range h.currency(t) {
				if gone := w.projectByID(int64(id)) == nil; gone || w.projectByID(int64(id)).BuildsAccess == "disabled" {
					continue
				}
				if was, ok := before[id]; ok && was.SyncedTo != nil && !now.SyncedTo.Equal(w.Now().Add(-time.Minute)) {
					t.Errorf("project %d is complete to %v, want a minute before GitLab's clock, %v", id, now.SyncedTo, w.Now())
				}
			}
		})
	}
}

// TestLateChanges: what is played or retried after weeks raises updated_at, and
// the next round finds it by every plan.
func TestLateChanges(t *testing.T) {
	for _, plan := range []string{importer.PlanDocumented, importer.PlanKeyset, importer.PlanGraphQL} {
		t.Run(plan, func(t *testing.T) {
			w := newSettledWorld()
			h := newHarness(t, openDuckDB(t), w.World)
			for range 2 {
				h.sync(t, importer.Options{Plan: plan})
				h.server.Advance(21 * 24 * time.Hour)
			}
			h.must(t, w.PlayJob(w.manual, w.manual.Jobs[1], nil))
			h.must(t, w.FinishPipeline(w.manual, "success"))
			for _, old := range []*gitlabtest.Pipeline{w.Project("acme/a").Pipelines[0], w.child} {
				_, err := w.RetryJob(old, old.Jobs[1], nil)
				h.must(t, err)
			}
			h.sync(t, importer.Options{Plan: plan})
			h.compare(t)
		})
	}
}

// TestIdleRound counts what nothing costs where there is much: 1,000 projects.
func TestIdleRound(t *testing.T) {
	t.Parallel()
	w := gitlabtest.Uniform(1000, 1, 1)
	w.SetNow(today)
	w.Edit(func() {
		for _, p := range w.Projects {
			p.Pipelines[0].UpdatedAt = new(today.Add(-2 * time.Hour))
		}
	})
	h := newHarness(t, openDuckDB(t), w)
	h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
	for round := range 2 {
		h.server.Advance(10 * time.Minute)
		h.server.ResetRequests()
		s := h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
		if got := h.requests(); got > 20 || s.Requests != int64(got) {
			t.Errorf("idle round %d took %d requests and says %d, want at most 20: %v", round, got, s.Requests, h.server.RequestCount())
		}
	}
	for id, now := range h.currency(t) {
		if !now.SyncedTo.Equal(w.Now().Add(-time.Minute)) {
			t.Fatalf("project %d is complete to %v, want a minute before %v", id, now.SyncedTo, w.Now())
		}
	}
	changed := w.AddPipeline(w.Projects[500], gitlabtest.PipelineSpec{At: w.Now().Add(-time.Second), Jobs: []gitlabtest.JobSpec{{Name: "a"}}})
	h.server.ResetRequests()
	h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
	if got := h.requests(); got > 20 {
		t.Errorf("one changed project took %d requests, want at most 20: %v", got, h.server.RequestCount())
	}
	if got := h.statusOf(t, changed); got[0] != "success" {
		t.Errorf("the pipeline is stored as %q", got)
	}
}

// TestChangeWithinTheSecond: GraphQL cuts times to seconds, so a change in the
// second of the version that is stored looks like that version.
func TestChangeWithinTheSecond(t *testing.T) {
	w := newSettledWorld()
	h := newHarness(t, openDuckDB(t), w.World)
	h.settle(t)
	pl := w.add(w.Project("acme/a"), "push")
	second := w.Now().Truncate(time.Second)
	w.Edit(func() { pl.UpdatedAt = new(second.Add(100 * time.Millisecond)) })
	h.sync(t, importer.Options{Plan: importer.PlanGraphQL}) // GitLab's clock shows that very second
	w.Edit(func() {
		pl.UpdatedAt, pl.Name = new(second.Add(800*time.Millisecond)), new("named in the same second")
	})
	h.server.Advance(10 * time.Minute)
	h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
	h.compare(t)
	h.server.Advance(10 * time.Minute)
	h.server.ResetRequests()
	h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
	if got := h.requests(); got != idleRound {
		t.Errorf("once the second is long over a round takes %d requests, want %d: %v", got, idleRound, h.server.RequestCount())
	}
}

// TestDeletionInAQuietProject shows in no probe: the count finds it, when it is
// the project's turn.
func TestDeletionInAQuietProject(t *testing.T) {
	for engine, open := range engines {
		t.Run(engine, func(t *testing.T) {
			w := newSettledWorld()
			h := newHarness(t, open(t), w.World)
			now := time.Now()
			h.importer = importer.New(importer.Config{Log: slog.New(slog.DiscardHandler), Store: h.store, Now: func() time.Time { return now }})
			h.settle(t)
			h.must(t, w.DeletePipeline(w.Project("acme/a").Pipelines[0]))
			h.must(t, w.DeletePipeline(w.child))
			now = now.Add(time.Hour)
			h.server.Advance(time.Hour)
			h.server.ResetRequests()
			h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
			if got := h.requests(); got != idleRound {
				t.Errorf("before its turn the round took %d requests, want %d: %v", got, idleRound, h.server.RequestCount())
			}
			now = now.Add(6 * time.Hour)
			h.server.Advance(6 * time.Hour)
			h.server.ResetRequests()
			h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
			if got, want := h.requests(), idleRound+1+2*3; got != want { // the count; in two projects a list, which is then read twice
				t.Errorf("the count took %d requests, want %d: %v", got, want, h.server.RequestCount())
			}
			h.compare(t)
			now = now.Add(time.Hour)
			h.server.Advance(time.Hour)
			h.server.ResetRequests()
			h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
			if got := h.requests(); got != idleRound {
				t.Errorf("the round after it took %d requests, want %d: %v", got, idleRound, h.server.RequestCount())
			}
		})
	}
}

// TestDeletionBesideOpenPipelines shows in no probe either, and the visit for
// what is open reads no list whose X-Total would tell.
func TestDeletionBesideOpenPipelines(t *testing.T) {
	w := newSettledWorld()
	w.AddPipeline(w.Project("acme/a"), gitlabtest.PipelineSpec{At: today.Add(-20 * time.Hour), Jobs: []gitlabtest.JobSpec{{Name: "build", Status: "running"}}})
	h := newHarness(t, openDuckDB(t), w.World)
	now := time.Now()
	h.importer = importer.New(importer.Config{Log: slog.New(slog.DiscardHandler), Store: h.store, Now: func() time.Time { return now }})
	h.settle(t)
	h.must(t, w.DeletePipeline(w.Project("acme/a").Pipelines[0]))
	now = now.Add(7 * time.Hour)
	h.server.Advance(7 * time.Hour)
	h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
	h.compare(t)
}

// TestProbeThatFails costs the lists, and no row.
func TestProbeThatFails(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]gitlabtest.FaultKind{
		"timed out": gitlabtest.GraphQLTimeout, "too complex": gitlabtest.GraphQLComplex, "null": gitlabtest.GraphQLNull,
		"unavailable": gitlabtest.Unavailable, "HTML": gitlabtest.HTMLPage, "garbage": gitlabtest.GarbageJSON, "forbidden": gitlabtest.Forbidden,
	} {
		for _, only := range []bool{false, true} { // always, or only where all projects are asked about at once
			t.Run(fmt.Sprintf("%s once=%t", name, only), func(t *testing.T) {
				w := newSettledWorld()
				h := newHarness(t, openDuckDB(t), w.World)
				h.settle(t)
				asked := 0
				h.server.Fault(func(_ int, r *http.Request) gitlabtest.Fault {
					if r.URL.Path != "/api/graphql" {
						return gitlabtest.Fault{}
					}
					if asked++; asked == 1 || only && asked > 2 {
						return gitlabtest.Fault{}
					}
					return gitlabtest.Fault{Kind: fault, Field: "projects"}
				})
				w.quietly("schedule")
				h.server.Advance(time.Minute)
				s := h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
				if s.State != ci.SyncComplete {
					t.Errorf("the round ended %s", s.State)
				}
				h.compare(t)
				rows, err := h.store.SyncErrors(t.Context(), s.ID)
				h.must(t, err)
				fell := slices.ContainsFunc(rows, func(e ci.SyncError) bool { return e.Code == string(ci.PlanFallback) })
				if !only && !fell {
					t.Errorf("sync_errors %v, want a %s", rows, ci.PlanFallback)
				}
			})
		}
	}
}

// TestProjectThatBecomesForbidden is recorded by every round, and asked for its
// lists only when that may have changed.
func TestProjectThatBecomesForbidden(t *testing.T) {
	w := newSettledWorld()
	h := newHarness(t, openDuckDB(t), w.World)
	h.settle(t)
	p := w.Project("acme/a")
	w.Forbid(p, true)
	for _, want := range []int{idleRound + 1, idleRound} {
		h.server.ResetRequests()
		s := h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
		if got := h.requests(); got != want {
			t.Errorf("the round took %d requests, want %d: %v", got, want, h.server.RequestCount())
		}
		if s.State != ci.SyncIncomplete {
			t.Errorf("the round ended %s, want %s", s.State, ci.SyncIncomplete)
		}
		h.wantErrors(t, s, fmt.Sprintf("%s %d", ci.ProjectForbidden, p.ID))
		h.compare(t)
	}
	w.Forbid(p, false)
	if s := h.sync(t, importer.Options{Plan: importer.PlanGraphQL}); s.State != ci.SyncComplete {
		t.Errorf("once it may be read the round ended %s", s.State)
	}
	h.compare(t)
}

// TestWhatIsOwedIsVisited: a wider horizon, and what a person names.
func TestWhatIsOwedIsVisited(t *testing.T) {
	w := newSettledWorld()
	h := newHarness(t, openDuckDB(t), w.World)
	h.source.Since = today.Add(-50 * time.Hour)
	h.settle(t)
	h.source.Since = time.Time{}
	h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
	h.compare(t)
	h.server.ResetRequests()
	h.sync(t, importer.Options{Plan: importer.PlanGraphQL, Projects: []string{"acme/a"}})
	if got := h.server.RequestCount()["GET /projects/:id/pipelines"]; got != 3 {
		t.Errorf("a named project had %d of its lists read, want 3", got)
	}
}

// TestTwoTokensProveTheirOwn: each connection proves what it has seen itself.
func TestTwoTokensProveTheirOwn(t *testing.T) {
	w := newSettledWorld()
	h := newHarness(t, openDuckDB(t), w.World)
	h.settle(t)
	narrow := *h
	narrow.source.Connection = 2
	narrow.source.Groups = []string{"acme/sub"}
	narrow.settle(t)
	h.server.ResetRequests()
	narrow.sync(t, importer.Options{Plan: importer.PlanGraphQL})
	if got := h.requests(); got != idleRound {
		t.Errorf("an idle round of the narrow connection took %d requests, want %d: %v", got, idleRound, h.server.RequestCount())
	}
	h.must(t, w.MoveProject(w.Project("acme/a"), "acme/sub/a")) // comes in, with a low id
	narrow.sync(t, importer.Options{Plan: importer.PlanGraphQL})
	reach, err := h.store.Reach(t.Context(), 2)
	h.must(t, err)
	if want := []ci.ProjectID{ci.ProjectID(w.Project("acme/sub/a").ID), ci.ProjectID(w.Project("acme/sub/manual").ID)}; !slices.Equal(reach.Projects, want) {
		t.Errorf("the narrow connection sees %v, want %v", reach.Projects, want)
	}
	h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
	h.compare(t)
}

// settledWorld is a world in which nothing runs, with one of everything that a
// round must notice.
type settledWorld struct {
	*gitlabtest.World
	child, external, manual *gitlabtest.Pipeline
}

func newSettledWorld() *settledWorld {
	w := &settledWorld{World: gitlabtest.NewWorld()}
	w.SetNow(today)
	w.AddRunner("shared")
	at := func(hours int) time.Time { return today.Add(-time.Duration(hours) * time.Hour) }
	jobs := []gitlabtest.JobSpec{{Name: "build", Stage: "build", Took: time.Minute}, {Name: "test", Took: time.Minute}}
	a := w.AddProject("acme/a")
	for i := range 3 {
		w.AddPipeline(a, gitlabtest.PipelineSpec{At: at(60 - i), Jobs: jobs})
	}
	family := w.AddProject("acme/family")
	parent := w.AddPipeline(family, gitlabtest.PipelineSpec{At: at(70), Jobs: jobs})
	w.child = w.AddPipeline(family, gitlabtest.PipelineSpec{At: at(69), Source: "parent_pipeline", Parent: parent, Jobs: jobs})
	outside := w.AddProject("acme/outside")
	w.external = w.AddPipeline(outside, gitlabtest.PipelineSpec{At: at(40), Source: "external", NullUpdated: true, Status: "success"})
	w.manual = w.AddPipeline(w.AddProject("acme/sub/manual"), gitlabtest.PipelineSpec{At: at(30), Jobs: []gitlabtest.JobSpec{
		jobs[0], {Name: "release", Stage: "deploy", Status: "manual", Manual: true, AllowFailure: true},
	}})
	w.AddProject("acme/empty")
	w.SetBuildsAccess(w.AddProject("acme/off"), "disabled")
	return w
}

// add adds a finished pipeline of now.
func (w *settledWorld) add(p *gitlabtest.Project, source string) *gitlabtest.Pipeline {
	spec := gitlabtest.PipelineSpec{At: w.Now(), Source: source, Jobs: []gitlabtest.JobSpec{{Name: "build", Stage: "build"}}}
	if source == "parent_pipeline" {
		spec.Parent = p.Pipelines[0]
	}
	return w.AddPipeline(p, spec)
}

// quietly adds a pipeline that leaves no trace in its project, as those do that
// nobody pushed for.
func (w *settledWorld) quietly(source string) {
	p := w.Project("acme/a")
	active := p.LastActivityAt
	w.add(p, source)
	w.Edit(func() { p.LastActivityAt = active })
}

func (w *settledWorld) projectByID(id int64) *gitlabtest.Project {
	for _, p := range w.Projects {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// settle imports the world, and lets enough time pass that the seconds in which
// something happened are over.
func (h *harness) settle(t *testing.T) {
	t.Helper()
	for range 2 {
		h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
		h.server.Advance(time.Hour)
	}
	if plan := h.sync(t, importer.Options{Plan: importer.PlanGraphQL}).Plan; plan != importer.PlanGraphQL {
		t.Fatalf("the plan is %s", plan)
	}
}
