package bench

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkAims measures what weir aims at for fetching (doc/benchmarks.md),
// once each, or three times where seconds are meant, of which the second-best
// counts. It ends with a table of aims and figures, ready for that page.
func BenchmarkAims(b *testing.B) {
	program := build(b)
	var t aims
	before := sortingTime()
	t.imports(b, program)
	between := sortingTime()
	t.idle(b, program)
	t.hooks(b, program)
	t.requests(b, program)
	t.rows = append(t.rows, fmt.Sprintf("| sorting five million numbers on each processor at once | | %.2f s | | before the imports; %.2f s after them, %.2f s at the end |",
		before.Seconds(), between.Seconds(), sortingTime().Seconds()))
	t.write(os.Stdout)
	b.ReportMetric(float64(t.missed), "missed")
	b.ReportMetric(0, "ns/op") // the table says it
}

// aims are the rows of the table.
type aims struct {
	rows   []string
	missed int
}

// most adds a figure that is to be no larger than its aim.
func (t *aims) most(what, unit string, aim, got float64, beside string) {
	t.add(what, fmt.Sprintf("≤ %s%s", number(aim), unit), number(got)+unit, got <= aim, beside)
}

// least adds one that is to be no smaller.
func (t *aims) least(what, unit string, aim, got float64, beside string) {
	t.add(what, fmt.Sprintf("≥ %s%s", number(aim), unit), number(got)+unit, got >= aim, beside)
}

func (t *aims) add(what, aim, got string, held bool, beside string) {
	verdict := "yes"
	if !held {
		verdict = "no"
		t.missed++
	}
	row := fmt.Sprintf("| %s | %s | %s | %s | %s |", what, aim, got, verdict, beside)
	t.rows = append(t.rows, row)
}

func (t *aims) write(w io.Writer) {
	fmt.Fprintf(w, "\n| what | aim | measured | held | beside |\n| --- | --- | --- | --- | --- |\n")
	for _, row := range t.rows {
		fmt.Fprintln(w, row)
	}
	fmt.Fprintln(w)
}

// number writes a figure without digits that mean nothing.
func number(x float64) string {
	if x >= 100 || x == float64(int64(x)) {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.1f", x)
}

// sortingTime tells how fast the machine is just now: the best of three times
// that always the same work takes on all processors at once. Virtual machines
// differ from themselves by a factor of two within the hour, and seconds mean
// nothing without it.
func sortingTime() time.Duration {
	const numbers = 5_000_000
	best := time.Duration(math.MaxInt64)
	for range 3 {
		var lists [][]uint64
		for i := range runtime.GOMAXPROCS(0) {
			random := rand.New(rand.NewPCG(uint64(i), 1))
			list := make([]uint64, numbers)
			for j := range list {
				list[j] = random.Uint64()
			}
			lists = append(lists, list)
		}
		began := time.Now()
		var sorting sync.WaitGroup
		for _, list := range lists {
			sorting.Go(func() { slices.Sort(list) })
		}
		sorting.Wait()
		best = min(best, time.Since(began))
	}
	return best
}

// imports measures 10 projects × 1,000 pipelines × 10 jobs.
func (t *aims) imports(b *testing.B, program string) {
	var memory float64
	for _, kind := range []struct {
		latency time.Duration
		aim     float64
	}{{0, 4}, {50 * time.Millisecond, 12}} {
		var runs []imported
		for range 3 {
			runs = append(runs, importTwice(b, program, "auto", size{10, 1_000, 10, kind.latency}))
		}
		slices.SortFunc(runs, func(x, y imported) int { return int(x.first.took - y.first.took) })
		for _, m := range runs {
			memory = max(memory, m.first.memory)
		}
		m := runs[1]
		t.most(fmt.Sprintf("import of 10 × 1,000 × 10, %d ms a request", kind.latency.Milliseconds()), " s", kind.aim, m.first.took.Seconds(),
			fmt.Sprintf("%d requests, %.1f s of the processor; %.1f to %.1f s", m.requests, m.first.cpu.Seconds(), runs[0].first.took.Seconds(), runs[2].first.took.Seconds()))
	}
	t.most("peak memory of that import", " MB", 300, memory/1e6, "the largest of six")
}

// idle measures an import of 1,000 projects in which nothing happened.
func (t *aims) idle(b *testing.B, program string) {
	m := importTwice(b, program, "auto", size{1_000, 5, 2, 0})
	t.most("idle round over 1,000 projects, as `weir sync` asks", " requests", 20, float64(m.idleRequests),
		fmt.Sprintf("%d of them count pipelines, which a round of `weir serve` does every six hours; %.1f s, %.1f s of the processor", m.idleCounts, m.idle.took.Seconds(), m.idle.cpu.Seconds()))
	t.most("counts of pipelines among them", " requests", 5, float64(m.idleCounts), "")
}

func (t *aims) hooks(b *testing.B, program string) {
	var all []float64
	for range 3 {
		all = append(all, hooksASecond(b, program))
	}
	slices.Sort(all)
	t.least("hooks on disk and answered", " a second", 1_000, all[1], fmt.Sprintf("64 senders; %.0f to %.0f", all[0], all[2]))
}

// requests counts those of 100 projects × 100 pipelines × 8 jobs.
func (t *aims) requests(b *testing.B, program string) {
	for _, plan := range []struct {
		name string
		aim  float64
	}{{"auto", 300}, {"documented", 30_500}, {"keyset", 1_300}} {
		m := importTwice(b, program, plan.name, size{100, 100, 8, 0})
		t.most(fmt.Sprintf("import of 100 × 100 × 8 by %s", plan.name), " requests", plan.aim, float64(m.requests),
			fmt.Sprintf("again %d; %.1f s, %.1f s of the processor", m.idleRequests, m.first.took.Seconds(), m.first.cpu.Seconds()))
	}
}
