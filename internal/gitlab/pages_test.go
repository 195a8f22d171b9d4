package gitlab_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/weirhq/weir/internal/gitlab"
)

func TestPipelineJobsWalk(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("PRIVATE-TOKEN") != "t" || r.URL.Query().Get("include_retried") != "true" {
			t.Errorf("asked %s with %v", r.URL, r.Header)
		}
		switch r.URL.Query().Get("page") {
		case "":
			w.Header().Set("Link", `<http://internal:99/api/v4/projects/7/pipelines/8/jobs?id=7&include_retried=false&page=2&per_page=100>; rel="next"`)
			w.Header().Set("X-Total", "3")
			respond(w, 200, `[{"id":3,"name":"c","status":"success"},{"id":2,"name":"b","status":"strange"}]`)
		case "2":
			w.Header().Set("X-Next-Page", "")
			respond(w, 200, `[{"id":1,"name":"a","status":"failed"}]`)
		}
	})
	var got []string
	for job, err := range gitlab.Items(c.PipelineJobs(t.Context(), 7, 8)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(job.ID, job.Name, job.Status))
	}
	if want := "3 c success|2 b strange|1 a failed"; strings.ReplaceAll(strings.Join(got, "|"), " ", "") != strings.ReplaceAll(want, " ", "") {
		t.Errorf("jobs = %q, want %q", got, want)
	}
	want := map[string]int64{"GET /projects/:id/pipelines/:id/jobs": 2}
	if diff := cmp.Diff(want, c.Stats().ByEndpoint); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}
