package importer_test

import (
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
)

// TestHistoryInSlices reads history in turns of a few seconds each: every turn
// brings what has just happened, none loses anything, and they come to an end.
func TestHistoryInSlices(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		plan  string
		slice time.Duration
	}{
		"documented": {importer.PlanDocumented, 8 * time.Second},
		"graphql":    {importer.PlanGraphQL, 6 * time.Second},
		"no time":    {importer.PlanGraphQL, time.Nanosecond}, // every turn gains something all the same
	} {
		t.Run(name, func(t *testing.T) {
			w := gitlabtest.Generate(7, gitlabtest.Size{Groups: 2, Projects: 5, PipelinesPerProject: 30, JobsPerPipeline: 2, Days: 80})
			h := newHarness(t, openDuckDB(t), w)
			var looks atomic.Int64 // a clock that moves a little whenever somebody looks
			h.importer = importer.New(importer.Config{Log: slog.New(slog.DiscardHandler), Store: h.store, Now: func() time.Time {
				return w.Now().Add(time.Duration(looks.Add(1)) * 100 * time.Millisecond)
			}})
			var from map[ci.ProjectID]ci.ProjectSync
			turns := 0
			for paused := true; paused; turns++ {
				if turns == 60 {
					t.Fatal("history does not come to an end")
				}
				news := w.AddPipeline(w.Projects[turns%5], gitlabtest.PipelineSpec{At: w.Now(), Jobs: []gitlabtest.JobSpec{{Name: "new"}}})
				s := h.sync(t, importer.Options{Plan: tt.plan, History: tt.slice})
				if s.State != ci.SyncPaused && s.State != ci.SyncIncomplete { // one project of this world refuses
					t.Fatalf("a slice ended %s", s.State)
				}
				paused = s.State == ci.SyncPaused
				read := from[ci.ProjectID(news.ProjectID)].SyncedTo != nil // before this turn: then it is no history
				if got := h.statusOf(t, news); read && got[0] != news.Status {
					t.Errorf("turn %d did not bring what had just happened: %q, want %q", turns, got[0], news.Status)
				}
				now := h.currency(t)
				for id, was := range from {
					if was.BackfilledFrom != nil && now[id].BackfilledFrom.After(*was.BackfilledFrom) {
						t.Errorf("turn %d, project %d: history goes back to %v, and went back to %v", turns, id, now[id].BackfilledFrom, was.BackfilledFrom)
					}
				}
				from = now
			}
			if turns < 3 {
				t.Errorf("all of it came in %d turns: the slices are none", turns)
			}
			h.compare(t)
		})
	}
}

// TestOldOpenPipelines leaves those that have been open for long to another
// sync, whatever it is that asks.
func TestOldOpenPipelines(t *testing.T) {
	for engine, open := range engines {
		t.Run(engine, func(t *testing.T) {
			w := smallWorld()
			old := w.StartPipeline(w.Projects[0], gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "slow"}}})
			h := newHarness(t, open(t), w)
			h.server.Advance(48 * time.Hour)
			young := w.StartPipeline(w.Projects[0], gitlabtest.PipelineSpec{At: w.Now(), Jobs: []gitlabtest.JobSpec{{Name: "slow"}}})
			h.sync(t, importer.Options{})
			f, err := h.importer.Following(t.Context(), h.source.Connection, h.source.Instance.ID)
			h.must(t, err)
			if f.Pipelines != 2 || !f.Youngest.Equal(young.CreatedAt.Truncate(time.Millisecond)) {
				t.Errorf("following %+v, want 2, the youngest of %v", f, young.CreatedAt)
			}
			since := w.Now().Add(-24 * time.Hour)
			for _, o := range []importer.Options{{Only: importer.ScopeOpen, OpenSince: since}, {OpenSince: since}} {
				h.server.ResetRequests()
				h.sync(t, o)
				if n := h.server.RequestCount()["GET /projects/:id/pipelines/:id"]; n != 1 {
					t.Errorf("%+v asked for %d pipelines, want the young one alone", o, n)
				}
			}
			h.must(t, w.FinishPipeline(old, "success")) // its updated_at moves: the list brings it, old or not
			h.sync(t, importer.Options{OpenSince: since})
			if got := h.statusOf(t, old); got[0] != "success" {
				t.Errorf("the old one is stored as %s", got[0])
			}
			h.sync(t, importer.Options{})
			h.compare(t)
		})
	}
	h := newHarness(t, openDuckDB(t), smallWorld())
	if f, err := h.importer.Following(t.Context(), h.source.Connection, h.source.Instance.ID); err != nil || f != (importer.Following{}) {
		t.Errorf("before any sync: %+v, %v", f, err)
	}
}
