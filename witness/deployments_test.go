package witness_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	gitlab "gitlab.com/gitlab-org/api/client-go/v2"

	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
)

// What is compared of a deployment and of an environment.
type (
	deployment struct {
		ID, IID                              int64
		Ref, SHA, Status, User, Environment  string
		CreatedAt, UpdatedAt                 int64
		Job, Pipeline                        int64
		JobName, JobStage, JobStatus, JobSHA string
		Finished                             int64
	}
	environment struct {
		ID         int64
		Name, Tier string
		CreatedAt  int64
	}
)

// TestOfficialClientReadsDeployments walks deployments and environments in
// small pages, those of jobs and those that were made by hand, and wants exactly
// those of the world; and by updated_at only what changed since.
func TestOfficialClientReadsDeployments(t *testing.T) {
	w := gitlabtest.Generate(4, gitlabtest.Size{Projects: 6, PipelinesPerProject: 15, Environments: true})
	open := slices.DeleteFunc(slices.Clone(w.Projects), func(p *gitlabtest.Project) bool { return p.Forbidden || p.BuildsAccess == "disabled" })
	byHand := w.Deploy(open[0], "production/eu", "0123456789abcdef0123456789abcdef01234567", "running")
	s := gitlabtest.NewServer(w)
	c := client(t, s, s.DefaultToken())
	total := 0
	for _, p := range w.Projects {
		if !slices.Contains(open, p) {
			_, resp, err := c.Deployments.ListProjectDeployments(p.ID, nil)
			if err == nil || resp.StatusCode != http.StatusForbidden {
				t.Errorf("%s: deployments that nobody may read: %v", p.FullPath, err)
			}
			continue
		}
		var want []deployment
		for _, d := range p.Deployments {
			want = append(want, worldDeployment(p, d))
		}
		total += len(want)
		same(t, p.FullPath+": deployments", want, deployments(t, c, p, &gitlab.ListProjectDeploymentsOptions{OrderBy: gitlab.Ptr("id"), Sort: gitlab.Ptr("asc")}))

		var environments, wantEnvironments []environment
		for _, e := range collect(t, func(page gitlab.PaginationOptionFunc) ([]*gitlab.Environment, *gitlab.Response, error) {
			return c.Environments.ListEnvironments(p.ID, &gitlab.ListEnvironmentsOptions{ListOptions: gitlab.ListOptions{PerPage: 2}}, page)
		}) {
			environments = append(environments, environment{e.ID, e.Name, e.Tier, ms(e.CreatedAt)})
		}
		for _, e := range p.Environments {
			wantEnvironments = append(wantEnvironments, environment{e.ID, e.Name, e.Tier, ms(&e.CreatedAt)})
		}
		slices.SortFunc(wantEnvironments, func(a, b environment) int { return int(a.ID - b.ID) })
		same(t, p.FullPath+": environments", wantEnvironments, environments)
	}
	if total < 20 {
		t.Fatalf("%d deployments prove nothing", total)
	}

	// The one that moves comes alone to who asks for what changed since.
	newest := time.Time{}
	for _, d := range open[0].Deployments {
		if d.UpdatedAt.After(newest) {
			newest = d.UpdatedAt
		}
	}
	w.SetNow(newest.Add(time.Hour))
	w.SetDeployment(byHand, "success")
	since := &gitlab.ListProjectDeploymentsOptions{OrderBy: gitlab.Ptr("updated_at"), Sort: gitlab.Ptr("asc"), UpdatedAfter: gitlab.Ptr(newest.Add(time.Minute))}
	got := deployments(t, c, open[0], since)
	same(t, "what changed since", []deployment{worldDeployment(open[0], byHand)}, got)
	if len(got) == 1 && (got[0].Status != "success" || got[0].Job != 0) {
		t.Errorf("the one made by hand is %+v", got[0])
	}
}

func deployments(t *testing.T, c *gitlab.Client, p *gitlabtest.Project, opts *gitlab.ListProjectDeploymentsOptions) []deployment {
	t.Helper()
	opts.PerPage = 7
	var list []deployment
	for _, d := range collect(t, func(page gitlab.PaginationOptionFunc) ([]*gitlab.Deployment, *gitlab.Response, error) {
		return c.Deployments.ListProjectDeployments(p.ID, opts, page)
	}) {
		one := deployment{
			ID: d.ID, IID: d.IID, Ref: d.Ref, SHA: d.SHA, Status: d.Status, User: d.User.Username, Environment: d.Environment.Name,
			CreatedAt: ms(d.CreatedAt), UpdatedAt: ms(d.UpdatedAt), Job: d.Deployable.ID, Pipeline: d.Deployable.Pipeline.ID,
			JobName: d.Deployable.Name, JobStage: d.Deployable.Stage, JobStatus: d.Deployable.Status, JobSHA: d.Deployable.Pipeline.SHA, Finished: ms(d.Deployable.FinishedAt),
		}
		list = append(list, one)
	}
	return list
}

func worldDeployment(p *gitlabtest.Project, d *gitlabtest.Deployment) deployment {
	one := deployment{
		ID: d.ID, IID: d.IID, Ref: d.Ref, SHA: d.SHA, Status: d.Status, User: d.User.Username, Environment: d.Environment.Name,
		CreatedAt: ms(&d.CreatedAt), UpdatedAt: ms(&d.UpdatedAt),
	}
	if d.Job == nil {
		return one
	}
	one.Job, one.JobName, one.JobStage, one.JobStatus, one.Finished = d.Job.ID, d.Job.Name, d.Job.Stage, d.Job.Status, ms(d.Job.FinishedAt)
	for _, pl := range p.Pipelines {
		if slices.Contains(pl.Jobs, d.Job) {
			one.Pipeline, one.JobSHA = pl.ID, pl.SHA
		}
	}
	return one
}
