package bench

import (
	"fmt"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/metric"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/pgtest"
)

func TestMain(m *testing.M) {
	if wanted := os.Getenv(simulateEnv); wanted != "" {
		if err := simulate(wanted); err != nil {
			fmt.Fprintln(os.Stderr, "the simulator:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(pgtest.Run(m))
}

// BenchmarkQuery asks every finding and every metric over ten million jobs: of
// the last thirty days, metrics undivided, by project, and by day, as far as these
// fit. It tells the median and
// the 95th percentile of the times, and the median of the processor's time, in
// milliseconds: on a machine that others use, the latter says more.
func BenchmarkQuery(b *testing.B) {
	askAll(b, tenMillion.open(b, historyFile(b)))
}

// BenchmarkQueryPostgres asks PostgreSQL the same over a million jobs, which fill
// the last thirty days as densely.
func BenchmarkQueryPostgres(b *testing.B) {
	database := pgtest.Database(b)
	s := openStore(b, database)
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	if err := lastMonth.write(b.Context(), s); err != nil {
		b.Fatal(err)
	}
	if err := lastMonth.copyTo(b.Context(), database); err != nil {
		b.Fatal(err)
	}
	measureAll(b, s)
	askAll(b, s)
}

// BenchmarkMeasure computes what is kept for metrics anew for one day of ten
// million jobs: 2,740 pipelines, 27,400 jobs.
func BenchmarkMeasure(b *testing.B) {
	s := tenMillion.open(b, historyFile(b))
	day := tenMillion.pipelines / tenMillion.days
	var touched store.Batch // needs of a job that there is none of
	for i := range day {
		touched.JobNeeds = append(touched.JobNeeds, ci.JobNeed{
			InstanceID: 1, PipelineID: ci.PipelineID(tenMillion.pipelines - 2*day + i), JobName: "none", NeedsName: "none", SyncedAt: tenMillion.until,
		})
	}
	var t times
	for range b.N {
		b.StopTimer()
		if _, err := s.Apply(b.Context(), touched); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		t.take(func() {
			if left, err := s.Measure(b.Context(), day); err != nil || left > 0 {
				b.Fatal(left, err)
			}
		})
	}
	t.report(b)
}

func askAll(b *testing.B, s *store.Store) {
	now := tenMillion.until.Add(-9 * time.Hour) // so that windows cut days
	engine, err := metric.New(metric.Config{Store: s, Now: func() time.Time { return now }})
	if err != nil {
		b.Fatal(err)
	}
	for _, d := range engine.Findings() { // as their commands ask them, without prices
		b.Run("finding/"+d.Name, func(b *testing.B) { askAgain(b, engine, metric.Query{Metric: d.Name}) })
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
				askAgain(b, engine, q)
			})
		}
	}
}

func askAgain(b *testing.B, engine *metric.Engine, q metric.Query) {
	ask(b, engine, q) // the first reads from the disk
	var t times
	for b.Loop() {
		t.take(func() { ask(b, engine, q) })
	}
	t.report(b)
}

func ask(b *testing.B, engine *metric.Engine, q metric.Query) {
	b.Helper()
	if _, err := engine.Answer(b.Context(), q); err != nil {
		b.Fatal(err)
	}
}

// times is how long something took, each time, in milliseconds.
type times struct{ wall, cpu []float64 }

func (t *times) take(f func()) {
	began, spent := time.Now(), processorTime()
	f()
	t.cpu = append(t.cpu, float64((processorTime()-spent).Microseconds())/1000)
	t.wall = append(t.wall, float64(time.Since(began).Microseconds())/1000)
}

func (t *times) report(b *testing.B) {
	slices.Sort(t.wall)
	slices.Sort(t.cpu)
	b.ReportMetric(t.wall[len(t.wall)/2], "p50-ms")
	b.ReportMetric(t.wall[min(len(t.wall)-1, len(t.wall)*95/100)], "p95-ms")
	b.ReportMetric(t.cpu[len(t.cpu)/2], "cpu-ms") // of this process: PostgreSQL's is not in it
	b.ReportMetric(0, "ns/op")                    // these say it
}

// processorTime is what this process has used of the processors so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
