package gitlab_test

import (
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/weirhq/weir/internal/gitlab"
)

func TestPipelineJobsWalk(t *testing.T) {
	date := time.Now().UTC().Truncate(time.Second)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("PRIVATE-TOKEN") != "t" || r.URL.Query().Get("include_retried") != "true" || r.URL.Query().Get("per_page") != "100" {
			t.Errorf("asked %s with %v", r.URL, r.Header)
		}
		w.Header().Set("Date", date.Format(http.TimeFormat))
		switch r.URL.Query().Get("page") {
		case "":
			// GitLab writes its own host, and a parameter back in another form.
			w.Header().Set("Link", `<http://internal:99/api/v4/projects/7/pipelines/8/jobs?id=7&include_retried=false&page=2&per_page=100>; rel="next"`)
			w.Header().Set("X-Total", "3")
			respond(w, 200, `[{"id":3,"name":"c","status":"success"},{"id":2,"name":"b","status":"strange"}]`)
		case "2":
			w.Header().Set("X-Next-Page", "")
			respond(w, 200, `[{"id":1,"name":"a","status":"failed"}]`)
		}
	})
	var got []string
	for page, err := range c.PipelineJobs(t.Context(), 7, 8) {
		if err != nil {
			t.Fatal(err)
		}
		if !page.Date.Equal(date) || time.Since(page.AskedAt) > time.Minute || page.AskedAt.Location() != time.UTC {
			t.Errorf("page of %v, asked at %v", page.Date, page.AskedAt)
		}
		for _, job := range page.Items {
			got = append(got, fmt.Sprintf("%d %s %s of %d", job.ID, job.Name, job.Status, page.Total.Or(-1)))
		}
	}
	want := []string{"3 c success of 3", "2 b strange of 3", "1 a failed of -1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int64{"GET /projects/:id/pipelines/:id/jobs": 2}, c.Stats().ByEndpoint); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestListsAskFor(t *testing.T) {
	after := time.Date(2024, 5, 1, 12, 0, 0, 123_900_000, time.FixedZone("", 7200))
	for want, walk := range map[string]func(*gitlab.Client) error{
		"/api/v4/groups?all_available=false&order_by=id&per_page=100&sort=asc": func(c *gitlab.Client) error {
			return drain(c.Groups(t.Context(), gitlab.GroupListOptions{}))
		},
		"/api/v4/groups/5/descendant_groups?all_available=true&min_access_level=20&order_by=name&per_page=7&search=x+y": func(c *gitlab.Client) error {
			return drain(c.DescendantGroups(t.Context(), 5, gitlab.GroupListOptions{AllAvailable: true, MinAccessLevel: 20, Search: "x y", OrderBy: "name", PerPage: 7}))
		},
		"/api/v4/groups/5/projects?archived=false&include_subgroups=true&order_by=id&per_page=100&simple=true&sort=asc&with_shared=false": func(c *gitlab.Client) error {
			return drain(c.GroupProjects(t.Context(), 5, gitlab.ProjectListOptions{IncludeSubgroups: true, Archived: gitlab.Of(false), Simple: true, PerPage: 1000}))
		},
		"/api/v4/projects/7/pipelines?per_page=100": func(c *gitlab.Client) error {
			return drain(c.Pipelines(t.Context(), 7, gitlab.PipelineListOptions{}))
		},
		"/api/v4/projects/7/pipelines?order_by=updated_at&per_page=50&ref=a%2Fb&scope=finished&sort=asc&source=push&status=failed&updated_after=2024-05-01T10%3A00%3A00.123Z&updated_before=2024-05-01T11%3A00%3A00.123Z": func(c *gitlab.Client) error {
			return drain(c.Pipelines(t.Context(), 7, gitlab.PipelineListOptions{
				OrderBy: "updated_at", Sort: "asc", Source: "push", Ref: "a/b",
				Status: "failed", Scope: "finished", UpdatedAfter: after, UpdatedBefore: after.Add(time.Hour), PerPage: 50,
			}))
		},
		"/api/v4/projects/7/pipelines/8/bridges?per_page=100": func(c *gitlab.Client) error {
			return drain(c.PipelineBridges(t.Context(), 7, 8))
		},
		"/api/v4/projects/7/jobs?order_by=id&pagination=keyset&per_page=100&sort=desc": func(c *gitlab.Client) error {
			return drain(c.ProjectJobs(t.Context(), 7, ""))
		},
	} {
		var got string
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			got = r.URL.String()
			respond(w, 200, `[]`)
		})
		if err := walk(c); err != nil || got != want {
			t.Errorf("asked %s, %v\nwant  %s", got, err, want)
		}
	}
}

func TestWalkNeverEndsShortInSilence(t *testing.T) {
	full := "[" + strings.Repeat(`{"id":1,"status":"x"},`, 99) + `{"id":1,"status":"x"}]`
	for _, tt := range []struct {
		name  string
		link  func(*http.Request) string
		body  string
		want  string // in the error
		pages int    // before it
	}{
		{"next is itself", func(*http.Request) string { return "?page=1&per_page=100" }, `[]`, "leads back", 1},
		{"next is the page before", func(r *http.Request) string {
			return map[string]string{"": "?page=2", "2": "?page=3", "3": "?page=2"}[r.URL.Query().Get("page")]
		}, `[]`, "leads back", 2},
		{"other list", func(*http.Request) string { return "/api/v4/projects/9/pipelines?page=2" }, `[]`, "leads elsewhere", 0},
		{"headers stripped", func(*http.Request) string { return "" }, full, "strips them", 0},
		{"no list", func(*http.Request) string { return "" }, `{}`, "a list must be here", 0},
		{"null", func(*http.Request) string { return "" }, `null`, "null where a list must be", 0},
		{"item without id", func(*http.Request) string { return "" }, `[{"id":1,"status":"x"},{"status":"x"}]`, "item 2 of the page: a pipeline without id", 0},
		{"null item", func(*http.Request) string { return "" }, `[null]`, "without id", 0},
		{"filter passed over", func(*http.Request) string { return "" }, `[{"id":4,"status":"x","source":"push"}]`, "ignores the filter", 0},
		{"time passed over", func(*http.Request) string { return "" }, `[{"id":4,"status":"x","updated_at":"2024-01-01T00:00:00.122Z"}]`, "ignores the filter", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if link := tt.link(r); link != "" {
					if strings.HasPrefix(link, "?") {
						link = r.URL.Path + link
					}
					w.Header().Set("Link", "<https://gitlab.internal"+link+`>; rel="next"`)
				}
				respond(w, 200, tt.body)
			}, once)
			pages := 0
			var failure error
			for _, err := range c.Pipelines(t.Context(), 7, gitlab.PipelineListOptions{
				Source:       "parent_pipeline",
				UpdatedAfter: time.Date(2024, 1, 1, 0, 0, 0, 123_456_000, time.UTC),
			}) {
				if err != nil {
					failure = err
					break
				}
				if pages++; pages > 10 {
					t.Fatal("a walk without end")
				}
			}
			if gitlab.KindOf(failure) != gitlab.BadAnswer || !strings.Contains(failure.Error(), tt.want) || pages != tt.pages {
				t.Errorf("%d pages, then %v; want %d pages, then an error with %q", pages, failure, tt.pages, tt.want)
			}
		})
	}
}

func TestProjectJobsFollowTheCursor(t *testing.T) {
	var asked []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		cursor := r.URL.Query().Get("cursor")
		asked = append(asked, cursor)
		if len(asked) < 3 {
			next := url.Values{"cursor": {fmt.Sprintf("eyJpZCI6%d==", len(asked))}, "pagination": {"keyset"}, "per_page": {"100"}}
			w.Header().Set("Link", "<http://"+r.Host+r.URL.Path+"?"+next.Encode()+`>; rel="next"`)
		}
		respond(w, 200, fmt.Sprintf(`[{"id":%d,"name":"n","status":"success"}]`, 10-len(asked)))
	})
	jobs := c.ProjectJobs(t.Context(), 7, "")
	for range 2 { // each range is a walk of its own
		asked = nil
		if err := drain(jobs); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"", "eyJpZCI61==", "eyJpZCI62=="}, asked); diff != "" {
			t.Errorf("cursors (-want +got):\n%s", diff)
		}
	}
	asked = nil
	for page, err := range c.ProjectJobs(t.Context(), 7, "eyJpZCI60==") {
		if err != nil || page.Next != "eyJpZCI61==" || page.Last {
			t.Errorf("the page after a cursor: next %q, last %v, error %v", page.Next, page.Last, err)
		}
		break
	}
	if diff := cmp.Diff([]string{"eyJpZCI60=="}, asked); diff != "" {
		t.Errorf("one page after a cursor (-want +got):\n%s", diff)
	}
}

// TestFailedJobs: the filter goes with every page, a row that does not pass it is
// no answer.
func TestFailedJobs(t *testing.T) {
	var asked []string
	status := "failed"
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		asked = append(asked, fmt.Sprint(q["scope[]"], q.Get("per_page"), q.Get("order_by"), q.Get("sort"), q.Get("cursor")))
		if q.Get("cursor") == "" {
			next := url.Values{"cursor": {"a=="}, "pagination": {"keyset"}, "per_page": {"7"}}
			w.Header().Set("Link", "<http://"+r.Host+r.URL.Path+"?"+next.Encode()+`>; rel="next"`)
		}
		respond(w, 200, fmt.Sprintf(`[{"id":%d,"name":"n","status":%q}]`, 10-len(asked), status))
	})
	if err := drain(c.FailedJobs(t.Context(), 7, "", 7)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"[failed]7iddesc", "[failed]7iddesca=="}, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	status = "success"
	if err := drain(c.FailedJobs(t.Context(), 7, "", 0)); gitlab.KindOf(err) != gitlab.BadAnswer {
		t.Errorf("a job that did not fail: %v, want it refused", err)
	}
}

func TestItems(t *testing.T) {
	pages := func(yield func(gitlab.Page[int], error) bool) {
		_ = yield(gitlab.Page[int]{Items: []int{1, 2}}, nil) && yield(gitlab.Page[int]{}, nil) &&
			yield(gitlab.Page[int]{Items: []int{3}}, nil) && yield(gitlab.Page[int]{}, fmt.Errorf("broken"))
	}
	var got []string
	for n, err := range gitlab.Items(pages) {
		got = append(got, fmt.Sprint(n, err))
	}
	if diff := cmp.Diff([]string{"1 <nil>", "2 <nil>", "3 <nil>", "0 broken"}, got); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	for range gitlab.Items(pages) {
		break
	}
}

func drain[T any](walk iter.Seq2[gitlab.Page[T], error]) error {
	for _, err := range walk {
		if err != nil {
			return err
		}
	}
	return nil
}
