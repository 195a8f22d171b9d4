package gitlabtest_test

import (
	"testing"

	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
)

// BenchmarkRuns asks for 100 pipelines with 10 jobs each through weir's client:
// what the simulator and the decoder cost together, with nothing between them.
func BenchmarkRuns(b *testing.B) {
	w := gitlabtest.Uniform(1, 100, 10)
	s := gitlabtest.NewServer(w, gitlabtest.WithoutLog(), gitlabtest.WithoutGzip())
	c, err := gitlab.New(gitlab.Config{BaseURL: "https://gitlab.example", Transport: s.Transport(), Credentials: []gitlab.Credential{{Token: gitlab.Secret(s.DefaultToken())}}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	rows := 0
	for b.Loop() {
		page, err := c.Runs(b.Context(), gitlab.RunQuery{ProjectPath: w.Projects[0].FullPath})
		if err != nil {
			b.Fatal(err)
		}
		for _, run := range page.Runs {
			rows += len(run.Jobs)
		}
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "jobs/s")
}
