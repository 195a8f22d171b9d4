package gitlab

import (
	"context"
	"fmt"
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

// FailedJobs walks over the failed ones of what ProjectJobs lists, in pages of so
// many; 0: a hundred. GitLab looks for them from the newest build downwards, so
// whoever asks for more than there are nearby has it read all of a project's
// history: it has given up on that. A question that it fails on is asked once
// more, not again and again.
func (c *Client) FailedJobs(ctx context.Context, projectID int64, after string, perPage int) iter.Seq2[Page[Job], error] {
	query := url.Values{"pagination": {"keyset"}, "order_by": {"id"}, "sort": {"desc"}, "scope[]": {"failed"}, "per_page": {perPageText(perPage)}}
	if after != "" {
		query.Set("cursor", after)
	}
	once := *c
	once.maxRetries = min(c.maxRetries, 1)
	return pages(ctx, &once, request{endpoint: "/projects/:id/jobs", path: "/projects/" + id(projectID) + "/jobs", query: query}, func(j *Job) error {
		if j.Status != "failed" { // a filter that is not known is ignored
			return fmt.Errorf("asked for failed jobs, GitLab gave job %d, which is %s", j.ID, j.Status)
		}
		return nil
	})
}

func (j *Job) check() error {
	return missing("a job", requiredKey{"id", j.ID != 0}, requiredKey{"name", j.Name != ""}, requiredKey{"status", j.Status != ""})
}
