package bench

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
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
					importTwice(b, program, plan, latency, gitlabtest.Uniform(10, 1_000, 10)).report(b)
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
	idleCounts             int     // of idleRequests: counts of pipelines, which find deletions
	file                   float64 // bytes of the database
}

// importTwice imports a world, and asks again.
func importTwice(b *testing.B, program, plan string, latency time.Duration, w *gitlabtest.World) (m imported) {
	b.Helper()
	g := start(b, w)
	g.server.Latency("", latency)
	data := b.TempDir()
	g.weir(b, program, data, "connect", "gitlab-pipelines", "--url", g.url, "--since", "all")
	g.server.ResetRequests()
	m.first = g.weir(b, program, data, "sync", "--plan", plan)
	m.requests = g.server.RequestCount()[""]
	m.file = size(b, filepath.Join(data, "weir.duckdb"))
	g.server.ResetRequests()
	g.counted.Store(0)
	m.idle = g.weir(b, program, data, "sync", "--plan", plan)
	m.idleRequests, m.idleCounts = g.server.RequestCount()[""], int(g.counted.Load())
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
				importTwice(b, program, plan, 0, gitlabtest.Uniform(100, 100, 8)).report(b)
			}
		})
	}
}

// simulated is a simulated GitLab on loopback.
type simulated struct {
	server  *gitlabtest.Server
	url     string
	counted atomic.Int64 // requests of GraphQL that counted pipelines
}

func start(b *testing.B, w *gitlabtest.World) *simulated {
	b.Helper()
	server := gitlabtest.NewServer(w, gitlabtest.WithoutLog())
	g := &simulated{server: server}
	front := httptest.NewServer(http.HandlerFunc(g.serve))
	b.Cleanup(front.Close)
	g.url = front.URL
	return g
}

// serve is the simulator's, and looks what GraphQL is asked.
func (g *simulated) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost && r.URL.Path == "/api/graphql" {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if bytes.Contains(body, []byte(`"operationName":"Counts"`)) {
			g.counted.Add(1)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	g.server.ServeHTTP(w, r)
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
