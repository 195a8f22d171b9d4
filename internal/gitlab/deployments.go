package gitlab

import (
	"context"
	"fmt"
	"iter"
	"net/url"
	"time"
)

// Deployment is what GitLab recorded of a deployment. REST says neither when it
// ended nor its environment's tier: the first is in its job, the second in the
// list of environments.
type Deployment struct {
	ID          int64           `json:"id"`
	IID         Field[int64]    `json:"iid"`
	Ref         Field[string]   `json:"ref"`
	SHA         Field[string]   `json:"sha"`
	Status      string          `json:"status"` // created, running, success, failed, canceled, skipped, blocked
	CreatedAt   Field[Time]     `json:"created_at"`
	UpdatedAt   Field[Time]     `json:"updated_at"`
	User        Field[User]     `json:"user"`
	Environment DeployedTo      `json:"environment"`
	Deployable  Field[Deployer] `json:"deployable"` // null for one that was made by the API, or whose job is gone
}

// DeployedTo is the environment as deployments show it.
type DeployedTo struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// Deployer is the job of a deployment.
type Deployer struct {
	ID         int64                   `json:"id"`
	Name       string                  `json:"name"`
	Status     string                  `json:"status"`
	FinishedAt Field[Time]             `json:"finished_at"`
	Pipeline   Field[PipelineListItem] `json:"pipeline"`
}

// Environment is a place that a project deploys to.
type Environment struct {
	ID   int64         `json:"id"`
	Name string        `json:"name"`
	Tier Field[string] `json:"tier"` // production, staging, testing, development, other; absent before GitLab 13.10
}

// Deployments walks over a project's deployments that were changed within the
// bounds, both inclusive, the latest change first; a zero UpdatedAfter is the
// beginning, a zero UpdatedBefore no bound. There may be none. Forbidden means
// that the token may not read them. Pages are offsets into a list that moves,
// as those of Pipelines are.
func (c *Client) Deployments(ctx context.Context, projectID int64, updatedAfter, updatedBefore time.Time) iter.Seq2[Page[Deployment], error] {
	// Order and filter must be by the same time; GitLab is to refuse anything else.
	if updatedAfter.IsZero() {
		updatedAfter = time.Unix(0, 0)
	}
	o := PipelineListOptions{OrderBy: "updated_at", Sort: "desc", UpdatedAfter: updatedAfter, UpdatedBefore: updatedBefore}
	return pages(ctx, c, request{
		endpoint: "/projects/:id/deployments",
		path:     "/projects/" + id(projectID) + "/deployments", query: o.query(),
	}, func(d *Deployment) error {
		updated, ok := d.UpdatedAt.Get()
		if ok && updated.Before(updatedAfter.Truncate(time.Millisecond)) {
			return fmt.Errorf("deployment %d was updated at %s, before the asked %s: this GitLab ignores the filter",
				d.ID, updated.Format(wireTime), updatedAfter.UTC().Format(wireTime))
		}
		return nil
	})
}

// Environments walks over a project's environments, stopped ones too, in no
// order that matters. There may be none. Forbidden means that the token may not
// read them.
func (c *Client) Environments(ctx context.Context, projectID int64) iter.Seq2[Page[Environment], error] {
	return pages[Environment](ctx, c, request{
		endpoint: "/projects/:id/environments",
		path:     "/projects/" + id(projectID) + "/environments", query: url.Values{"per_page": {perPageText(0)}},
	}, nil)
}

// Environment gives one environment. A deleted one is NotFound.
func (c *Client) Environment(ctx context.Context, projectID, environmentID int64) (Environment, error) {
	a, err := one[Environment](ctx, c, request{
		endpoint: "/projects/:id/environments/:id",
		path:     "/projects/" + id(projectID) + "/environments/" + id(environmentID),
	})
	return a.Value, err
}

func (d *Deployment) check() error {
	job, ok := d.Deployable.Get()
	return missing("a deployment", requiredKey{"id", d.ID != 0}, requiredKey{"status", d.Status != ""},
		requiredKey{"environment.name", d.Environment.Name != ""}, requiredKey{"deployable.id", !ok || job.ID != 0})
}

func (e *Environment) check() error {
	return missing("an environment", requiredKey{"id", e.ID != 0}, requiredKey{"name", e.Name != ""})
}
