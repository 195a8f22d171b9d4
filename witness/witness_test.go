package witness_test

import (
	"math"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	gitlab "gitlab.com/gitlab-org/api/client-go/v2"

	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
)

// TestOfficialClientMissesNothing walks groups, projects, pipelines, jobs and
// bridges in small pages and wants exactly the rows of the world.
func TestOfficialClientMissesNothing(t *testing.T) {
	for seed := range uint64(3) {
		w := gitlabtest.Generate(seed, gitlabtest.Size{Projects: 8, PipelinesPerProject: 20})
		s := gitlabtest.NewServer(w)
		c := client(t, s, s.DefaultToken())

		var groups, wantGroups []string
		for _, g := range collect(t, func(p gitlab.PaginationOptionFunc) ([]*gitlab.Group, *gitlab.Response, error) {
			return c.Groups.ListGroups(&gitlab.ListGroupsOptions{ListOptions: gitlab.ListOptions{PerPage: 3}}, p)
		}) {
			groups = append(groups, g.FullPath)
		}
		for _, g := range w.Groups {
			wantGroups = append(wantGroups, g.FullPath)
		}
		slices.Sort(groups)
		slices.Sort(wantGroups)
		same(t, "groups", wantGroups, groups)

		var projects []*gitlab.Project
		for _, g := range w.Groups {
			if g.Parent == nil {
				projects = append(projects, collect(t, func(p gitlab.PaginationOptionFunc) ([]*gitlab.Project, *gitlab.Response, error) {
					return c.Groups.ListGroupProjects(g.FullPath, &gitlab.ListGroupProjectsOptions{
						ListOptions: gitlab.ListOptions{PerPage: 2}, IncludeSubGroups: gitlab.Ptr(true), WithShared: gitlab.Ptr(false),
					}, p)
				})...)
			}
		}
		slices.SortFunc(projects, func(a, b *gitlab.Project) int { return int(a.ID - b.ID) })
		var got, want []project
		for _, p := range projects {
			got = append(got, project{p.ID, p.PathWithNamespace, p.DefaultBranch, p.Archived, string(p.Visibility), string(p.BuildsAccessLevel), p.Namespace.FullPath})
		}
		for _, p := range w.Projects {
			want = append(want, project{p.ID, p.FullPath, or(p.DefaultBranch), p.Archived, p.Visibility, p.BuildsAccess, p.Group.FullPath})
		}
		same(t, "projects", want, got)

		for _, p := range w.Projects {
			if p.Forbidden || p.BuildsAccess == "disabled" {
				_, resp, err := c.Pipelines.ListProjectPipelines(p.ID, nil)
				if err == nil || resp.StatusCode != http.StatusForbidden {
					t.Errorf("%s: pipelines that nobody may read: %v", p.FullPath, err)
				}
				continue
			}
			readProject(t, c, p, w.Now())
		}
	}
}

// readProject compares all pipelines and jobs of one project.
func readProject(t *testing.T, c *gitlab.Client, p *gitlabtest.Project, now time.Time) {
	t.Helper()
	list := collect(t, func(page gitlab.PaginationOptionFunc) ([]*gitlab.PipelineInfo, *gitlab.Response, error) {
		return c.Pipelines.ListProjectPipelines(p.ID, &gitlab.ListProjectPipelinesOptions{ListOptions: gitlab.ListOptions{PerPage: 7}}, page)
	})
	list = append(list, collect(t, func(page gitlab.PaginationOptionFunc) ([]*gitlab.PipelineInfo, *gitlab.Response, error) {
		return c.Pipelines.ListProjectPipelines(p.ID, &gitlab.ListProjectPipelinesOptions{ListOptions: gitlab.ListOptions{PerPage: 7}, Source: gitlab.Ptr("parent_pipeline")}, page)
	})...)
	slices.SortFunc(list, func(a, b *gitlab.PipelineInfo) int { return int(a.ID - b.ID) })
	var got, want []pipeline
	var gotJobs, wantJobs []job
	for _, info := range list {
		pl, _, err := c.Pipelines.GetPipeline(p.ID, info.ID)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, pipeline{
			pl.ID, pl.IID, pl.ProjectID, pl.Status, string(pl.Source), pl.Ref, pl.SHA, pl.Name, pl.Tag, pl.YamlErrors, pl.User.Username, ms(pl.CreatedAt), ms(pl.UpdatedAt),
			ms(pl.StartedAt), ms(pl.FinishedAt), pl.Duration, pl.QueuedDuration, pl.Coverage,
		})
		for _, j := range collect(t, func(page gitlab.PaginationOptionFunc) ([]*gitlab.Job, *gitlab.Response, error) {
			return c.Jobs.ListPipelineJobs(p.ID, pl.ID, &gitlab.ListJobsOptions{ListOptions: gitlab.ListOptions{PerPage: 50}, IncludeRetried: gitlab.Ptr(true)}, page)
		}) {
			gotJobs = append(gotJobs, job{
				j.ID, j.Pipeline.ID, j.Name, j.Stage, j.Status, j.AllowFailure, j.FailureReason, ms(j.CreatedAt), ms(j.StartedAt), ms(j.FinishedAt), us(j.Duration), us(j.QueuedDuration),
				j.Coverage, j.Runner.ID, j.User.Username, len(j.TagList), j.Commit != nil, 0,
			})
		}
		for _, b := range collect(t, func(page gitlab.PaginationOptionFunc) ([]*gitlab.Bridge, *gitlab.Response, error) {
			return c.Jobs.ListPipelineBridges(p.ID, pl.ID, &gitlab.ListJobsOptions{ListOptions: gitlab.ListOptions{PerPage: 1}}, page)
		}) {
			bridge := job{
				b.ID, b.Pipeline.ID, b.Name, b.Stage, b.Status, b.AllowFailure, b.FailureReason, ms(b.CreatedAt), ms(b.StartedAt), ms(b.FinishedAt), us(b.Duration), us(b.QueuedDuration),
				b.Coverage, 0, b.User.Username, 0, b.Commit != nil, 0,
			}
			if b.DownstreamPipeline != nil {
				bridge.Downstream = b.DownstreamPipeline.ID
			}
			gotJobs = append(gotJobs, bridge)
		}
	}
	for _, pl := range p.Pipelines {
		want = append(want, pipeline{
			pl.ID, pl.IID, p.ID, pl.Status, pl.Source, pl.Ref, pl.SHA, or(pl.Name), pl.Tag, or(pl.YAMLErrors), pl.User.Username, ms(&pl.CreatedAt), ms(pl.UpdatedAt),
			ms(pl.StartedAt), ms(pl.FinishedAt), or(pl.Duration(now)), or(pl.QueuedDuration()), or(pl.Coverage()),
		})
		for _, j := range pl.Jobs {
			if j.Kind == gitlabtest.External {
				continue // in no jobs endpoint
			}
			row := job{
				j.ID, pl.ID, j.Name, j.Stage, j.Status, j.AllowFailure, "", ms(&j.CreatedAt), ms(j.StartedAt), ms(j.FinishedAt), or(j.Duration(now)).Microseconds(), or(j.QueuedDuration(now)).Microseconds(),
				or(j.Coverage), 0, j.User.Username, len(j.Tags), pl.Commit != nil, 0,
			}
			if j.Status == "failed" {
				row.FailureReason = or(j.FailureReason)
			}
			if j.Runner != nil {
				row.Runner = j.Runner.ID
			}
			if j.Downstream != nil {
				row.Downstream = j.Downstream.ID
			}
			wantJobs = append(wantJobs, row)
		}
	}
	same(t, p.FullPath+": pipelines", want, got)
	byID := func(a, b job) int { return int(a.ID - b.ID) }
	slices.SortFunc(gotJobs, byID)
	slices.SortFunc(wantJobs, byID)
	same(t, p.FullPath+": jobs", wantJobs, gotJobs)

	keyset := collect(t, func(page gitlab.PaginationOptionFunc) ([]*gitlab.Job, *gitlab.Response, error) {
		return c.Jobs.ListProjectJobs(p.ID, &gitlab.ListJobsOptions{ListOptions: gitlab.ListOptions{Pagination: "keyset", PerPage: 40, OrderBy: "id", Sort: "desc"}}, page)
	})
	var gotIDs, wantIDs []int64
	for _, j := range keyset {
		gotIDs = append(gotIDs, j.ID)
	}
	for _, pl := range p.Pipelines {
		for _, j := range pl.Jobs {
			if j.Kind == gitlabtest.Build {
				wantIDs = append(wantIDs, j.ID)
			}
		}
	}
	slices.SortFunc(wantIDs, func(a, b int64) int { return int(b - a) })
	same(t, p.FullPath+": jobs by keyset", wantIDs, gotIDs)
}

// The official client must also understand our refusals.
func TestOfficialClientUnderstandsRefusals(t *testing.T) {
	w := gitlabtest.Generate(1, gitlabtest.Size{PipelinesPerProject: 1})
	s := gitlabtest.NewServer(w)
	for name, c := range map[string]struct {
		token  string
		status int
	}{
		"revoked": {s.Token(gitlabtest.TokenSpec{Revoked: true}), http.StatusUnauthorized},
		"scope":   {s.Token(gitlabtest.TokenSpec{Scopes: []string{"read_repository"}}), http.StatusForbidden},
		"wrong":   {"nonsense", http.StatusUnauthorized},
	} {
		_, resp, err := client(t, s, c.token).Users.CurrentUser()
		if err == nil || resp == nil || resp.StatusCode != c.status {
			t.Errorf("%s: %v", name, err)
		}
	}
	self, _, err := client(t, s, s.DefaultToken()).PersonalAccessTokens.GetSinglePersonalAccessToken()
	if err != nil || !self.Active || !slices.Equal(self.Scopes, []string{"read_api"}) {
		t.Errorf("token: %+v, %v", self, err)
	}
	version, _, err := client(t, s, s.DefaultToken()).Version.GetVersion()
	if err != nil || version.Version == "" {
		t.Errorf("version: %+v, %v", version, err)
	}
}

// A client that is told to wait comes back and reads on.
func TestOfficialClientWaitsForLimits(t *testing.T) {
	s := gitlabtest.NewServer(gitlabtest.Uniform(1, 30, 1))
	refused := 0
	s.Fault(func(n int, _ *http.Request) gitlabtest.Fault {
		if n == 2 {
			refused++
			return gitlabtest.Fault{Kind: gitlabtest.EndpointLimited}
		}
		return gitlabtest.Fault{}
	})
	c, err := gitlab.NewClient(s.DefaultToken(), gitlab.WithBaseURL("http://gitlab.example"), gitlab.WithHTTPClient(&http.Client{Transport: s.Transport()}))
	if err != nil {
		t.Fatal(err)
	}
	got := collect(t, func(page gitlab.PaginationOptionFunc) ([]*gitlab.PipelineInfo, *gitlab.Response, error) {
		return c.Pipelines.ListProjectPipelines(1, &gitlab.ListProjectPipelinesOptions{ListOptions: gitlab.ListOptions{PerPage: 10}}, page)
	})
	if len(got) != 30 || refused != 1 {
		t.Errorf("%d of 30 pipelines, refused %d times", len(got), refused)
	}
}

// What is compared of each row. The official client cannot tell null from zero,
// so neither does this.
type (
	project struct {
		ID                                      int64
		Path, DefaultBranch                     string
		Archived                                bool
		Visibility, BuildsAccess, NamespacePath string
	}
	pipeline struct {
		ID, IID, ProjectID                          int64
		Status, Source, Ref, SHA, Name              string
		Tag                                         bool
		YAMLErrors, User                            string
		CreatedAt, UpdatedAt, StartedAt, FinishedAt int64
		Duration, Queued                            int64
		Coverage                                    string
	}
	job struct {
		ID, PipelineID                   int64
		Name, Stage, Status              string
		AllowFailure                     bool
		FailureReason                    string
		CreatedAt, StartedAt, FinishedAt int64
		Duration, Queued                 int64 // microseconds
		Coverage                         float64
		Runner                           int64
		User                             string
		Tags                             int
		Commit                           bool
		Downstream                       int64
	}
)

func client(t *testing.T, s *gitlabtest.Server, token string) *gitlab.Client {
	t.Helper()
	c, err := gitlab.NewClient(token, gitlab.WithBaseURL("http://gitlab.example"),
		gitlab.WithHTTPClient(&http.Client{Transport: s.Transport()}), gitlab.WithoutRetries())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func collect[T any](t *testing.T, page func(gitlab.PaginationOptionFunc) ([]T, *gitlab.Response, error)) []T {
	t.Helper()
	list, err := gitlab.ScanAndCollect(page)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func same[T any](t *testing.T, what string, want, got []T) {
	t.Helper()
	if len(want) == 0 && len(got) == 0 {
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-world +official client):\n%s", what, diff)
	}
}

// ms is a time in milliseconds, which is what the API shows of it; 0 for null.
func ms(at *time.Time) int64 {
	if at == nil {
		return 0
	}
	return at.UnixMilli()
}

// us is a span of float seconds in microseconds.
func us(seconds float64) int64 { return int64(math.Round(seconds * 1e6)) }

func or[T any](v *T) T {
	if v == nil {
		return *new(T)
	}
	return *v
}
