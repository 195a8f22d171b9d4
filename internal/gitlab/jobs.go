package gitlab

import (
	"context"
	"iter"
	"net/url"
)

const endpointProjectJobs = "GET /projects/:id/jobs"

// PipelineJobs walks over the builds of a pipeline, retried attempts included,
// newest first. Bridges are not among them, and no field says which attempt was
// retried: of one name, the highest id is the latest. There may be none.
func (c *Client) PipelineJobs(ctx context.Context, projectID, pipelineID int64) iter.Seq2[Page[Job], error] {
	return pages[Job](ctx, c, request{
		endpoint: "/projects/:id/pipelines/:id/jobs",
		path:     "/projects/" + id(projectID) + "/pipelines/" + id(pipelineID) + "/jobs",
		query:    url.Values{"include_retried": {"true"}, "per_page": {perPageText(0)}},
	}, nil)
}

// PipelineBridges walks over the trigger jobs of a pipeline, newest first.
// There may be none.
func (c *Client) PipelineBridges(ctx context.Context, projectID, pipelineID int64) iter.Seq2[Page[Job], error] {
	return pages[Job](ctx, c, request{
		endpoint: "/projects/:id/pipelines/:id/bridges",
		path:     "/projects/" + id(projectID) + "/pipelines/" + id(pipelineID) + "/bridges",
		query:    url.Values{"per_page": {perPageText(0)}},
	}, nil)
}

// ProjectJobs walks over all builds of a project, child pipelines' and retried
// ones included, newest first by id. GitLab gives no time filter and no other
// order here; a caller stops when it has gone back far enough. The pages follow
// a keyset, so rows that are added meanwhile move nothing. after is where to go
// on, the Next of an earlier page; "" begins at the newest build.
func (c *Client) ProjectJobs(ctx context.Context, projectID int64, after string) iter.Seq2[Page[Job], error] {
	query := url.Values{"pagination": {"keyset"}, "order_by": {"id"}, "sort": {"desc"}, "per_page": {perPageText(0)}}
	if after != "" {
		query.Set("cursor", after)
	}
	return pages[Job](ctx, c, request{endpoint: "/projects/:id/jobs", path: "/projects/" + id(projectID) + "/jobs", query: query}, nil)
}

func (j *Job) check() error {
	return missing("a job", requiredKey{"id", j.ID != 0}, requiredKey{"name", j.Name != ""}, requiredKey{"status", j.Status != ""})
}
