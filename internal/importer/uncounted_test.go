package importer_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
)

// TestDeletionInAnUncountedList has lists that are too long for GitLab to count.
// A deletion in one is found by GraphQL's count, by a sync that a person asks
// for where the list is short enough to be read whole, and within a day.
func TestDeletionInAnUncountedList(t *testing.T) {
	for _, tt := range []struct {
		name   string
		plan   string
		faults func(h *harness)
		wait   time.Duration
		asked  bool // by a person
		news   bool // so that the list is read, and not counted by GraphQL
		found  bool
	}{
		{name: "by GraphQL's count", plan: importer.PlanGraphQL, wait: 7 * time.Hour, found: true},
		{name: "by a person", plan: importer.PlanDocumented, wait: time.Hour, asked: true, found: true},
		{name: "by a person, beside news", plan: importer.PlanGraphQL, wait: time.Hour, asked: true, news: true, found: true},
		{name: "not yet", plan: importer.PlanDocumented, wait: 20 * time.Hour},
		{name: "within a day", plan: importer.PlanDocumented, wait: 25 * time.Hour, found: true},
		{name: "within a day, beside news", plan: importer.PlanGraphQL, wait: 25 * time.Hour, news: true, found: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newSettledWorld()
			h := newHarness(t, openDuckDB(t), w.World, gitlabtest.CountedUpTo(0))
			now := time.Now()
			h.importer = importer.New(importer.Config{Log: slog.New(slog.DiscardHandler), Store: h.store, Now: func() time.Time { return now }})
			h.sync(t, importer.Options{Plan: tt.plan})
			h.server.Advance(time.Hour)
			h.sync(t, importer.Options{Plan: tt.plan})
			gone := w.Project("acme/a").Pipelines[0]
			h.must(t, w.DeletePipeline(gone))
			now = now.Add(tt.wait)
			h.server.Advance(tt.wait)
			if tt.news {
				w.add(w.Project("acme/a"), "push")
			}
			h.sync(t, importer.Options{Plan: tt.plan, Recount: tt.asked})
			if tt.found {
				h.compare(t)
			}
			var left bool
			query(t, h.store, "SELECT count(*) FROM pipelines WHERE deleted_at IS NULL AND id = "+fmt.Sprint(gone.ID), func(row []any) { left = row[0].(int64) == 1 })
			if left == tt.found {
				t.Errorf("the pipeline is stored as there: %t", left)
			}
		})
	}
}
