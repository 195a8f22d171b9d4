package gitlabtest_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
)

// BenchmarkJobPage is the price of 100 jobs, which any benchmark of an import
// pays on top of its own.
func BenchmarkJobPage(b *testing.B) {
	for _, encoding := range []string{"identity", "gzip"} {
		b.Run(encoding, func(b *testing.B) {
			s := gitlabtest.NewServer(gitlabtest.Uniform(1, 100, 10), gitlabtest.WithoutLog())
			r, err := http.NewRequest(http.MethodGet, "http://gitlab.example/api/v4/projects/1/jobs?pagination=keyset&per_page=100", nil)
			if err != nil {
				b.Fatal(err)
			}
			r.Header.Set("PRIVATE-TOKEN", s.DefaultToken())
			r.Header.Set("Accept-Encoding", encoding)
			for b.Loop() {
				resp, err := s.Transport().RoundTrip(r)
				if err != nil {
					b.Fatal(err)
				}
				n, err := io.Copy(io.Discard, resp.Body)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(n)
			}
		})
	}
}

// BenchmarkUniform is the price of the world that imports are measured with.
func BenchmarkUniform(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		gitlabtest.Uniform(1, 1000, 10)
	}
}
