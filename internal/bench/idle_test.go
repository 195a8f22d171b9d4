package bench

import "testing"

// BenchmarkIdle asks 1,000 projects, of 5 pipelines each, that are stored what
// is new when nothing is.
func BenchmarkIdle(b *testing.B) {
	program := build(b)
	for _, plan := range []string{"documented", "auto"} {
		b.Run("plan="+plan, func(b *testing.B) {
			for range b.N {
				importTwice(b, program, plan, size{1_000, 5, 2, 0}).report(b)
			}
		})
	}
}
