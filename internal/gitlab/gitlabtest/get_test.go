package gitlabtest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
)

// reply is an answer that has been read.
type reply struct {
	status int
	header http.Header
	body   string
}

// get asks for a path with the default token.
func get(t *testing.T, s *gitlabtest.Server, path string) reply {
	t.Helper()
	return getWith(t, s, s.DefaultToken(), path)
}

// getWith asks with a token; an empty one is not sent.
func getWith(t *testing.T, s *gitlabtest.Server, token, path string, headers ...string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://gitlab.example"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("PRIVATE-TOKEN", token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := s.Transport().RoundTrip(r)
	if err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
	return reply{resp.StatusCode, resp.Header, string(b)}
}

// row is what the tests look at in a row of any list.
type row struct {
	ID       int64
	Status   string
	Ref      string
	Name     string
	FullPath string `json:"full_path"`
	Path     string `json:"path_with_namespace"`
	Pipeline struct{ ID int64 }
}

func rows(t *testing.T, r reply) []row {
	t.Helper()
	if r.status != http.StatusOK {
		t.Fatalf("status %d: %s", r.status, r.body)
	}
	var list []row
	if err := json.Unmarshal([]byte(r.body), &list); err != nil {
		t.Fatalf("%v in %s", err, r.body)
	}
	return list
}

func ids(list []row) []int64 {
	var got []int64
	for _, r := range list {
		got = append(got, r.ID)
	}
	return got
}

var nextLink = regexp.MustCompile(`<([^>]*)>; rel="next"`)

// next is the path of the next page, empty on the last.
func (r reply) next(t *testing.T) string {
	t.Helper()
	m := nextLink.FindStringSubmatch(r.header.Get("Link"))
	if m == nil {
		return ""
	}
	u, err := url.Parse(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return u.RequestURI()
}

// all reads a list page by page.
func all(t *testing.T, s *gitlabtest.Server, path string) []json.RawMessage {
	t.Helper()
	var list []json.RawMessage
	for path != "" {
		r := get(t, s, path)
		if r.status != http.StatusOK {
			t.Fatalf("GET %s: %d %s", path, r.status, r.body)
		}
		var page []json.RawMessage
		if err := json.Unmarshal([]byte(r.body), &page); err != nil {
			t.Fatalf("GET %s: %v in %s", path, err, r.body)
		}
		list = append(list, page...)
		path = r.next(t)
	}
	return list
}

// contract is the folder of GitLab's contract as data; tests that need it are
// skipped where it is not, except in CI.
func contract(t *testing.T) fs.FS {
	t.Helper()
	shared := os.Getenv("WEIR_SHARED")
	if shared == "" {
		dir, err := os.Getwd()
		for err == nil {
			if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
				break
			}
			if dir == filepath.Dir(dir) {
				t.Fatal("no go.mod above the test")
			}
			dir = filepath.Dir(dir)
		}
		shared = filepath.Join(filepath.Dir(dir), "shared")
	}
	dir := filepath.Join(shared, "gitlab-contract")
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("GitLab's contract is not there, and CI needs it: %v", err)
		}
		t.Skipf("GitLab's contract is not there (set WEIR_SHARED): %v", err)
	}
	return os.DirFS(dir)
}

// path writes a path whose last argument is a query.
func path(format string, args ...any) string {
	return "/api/v4/" + strings.TrimPrefix(fmt.Sprintf(format, args...), "/")
}
