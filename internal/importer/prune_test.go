package importer_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/importer"
)

// TestIdleRoundsArePruned polls a GitLab in which nothing happens for three
// weeks, and then once more after a month: of what found nothing, the last week
// is kept, and of what was before it the first.
func TestIdleRoundsArePruned(t *testing.T) {
	for engine, open := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, open(t), smallWorld())
			now := today
			h.importer = importer.New(importer.Config{Store: h.store, Now: func() time.Time { return now }})
			pass := func(d time.Duration) {
				now = now.Add(d)
				h.server.Advance(d)
			}
			count := func(where string) (n int64) {
				query(t, h.store, "SELECT count(*) FROM syncs WHERE "+where, func(row []any) { n = row[0].(int64) })
				return n
			}
			asked := h.sync(t, importer.Options{})
			for range 3 * 7 {
				pass(24 * time.Hour)
				h.sync(t, importer.Options{Polled: true})
				h.sync(t, importer.Options{Polled: true, Only: importer.ScopeOpen})
			}
			if got, most := count("polled"), int64(2*(7+2+1)); got > most || got < 2*7 {
				t.Errorf("after three weeks %d rounds have a row, want those of the last, 14, and few before", got)
			}
			week := fmt.Sprintf("started_at >= '%s'", now.Add(-7*24*time.Hour).Format(time.RFC3339))
			if got := count("kind = 'sync' AND " + week); got != 8 {
				t.Errorf("%d rounds of the last week have a row, want 8", got)
			}
			if got := count(fmt.Sprintf("id = %d", asked.ID)); got != 1 {
				t.Error("what a person asked for has gone")
			}
			pass(30 * 24 * time.Hour)
			last := h.sync(t, importer.Options{Polled: true})
			if got, most := count("polled"), int64(6); got > most {
				t.Errorf("a month later %d rounds have a row, want no more than %d", got, most)
			}
			if got, err := h.store.LastRound(t.Context(), h.source.Connection); err != nil || got.ID != last.ID {
				t.Errorf("the last round is %d, %v; want %d", got.ID, err, last.ID)
			}
		})
	}
}
