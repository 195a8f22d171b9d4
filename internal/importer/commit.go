package importer

import (
	"context"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store"
)

// A committer writes for all projects of a run: one transaction at a time, with
// everything that was handed in while the one before was under way. Each batch
// carries its project's cursor with its rows, and a transaction holds whole
// batches only, so the promise is kept: rows and cursor commit together.
type committer struct {
	store    applier
	written  func(store.Written)
	requests chan commitRequest
	turns    int
	watch    func(turn int, committed bool) // see Importer.watchCommits
}

type applier interface {
	Apply(context.Context, store.Batch) (store.Written, error)
}

type commitRequest struct {
	batch store.Batch
	done  chan error
}

func newCommitter(s applier, written func(store.Written), watch func(int, bool)) *committer {
	if watch == nil {
		watch = func(int, bool) {}
	}
	return &committer{store: s, written: written, requests: make(chan commitRequest, projectsAtOnce), watch: watch}
}

// apply returns when the batch is on disk, or with the error that kept it from
// there. It wants serve to be running.
func (c *committer) apply(b store.Batch) error {
	r := commitRequest{batch: b, done: make(chan error, 1)}
	c.requests <- r
	return <-r.done
}

// serve writes until requests is closed. It does not heed cancellation: what
// was fetched is kept, and a transaction that has begun ends.
func (c *committer) serve(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	for first := range c.requests {
		turn := []commitRequest{first}
		jobs := len(first.batch.Jobs)
	gather:
		for jobs < maxJobsACommit {
			select {
			case r, ok := <-c.requests:
				if !ok {
					break gather
				}
				jobs += len(r.batch.Jobs)
				turn = append(turn, r)
			default:
				break gather
			}
		}
		batch := first.batch
		if len(turn) > 1 {
			batch.Jobs = append(make([]ci.Job, 0, jobs), batch.Jobs...) // the room beyond is the visit's
		}
		for _, r := range turn[1:] {
			join(&batch, r.batch)
		}
		c.turns++
		c.watch(c.turns, false)
		written, err := c.store.Apply(ctx, batch)
		c.watch(c.turns, true)
		if err == nil {
			c.written(written)
		}
		for _, r := range turn {
			r.done <- err
		}
	}
}

// maxJobsACommit bounds a transaction: larger ones are no faster.
const maxJobsACommit = 10_000

func join(to *store.Batch, b store.Batch) {
	to.Instances = append(to.Instances, b.Instances...)
	to.Groups = append(to.Groups, b.Groups...)
	to.Projects = append(to.Projects, b.Projects...)
	to.Repositories = append(to.Repositories, b.Repositories...)
	to.Users = append(to.Users, b.Users...)
	to.Runners = append(to.Runners, b.Runners...)
	to.Pipelines = append(to.Pipelines, b.Pipelines...)
	to.Jobs = append(to.Jobs, b.Jobs...)
	to.Deployments = append(to.Deployments, b.Deployments...)
	to.Patches = append(to.Patches, b.Patches...)
	to.JobNeeds = append(to.JobNeeds, b.JobNeeds...)
	to.ProjectSyncs = append(to.ProjectSyncs, b.ProjectSyncs...)
	to.Syncs = append(to.Syncs, b.Syncs...)
	to.SyncErrors = append(to.SyncErrors, b.SyncErrors...)
	to.Reaches = append(to.Reaches, b.Reaches...)
	to.Moved = append(to.Moved, b.Moved...)
	to.Deleted = append(to.Deleted, b.Deleted...)
}
