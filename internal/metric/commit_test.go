package metric

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store"
)

// TestCommitsBeside asks for the commits beside any day of every series of
// made-up worlds, which hardly have a shift of their own, and looks for the same
// in Go.
func TestCommitsBeside(t *testing.T) {
	onBoth(t, func(t *testing.T, open func() *store.Store) {
		rapid.Check(t, func(rt *rapid.T) {
			w := drawWorld(rt)
			w.crowd()
			s := open()
			w.load(t, s)
			e, err := New(Config{Store: s, Now: func() time.Time { return worldNow }})
			if err != nil {
				rt.Fatal(err)
			}
			m, err := e.named("change_points")
			if err != nil {
				rt.Fatal(err)
			}
			q, err := e.read(m, Query{
				Metric: m.name, TZ: rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "America/New_York"}).Draw(rt, "tz"),
				From: rapid.SampledFrom([]string{"2026-10-01", "2026-10-25T03:00:00Z", "30d"}).Draw(rt, "from"),
			})
			if err != nil {
				rt.Fatal(err)
			}
			q.measured = ""
			err = s.View(t.Context(), func(v *store.View) error {
				sql, err := q.render(e.files)
				if err != nil {
					return err
				}
				var found []shift
				err = e.series(t.Context(), v, q, &result{sql: sql}, func(d *daily) {
					if rapid.Bool().Draw(rt, "shifts") {
						found = append(found, shift{d, ci.Shift{At: rapid.IntRange(0, d.length()-1).Draw(rt, "at")}})
					}
				})
				if err != nil {
					return err
				}
				have, err := e.commitsBeside(t.Context(), v, q, found)
				if err != nil {
					return err
				}
				r := recount{world: w, now: worldNow, window: q.window, zone: q.window.zone}
				for i, f := range found {
					want := commits{before: r.commit(f.series, max(0, f.At-1), -1), after: r.commit(f.series, f.At, 1)}
					if diff := cmp.Diff(want, have[i], cmp.AllowUnexported(commits{})); diff != "" {
						rt.Errorf("%+v, day %d (-want +got):\n%s", *f.series, f.At, diff)
					}
				}
				return nil
			})
			if err != nil {
				rt.Fatal(err)
			}
		})
	})
}

// crowd brings all that happened to three days of one project.
func (w *world) crowd() {
	first := time.Date(2026, 10, 24, 20, 0, 0, 0, time.UTC)
	move := func(at *time.Time) *time.Time {
		if at == nil {
			return nil
		}
		return new(first.Add(at.Sub(first).Abs() % (50 * time.Hour)))
	}
	for i := range w.Pipelines {
		w.Pipelines[i].ProjectID, w.Pipelines[i].CreatedAt = 1, move(w.Pipelines[i].CreatedAt)
	}
	for i := range w.Jobs {
		w.Jobs[i].ProjectID, w.Jobs[i].CreatedAt = 1, move(w.Jobs[i].CreatedAt)
	}
}

// commit gives the commit of what is first on a day of a series, or last where
// order is below 0.
func (r *recount) commit(d *daily, day, order int) any {
	here := func(c *counted) bool {
		return int64(c.instance) == d.instance && int64(c.project) == d.project && c.at.In(r.zone).Format(time.DateOnly) == d.day(day).Format(time.DateOnly)
	}
	items := r.runs(func(c *counted) bool { return here(c) && finished(c.pipeline) && c.pipeline.DurationSeconds != nil })
	id := func(c counted) int64 { return int64(c.pipelineID) }
	if d.name != nil {
		items = r.attempts(func(c *counted) bool {
			j := c.job
			return here(c) && j.BaseName == d.name && j.Status == ci.Success && !*j.Retried && ended(j) && j.DurationSeconds != nil
		})
		id = func(c counted) int64 { return int64(c.job.ID) }
	}
	slices.SortFunc(items, func(a, b counted) int {
		if c := a.at.Compare(*b.at); c != 0 {
			return order * c
		}
		return order * int(id(a)-id(b))
	})
	if p := items[0].pipeline; p != nil {
		return deref(p.SHA)
	}
	return nil
}
