package importer_test

import (
	"testing"

	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
)

// BenchmarkSync imports 4 projects × 500 pipelines × 10 jobs within one process
// and without a network: for profiles. What users meet is in internal/bench.
func BenchmarkSync(b *testing.B) {
	w := gitlabtest.Uniform(4, 500, 10)
	for b.Loop() {
		b.StopTimer()
		h := newHarness(b, openDuckDB(b), w)
		b.StartTimer()
		h.sync(b, importer.Options{})
	}
}
