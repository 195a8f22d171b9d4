package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkImport imports 10 projects × 1,000 pipelines × 10 jobs, then asks
// again with nothing new.
func BenchmarkImport(b *testing.B) {
	program := build(b)
	for _, plan := range plans {
		for _, latency := range []time.Duration{0, 50 * time.Millisecond} {
			b.Run(fmt.Sprintf("plan=%s/latency=%s", plan, latency), func(b *testing.B) {
				for range b.N {
					importTwice(b, program, plan, size{10, 1_000, 10, latency}).report(b)
				}
			})
		}
	}
}

var plans = []string{"documented", "keyset", "graphql"}

// imported is what importing a world took, and asking again with nothing new.
type imported struct {
	first, idle            usage
	requests, idleRequests int
	idleCounts             int64   // of idleRequests: counts of pipelines, which find deletions
	file                   float64 // bytes of the database
}

// importTwice imports a world, and asks again.
func importTwice(b *testing.B, program, plan string, s size) (m imported) {
	b.Helper()
	g := start(b, s)
	defer g.close()
	data := b.TempDir()
	g.weir(b, program, data, "connect", "gitlab-pipelines", "--url", g.URL, "--since", "all")
	g.asked(b)
	m.first = g.weir(b, program, data, "sync", "--plan", plan)
	m.requests = g.asked(b).Requests
	m.file = sizeOf(b, filepath.Join(data, "weir.duckdb"))
	m.idle = g.weir(b, program, data, "sync", "--plan", plan)
	again := g.asked(b)
	m.idleRequests, m.idleCounts = again.Requests, again.Counts
	return m
}

func (m imported) report(b *testing.B) {
	b.ReportMetric(float64(m.requests), "requests")
	b.ReportMetric(m.first.took.Seconds(), "seconds")
	b.ReportMetric(m.first.cpu.Seconds(), "cpu-seconds")
	b.ReportMetric(m.first.memory/1e6, "peak-MB")
	b.ReportMetric(m.file/1e6, "file-MB")
	b.ReportMetric(float64(m.idleRequests), "idle-requests")
	b.ReportMetric(m.idle.took.Seconds(), "idle-seconds")
	b.ReportMetric(m.idle.cpu.Seconds(), "idle-cpu-seconds")
	b.ReportMetric(0, "ns/op") // seconds says it
}

// BenchmarkMediumImport counts the requests of 100 projects × 100 pipelines × 8
// jobs, the size at which other tools were measured.
func BenchmarkMediumImport(b *testing.B) {
	program := build(b)
	for _, plan := range plans {
		b.Run("plan="+plan, func(b *testing.B) {
			for range b.N {
				importTwice(b, program, plan, size{100, 100, 8, 0}).report(b)
			}
		})
	}
}

// usage is what a run of the program took.
type usage struct {
	took, cpu time.Duration
	memory    float64 // bytes, maximum resident set
}

func (g *simulated) weir(b *testing.B, program, data string, args ...string) usage {
	b.Helper()
	run := exec.CommandContext(b.Context(), program, append(args, "--data", data)...)
	run.Env = append(os.Environ(), "WEIR_TOKEN="+g.Token)
	began := time.Now()
	output, err := run.CombinedOutput()
	if err != nil {
		b.Fatalf("weir %s: %v\n%s", strings.Join(args, " "), err, output)
	}
	kernel := run.ProcessState.SysUsage().(*syscall.Rusage)
	return usage{
		took: time.Since(began), cpu: run.ProcessState.UserTime() + run.ProcessState.SystemTime(),
		memory: float64(kernel.Maxrss) * 1024, // Linux counts kilobytes
	}
}

func build(b *testing.B) string {
	b.Helper()
	program := filepath.Join(b.TempDir(), "weir")
	if output, err := exec.CommandContext(b.Context(), "go", "build", "-o", program, "github.com/weirhq/weir/cmd/weir").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, output)
	}
	return program
}

func sizeOf(b *testing.B, file string) float64 {
	b.Helper()
	info, err := os.Stat(file)
	if err != nil {
		b.Fatal(err)
	}
	return float64(info.Size())
}
