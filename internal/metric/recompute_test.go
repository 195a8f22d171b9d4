package metric

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store"
)

// TestRecompute computes every metric a second time, in Go, from the rows of
// made-up worlds, as doc/metrics.md says and without any SQL, and compares: every
// metric, undivided and by every dimension that fits, on both engines.
func TestRecompute(t *testing.T) {
	onBoth(t, func(t *testing.T, open func() *store.Store) {
		rapid.Check(t, func(rt *rapid.T) {
			w := drawWorld(rt)
			s := open()
			w.load(t, s)
			e, err := New(Config{Store: s, Now: func() time.Time { return worldNow }, Costs: worldCosts()})
			if err != nil {
				rt.Fatal(err)
			}
			q := Query{
				TZ:   rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "America/New_York"}).Draw(rt, "tz"),
				From: rapid.SampledFrom([]string{"2026-10-01", "2026-10-24", "2026-10-25", "30d", "2026-11-01"}).Draw(rt, "from"),
				To:   rapid.SampledFrom([]string{"", "2026-11-02", "2026-11-20T12:33:22Z", "2026-11-30"}).Draw(rt, "to"),
			}
			if rapid.Bool().Draw(rt, "children") {
				q.Include = []string{"children"}
			}
			for _, m := range e.metrics {
				if m.shape == shifted || m.shape == ranked {
					continue // a heuristic, held to planted series instead; findings are held to metrics
				}
				divided := slices.Concat([]Dim{""}, m.divides())
				if m.shape == onThePath {
					divided = m.divides() // always by base_name
				}
				for _, by := range divided {
					w.compare(rt, e, m.metric, q, by)
				}
			}
		})
	})
}

func worldCosts() *Costs {
	return &Costs{Currency: "EUR", Rules: []CostRule{
		{Match: CostMatch{RunnerTag: words{"gpu"}}, PerMinute: new(2.0)},
		{Match: CostMatch{RunnerType: words{"group_type"}, Group: words{"acme"}}, PerMinute: new(0.25)},
		{Match: CostMatch{Instance: words{"2"}, Project: words{"acme/shop"}}, PerMinute: new(0.0)},
	}}
}

// counted is something that a metric counts: what it is, where and when.
type counted struct {
	instance   ci.InstanceID
	project    ci.ProjectID
	pipeline   *ci.Pipeline
	pipelineID ci.PipelineID
	job        *ci.Job
	deployment *deploymentRow
	at         *time.Time
	coarse     bool
	label      string // of a bucket, in place of the time
	value      float64
	yes        bool
	maybe      *float64
}

// shownValue is a dimension's value, with what else tells it apart.
type shownValue struct {
	value any
	key   string
}

func (w *world) compare(t *rapid.T, e *Engine, m metric, q Query, by Dim) {
	q.Metric = m.name
	if by != "" {
		q.By = []string{string(by)}
	}
	table, err := e.Answer(t.Context(), q)
	if err != nil {
		t.Fatalf("%+v: %v", q, err)
	}
	r := recount{world: w, now: worldNow, window: table.Window, zone: table.Window.zone, children: len(q.Include) > 0, by: by}
	want := r.rows(m)
	fail := func(format string, args ...any) {
		t.Fatalf("%+v: %s\nwant %v\nhave %v\n%s", q, fmt.Sprintf(format, args...), want, table.Rows, table.SQL)
	}
	if len(want) != len(table.Rows) {
		fail("%d rows, want %d", len(table.Rows), len(want))
	}
	for i := range want {
		have := &table.Rows[i]
		if by != "" && fmt.Sprint(have.Cells[0].Value) != fmt.Sprint(want[i].shown.value) {
			fail("row %d is %v, want %v", i, have.Cells[0].Value, want[i].shown.value)
		}
		for name, value := range want[i].values {
			if !sameNumber(have.Value(name), value) {
				fail("row %d: %s is %v, want %v", i, name, have.Value(name), value)
			}
		}
	}
	if coarse := table.Precision == ci.Seconds; coarse != r.coarse && len(want) > 0 {
		fail("precision %s", table.Precision)
	}
}

func sameNumber(have any, want any) bool {
	if want == nil || have == nil {
		return want == nil && have == nil
	}
	return near(asFloat(have), asFloat(want))
}

func asFloat(v any) float64 {
	switch v := v.(type) {
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case float64:
		return v
	}
	return math.NaN()
}

// recount answers one question a second time.
type recount struct {
	*world
	now      time.Time
	window   Window
	zone     *time.Location
	children bool
	by       Dim
	coarse   bool // whether a row whose times are cut took part
}

type wantedRow struct {
	shown  shownValue
	values map[string]any
}

// rows divides what the metric counts, and aggregates each part.
func (r *recount) rows(m metric) []wantedRow {
	items, aggregate := r.population(m.name)
	for _, c := range items {
		r.coarse = r.coarse || c.coarse
	}
	if r.by == "" {
		return []wantedRow{{values: aggregate(items)}}
	}
	parts := map[string][]counted{}
	shown := map[string]shownValue{}
	for _, c := range items {
		for _, v := range r.values(c) {
			key := fmt.Sprintf("%v|%s", v.value, v.key)
			parts[key], shown[key] = append(parts[key], c), v
		}
	}
	var rows []wantedRow
	for key, part := range parts {
		values := aggregate(part)
		if values["n"] == 0 && (values["open"] == nil || values["open"] == 0) {
			continue
		}
		rows = append(rows, wantedRow{shown[key], values})
	}
	slices.SortFunc(rows, func(a, b wantedRow) int {
		if c := compareValue(a.shown.value, b.shown.value); c != 0 {
			return c
		}
		return cmp.Compare(a.shown.key, b.shown.key)
	})
	return rows
}

// values gives what a thing counts under.
func (r *recount) values(c counted) []shownValue {
	one := func(v any) []shownValue { return []shownValue{{value: v}} }
	keyed := func(v any, key ...any) []shownValue { return []shownValue{{v, fmt.Sprint(key...)}} }
	local := func() time.Time { return c.at.In(r.zone) }
	var project *ci.Project
	for i, p := range r.Projects {
		if p.InstanceID == c.instance && p.ID == c.project {
			project = &r.Projects[i]
		}
	}
	switch r.by {
	case Instance:
		return one(r.Instances[c.instance-1].BaseURL)
	case Project:
		if project == nil {
			return one(nil)
		}
		return keyed(project.FullPath, c.instance, project.ID)
	case Repository:
		if project == nil || project.RepositoryID == nil {
			return one(nil)
		}
		return keyed("repo/"+project.FullPath, c.instance)
	case Group:
		switch {
		case project == nil || project.GroupID == nil:
			return one(nil)
		case *project.GroupID == 11:
			return append(keyed("acme", c.instance), keyed("acme/web", c.instance)...)
		}
		return keyed("acme", c.instance)
	case Service, Owner:
		return r.servicesOf(c)
	case Ref:
		if c.pipeline == nil {
			return one(nil)
		}
		return one(deref(c.pipeline.Ref))
	case RefType:
		return one(string(c.pipeline.RefType))
	case DefaultBranch:
		return one(deref(c.pipeline.IsDefaultBranch))
	case Source:
		if c.pipeline.Source == nil {
			return one(nil)
		}
		return one(string(*c.pipeline.Source))
	case Status:
		if c.job != nil {
			return one(string(c.job.Status))
		}
		return one(string(c.pipeline.Status))
	case User:
		id := c.pipeline.UserID
		if c.job != nil {
			id = c.job.UserID
		}
		if id == nil || *id != 1 {
			return one(nil)
		}
		return keyed("ann", c.instance)
	case JobName:
		return one(c.job.Name)
	case BaseName:
		return one(c.job.BaseName)
	case Stage:
		return one(deref(c.job.Stage))
	case AllowFailure:
		return one(deref(c.job.AllowFailure))
	case Runner:
		if c.job.RunnerID == nil {
			return one(nil)
		}
		return keyed(int64(*c.job.RunnerID), c.instance)
	case RunnerType:
		if c.job.RunnerID == nil || *c.job.RunnerID != 7 {
			return one(nil)
		}
		return one("group_type")
	case RunnerTag:
		tags := slices.Compact(slices.Sorted(slices.Values(c.job.Tags)))
		if len(tags) == 0 {
			return one(nil)
		}
		var all []shownValue
		for _, tag := range tags {
			all = append(all, shownValue{value: tag})
		}
		return all
	case FailureReason:
		switch {
		case c.job != nil:
			return one(deref(c.job.FailureReason))
		case c.pipeline.FailureReason != nil:
			return one(*c.pipeline.FailureReason)
		case c.pipeline.YAMLErrors != nil:
			return one("config_error")
		}
		return one(nil)
	case FailureClass:
		if c.job.FailureReason == nil {
			return one("other")
		}
		return one(map[string]string{
			"script_failure": "code", "job_execution_timeout": "timeout", "runner_system_failure": "infrastructure",
			"ci_quota_exceeded": "configuration", "gremlins": "other",
		}[*c.job.FailureReason])
	case Environment:
		return one(c.deployment.Environment)
	case Tier:
		return one(deref(c.deployment.Tier))
	case HourOfWeek:
		return one(int64((int(local().Weekday())+6)%7*24 + local().Hour()))
	case Day, Week, Month:
		if c.label != "" {
			return one(c.label)
		}
		return one(dayOf(r.by, local()))
	}
	panic("no dimension " + r.by)
}

func dayOf(by Dim, local time.Time) string {
	switch by {
	case Week:
		local = local.AddDate(0, 0, -(int(local.Weekday())+6)%7)
	case Month:
		local = local.AddDate(0, 0, 1-local.Day())
	}
	return local.Format(time.DateOnly)
}

func (r *recount) servicesOf(c counted) []shownValue {
	var ids []int64
	if c.deployment != nil {
		if c.deployment.ServiceID != nil {
			ids = append(ids, *c.deployment.ServiceID)
		}
	} else {
		for _, m := range r.Mapped {
			if m.InstanceID == c.instance && m.PipelineID == c.pipelineID {
				ids = append(ids, m.ServiceID)
			}
		}
	}
	var all []shownValue
	for _, id := range ids {
		s := r.Services[id-1]
		v := shownValue{value: s.Identifier}
		if r.by == Owner {
			if s.Owner == nil {
				continue
			}
			v.value = *s.Owner
		}
		if !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return []shownValue{{}}
	}
	return all
}

func deref[T any](v *T) any {
	if v == nil {
		return nil
	}
	return *v
}

// Aggregates.

func rate(items []counted) map[string]any {
	hits := 0
	for _, c := range items {
		if c.yes {
			hits++
		}
	}
	return map[string]any{"n": len(items), "value": share(float64(hits), float64(len(items)))}
}

func share(part, whole float64) any {
	if whole == 0 {
		return nil
	}
	return part / whole
}

func sum(items []counted) map[string]any {
	total := 0.0
	for _, c := range items {
		total += c.value
	}
	return map[string]any{"n": len(items), "value": total}
}

func spread(items []counted) map[string]any {
	var list []float64
	for _, c := range items {
		list = append(list, c.value)
	}
	total := 0.0
	for _, v := range list {
		total += v
	}
	return map[string]any{
		"n": len(list), "p50": quantile(list, 0.5), "p75": quantile(list, 0.75), "p90": quantile(list, 0.9), "p95": quantile(list, 0.95),
		"p99": quantile(list, 0.99), "avg": share(total, float64(len(list))),
	}
}

// quantile interpolates linearly between the neighbours of rank q (n - 1).
func quantile(list []float64, q float64) any {
	if len(list) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(list))
	at := q * float64(len(sorted)-1)
	low := int(math.Floor(at))
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

func within(at *time.Time, from, to time.Time) bool {
	return at != nil && !at.Before(from) && at.Before(to)
}

func join(parts ...any) string {
	words := make([]string, len(parts))
	for i, p := range parts {
		words[i] = fmt.Sprint(p)
	}
	return strings.Join(words, "|")
}
