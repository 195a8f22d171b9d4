package importer

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
)

// The plan "keyset" takes a pipeline apart: its builds come with those of a
// dozen others from the project's list of all jobs (keyset_builds.go), its
// details and bridges with those of a hundred others from GraphQL, or from REST
// where GitLab answers no GraphQL. Builds are exact to the millisecond, as are
// details from REST; GraphQL's are cut to seconds, and marked.
//
// Details and builds are read at different times, so they are put together only
// when both are the version that the list showed: a running pipeline that ended
// in between, or a job that was retried, raises updated_at. Any doubt is
// settled by asking for that pipeline's jobs, after its details.

// keyset reads one list of one project.
type keyset struct {
	visit  *visit
	runs   *bulk // nil without GraphQL
	builds *builds
}

// fetch gives every one of the listed pipelines: read, gone, or with the error
// that kept it from being read.
func (k *keyset) fetch(ctx context.Context, items []gitlab.PipelineListItem) map[int64]bundle {
	var runs map[int64]readRun
	if k.runs != nil {
		runs = k.runs.take(ctx, items)
	}
	builds := k.builds.gather(ctx, items, runs)
	bundles := make(map[int64]bundle, len(items))
	var mu sync.Mutex
	var group errgroup.Group
	for _, item := range items {
		group.Go(func() error {
			made, ok := bundle{}, false
			if run, there := runs[item.ID]; there {
				made, ok = k.visit.bundleOfBridges(ctx, run, item, builds[item.ID])
			}
			if !ok {
				made = fetchDocumented(ctx, k.visit.client, k.visit.project, ci.PipelineID(item.ID), builds[item.ID])
			}
			mu.Lock()
			bundles[item.ID] = made
			mu.Unlock()
			return nil
		})
	}
	_ = group.Wait() // nobody gives an error: each has its own bundle's
	return bundles
}

// bundleOfBridges makes rows of a run that came with its bridges alone, and of
// its builds, which are asked for when they are not there; false when it cannot
// be completed.
func (v *visit) bundleOfBridges(ctx context.Context, run readRun, item gitlab.PipelineListItem, ahead *gathered) (bundle, bool) {
	if run.JobsNext != "" {
		return bundle{}, false // more than a hundred bridges
	}
	b := bundle{id: ci.PipelineID(run.ID)}
	p := convertRun(v.project, run.Run, item, run.askedAt)
	if user, ok := run.User.Get(); ok {
		b.users = append(b.users, convertUser(v.project.InstanceID, user, run.askedAt))
	}
	unexplained := false
	for _, j := range run.Jobs {
		row, explained := convertRunJob(v.project, run.Run, j, run.askedAt)
		unexplained = unexplained || !explained
		b.jobs = append(b.jobs, row)
	}
	if unexplained && !b.explain(v.project, ci.Bridge, v.client.PipelineBridges(ctx, int64(v.project.ID), run.ID)) {
		return bundle{}, false
	}
	if ahead != nil {
		b.take(ahead)
	} else if err := b.addJobs(v.project, ci.Build, v.client.PipelineJobs(ctx, int64(v.project.ID), run.ID)); err != nil {
		return bundle{}, false
	}
	b.finish(p)
	return b, true
}

// take adds builds that were read before.
func (b *bundle) take(from *gathered) {
	b.jobs = append(b.jobs, from.jobs...)
	b.users = append(b.users, from.users...)
	b.runners = append(b.runners, from.runners...)
}
