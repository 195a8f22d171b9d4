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

func TestDeploymentsKeepNullAndAbsentApart(t *testing.T) {
	var asked []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		respond(w, 200, `[{"id":42,"iid":2,"ref":"main","sha":"a91","created_at":"2016-08-11T11:32:35.444Z","updated_at":"2016-08-11T11:34:01.123Z",
			"status":"brand_new","user":null,"environment":{"id":9,"name":"production"},
			"deployable":{"id":664,"status":"success","name":"deploy","finished_at":"2016-08-11T11:32:35.145Z","pipeline":{"id":5,"status":"success"}}},
			{"id":41,"status":"running","environment":{"id":9,"name":"production"},"deployable":null}]`)
	})
	var got []gitlab.Deployment
	for page, err := range c.Deployments(t.Context(), 7, time.Time{}, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, page.Items...)
	}
	if diff := cmp.Diff([]string{"order_by=updated_at&per_page=100&sort=desc&updated_after=1970-01-01T00%3A00%3A00.000Z&updated_before=2026-01-01T00%3A00%3A00.000Z"}, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if len(got) != 2 {
		t.Fatalf("%d deployments", len(got))
	}
	job, _ := got[0].Deployable.Get()
	pipeline, _ := job.Pipeline.Get()
	if got[0].Status != "brand_new" || got[0].User.Absent() || got[0].User.Ptr() != nil || job.ID != 664 || pipeline.ID != 5 || job.FinishedAt.Or(gitlab.Time{}).Nanosecond() != 145e6 {
		t.Errorf("the first is %+v", got[0])
	}
	if got[1].Deployable.Absent() || got[1].Deployable.Ptr() != nil || !got[1].User.Absent() || !got[1].SHA.Absent() {
		t.Errorf("the second is %+v", got[1])
	}
}

func TestDeploymentsRefuseWhatIsNoAnswer(t *testing.T) {
	for body, want := range map[string]string{
		`[{"id":1,"status":"success"}]`:                                                                "without environment.name",
		`[{"id":1,"environment":{"name":"x"}}]`:                                                        "without status",
		`[{"id":1,"status":"success","environment":{"name":"x"},"deployable":{}}]`:                     "without deployable.id",
		`[{"id":1,"status":"success","environment":{"name":"x"},"updated_at":"2020-01-01T00:00:00Z"}]`: "ignores the filter",
	} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) { respond(w, 200, body) })
		for _, err := range c.Deployments(t.Context(), 7, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Time{}) {
			if gitlab.KindOf(err) != gitlab.BadAnswer || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", body, err, want)
			}
		}
	}
}

func TestHasEnvironments(t *testing.T) {
	w := gitlabtest.NewWorld()
	var ids []int64
	for _, path := range []string{"acme/deploys", "acme/none", "acme/refuses"} {
		p := w.AddProject(path)
		ids = append(ids, p.ID)
		if path != "acme/none" {
			w.Deploy(p, "production", "abc", "success")
		}
		p.DeploymentsForbidden = path == "acme/refuses"
	}
	s := gitlabtest.NewServer(w)
	c, err := gitlab.New(gitlab.Config{BaseURL: "https://gitlab.example", Transport: s.Transport(), Credentials: []gitlab.Credential{{Token: gitlab.Secret(s.DefaultToken())}}})
	if err != nil {
		t.Fatal(err)
	}
	got, asked, err := c.HasEnvironments(t.Context(), append(ids, 99))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[int64]bool{ids[0]: true, ids[1]: false, ids[2]: false}, got); diff != "" {
		t.Errorf("environments (-want +got):\n%s", diff)
	}
	if time.Since(asked).Abs() > time.Minute {
		t.Errorf("asked at %v", asked)
	}
	if n := c.Stats().Requests; n != 1 {
		t.Errorf("%d requests", n)
	}
	if got, _, err := c.HasEnvironments(t.Context(), nil); got != nil || err != nil || c.Stats().Requests != 1 {
		t.Errorf("of no projects: %v, %v", got, err)
	}
	environment, err := c.Environment(t.Context(), ids[0], 1)
	if err != nil || environment.Tier.Or("") != "production" {
		t.Errorf("environment %+v, %v", environment, err)
	}
	if _, err := c.Environment(t.Context(), ids[0], 77); gitlab.KindOf(err) != gitlab.NotFound {
		t.Errorf("an environment that is not there: %v", err)
	}
	for page, err := range c.Environments(t.Context(), ids[0]) {
		if err != nil || len(page.Items) != 1 || page.Items[0].Name != "production" {
			t.Errorf("environments %+v, %v", page.Items, err)
		}
	}
	for _, err := range c.Environments(t.Context(), ids[2]) {
		if gitlab.KindOf(err) != gitlab.Forbidden {
			t.Errorf("environments of one that refuses: %v", err)
		}
	}
}

func TestHasEnvironmentsIsNeverShort(t *testing.T) {
	for body, want := range map[string]string{
		`{"data":{"projects":{"pageInfo":{"hasNextPage":false},"nodes":[{"id":"gid://gitlab/Project/9","environment":null}]}}}`: "was not asked for",
		`{"data":{"projects":{"pageInfo":{"hasNextPage":false},"nodes":[{"id":"gid://gitlab/Project/7"}]}}}`:                    "without a word",
		`{"data":{"projects":null}}`: "without projects",
		`{"data":{"projects":{"pageInfo":{"hasNextPage":true,"endCursor":"x"},"nodes":[{"id":"gid://gitlab/Project/7","environment":null}]}}}`: "has more of them",
		`{"errors":[{"message":"nope"}],"data":{"projects":{"pageInfo":{"hasNextPage":false},"nodes":[]}}}`:                                    "nope",
	} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) { respond(w, 200, body) })
		if _, _, err := c.HasEnvironments(t.Context(), []int64{7}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
}
