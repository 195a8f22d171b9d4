package importer

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/store"
)

// Events of web hooks. They make a pipeline visible within a second of its
// change; they make nothing complete. GitLab sends them in any order, twice, or
// never, and leaves out half of what its API says. So an event is a patch (see
// store.Patch): it adds to what is stored, loses against every answer that was
// asked for after the newest time in it, and leaves a pipeline in a state in
// which the next poll reads it.
//
// Nothing here asks GitLab. An event of a project that is not stored waits for
// the poll that brings the project, and a job's for its pipeline: a job without
// one would be found by no poll when GitLab deletes both.

// HookEvent is an event as it was taken in.
type HookEvent struct {
	ID         int64 // the caller's, for HookOutcome
	Hook       gitlab.Hook
	ReceivedAt time.Time
}

// HookOutcome is what became of an event: written (or older than what is stored,
// which is as good), waiting, or failed.
type HookOutcome struct {
	ID      int64
	Waiting bool  // its project is not stored, or not under the path that it names; or, of a job, its pipeline is not
	Err     error // it can never be written
}

// ApplyHooks writes events of one GitLab, in one transaction, and says of each
// what became of it, in the same order; none gives none. An error means that
// nothing was written and all may be tried again: the database does not answer,
// is full, or ctx has ended.
func (i *Importer) ApplyHooks(ctx context.Context, instance ci.InstanceID, events []HookEvent) ([]HookOutcome, error) {
	projects, err := i.store.ProjectsByID(ctx, instance, projectsOf(events))
	if err != nil {
		return nil, err
	}
	known := make(map[ci.ProjectID]ci.Project, len(projects))
	for _, p := range projects {
		known[p.ID] = p
	}
	pipelines, err := i.store.StoredPipelines(ctx, instance, pipelinesOf(events))
	if err != nil {
		return nil, err
	}
	outcomes := make([]HookOutcome, len(events))
	var ready []int
	for n, e := range events {
		outcomes[n].ID = e.ID
		project, ok := known[ci.ProjectID(e.Hook.ProjectID())]
		_, timed := e.Hook.Newest()
		switch path, named := eventPath(e.Hook); {
		case !timed:
			outcomes[n].Err = errors.New("there is no time in the event, so nobody can say how old it is")
		case !ok, named && !strings.EqualFold(path, project.FullPath),
			e.Hook.Kind == gitlab.HookJob && !pipelines[ci.PipelineID(e.Hook.Job.PipelineID)]:
			outcomes[n].Waiting = true
		default:
			ready = append(ready, n)
			if e.Hook.Kind == gitlab.HookPipeline {
				pipelines[ci.PipelineID(e.Hook.Pipeline.Attributes.ID)] = true
			}
		}
	}
	var batch store.Batch
	for _, n := range ready {
		addEvent(&batch, known[ci.ProjectID(events[n].Hook.ProjectID())], events[n])
	}
	_, err = i.store.Apply(ctx, batch)
	if err == nil || passing(ctx, err) {
		return outcomes, err
	}
	// One of them is poison; the others need not suffer for it.
	for _, n := range ready {
		var one store.Batch
		addEvent(&one, known[ci.ProjectID(events[n].Hook.ProjectID())], events[n])
		_, err := i.store.Apply(ctx, one)
		if err != nil && passing(ctx, err) {
			return nil, err
		}
		outcomes[n].Err = err
	}
	return outcomes, nil
}

func projectsOf(events []HookEvent) []ci.ProjectID {
	var ids []ci.ProjectID
	for _, e := range events {
		ids = append(ids, ci.ProjectID(e.Hook.ProjectID()))
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// pipelinesOf gives the pipelines of job events.
func pipelinesOf(events []HookEvent) []ci.PipelineID {
	var ids []ci.PipelineID
	for _, e := range events {
		if e.Hook.Kind == gitlab.HookJob {
			ids = append(ids, ci.PipelineID(e.Hook.Job.PipelineID))
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// eventPath is the full path by which the event names its project. When it is
// not the stored one, the project has moved, or the event is of another GitLab
// with the same ids.
func eventPath(h gitlab.Hook) (string, bool) {
	if h.Kind == gitlab.HookPipeline {
		return h.Pipeline.Project.PathWithNamespace.Get()
	}
	return h.Job.Project.Or(gitlab.HookJobProject{}).PathWithNamespace.Get()
}

// passing says whether an error is the database's, not the event's.
func passing(ctx context.Context, err error) bool {
	switch ci.CodeOf(err) {
	case ci.DiskFull, ci.DatabaseUnreachable, ci.DatabaseLocked, ci.Interrupted:
		return true
	}
	return ctx.Err() != nil
}

// addEvent adds what an event says as rows.
func addEvent(batch *store.Batch, project ci.Project, e HookEvent) {
	newest, _ := e.Hook.Newest()
	if e.ReceivedAt.Before(newest) {
		newest = e.ReceivedAt // GitLab's clock is ahead of ours, by which polls are stamped
	}
	switch h := e.Hook; h.Kind {
	case gitlab.HookPipeline:
		if h.Pipeline.Attributes.Source.Or("") == string(ci.SourceExternal) {
			return // it may have no updated_at for ever, by which a poll would know that it must be read
		}
		addPipelineEvent(batch, project, h.Pipeline, newest)
	case gitlab.HookJob:
		addJobEvent(batch, project, h.Job, newest)
	}
}
