package gitlab

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// BenchmarkLine is what a governor itself costs a request, by how many wait.
func BenchmarkLine(b *testing.B) {
	for _, workers := range []int{1, 40, 400} {
		b.Run(fmt.Sprint(workers), func(b *testing.B) {
			g := NewGovernor(GovernorConfig{})
			caller := NewCaller(false)
			var all sync.WaitGroup
			per := b.N / workers
			for range workers {
				all.Go(func() {
					for range per {
						if _, err := g.enter(b.Context(), ask{endpoint: "GET /x", caller: caller}); err != nil {
							b.Error(err)
						}
						g.leave(outcome{endpoint: "GET /x", sent: time.Now(), latency: time.Millisecond, answer: readLimits(200, nil, nil, time.Now())})
					}
				})
			}
			all.Wait()
		})
	}
}
