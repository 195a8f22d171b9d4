package gitlab

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkPipelineJobs asks for pages of 100 jobs over a socket, compressed,
// from as many callers as the governor lets through.
func BenchmarkPipelineJobs(b *testing.B) {
	var page bytes.Buffer
	z := gzip.NewWriter(&page)
	if _, err := z.Write(recordedJobs(b, 100)); err != nil {
		b.Fatal(err)
	}
	if err := z.Close(); err != nil {
		b.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Content-Encoding", "gzip")
		h.Set("X-Next-Page", "")
		h.Set("Content-Length", fmt.Sprint(page.Len()))
		if _, err := w.Write(page.Bytes()); err != nil {
			b.Error(err)
		}
	}))
	defer s.Close()
	c, err := New(Config{BaseURL: s.URL})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			for page, err := range c.PipelineJobs(b.Context(), 1, 2) {
				if err != nil || len(page.Items) != 100 {
					b.Errorf("%d jobs, %v", len(page.Items), err)
				}
			}
		}
	})
}
