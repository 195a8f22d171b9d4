package gitlab_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
)

// TestErasedInAWorld reads two projects to their ends, a page at a time.
func TestErasedInAWorld(t *testing.T) {
	w := gitlabtest.NewWorld()
	now := time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC)
	w.SetNow(now)
	shop, off := w.AddProject("acme/shop"), w.AddProject("acme/off")
	jobs := []gitlabtest.JobSpec{{Name: "a", Took: time.Minute}, {Name: "start", Kind: gitlabtest.Bridge, Status: "success"}}
	var list []*gitlabtest.Pipeline
	for i := range 5 {
		list = append(list, w.AddPipeline(shop, gitlabtest.PipelineSpec{At: now.Add(time.Duration(i-48) * time.Hour), Jobs: jobs}))
	}
	child := w.AddPipeline(shop, gitlabtest.PipelineSpec{At: now.Add(-time.Hour), Source: "parent_pipeline", Parent: list[4], Jobs: jobs[:1]})
	long := make([]gitlabtest.JobSpec, 101)
	for i := range long {
		long[i] = gitlabtest.JobSpec{Name: "n" + string(rune('0'+i%10)) + string(rune('a'+i/10)), Took: time.Minute}
	}
	list = append(list, w.AddPipeline(shop, gitlabtest.PipelineSpec{At: now.Add(-time.Hour), Jobs: long}))
	w.AddPipeline(off, gitlabtest.PipelineSpec{At: now.Add(-time.Hour), Jobs: jobs})
	w.SetBuildsAccess(off, "disabled")
	w.SetNow(now.Add(123 * time.Millisecond))
	for _, pl := range []*gitlabtest.Pipeline{list[1], child} {
		if err := w.EraseJob(pl, pl.Jobs[0]); err != nil {
			t.Fatal(err)
		}
	}
	s := gitlabtest.NewServer(w)
	c, err := gitlab.New(gitlab.Config{
		BaseURL: "https://gitlab.example", Transport: s.Transport(),
		Credentials: []gitlab.Credential{{Token: gitlab.Secret(s.DefaultToken())}},
	})
	if err != nil {
		t.Fatal(err)
	}
	q := gitlab.ErasedQuery{ProjectIDs: []int64{shop.ID, off.ID}, UpdatedAfter: now.Add(-47*time.Hour - time.Minute), First: 2}
	var got []gitlab.ErasedBuild
	pages := 0
	for ; ; pages++ {
		found, err := c.Erased(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) != 1 || found[0].ProjectID != shop.ID || found[0].FullPath != "acme/shop" {
			t.Fatalf("page %d: %+v, want acme/shop alone: CI of the other is off", pages, found)
		}
		p := found[0]
		got = append(got, p.Builds...)
		if pages == 0 {
			if len(p.Longer) != 1 || p.Longer[0].ID != list[5].ID || p.Longer[0].IID != list[5].IID || p.Longer[0].After == "" {
				t.Errorf("longer pipelines %+v, want %d", p.Longer, list[5].ID)
			}
			more, next, _, err := c.RunJobs(t.Context(), p.FullPath, p.Longer[0].IID, p.Longer[0].After, false)
			if err != nil || len(more) != 1 || next != "" {
				t.Errorf("behind the first hundred: %d jobs, %q, %v", len(more), next, err)
			}
		}
		q = gitlab.ErasedQuery{
			ProjectIDs: q.ProjectIDs[:1], UpdatedAfter: q.UpdatedAfter, First: 2,
			OwnAfter: p.OwnNext, NoOwn: p.OwnNext == "", ChildrenAfter: p.ChildrenNext, NoChildren: p.ChildrenNext == "",
		}
		if q.NoOwn && q.NoChildren {
			break
		}
	}
	want := []gitlab.ErasedBuild{
		{ID: child.Jobs[0].ID, PipelineID: child.ID, ErasedAt: now},
		{ID: list[1].Jobs[0].ID, PipelineID: list[1].ID, ErasedAt: now},
	}
	if diff := cmp.Diff(want, got); diff != "" || pages != 2 {
		t.Errorf("%d further pages (-want +got):\n%s", pages, diff)
	}
}

func TestErasedFailures(t *testing.T) {
	const build = `{"id":"gid://gitlab/Ci::Build/5","erasedAt":"2026-01-02T03:04:06Z"}`
	const jobs = `{"pageInfo":{"hasNextPage":false,"endCursor":"j"},"nodes":[` + build + `,{"id":"gid://gitlab/Ci::Build/4","erasedAt":null}]}`
	const page = `{"pageInfo":{"hasNextPage":true,"endCursor":"c"},"nodes":[{"id":"gid://gitlab/Ci::Pipeline/9","iid":"3","jobs":` + jobs + `}]}`
	const none = `{"pageInfo":{"hasNextPage":false,"endCursor":null},"nodes":[]}`
	const project = `{"id":"gid://gitlab/Project/7","fullPath":"acme/shop","jobsEnabled":true,"userPermissions":{"readCommitStatus":true},"own":` + page + `,"children":` + none + `}`
	const whole = `{"data":{"projects":{"pageInfo":{"hasNextPage":false,"endCursor":"e"},"nodes":[` + project + `]}}}`
	for _, tt := range []struct {
		name, body string
		kind       gitlab.Kind
		shown      int
	}{
		{"whole", whole, "", 1},
		{"CI off", with(whole, `"jobsEnabled":true`, `"jobsEnabled":false`), "", 0},
		{"may not read", with(whole, `"readCommitStatus":true`, `"readCommitStatus":false`), "", 0},
		{"a list is null", with(whole, none, "null"), "", 0},
		{"none there", with(whole, project, ""), "", 0},
		{"another project", with(whole, "Project/7", "Project/6"), gitlab.BadAnswer, 0},
		{"without path", with(whole, `"acme/shop"`, "null"), gitlab.BadAnswer, 0},
		{"jobs are hidden", with(whole, jobs, "null"), gitlab.BadAnswer, 0},
		{"without iid", with(whole, `"iid":"3",`, ""), gitlab.BadAnswer, 0},
		{"a job without id", with(whole, `{"id":"gid://gitlab/Ci::Build/4",`, "{"), gitlab.BadAnswer, 0},
		{"a time that is none", with(whole, `"2026-01-02T03:04:06Z"`, `"soon"`), gitlab.BadAnswer, 0},
		{"a row is null", with(whole, build, "null"), gitlab.BadAnswer, 0},
		{"no cursor of the next page", with(whole, `"endCursor":"c"`, `"endCursor":null`), gitlab.BadAnswer, 0},
		{"an error beside data", with(whole, `{"data"`, `{"errors":[{"message":"x"}],"data"`), gitlab.BadAnswer, 0},
		{"timed out", timeout, gitlab.Timeout, 0},
	} {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) { respond(w, 200, tt.body) }, once)
		got, err := c.Erased(t.Context(), gitlab.ErasedQuery{ProjectIDs: []int64{7}, UpdatedAfter: time.Unix(0, 0)})
		if gitlab.KindOf(err) != tt.kind || (err == nil) != (tt.kind == "") || len(got) != tt.shown {
			t.Errorf("%s: %v, %+v, want %q and %d", tt.name, err, got, tt.kind, tt.shown)
		}
		if tt.name == "whole" {
			want := []gitlab.ErasedPage{{
				ProjectID: 7, FullPath: "acme/shop", OwnNext: "c",
				Builds: []gitlab.ErasedBuild{{ID: 5, PipelineID: 9, ErasedAt: time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)}},
			}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("whole (-want +got):\n%s", diff)
			}
		}
	}
}

// TestErasedRefusesBadQueries: what GitLab would not answer is not asked.
func TestErasedRefusesBadQueries(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) { t.Errorf("asked %s", r.URL) })
	for name, q := range map[string]gitlab.ErasedQuery{
		"101 projects":             {ProjectIDs: make([]int64, 101), UpdatedAfter: time.Unix(0, 0)},
		"no time":                  {ProjectIDs: []int64{1}},
		"one cursor, two projects": {ProjectIDs: []int64{1, 2}, UpdatedAfter: time.Unix(0, 0), OwnAfter: "x"},
		"no list":                  {ProjectIDs: []int64{1}, UpdatedAfter: time.Unix(0, 0), NoOwn: true, NoChildren: true},
		"101 pipelines":            {ProjectIDs: []int64{1}, UpdatedAfter: time.Unix(0, 0), First: 101},
	} {
		if _, err := c.Erased(t.Context(), q); gitlab.KindOf(err) != gitlab.BadRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	if found, err := c.Erased(t.Context(), gitlab.ErasedQuery{}); err != nil || found != nil {
		t.Errorf("no projects: %v, %v", found, err)
	}
}
