package metric

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store"
)

// TestMeasuredIsRaw imports a made-up world in pieces and in any order, changes
// and deletes some of it, maps it anew, and measures now and then in between as
// much as it happens to. Whatever is asked then, the measured answer is the one
// that the statement over published tables gives.
func TestMeasuredIsRaw(t *testing.T) {
	onBoth(t, func(t *testing.T, open func() *store.Store) {
		rapid.Check(t, func(rt *rapid.T) {
			w := drawWorld(rt)
			s := open()
			moveWorld(rt, t, w, s)
			e, raw := twoEngines(rt, s)
			q := Query{
				TZ:   rapid.SampledFrom([]string{"UTC", "UTC", "Africa/Abidjan", "Europe/Berlin"}).Draw(rt, "tz"),
				From: rapid.SampledFrom([]string{"2026-10-01", "2026-10-24T22:00:00Z", "2026-10-25T01:00:00Z", "30d"}).Draw(rt, "from"),
				To:   rapid.SampledFrom([]string{"", "2026-11-02", "2026-11-20T12:33:22Z", "2026-11-30"}).Draw(rt, "to"),
			}
			if rapid.Bool().Draw(rt, "children") {
				q.Include = []string{"children"}
			}
			for i := range e.metrics {
				m := &e.metrics[i]
				if m.measured == "" {
					continue
				}
				for _, by := range slices.Concat([]Dim{""}, m.divides()) {
					for _, where := range []string{"", "project=acme/shop", "service=shop"} {
						q.Metric, q.By, q.Where = m.name, nil, nil
						if by != "" {
							q.By = []string{string(by)}
						}
						if where != "" {
							q.Where = []string{where}
						}
						sameAnswers(rt, e, raw, q)
						if where == "" && m.alone.why == "" {
							q.Compare = "previous"
							sameAnswers(rt, e, raw, q)
							q.Compare = ""
						}
					}
				}
			}
			sameSeries(rt, e, q)
		})
	})
}

// Every second statement belongs to a metric, and leaves no mark of ours.
func TestMeasuredStatements(t *testing.T) {
	names, err := fs.Glob(files, "sql/measured/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	e := engineOf(t, append(list(), findings()...), files)
	for _, name := range names {
		m, err := e.named(strings.TrimSuffix(path.Base(name), ".sql"))
		if err != nil {
			t.Error(err)
			continue
		}
		q, err := e.read(m, Query{Metric: m.name, Where: []string{"project=a"}})
		if err != nil {
			t.Fatal(err)
		}
		if !q.fitsMeasured() {
			t.Errorf("%s does not fit its usual question", name)
		}
		sql, err := q.renderMeasured(files)
		if err != nil {
			t.Fatal(err)
		}
		for _, mark := range []string{"local_day(", " seconds(", "/*", "{", ":from", ":to", ":whole", ":first", ":after"} {
			if strings.Contains(sql, mark) {
				t.Errorf("%s: %s is left in\n%s", name, mark, sql)
			}
		}
	}
}

// What the second statement cannot answer is left to the first.
func TestMeasuredFits(t *testing.T) {
	e := engineOf(t, list(), files)
	for _, test := range []struct {
		query Query
		fits  bool
	}{
		{Query{Metric: "flaky_jobs"}, true},
		{Query{Metric: "flaky_jobs", TZ: "Europe/Berlin", By: []string{"day"}}, true},
		{Query{Metric: "flaky_jobs", Where: []string{"deleted=false"}}, false},
		{Query{Metric: "flaky_jobs", From: "2026-11-20T01:00:00Z", To: "2026-11-21T23:00:00Z"}, false},
		{Query{Metric: "flaky_jobs", From: "2026-11-20T01:00:00Z", To: "2026-11-22"}, true},
		{Query{Metric: "change_points", Where: []string{"project=a", "base_name=b"}}, true},
		{Query{Metric: "change_points", Where: []string{"ref=main"}}, false},
		{Query{Metric: "change_points", Include: []string{"children"}}, false},
		{Query{Metric: "change_points", TZ: "Europe/Berlin"}, false},
		{Query{Metric: "change_points", TZ: "Europe/London", From: "2026-11-01"}, true},
		{Query{Metric: "change_points", TZ: "Europe/London", From: "2026-10-20"}, false},
		{Query{Metric: "critical_path", TZ: "Europe/Berlin", From: "1h", Where: []string{"ref=main"}}, true},
		{Query{Metric: "critical_path", Run: "1/1"}, false},
	} {
		m, err := e.named(test.query.Metric)
		if err != nil {
			t.Fatal(err)
		}
		q, err := e.read(m, test.query)
		if err != nil {
			t.Fatal(err)
		}
		if q.fitsMeasured() != test.fits {
			t.Errorf("%+v: %v", test.query, !test.fits)
		}
	}
}

// moveWorld brings a world into the store as imports do: piece by piece, with
// later versions of rows, and with deletions.
func moveWorld(rt *rapid.T, t *testing.T, w *world, s *store.Store) {
	shuffle := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "order"), 1))
	first := *w
	first.Pipelines, first.Jobs, first.Needs, first.Mapped = nil, nil, nil, nil
	first.load(t, s)
	var batches []store.Batch
	for i := range w.Pipelines {
		batches = append(batches, store.Batch{Pipelines: w.Pipelines[i : i+1]})
	}
	for i := range w.Jobs {
		batches = append(batches, store.Batch{Jobs: w.Jobs[i : i+1]})
	}
	for i := range w.Needs {
		batches = append(batches, store.Batch{JobNeeds: w.Needs[i : i+1]})
	}
	for _, i := range shuffle.Perm(len(w.Jobs))[:len(w.Jobs)/3] {
		j := w.Jobs[i]
		j.SyncedAt = j.SyncedAt.Add(time.Duration(1+shuffle.IntN(5)) * time.Second)
		j.Status = []ci.Status{ci.Success, ci.Failed, ci.Canceled}[shuffle.IntN(3)]
		if j.CreatedAt != nil {
			j.CreatedAt = new(j.CreatedAt.Add(time.Duration(shuffle.IntN(3)-1) * 20 * time.Hour))
		}
		batches = append(batches, store.Batch{Jobs: []ci.Job{j}})
	}
	for _, i := range shuffle.Perm(len(w.Pipelines))[:len(w.Pipelines)/3] {
		p := w.Pipelines[i]
		p.SyncedAt = p.SyncedAt.Add(time.Duration(1+shuffle.IntN(5)) * time.Second)
		p.SHA = []*string{nil, new("a"), new("b"), p.SHA}[shuffle.IntN(4)]
		batches = append(batches, store.Batch{Pipelines: []ci.Pipeline{p}})
	}
	for i := range w.Pipelines[:len(w.Pipelines)/5] {
		batches = append(batches, store.Batch{Deleted: []store.Tombstone{
			{Table: "pipelines", InstanceID: w.Pipelines[i].InstanceID, ID: int64(w.Pipelines[i].ID), At: worldNow.Add(time.Minute)},
		}})
	}
	shuffle.Shuffle(len(batches), func(i, j int) { batches[i], batches[j] = batches[j], batches[i] })
	for len(batches) > 0 {
		var batch store.Batch
		for _, one := range batches[:min(len(batches), 1+shuffle.IntN(12))] {
			batch.Pipelines = append(batch.Pipelines, one.Pipelines...)
			batch.Jobs = append(batch.Jobs, one.Jobs...)
			batch.JobNeeds = append(batch.JobNeeds, one.JobNeeds...)
			batch.Deleted = append(batch.Deleted, one.Deleted...)
			batches = batches[1:]
		}
		if _, err := s.Apply(t.Context(), batch); err != nil {
			rt.Fatal(err)
		}
		if shuffle.IntN(3) == 0 {
			if _, err := s.Measure(t.Context(), 1+shuffle.IntN(10)); err != nil {
				rt.Fatal(err)
			}
		}
	}
	if len(w.Mapped) > 0 {
		if err := s.Load(t.Context(), "pipeline_services", rowsOf(t, "pipeline_services", w.Mapped)); err != nil {
			rt.Fatal(err)
		}
	}
}

// twoEngines gives one that uses what is measured, and one that does not.
func twoEngines(t *rapid.T, s *store.Store) (measured, raw *Engine) {
	c := Config{Store: s, Now: func() time.Time { return worldNow }}
	measured, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err = New(c); err != nil {
		t.Fatal(err)
	}
	for i := range raw.metrics {
		raw.metrics[i].measured = ""
	}
	return measured, raw
}

func sameAnswers(t *rapid.T, measured, raw *Engine, q Query) {
	have, err := measured.Answer(t.Context(), q)
	if err != nil {
		t.Fatalf("%+v: %v", q, err)
	}
	want, err := raw.Answer(t.Context(), q)
	if err != nil {
		t.Fatalf("%+v: %v", q, err)
	}
	if fits := q.Metric != "change_points" || q.TZ != "Europe/Berlin" && q.Include == nil && !slices.Contains(q.Where, "service=shop"); have.Measured != fits || want.Measured {
		t.Fatalf("%+v: measured: %v, want %v", q, have.Measured, fits)
	}
	if have.SQL != want.SQL || have.Precision != want.Precision || len(have.Rows) != len(want.Rows) || fmt.Sprint(have.Columns) != fmt.Sprint(want.Columns) {
		t.Fatalf("%+v: have %v (%s), want %v (%s)", q, have.Rows, have.Precision, want.Rows, want.Precision)
	}
	for i := range want.Rows {
		sameCells(t, q, want.Rows[i].Cells, have.Rows[i].Cells)
		before, known := want.Rows[i].Previous, have.Rows[i].Previous
		if (before == nil) != (known == nil) {
			t.Fatalf("%+v: row %d has the previous %v, want %v", q, i, known, before)
		}
		if before != nil {
			sameCells(t, q, before.Cells, known.Cells)
		}
	}
}

func sameCells(t *rapid.T, q Query, want, have []Cell) {
	for j, cell := range want {
		_, isFloat := cell.Value.(float64)
		if other := have[j]; other.Name != cell.Name || other.Value != cell.Value && !(isFloat && sameNumber(other.Value, cell.Value)) {
			t.Fatalf("%+v: have %v, want %v", q, have, want)
		}
	}
}

// sameSeries compares what changes of level are looked for in: in made-up worlds
// hardly one is found.
func sameSeries(t *rapid.T, e *Engine, query Query) {
	query.Metric, query.By, query.Where, query.Include, query.TZ = "change_points", nil, nil, nil, "UTC"
	m, err := e.named(query.Metric)
	if err != nil {
		t.Fatal(err)
	}
	lists := map[bool][]string{}
	for _, measured := range []bool{true, false} {
		q, err := e.read(m, query)
		if err != nil {
			t.Fatal(err)
		}
		if !measured {
			q.measured = ""
		}
		err = e.store.View(t.Context(), func(v *store.View) error {
			sql, err := q.render(e.files)
			if err != nil {
				return err
			}
			return e.series(t.Context(), v, q, &result{sql: sql}, func(d *daily) {
				if err := d.unpack(); err != nil {
					t.Fatal(err)
				}
				lists[measured] = append(lists[measured], fmt.Sprint(d.instance, d.project, d.name, d.days, d.levels))
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(lists[measured])
	}
	if diff := cmp.Diff(lists[false], lists[true]); diff != "" {
		t.Fatalf("series (-raw +measured):\n%s", diff)
	}
}
