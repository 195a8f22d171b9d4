package bench

import (
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
)

// BenchmarkImport imports 10 projects × 1,000 pipelines × 10 jobs, then asks
// again with nothing new.
func BenchmarkImport(b *testing.B) {
	program := build(b)
	for _, plan := range plans {
		for _, latency := range []time.Duration{0, 50 * time.Millisecond} {
			b.Run(fmt.Sprintf("plan=%s/latency=%s", plan, latency), func(b *testing.B) {
				for range b.N {
					measure(b, program, plan, latency, gitlabtest.Uniform(10, 1_000, 10))
				}
			})
		}
	}
}

var plans = []string{"documented", "keyset", "graphql"}

// measure imports a world, asks again with nothing new, and reports both.
func measure(b *testing.B, program, plan string, latency time.Duration, w *gitlabtest.World) {
	b.Helper()
	g := start(b, w)
	g.server.Latency("", latency)
	data := b.TempDir()
	g.weir(b, program, data, "connect", "gitlab-pipelines", "--url", g.url, "--since", "all")
	g.server.ResetRequests()
	first := g.weir(b, program, data, "sync", "--plan", plan)
	imported := g.server.RequestCount()[""]
	g.server.ResetRequests()
	idle := g.weir(b, program, data, "sync", "--plan", plan)
	b.ReportMetric(float64(imported), "requests")
	b.ReportMetric(first.took.Seconds(), "seconds")
	b.ReportMetric(first.cpu.Seconds(), "cpu-seconds")
	b.ReportMetric(first.memory/1e6, "peak-MB")
	b.ReportMetric(size(b, filepath.Join(data, "weir.duckdb"))/1e6, "file-MB")
	b.ReportMetric(float64(g.server.RequestCount()[""]), "idle-requests")
	b.ReportMetric(idle.took.Seconds(), "idle-seconds")
	b.ReportMetric(0, "ns/op") // seconds says it
}

// BenchmarkMediumImport counts the requests of 100 projects × 100 pipelines × 8
// jobs, the size at which other tools were measured.
func BenchmarkMediumImport(b *testing.B) {
	program := build(b)
	for _, plan := range plans {
		b.Run("plan="+plan, func(b *testing.B) {
			for range b.N {
				measure(b, program, plan, 0, gitlabtest.Uniform(100, 100, 8))
			}
		})
	}
}

// simulated is a simulated GitLab on loopback.
type simulated struct {
	server *gitlabtest.Server
	url    string
}

func start(b *testing.B, w *gitlabtest.World) *simulated {
	b.Helper()
	server := gitlabtest.NewServer(w, gitlabtest.WithoutLog())
	front := httptest.NewServer(server)
	b.Cleanup(front.Close)
	return &simulated{server, front.URL}
}

// usage is what a run of the program took.
type usage struct {
	took, cpu time.Duration
	memory    float64 // bytes, maximum resident set
}

func (g *simulated) weir(b *testing.B, program, data string, args ...string) usage {
	b.Helper()
	run := exec.CommandContext(b.Context(), program, append(args, "--data", data)...)
	run.Env = append(os.Environ(), "WEIR_TOKEN="+g.server.DefaultToken())
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

func size(b *testing.B, file string) float64 {
	b.Helper()
	info, err := os.Stat(file)
	if err != nil {
		b.Fatal(err)
	}
	return float64(info.Size())
}
