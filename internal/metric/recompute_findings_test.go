package metric

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store"
)

// TestRecomputeFindings lists clusters of failures and busy runners of made-up
// worlds a second time, in Go, and compares every cell, on both engines.
func TestRecomputeFindings(t *testing.T) {
	onBoth(t, func(t *testing.T, open func() *store.Store) {
		rapid.Check(t, func(rt *rapid.T) {
			w := drawWorld(rt)
			if rapid.Bool().Draw(rt, "crowded") {
				w.crowd()
			}
			for i := range w.Jobs {
				w.Jobs[i].WebURL = new(fmt.Sprintf("https://gitlab.example.com/jobs/%d", w.Jobs[i].ID))
			}
			s := open()
			w.load(t, s)
			e, err := New(Config{Store: s, Now: func() time.Time { return worldNow }})
			if err != nil {
				rt.Fatal(err)
			}
			q := Query{
				TZ:    rapid.SampledFrom([]string{"UTC", "America/New_York"}).Draw(rt, "tz"),
				From:  rapid.SampledFrom([]string{"2026-10-01", "2026-10-25", "30d"}).Draw(rt, "from"),
				To:    rapid.SampledFrom([]string{"", "2026-10-26", "2026-11-20T12:33:22Z"}).Draw(rt, "to"),
				Limit: rapid.SampledFrom([]int{1, 3, mostRows}).Draw(rt, "limit"),
			}
			ask := func(name string, by ...Dim) (Table, recount) {
				q.Metric, q.By = name, nil
				for _, d := range by {
					q.By = append(q.By, string(d))
				}
				table, err := e.Answer(t.Context(), q)
				if err != nil {
					rt.Fatalf("%+v: %v", q, err)
				}
				return table, recount{world: w, now: worldNow, window: table.Window, zone: table.Window.zone}
			}
			for _, by := range [][]Dim{{Project, BaseName, Stage, FailureReason}, {JobName, Runner}, {FailureClass}, {Day}, {RunnerTag}} {
				table, r := ask("failure_clusters", by...)
				sameRows(rt, q, table, r.clusters(by))
			}
			table, r := ask("busy_runners")
			sameRows(rt, q, table, r.runners())
		})
	})
}

// sameRows compares rows with what was computed in Go, up to the limit. They
// need not tell all that the rows do.
func sameRows(t *rapid.T, q Query, table Table, want []map[string]any) {
	want = want[:min(q.Limit, len(want))]
	if len(table.Rows) != len(want) {
		t.Fatalf("%+v: %d rows, want %d\n%v\nwant %v\n%s", q, len(table.Rows), len(want), table.Rows, want, table.SQL)
	}
	for i := range want {
		for name, value := range want[i] {
			have := table.Rows[i].Value(name)
			_, isFloat := have.(float64)
			if fmt.Sprint(have) != fmt.Sprint(value) && (!isFloat || !sameNumber(have, value)) {
				t.Fatalf("%+v: row %d: %s is %v, want %v\n%v\n%s", q, i, name, have, value, table.Rows[i].Cells, table.SQL)
			}
		}
	}
}

// cluster is failures that are one and the same.
type cluster struct {
	shown []shownValue
	jobs  []counted // in order
}

func (r *recount) clusters(by []Dim) []map[string]any {
	failed, _ := r.population("failures")
	slices.SortFunc(failed, inLine)
	all := map[string]*cluster{}
	for _, c := range failed {
		for _, shown := range r.combinations(c, by) {
			key := fmt.Sprintf("%q", shown)
			if all[key] == nil {
				all[key] = &cluster{shown: shown}
			}
			all[key].jobs = append(all[key].jobs, c)
		}
	}
	list := make([]*cluster, 0, len(all))
	for _, c := range all {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *cluster) int {
		return cmp.Or(cmp.Compare(len(b.jobs), len(a.jobs)), b.jobs[len(b.jobs)-1].at.Compare(*a.jobs[len(a.jobs)-1].at),
			slices.CompareFunc(a.shown, b.shown, func(x, y shownValue) int {
				return cmp.Or(compareValue(x.value, y.value), strings.Compare(x.key, y.key))
			}))
	})
	rows := make([]map[string]any, len(list))
	for i, c := range list {
		rows[i] = r.tell(c, by)
	}
	return rows
}

// combinations gives what a thing counts under in an answer divided by several
// dimensions.
func (r *recount) combinations(c counted, by []Dim) [][]shownValue {
	list := [][]shownValue{nil}
	for _, r.by = range by {
		var longer [][]shownValue
		for _, begun := range list {
			for _, v := range r.values(c) {
				longer = append(longer, slices.Concat(begun, []shownValue{v}))
			}
		}
		list = longer
	}
	return list
}

func (r *recount) tell(c *cluster, by []Dim) map[string]any {
	first, last := c.jobs[0], c.jobs[len(c.jobs)-1]
	row := map[string]any{
		"n": len(c.jobs), "first_at": *first.at, "last_at": *last.at, "since_sha": shaOf(first), "good_sha": nil, "going": false, "ended_at": nil,
		"url": *last.job.WebURL,
	}
	for i, d := range by {
		row[string(d)] = c.shown[i].value
	}
	runners := map[ci.RunnerID]bool{}
	for _, f := range c.jobs {
		if f.job.RunnerID != nil {
			runners[*f.job.RunnerID] = true
		}
		var next *counted
		for _, p := range r.passes(f.job) {
			if inLine(p, f) > 0 {
				next = &p
				break
			}
			if f.job == first.job {
				row["good_sha"] = shaOf(p)
			}
		}
		if next == nil {
			row["going"] = true
		} else if ended, ok := row["ended_at"].(time.Time); !ok || ended.Before(*next.at) {
			row["ended_at"] = *next.at
		}
	}
	if row["going"] == true {
		row["ended_at"] = nil
	}
	row["runners"] = len(runners)
	if !slices.Contains(by, Runner) {
		row["runner"] = nil
		for id := range runners {
			if len(runners) == 1 {
				row["runner"] = int64(id)
			}
		}
	}
	return row
}

// passes gives when a job of a project passed since the window's beginning, in
// order.
func (r *recount) passes(failed *ci.Job) []counted {
	all := *r
	all.window.To = r.now.AddDate(1, 0, 0)
	list := all.jobs(func(c *counted) bool {
		j := c.job
		return j.InstanceID == failed.InstanceID && j.ProjectID == failed.ProjectID && j.Name == failed.Name && j.Status == ci.Success && !*j.Retried
	})
	slices.SortFunc(list, inLine)
	return list
}

func inLine(a, b counted) int { return cmp.Or(a.at.Compare(*b.at), cmp.Compare(a.job.ID, b.job.ID)) }

func shaOf(c counted) any {
	if c.pipeline == nil {
		return nil
	}
	return deref(c.pipeline.SHA)
}

// runners counts at every moment at which something changes.
func (r *recount) runners() []map[string]any {
	type runner struct {
		instance ci.InstanceID
		id       ci.RunnerID
	}
	taken := map[runner][]counted{}
	for _, c := range r.attempts(func(c *counted) bool {
		return c.job.RunnerID != nil && c.job.StartedAt != nil && c.job.StartedAt.Before(r.window.To)
	}) {
		key := runner{c.instance, *c.job.RunnerID}
		taken[key] = append(taken[key], c)
	}
	var rows []map[string]any
	for key, jobs := range taken {
		row := map[string]any{"key": key, "runner": int64(key.id), "n": len(jobs), "waited_minutes": 0.0, "saturation": nil, "busy": nil, "waiting": nil}
		rows = append(rows, row)
		begins := slices.MinFunc(jobs, func(a, b counted) int { return a.job.StartedAt.Compare(*b.job.StartedAt) }).job.StartedAt
		var queued, moments []float64
		var runs, waits [][2]float64 // in seconds since the first start
		stretch := 0.0
		for _, c := range jobs {
			ends := r.now
			if c.job.FinishedAt != nil {
				ends = *c.job.FinishedAt
			}
			if ends.After(r.window.To) {
				ends = r.window.To
			}
			start := c.job.StartedAt.Sub(*begins).Seconds()
			end := max(start, ends.Sub(*begins).Seconds())
			runs, moments, stretch = append(runs, [2]float64{start, end}), append(moments, start, end), max(stretch, end)
			if c.job.QueuedSeconds != nil {
				ready := max(0, start-*c.job.QueuedSeconds)
				queued, waits, moments = append(queued, *c.job.QueuedSeconds), append(waits, [2]float64{ready, start}), append(moments, ready)
				row["waited_minutes"] = row["waited_minutes"].(float64) + *c.job.QueuedSeconds/60
			}
		}
		row["p50_seconds"], row["p95_seconds"] = quantile(queued, 0.5), quantile(queued, 0.95)
		slices.Sort(moments)
		most, busy, waiting, lasted := 0, 0.0, 0.0, map[int]float64{}
		for i, from := range moments[:len(moments)-1] {
			to := moments[i+1]
			at := func(spans [][2]float64) (n int) {
				for _, span := range spans {
					if span[0] <= from && from < span[1] {
						n++
					}
				}
				return n
			}
			n := at(runs)
			most = max(most, n)
			lasted[n] += to - from
			if n > 0 {
				busy += to - from
			}
			if at(waits) > 0 {
				waiting += to - from
			}
		}
		row["concurrency"] = most
		if stretch > 0 {
			row["busy"], row["waiting"] = busy/stretch, waiting/stretch
			if most > 0 {
				row["saturation"] = lasted[most] / stretch
			}
		}
	}
	slices.SortFunc(rows, func(a, b map[string]any) int {
		x, y := a["key"].(runner), b["key"].(runner)
		return cmp.Or(cmp.Compare(b["waited_minutes"].(float64), a["waited_minutes"].(float64)), cmp.Compare(x.instance, y.instance), cmp.Compare(x.id, y.id))
	})
	for _, row := range rows {
		delete(row, "key")
	}
	return rows
}
