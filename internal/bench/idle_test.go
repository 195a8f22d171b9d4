package bench

import (
	"testing"

	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
)

// BenchmarkIdle asks 1,000 projects, of 5 pipelines each, that are stored what
// is new when nothing is.
func BenchmarkIdle(b *testing.B) {
	program := build(b)
	for _, plan := range []string{"documented", "auto"} {
		b.Run("plan="+plan, func(b *testing.B) {
			for range b.N {
				g := start(b, gitlabtest.Uniform(1_000, 5, 2))
				data := b.TempDir()
				g.weir(b, program, data, "connect", "gitlab-pipelines", "--url", g.url, "--since", "all")
				g.weir(b, program, data, "sync", "--plan", plan)
				g.server.ResetRequests()
				idle := g.weir(b, program, data, "sync", "--plan", plan)
				b.ReportMetric(float64(g.server.RequestCount()[""]), "idle-requests")
				b.ReportMetric(idle.took.Seconds(), "idle-seconds")
				b.ReportMetric(idle.cpu.Seconds(), "idle-cpu-seconds")
				b.ReportMetric(0, "ns/op") // seconds says it
			}
		})
	}
}
