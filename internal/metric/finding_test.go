package metric

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/internal/store"
)

// TestFindingsAgreeWithMetrics asks, of made-up worlds, what findings list and
// what metrics count of the same rows: the sums are the same, on both engines.
func TestFindingsAgreeWithMetrics(t *testing.T) {
	onBoth(t, func(t *testing.T, open func() *store.Store) {
		rapid.Check(t, func(rt *rapid.T) {
			w := drawWorld(rt)
			s := open()
			w.load(t, s)
			e, err := New(Config{Store: s, Now: func() time.Time { return worldNow }, Costs: worldCosts()})
			if err != nil {
				rt.Fatal(err)
			}
			zone := rapid.SampledFrom([]string{"UTC", "America/New_York"}).Draw(rt, "tz")
			ask := func(name string, by ...string) Table {
				q := Query{Metric: name, By: by, From: "2026-10-01", TZ: zone}
				if m, _ := e.named(name); m.shape == ranked {
					q.Limit = mostRows
				}
				table, err := e.Answer(t.Context(), q)
				if err != nil {
					rt.Fatalf("%s: %v", name, err)
				}
				return table
			}
			same := func(what string, have, want float64) {
				if !near(have, want) {
					rt.Errorf("%s is %v, want %v", what, have, want)
				}
			}

			same("failures in clusters", sumOf(ask("failure_clusters"), "n"), sumOf(ask("failures"), "n"))
			same("failures by runner", sumOf(ask("failure_clusters", "runner,failure_class"), "n"), sumOf(ask("failures"), "n"))

			broken, periods := ask("broken_default_branch"), ask("red_periods")
			same("red seconds", sumOf(periods, "red_seconds"), sumOf(broken, "value"))
			ended := slices.DeleteFunc(slices.Clone(periods.Rows), func(r Row) bool { return r.Value("red_to") == nil })
			same("red periods that ended", float64(len(ended)), sumOf(broken, "n"))
			same("red periods that are open", float64(len(periods.Rows)-len(ended)), sumOf(broken, "open"))

			flaky, attempts := ask("flaky_evidence"), ask("flaky_attempts")
			same("flaky groups", sumOf(flaky, "flaky"), sumOf(ask("flaky_jobs"), "value"))
			if (len(flaky.Rows) > 0) != (len(attempts.Rows) >= 2*len(flaky.Rows) && len(attempts.Rows) > 0) {
				rt.Errorf("%d attempts are the evidence of %d flaky jobs", len(attempts.Rows), len(flaky.Rows))
			}

			cost, shares, rules := ask("cost"), ask("cost_shares"), ask("cost_rules")
			same("cost of projects", sumOf(shares, "value"), sumOf(cost, "value"))
			same("cost of rules", sumOf(rules, "value"), sumOf(cost, "value"))
			same("minutes without a price", sumOf(shares, "unpriced_minutes"), sumOf(cost, "unpriced_minutes"))
			same("minutes of projects", sumOf(shares, "minutes"), sumOf(ask("compute_minutes"), "value"))
			same("minutes of rules", sumOf(rules, "minutes"), sumOf(ask("compute_minutes"), "value"))

			same("attempts that waited", sumOf(ask("queue_waits", "project"), "n"), sumOf(ask("job_queue"), "n"))
			for _, row := range ask("busy_runners").Rows {
				saturation, busy := asFloat(row.Value("saturation")), asFloat(row.Value("busy"))
				if saturation > busy+1e-9 || busy > 1+1e-9 || asFloat(row.Value("waiting")) > 1+1e-9 {
					rt.Errorf("a runner is busier than it can be: %v", row.Cells)
				}
			}

			keys := ask("dora").Rows[0]
			for column, metric := range map[string][2]string{
				"per_day": {"deployment_frequency", "value"}, "lead_p50_seconds": {"lead_time", "p50"}, "lead_p95_seconds": {"lead_time", "p95"},
				"failure_rate": {"change_failure_rate", "value"}, "failed": {"change_failure_rate", "failed"}, "n": {"change_failure_rate", "n"},
				"restore_p50_seconds": {"time_to_restore", "p50"}, "open": {"time_to_restore", "open"},
			} {
				if want := ask(metric[0]).Rows[0].Value(metric[1]); !sameNumber(keys.Value(column), want) {
					rt.Errorf("dora: %s is %v, want %v of %s", column, keys.Value(column), want, metric[0])
				}
			}
		})
	})
}

// sumOf adds up a column; NULL is nothing.
func sumOf(t Table, name string) float64 {
	sum := 0.0
	for i := range t.Rows {
		if v := t.Rows[i].Value(name); v != nil {
			sum += asFloat(v)
		}
	}
	return sum
}
