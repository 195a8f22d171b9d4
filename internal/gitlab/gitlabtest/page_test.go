package gitlabtest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
)

func TestOffsetPages(t *testing.T) {
	s := gitlabtest.NewServer(gitlabtest.Uniform(1, 250, 1), gitlabtest.ExternalURL("https://gitlab.internal:8443"), gitlabtest.RelativeRoot("/gitlab"))
	link := func(rel, query string) string {
		return fmt.Sprintf(`<https://gitlab.internal:8443/gitlab/api/v4/projects/1/pipelines?id=1&order_by=id&%s&sort=desc&status=success>; rel="%s"`, query, rel)
	}
	for _, c := range []struct {
		query            string
		rows             int
		page, prev, next string
		total, pages     string
		link             string
	}{
		{
			"status=success&per_page=100", 100, "1", "", "2", "250", "3",
			link("next", "page=2&per_page=100") + ", " + link("first", "page=1&per_page=100") + ", " + link("last", "page=3&per_page=100"),
		},
		{
			"status=success&per_page=100&page=3", 50, "3", "2", "", "250", "3",
			link("prev", "page=2&per_page=100") + ", " + link("first", "page=1&per_page=100") + ", " + link("last", "page=3&per_page=100"),
		},
		// More than 100 a page is cut to 100; the Link keeps what was asked.
		{
			"status=success&per_page=1000", 100, "1", "", "2", "250", "3",
			link("next", "page=2&per_page=1000") + ", " + link("first", "page=1&per_page=1000") + ", " + link("last", "page=3&per_page=1000"),
		},
		{"status=failed", 0, "1", "", "", "0", "1", ""},
	} {
		t.Run(c.query, func(t *testing.T) {
			r := get(t, s, "/gitlab/api/v4/projects/1/pipelines?"+c.query)
			if got := len(rows(t, r)); got != c.rows {
				t.Errorf("%d rows, want %d", got, c.rows)
			}
			got := map[string]string{}
			for _, h := range []string{"X-Page", "X-Prev-Page", "X-Next-Page", "X-Total", "X-Total-Pages"} {
				if len(r.header.Values(h)) != 1 {
					t.Errorf("%s: %q", h, r.header.Values(h))
				}
				got[h] = r.header.Get(h)
			}
			want := map[string]string{"X-Page": c.page, "X-Prev-Page": c.prev, "X-Next-Page": c.next, "X-Total": c.total, "X-Total-Pages": c.pages}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if c.link != "" && r.header.Get("Link") != c.link {
				t.Errorf("Link:\n got %s\nwant %s", r.header.Get("Link"), c.link)
			}
		})
	}
}

// Above 10,000 rows nothing is counted, and there is no last page to link to.
func TestNoTotalsOfLongLists(t *testing.T) {
	for n, counted := range map[int]bool{10_000: true, 10_001: false} {
		s := gitlabtest.NewServer(gitlabtest.Uniform(1, n, 0))
		r := get(t, s, path("projects/1/pipelines?page=2"))
		if got := r.header.Get("X-Total") != ""; got != counted {
			t.Errorf("%d rows: X-Total %q", n, r.header.Get("X-Total"))
		}
		if got := strings.Contains(r.header.Get("Link"), `rel="last"`); got != counted {
			t.Errorf("%d rows: Link %s", n, r.header.Get("Link"))
		}
		if r.header.Get("X-Next-Page") != "3" || r.header.Get("X-Prev-Page") != "1" {
			t.Errorf("%d rows: no neighbours in %v", n, r.header)
		}
		// Pipelines have no keyset pages, and therefore no maximum offset.
		if r := get(t, s, path("projects/1/pipelines?per_page=100&page=501")); r.status != http.StatusOK {
			t.Errorf("page 501 of pipelines: %d %s", r.status, r.body)
		}
	}
}

func TestJobPages(t *testing.T) {
	s := gitlabtest.NewServer(gitlabtest.Uniform(1, 25, 10))
	offset := get(t, s, path("projects/1/jobs?per_page=100&page=2"))
	if offset.header.Get("X-Total") != "" || offset.header.Get("X-Next-Page") != "3" || strings.Contains(offset.header.Get("Link"), "last") {
		t.Errorf("offset pages of jobs are never counted: %v", offset.header)
	}
	keyset := all(t, s, path("projects/1/jobs?pagination=keyset&order_by=id&sort=desc&per_page=100"))
	if len(keyset) != 250 {
		t.Errorf("keyset pages gave %d of 250 jobs", len(keyset))
	}
	first := get(t, s, path("projects/1/jobs?pagination=keyset&per_page=100"))
	if first.header.Get("X-Page") != "" || first.header.Get("X-NEXT-CURSOR") == "" {
		t.Errorf("keyset page with page headers: %v", first.header)
	}
	for query, want := range map[string]string{
		"pagination=keyset&order_by=id&sort=asc": `{"error":"Keyset pagination is not yet available for this type of request"}`,
		"pagination=keyset&order_by=created_at":  `{"error":"Keyset pagination is not yet available for this type of request"}`,
		"page=501&per_page=100":                  `{"error":"Offset pagination has a maximum allowed offset of 50000 for requests that return objects of type Ci::Build. Remaining records can be retrieved using keyset pagination."}`,
	} {
		if r := get(t, s, path("projects/1/jobs?%s", query)); r.status != http.StatusMethodNotAllowed || r.body != want {
			t.Errorf("%s: %d %s", query, r.status, r.body)
		}
	}
}

// A keyset walk neither repeats nor loses a job while others come and go.
func TestKeysetStandsStillWhileJobsMove(t *testing.T) {
	w := gitlabtest.Uniform(1, 30, 10)
	s := gitlabtest.NewServer(w)
	p := w.Projects[0]
	s.EachRequest(func(int, *http.Request) {
		w.StartPipeline(p, gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "a"}, {Name: "b"}}})
	})
	seen := map[string]int{}
	for _, raw := range all(t, s, path("projects/1/jobs?pagination=keyset&order_by=id&sort=desc&per_page=50")) {
		seen[string(raw[:20])]++
	}
	s.EachRequest(nil)
	for k, n := range seen {
		if n != 1 {
			t.Errorf("%s came %d times", k, n)
		}
	}
	if len(seen) < 300 {
		t.Errorf("%d of at least 300 jobs", len(seen))
	}
	// Offset pages over the same list do repeat rows, as GitLab's do.
	s.EachRequest(func(int, *http.Request) {
		w.StartPipeline(p, gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "a"}, {Name: "b"}}})
	})
	a := ids(rows(t, get(t, s, path("projects/1/jobs?per_page=50"))))
	b := ids(rows(t, get(t, s, path("projects/1/jobs?per_page=50&page=2"))))
	if a[len(a)-1] > b[0] {
		t.Error("offset pages did not shift")
	}
}

func TestProjectKeyset(t *testing.T) {
	w := gitlabtest.NewWorld()
	for i := range 7 {
		w.AddProject(fmt.Sprintf("acme/p%d", i))
	}
	s := gitlabtest.NewServer(w)
	for sort, position := range map[string]string{"asc": "id_after=3", "desc": "id_before=5"} {
		r := get(t, s, path("projects?pagination=keyset&order_by=id&per_page=3&sort=%s", sort))
		if !strings.Contains(r.header.Get("Link"), position) {
			t.Errorf("%s: Link %s", sort, r.header.Get("Link"))
		}
		if got := len(all(t, s, path("projects?pagination=keyset&order_by=id&per_page=3&sort=%s", sort))); got != 7 {
			t.Errorf("%s: %d of 7 projects", sort, got)
		}
	}
	if r := get(t, s, path("projects?pagination=keyset&order_by=name")); r.status != http.StatusMethodNotAllowed {
		t.Errorf("keyset by name: %d", r.status)
	}
}
