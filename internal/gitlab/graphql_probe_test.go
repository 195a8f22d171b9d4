package gitlab_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
)

// TestProbeOfAWorld holds a probe against a simulated world.
func TestProbeOfAWorld(t *testing.T) {
	w := gitlabtest.NewWorld()
	now := time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC)
	w.SetNow(now)
	shop, off, gone := w.AddProject("acme/shop"), w.AddProject("acme/off"), w.AddProject("acme/gone")
	w.Edit(func() { shop.Topics = []string{"go", "payments"} })
	w.SetBuildsAccess(off, "disabled")
	w.AddPipeline(shop, gitlabtest.PipelineSpec{At: now.Add(-48 * time.Hour), Jobs: []gitlabtest.JobSpec{{Name: "a", Took: time.Minute}}})
	fresh := w.AddPipeline(shop, gitlabtest.PipelineSpec{At: now.Add(-time.Hour), Jobs: []gitlabtest.JobSpec{{Name: "a", Took: time.Minute}}})
	child := w.AddPipeline(shop, gitlabtest.PipelineSpec{At: now.Add(-time.Hour), Source: "parent_pipeline", Parent: fresh, Jobs: []gitlabtest.JobSpec{{Name: "b", Took: time.Minute}}})
	outside := w.AddPipeline(shop, gitlabtest.PipelineSpec{At: now.Add(-72 * time.Hour), Source: "external"})
	w.Edit(func() { outside.UpdatedAt = nil })
	w.DeleteProject(gone)
	s := gitlabtest.NewServer(w)
	c, err := gitlab.New(gitlab.Config{
		BaseURL: "https://gitlab.example", Transport: s.Transport(),
		Credentials: []gitlab.Credential{{Token: gitlab.Secret(s.DefaultToken())}},
	})
	if err != nil {
		t.Fatal(err)
	}
	q := gitlab.ProbeQuery{ProjectIDs: []int64{shop.ID, off.ID, gone.ID}, UpdatedAfter: now.Add(-2 * time.Hour)}
	found, err := c.Probe(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	got := map[int64]gitlab.ProbedProject{}
	for _, p := range found {
		got[p.ID] = p
	}
	if len(got) != 2 {
		t.Fatalf("%d projects are there, want 2: a deleted one is missing", len(got))
	}
	if p := got[off.ID]; !p.Forbidden {
		t.Errorf("the project without CI is %+v, want its pipelines hidden", p)
	}
	p := got[shop.ID]
	if p.Forbidden || p.FullPath != "acme/shop" || p.Name != shop.Name || strings.Join(p.Topics.Or(nil), " ") != "go payments" || p.Visibility.Or("") != shop.Visibility {
		t.Errorf("the project is %+v", p)
	}
	for name, tt := range map[string]struct {
		got  gitlab.ProbedList
		want *gitlabtest.Pipeline
	}{"own": {p.Own, fresh}, "children": {p.Children, child}, "external": {p.External, outside}} {
		if len(tt.got.Pipelines) != 1 || tt.got.Pipelines[0].ID != tt.want.ID || tt.got.Pipelines[0].Status != tt.want.Status || tt.got.More {
			t.Errorf("%s: %+v, want pipeline %d alone", name, tt.got, tt.want.ID)
		}
	}
	q.UpdatedAfter = now.Add(-72 * time.Hour)
	counts, err := c.Counts(t.Context(), q)
	if diff := cmp.Diff([]gitlab.PipelineCounts{{ProjectID: shop.ID, Own: 2, Children: 1}}, counts); diff != "" || err != nil {
		t.Errorf("counts: %v (-want +got):\n%s", err, diff)
	}
}

func TestProbeFailures(t *testing.T) {
	const pipeline = `{"id":"gid://gitlab/Ci::Pipeline/9","status":"RUNNING","updatedAt":"2026-01-02T03:04:06Z"}`
	const page = `{"pageInfo":{"hasNextPage":true,"endCursor":"c"},"nodes":[` + pipeline + `]}`
	const external = `{"pageInfo":{"hasNextPage":false,"endCursor":null},"nodes":[{"id":"gid://gitlab/Ci::Pipeline/8","status":"SUCCESS","createdAt":"2026-01-01T03:04:06Z"}]}`
	const project = `{"id":"gid://gitlab/Project/7","name":"shop","fullPath":"acme/shop","jobsEnabled":true,"userPermissions":{"readCommitStatus":true},` +
		`"own":` + page + `,"children":{"pageInfo":{"hasNextPage":false,"endCursor":null},"nodes":[]},"external":` + external + `}`
	const whole = `{"data":{"projects":{"pageInfo":{"hasNextPage":false,"endCursor":"e"},"nodes":[` + project + `]}}}`
	for _, tt := range []struct {
		name, body string
		kind       gitlab.Kind
		projects   int
		forbidden  bool
	}{
		{"whole", whole, "", 1, false},
		{"CI off", with(whole, `"jobsEnabled":true`, `"jobsEnabled":false`), "", 1, true},
		{"may not read", with(whole, `"readCommitStatus":true`, `"readCommitStatus":false`), "", 1, true},
		{"a list is null", with(whole, page, "null"), "", 1, true},
		{"none there", with(whole, project, ""), "", 0, false},
		{"projects null", `{"data":{"projects":null}}`, gitlab.BadAnswer, 0, false},
		{"more than were asked for", with(whole, `{"hasNextPage":false,"endCursor":"e"}`, `{"hasNextPage":true,"endCursor":"e"}`), gitlab.BadAnswer, 0, false},
		{"one that was not asked for", with(whole, "Project/7", "Project/6"), gitlab.BadAnswer, 0, false},
		{"twice", with(whole, project, project+","+project), gitlab.BadAnswer, 0, false},
		{"without path", with(whole, `"acme/shop"`, "null"), gitlab.BadAnswer, 0, false},
		{"too old", with(whole, `03:04:06Z"}]},"children"`, `03:04:03Z"}]},"children"`), gitlab.BadAnswer, 0, false},
		{"without updatedAt", with(whole, `"updatedAt":"2026-01-02T03:04:06Z"`, `"updatedAt":null`), gitlab.BadAnswer, 0, false},
		{"external without createdAt", with(whole, `"createdAt":"2026-01-01T03:04:06Z"`, `"createdAt":null`), gitlab.BadAnswer, 0, false},
		{"without status", with(whole, `"RUNNING"`, "null"), gitlab.BadAnswer, 0, false},
		{"no page info", with(whole, `"pageInfo":{"hasNextPage":true,"endCursor":"c"},`, ""), gitlab.BadAnswer, 0, false},
		{"an error beside data", with(whole, `{"data"`, `{"errors":[{"message":"x"}],"data"`), gitlab.BadAnswer, 0, false},
		{"timed out", timeout, gitlab.Timeout, 0, false},
	} {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) { respond(w, 200, tt.body) }, once)
		got, err := c.Probe(t.Context(), gitlab.ProbeQuery{ProjectIDs: []int64{7, 8}, UpdatedAfter: time.Date(2026, 1, 2, 3, 4, 5, 9e8, time.UTC)})
		if gitlab.KindOf(err) != tt.kind || (err == nil) != (tt.kind == "") {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.kind)
		}
		if len(got) != tt.projects || len(got) == 1 && (got[0].Forbidden != tt.forbidden || got[0].AskedAt.IsZero() || got[0].Date.IsZero()) {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

func TestCountsFailures(t *testing.T) {
	const project = `{"id":"gid://gitlab/Project/7","jobsEnabled":true,"userPermissions":{"readCommitStatus":true},"own":{"count":12},"children":{"count":0}}`
	const whole = `{"data":{"projects":{"pageInfo":{"hasNextPage":false,"endCursor":"e"},"nodes":[` + project + `]}}}`
	for _, tt := range []struct {
		name, body string
		kind       gitlab.Kind
		counted    int
	}{
		{"whole", whole, "", 1},
		{"hidden", with(whole, `"readCommitStatus":true`, `"readCommitStatus":false`), "", 0},
		{"none there", with(whole, project, ""), "", 0},
		{"no count", with(whole, `{"count":12}`, `{}`), gitlab.BadAnswer, 0},
		{"null", with(whole, `{"count":12}`, `null`), gitlab.BadAnswer, 0},
		{"another project", with(whole, "Project/7", "Project/6"), gitlab.BadAnswer, 0},
		{"an error beside data", with(whole, `{"data"`, `{"errors":[{"message":"x"}],"data"`), gitlab.BadAnswer, 0},
	} {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) { respond(w, 200, tt.body) }, once)
		got, err := c.Counts(t.Context(), gitlab.ProbeQuery{ProjectIDs: []int64{7}, UpdatedAfter: time.Unix(0, 0)})
		if gitlab.KindOf(err) != tt.kind || (err == nil) != (tt.kind == "") || len(got) != tt.counted {
			t.Errorf("%s: %v, %v, want %q and %d", tt.name, got, err, tt.kind, tt.counted)
		}
	}
}

// TestProbeRefusesBadQueries: what GitLab would not answer is not asked.
func TestProbeRefusesBadQueries(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) { t.Errorf("asked %s", r.URL) })
	for name, q := range map[string]gitlab.ProbeQuery{
		"101 projects": {ProjectIDs: make([]int64, 101), UpdatedAfter: time.Unix(0, 0)},
		"no time":      {ProjectIDs: []int64{1}},
	} {
		if _, err := c.Probe(t.Context(), q); gitlab.KindOf(err) != gitlab.BadRequest {
			t.Errorf("Probe, %s: %v", name, err)
		}
		if _, err := c.Counts(t.Context(), q); gitlab.KindOf(err) != gitlab.BadRequest {
			t.Errorf("Counts, %s: %v", name, err)
		}
	}
	if found, err := c.Probe(t.Context(), gitlab.ProbeQuery{}); err != nil || found != nil {
		t.Errorf("no projects: %v, %v", found, err)
	}
}
