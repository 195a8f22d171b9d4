package importer

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
)

// The plan "documented" reads a pipeline with the endpoints of the connector's
// API reference: its details, its jobs (every attempt) and its bridges. Three
// requests a pipeline, more for more than 100 jobs; always exact.

const perPage = 100 // GitLab's maximum

type (
	pipelinePages = iter.Seq2[gitlab.Page[gitlab.PipelineListItem], error]
	jobPages      = iter.Seq2[gitlab.Page[gitlab.Job], error]
)

// bundle is a pipeline with everything below it, as rows.
type bundle struct {
	id       ci.PipelineID
	pipeline *ci.Pipeline // nil: it is gone, or could not be read
	jobs     []ci.Job
	users    []ci.User
	runners  []ci.Runner
	gone     bool
	open     bool  // to be asked for again whatever the lists say
	err      error // why it could not be read
}

// fetchDocumented reads one pipeline. The details come first: the jobs are then
// at least as new, so a pipeline that is stored as ended has its last jobs, and
// whatever changes later raises its updated_at. ahead, when not nil, are builds
// that were read before; they are good if the pipeline has not changed since.
func fetchDocumented(ctx context.Context, c *gitlab.Client, project ci.Project, id ci.PipelineID, ahead *gathered) bundle {
	b := bundle{id: id}
	answer, err := c.Pipeline(ctx, int64(project.ID), int64(id))
	if err != nil {
		return bundle{id: id, err: err, gone: pipelineGone(err)}
	}
	p := convertPipeline(project, answer.Value, answer.AskedAt)
	if user, ok := answer.Value.User.Get(); ok {
		b.users = append(b.users, convertUser(project.InstanceID, user, answer.AskedAt))
	}
	if ahead != nil && ahead.is(answer.Value.PipelineListItem) {
		b.take(ahead)
	} else if err := b.addJobs(project, ci.Build, c.PipelineJobs(ctx, int64(project.ID), int64(id))); err != nil {
		return b.failed(ctx, c, project, err)
	}
	if err := b.addJobs(project, ci.Bridge, c.PipelineBridges(ctx, int64(project.ID), int64(id))); err != nil {
		return b.failed(ctx, c, project, err)
	}
	b.finish(p)
	return b
}

// finish adds the pipeline itself, and what follows from all its jobs together.
func (b *bundle) finish(p ci.Pipeline) {
	ci.MarkRetried(b.jobs)
	p.HasWarnings = new(ci.HasWarnings(b.jobs))
	b.pipeline, b.open = &p, ci.Open(p, b.jobs)
}

// addJobs reads a list of jobs to its end. New attempts shift the pages of a
// list that is ordered by descending id, so rows may come twice; none is lost.
func (b *bundle) addJobs(project ci.Project, kind ci.JobKind, pages jobPages) error {
	seen := make(map[int64]bool)
	for page, err := range pages {
		if err != nil {
			return err
		}
		for _, j := range page.Items {
			if seen[j.ID] {
				continue
			}
			seen[j.ID] = true
			b.addJob(project, kind, j, page.AskedAt)
		}
	}
	return nil
}

func (b *bundle) addJob(project ci.Project, kind ci.JobKind, j gitlab.Job, askedAt time.Time) {
	b.jobs = append(b.jobs, convertJob(project, b.id, kind, j, askedAt))
	if user, ok := j.User.Get(); ok {
		b.users = append(b.users, convertUser(project.InstanceID, user, askedAt))
	}
	if runner, ok := j.Runner.Get(); ok {
		b.runners = append(b.runners, convertRunner(project.InstanceID, runner, askedAt))
	}
}

// failed drops what was read: a pipeline is stored whole or not at all. Whether
// one whose jobs are not found was deleted meanwhile, its details say.
func (b bundle) failed(ctx context.Context, c *gitlab.Client, project ci.Project, err error) bundle {
	failed := bundle{id: b.id, err: err}
	if gitlab.KindOf(err) == gitlab.NotFound {
		_, err := c.Pipeline(ctx, int64(project.ID), int64(b.id))
		failed.gone = pipelineGone(err)
	}
	return failed
}

// pipelineGone says whether the answer about a pipeline's details means that it
// was deleted. Of a project that is gone GitLab says so in other words.
func pipelineGone(err error) bool {
	e, ok := errors.AsType[*gitlab.Error](err)
	return ok && e.Kind == gitlab.NotFound && !strings.Contains(e.Message, "Project")
}
