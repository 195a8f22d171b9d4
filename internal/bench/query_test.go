package bench

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/metric"
)

// BenchmarkQuery asks every metric over ten million jobs: the last thirty days
// undivided, by project, and by day, as far as these fit. It tells the median and
// the 95th percentile of the times, in milliseconds.
func BenchmarkQuery(b *testing.B) {
	s := tenMillion.open(b, historyFile(b))
	engine, err := metric.New(metric.Config{Store: s, Now: func() time.Time { return tenMillion.until }})
	if err != nil {
		b.Fatal(err)
	}
	for _, d := range engine.Definitions() {
		for _, by := range []metric.Dim{"", metric.Project, metric.Day} {
			if by != "" && !slices.Contains(d.Dimensions, by) {
				continue
			}
			b.Run(fmt.Sprintf("%s/by=%s", d.Name, by), func(b *testing.B) {
				q := metric.Query{Metric: d.Name}
				if by != "" {
					q.By = []string{string(by)}
				}
				ask(b, engine, q) // the first reads from the disk
				var times []float64
				for b.Loop() {
					began := time.Now()
					ask(b, engine, q)
					times = append(times, float64(time.Since(began).Microseconds())/1000)
				}
				slices.Sort(times)
				b.ReportMetric(times[len(times)/2], "p50-ms")
				b.ReportMetric(times[min(len(times)-1, len(times)*95/100)], "p95-ms")
				b.ReportMetric(0, "ns/op") // the two say it
			})
		}
	}
}

func ask(b *testing.B, engine *metric.Engine, q metric.Query) {
	b.Helper()
	if _, err := engine.Answer(b.Context(), q); err != nil {
		b.Fatal(err)
	}
}
