package gitlab

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkDecodeJobs reads a page of 100 jobs, 230 kB, as GitLab sends it.
func BenchmarkDecodeJobs(b *testing.B) {
	page := recordedJobs(b, 100)
	b.SetBytes(int64(len(page)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeList[Job](page, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// recordedJobs repeats recorded jobs of gitlab.com until there are n.
func recordedJobs(tb testing.TB, n int) []byte {
	dir := recordings(tb)
	files, err := filepath.Glob(filepath.Join(dir, "gitlab-exporter/api/v4/projects/*/pipelines/*/jobs.json"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("no recorded jobs in %s: %v", dir, err)
	}
	var jobs []json.RawMessage
	for i := 0; len(jobs) < n; i++ {
		raw, err := os.ReadFile(files[i%len(files)])
		if err != nil {
			tb.Fatal(err)
		}
		var more []json.RawMessage
		if err := json.Unmarshal(raw, &more); err != nil {
			tb.Fatal(err)
		}
		jobs = append(jobs, more...)
	}
	page, err := json.Marshal(jobs[:n])
	if err != nil {
		tb.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, page); err != nil {
		tb.Fatal(err)
	}
	return compact.Bytes()
}

// recordings finds GitLab's recorded answers beside the repository. Without
// them the test is skipped, but for CI, where they must be there.
func recordings(tb testing.TB) string {
	tb.Helper()
	shared := os.Getenv("WEIR_SHARED")
	if shared == "" {
		dir, err := os.Getwd()
		if err != nil {
			tb.Fatal(err)
		}
		for {
			if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil || dir == filepath.Dir(dir) {
				break
			}
			dir = filepath.Dir(dir)
		}
		shared = filepath.Join(dir, "..", "shared")
	}
	dir := filepath.Join(shared, "gitlab-contract", "recorded")
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			tb.Fatalf("GitLab's recorded answers are missing: %v", err)
		}
		tb.Skipf("GitLab's recorded answers are not beside the repository: %v", err)
	}
	return dir
}
