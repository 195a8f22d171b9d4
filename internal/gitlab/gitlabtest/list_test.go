package gitlabtest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
)

// TestPipelineFilters asks one small project everything that the list of
// pipelines understands.
func TestPipelineFilters(t *testing.T) {
	at := time.Date(2026, 1, 10, 12, 0, 0, 123_456_000, time.UTC)
	w := gitlabtest.NewWorld()
	w.SetNow(at.Add(time.Hour))
	p := w.AddProject("acme/shop")
	ada := w.AddUser("ada")
	grace := w.AddUser("grace")
	job := []gitlabtest.JobSpec{{Name: "test", Took: time.Minute}}
	add := func(spec gitlabtest.PipelineSpec) *gitlabtest.Pipeline {
		spec.At = at
		if spec.User == nil {
			spec.User = ada
		}
		pl := w.AddPipeline(p, spec)
		at = at.Add(time.Minute)
		return pl
	}
	add(gitlabtest.PipelineSpec{Jobs: job, SHA: strings.Repeat("1", 40)})                                                                                           // 1
	add(gitlabtest.PipelineSpec{Ref: "feature", User: grace, Jobs: job, Name: new("Nightly")})                                                                      // 2
	add(gitlabtest.PipelineSpec{Source: "parent_pipeline", Jobs: job})                                                                                              // 3
	add(gitlabtest.PipelineSpec{Source: "external", NullUpdated: true})                                                                                             // 4
	add(gitlabtest.PipelineSpec{Status: "skipped"})                                                                                                                 // 5
	add(gitlabtest.PipelineSpec{YAMLErrors: "no jobs"})                                                                                                             // 6
	add(gitlabtest.PipelineSpec{Source: "merge_request_event", Ref: "refs/merge-requests/7/head", SourceBranch: "feature", Jobs: job})                              // 7
	add(gitlabtest.PipelineSpec{Ref: "v1", Tag: true, Jobs: []gitlabtest.JobSpec{{Name: "test", Status: "running"}}})                                               // 8
	add(gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "test", Status: "pending"}}})                                                                     // 9
	add(gitlabtest.PipelineSpec{Status: gitlabtest.StrangeStatus, Source: gitlabtest.StrangeSource, Jobs: []gitlabtest.JobSpec{{Name: "test", Status: "success"}}}) // 10
	w.Edit(func() {
		for i, pl := range p.Pipelines {
			if pl.UpdatedAt != nil {
				pl.UpdatedAt = new(time.Date(2026, 1, 11, 0, 10-i, 0, 250_900_000, time.UTC)) // against the order of ids
			}
		}
		p.Pipelines[4].UpdatedAt = p.Pipelines[5].UpdatedAt
	})
	s := gitlabtest.NewServer(w)
	for _, c := range []struct {
		query string
		want  []int64
	}{
		{"", []int64{10, 9, 8, 7, 6, 5, 4, 2, 1}}, // no child
		{"source=parent_pipeline", []int64{3}},
		{"source=push&sort=asc", []int64{1, 2, 5, 6, 8, 9}},
		{"ref=feature", []int64{7, 2}},
		{"ref=feature&source=push", []int64{2}},
		{"ref=feature&source=merge_request_event", []int64{7}},
		{"ref=refs/merge-requests/7/head", []int64{7}},
		{"status=running", []int64{8}},
		{"scope=running", []int64{8}},
		{"scope=pending", []int64{9}},
		{"scope=finished", []int64{7, 6, 4, 2, 1}},
		{"scope=tags", []int64{8}},
		{"scope=branches", []int64{10, 2}},
		{"sha=" + strings.Repeat("1", 40), []int64{1}},
		{"name=Nightly", []int64{2}},
		{"username=GRACE", []int64{2}},
		{"username=nobody", nil},
		{"yaml_errors=true", []int64{6}},
		{"yaml_errors=false&status=failed", nil},
		{"order_by=updated_at", []int64{4, 1, 2, 7, 8, 9, 10}}, // null first when descending; 5 and 6 tie
		{"order_by=updated_at&sort=asc&updated_after=2026-01-11T00:04:00Z&updated_before=2026-01-11T00:09:01Z", []int64{7, 2}},
		{"order_by=updated_at&sort=asc&updated_after=2026-01-11T00:09:00.250Z", []int64{2, 1}}, // ms cut off, µs inside
		{"order_by=updated_at&sort=asc&updated_after=2026-01-11T00:09:00.251Z", []int64{1}},
		{"updated_before=2026-01-11T00:01:00.250Z", nil}, // …and the same cut leaves the row out
		{"updated_before=2026-01-11T00:01:00.251Z", []int64{10}},
		{"updated_after=2026-01-11T02:09:00.250%2B02:00", []int64{2, 1}},
		{"updated_after=2026-01-12T00:00:00Z&updated_before=2026-01-10T00:00:00Z", nil},
		{"created_after=2026-01-10T12:08:00Z", []int64{10, 9}},
		{"updated_afer=2030-01-01T00:00:00Z", []int64{10, 9, 8, 7, 6, 5, 4, 2, 1}}, // mistyped: ignored
		{"order_by=user_id&sort=asc&ref=feature&source=push", []int64{2}},
		{"per_page=2&page=2", []int64{8, 7}},
		{"per_page=2&page=99", nil},
	} {
		t.Run(c.query, func(t *testing.T) {
			got := ids(rows(t, get(t, s, path("projects/acme%%2Fshop/pipelines?%s", c.query))))
			if strings.HasPrefix(c.query, "order_by=updated_at") {
				got = without(got, 5, 6)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestJobLists(t *testing.T) {
	w := gitlabtest.NewWorld()
	p := w.AddProject("acme/shop")
	pl := w.AddPipeline(p, gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{
		{Name: "build", FailedFirst: 1}, // 1, then 5
		{Name: "trigger", Kind: gitlabtest.Bridge},
		{Name: "jenkins", Kind: gitlabtest.External},
		{Name: "deploy", Stage: "deploy", Status: "manual"},
	}})
	s := gitlabtest.NewServer(w)
	jobs := path("projects/%d/pipelines/%d/jobs", p.ID, pl.ID)
	for _, c := range []struct {
		path string
		want []int64
	}{
		{jobs, []int64{5, 4}},
		{jobs + "?include_retried=true", []int64{5, 4, 1}},
		{jobs + "?include_retried=true&scope[]=failed&scope[]=manual", []int64{4, 1}},
		{jobs + "?scope=success", []int64{5}},
		{path("projects/%d/pipelines/%d/bridges", p.ID, pl.ID), []int64{2}},
		{path("projects/%d/jobs", p.ID), []int64{5, 4, 1}},
		{path("projects/%d/jobs?scope[]=failed", p.ID), []int64{1}},
	} {
		t.Run(c.path, func(t *testing.T) {
			if diff := cmp.Diff(c.want, ids(rows(t, get(t, s, c.path)))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	failed := get(t, s, path("projects/%d/jobs/1", p.ID)).body
	if !strings.Contains(failed, `"failure_reason":"script_failure"`) {
		t.Errorf("a failed job without failure_reason: %s", failed)
	}
	if good := get(t, s, path("projects/%d/jobs/5", p.ID)).body; strings.Contains(good, "failure_reason") {
		t.Errorf("a job that did not fail has failure_reason: %s", good)
	}
}

func TestGroupAndProjectLists(t *testing.T) {
	w := gitlabtest.NewWorld()
	for i, name := range []string{"acme/shop", "acme/a/b/deep", "acme/old", "other/thing", "~ada/own"} {
		w.SetNow(time.Date(2026, 1, 1+i, 0, 0, 0, 0, time.UTC))
		w.AddProject(name)
	}
	w.Project("acme/old").Archived = true
	w.Project("other/thing").Visibility = "internal"
	s := gitlabtest.NewServer(w)
	acme, other := w.Group("acme").ID, w.Group("other").ID
	small := s.Token(gitlabtest.TokenSpec{Groups: []string{"acme/a"}})
	for _, c := range []struct {
		token, path string
		want        []string
	}{
		{"", "groups", nil},
		{s.DefaultToken(), "groups", []string{"acme/a", "acme", "acme/a/b", "other"}}, // by name: a, acme, b, other
		{s.DefaultToken(), "groups?top_level_only=true&sort=desc", []string{"other", "acme"}},
		{s.DefaultToken(), "groups?search=OTH", []string{"other"}},
		{small, "groups", []string{"acme/a", "acme", "acme/a/b"}}, // the group above shows too
		{s.DefaultToken(), path("groups/%d/subgroups", acme), []string{"acme/a"}},
		{s.DefaultToken(), path("groups/acme/descendant_groups"), []string{"acme/a", "acme/a/b"}},
		{s.DefaultToken(), path("groups/%d/projects", acme), []string{"acme/old", "acme/shop"}},
		{s.DefaultToken(), path("groups/%d/projects?include_subgroups=true&archived=false&order_by=id&sort=asc", acme), []string{"acme/shop", "acme/a/b/deep"}},
		{small, path("groups/%d/projects?include_subgroups=true", acme), []string{"acme/a/b/deep"}},
		{small, path("groups/acme%%2Fa/projects?include_subgroups=true&simple=true"), []string{"acme/a/b/deep"}},
		{s.DefaultToken(), "projects?order_by=id&sort=asc", []string{"acme/shop", "acme/a/b/deep", "acme/old", "other/thing"}},
		{small, "projects", []string{"other/thing", "acme/a/b/deep"}}, // internal: any user sees it
		{small, "projects?membership=true", []string{"acme/a/b/deep"}},
		{"", "projects", nil},
		{small, path("groups/%d/projects", other), nil},
	} {
		t.Run(c.path, func(t *testing.T) {
			r := getWith(t, s, c.token, path("%s", strings.TrimPrefix(c.path, "/api/v4/")))
			if c.token == small && strings.Contains(c.path, path("groups/%d/projects", other)) {
				if r.status != http.StatusNotFound || r.body != `{"message":"404 Group Not Found"}` {
					t.Errorf("%d %s", r.status, r.body)
				}
				return
			}
			var got []string
			for _, row := range rows(t, r) {
				got = append(got, row.FullPath+row.Path)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func without(list []int64, drop ...int64) []int64 {
	var kept []int64
	for _, id := range list {
		keep := true
		for _, d := range drop {
			keep = keep && id != d
		}
		if keep {
			kept = append(kept, id)
		}
	}
	return kept
}
