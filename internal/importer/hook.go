package importer

import (
	"cmp"
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
// Nothing here asks GitLab. An event of a project that is not stored, or stored as
// deleted, waits for the poll that brings the project (a pipeline under a deleted
// one would be read by no poll), a job's for its pipeline likewise, and a deployment's
// for its job: one without would be found by no poll when GitLab deletes both.

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
	Waiting bool  // its project is not stored, or as deleted, or not under the path that it names; or, of a job, its pipeline is not, or as deleted, or, of a deployment, its job
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
	jobs, err := i.store.PipelinesOfJobs(ctx, instance, deployersOf(events))
	if err != nil {
		return nil, err
	}
	outcomes := make([]HookOutcome, len(events))
	rows := make([]store.Batch, len(events)) // by event
	var ready []int
	for _, n := range inTurn(events) {
		e := events[n]
		outcomes[n].ID = e.ID
		project, ok := known[ci.ProjectID(e.Hook.ProjectID())]
		_, timed := e.Hook.Newest()
		switch path, named := eventPath(e.Hook); {
		case e.Hook.Kind == gitlab.HookProjects:
			if ok && project.DeletedAt == nil {
				known[project.ID] = addProjectEvent(&rows[n], project, e)
				ready = append(ready, n)
			} // a project that nobody has seen yet will be seen as it is then
		case !timed:
			outcomes[n].Err = errors.New("there is no time in the event, so nobody can say how old it is")
		case !ok, project.DeletedAt != nil, named && !strings.EqualFold(path, project.FullPath),
			e.Hook.Kind == gitlab.HookJob && !pipelines[ci.PipelineID(e.Hook.Job.PipelineID)]:
			outcomes[n].Waiting = true
		case e.Hook.Kind == gitlab.HookDeployment:
			if id, ok := e.Hook.Deployment.JobID.Get(); ok && jobs[ci.JobID(id)] == 0 {
				outcomes[n].Waiting = true
				continue
			}
			addDeploymentEvent(&rows[n], project, e.Hook.Deployment, jobs, e.proves())
			ready = append(ready, n)
		default:
			addEvent(&rows[n], project, e)
			ready = append(ready, n)
			if e.Hook.Kind == gitlab.HookPipeline {
				pipelines[ci.PipelineID(e.Hook.Pipeline.Attributes.ID)] = true
			}
			for _, p := range rows[n].Patches {
				for _, j := range p.Jobs {
					jobs[j.ID] = j.PipelineID
				}
			}
		}
	}
	var batch store.Batch
	for _, n := range ready {
		joinEvent(&batch, rows[n])
	}
	_, err = i.store.Apply(ctx, batch)
	if err == nil || passing(ctx, err) {
		return outcomes, err
	}
	// One of them is poison; the others need not suffer for it.
	for _, n := range ready {
		_, err := i.store.Apply(ctx, rows[n])
		if err != nil && passing(ctx, err) {
			return nil, err
		}
		outcomes[n].Err = err
	}
	return outcomes, nil
}

// inTurn gives the order in which events are looked at: that of arrival, but for
// pipelines before their jobs and jobs before their deployments, which GitLab
// sends in any order. What becomes of a project stays where it came.
func inTurn(events []HookEvent) []int {
	type place struct{ stretch, rank, n int }
	places := make([]place, len(events))
	stretch := 0
	for n, e := range events {
		if e.Hook.Kind == gitlab.HookProjects {
			stretch++
		}
		rank := map[gitlab.HookKind]int{gitlab.HookPipeline: 1, gitlab.HookJob: 2, gitlab.HookDeployment: 3}[e.Hook.Kind]
		places[n] = place{stretch, rank, n}
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.stretch, b.stretch), cmp.Compare(a.rank, b.rank), cmp.Compare(a.n, b.n))
	})
	order := make([]int, len(places))
	for i, p := range places {
		order[i] = p.n
	}
	return order
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

// deployersOf gives the jobs of deployment events.
func deployersOf(events []HookEvent) []ci.JobID {
	var ids []ci.JobID
	for _, e := range events {
		if e.Hook.Kind == gitlab.HookDeployment {
			if id, ok := e.Hook.Deployment.JobID.Get(); ok {
				ids = append(ids, ci.JobID(id))
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// joinEvent adds the rows of one event, patches that say the same columns together.
func joinEvent(batch *store.Batch, one store.Batch) {
	patches := one.Patches
	one.Patches = nil
	join(batch, one)
	for _, p := range patches {
		same := patchOf(batch, p.Said)
		same.Pipelines = append(same.Pipelines, p.Pipelines...)
		same.Jobs = append(same.Jobs, p.Jobs...)
		same.Deployments = append(same.Deployments, p.Deployments...)
	}
}

// eventPath is the full path by which the event names its project. When it is
// not the stored one, the project has moved, or the event is of another GitLab
// with the same ids.
func eventPath(h gitlab.Hook) (string, bool) {
	switch h.Kind {
	case gitlab.HookPipeline:
		return h.Pipeline.Project.PathWithNamespace.Get()
	case gitlab.HookDeployment:
		return h.Deployment.Project.PathWithNamespace.Get()
	case gitlab.HookProjects:
		return "", false // it is about the path
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

// proves is the time at which what the event says was true: the newest in it.
func (e HookEvent) proves() time.Time {
	newest, _ := e.Hook.Newest()
	if e.ReceivedAt.Before(newest) {
		return e.ReceivedAt // GitLab's clock is ahead of ours, by which polls are stamped
	}
	return newest
}

// addEvent adds what an event of a pipeline or job says as rows.
func addEvent(batch *store.Batch, project ci.Project, e HookEvent) {
	newest := e.proves()
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
