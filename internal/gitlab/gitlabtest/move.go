package gitlabtest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The moves change a served world as people and runners change a GitLab. Each
// of them sets the times that GitLab would set and leaves alone those that it
// would leave: a pipeline's updated_at rises when its status changes, and when
// one of its jobs is retried, played or canceled, but not when a job starts or
// ends inside a pipeline that goes on running, is erased, or when the pipeline
// is deleted.
//
// A move that makes no sense (finishing what is finished, a row that is not
// there) returns an error that says so and changes nothing.

// StartPipeline adds a pipeline that begins now: the jobs of its first stage
// wait for a runner, the others for their stage. Waits, spans and final
// statuses of spec are ignored; manual and delayed jobs stay what they are.
func (w *World) StartPipeline(p *Project, spec PipelineSpec) *Pipeline {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.startPipeline(p, spec)
}

func (w *World) startPipeline(p *Project, spec PipelineSpec) *Pipeline {
	spec.At = w.now().UTC()
	pl := w.newPipeline(p, spec)
	pl.Status, pl.UpdatedAt = "created", &pl.CreatedAt
	for _, js := range spec.Jobs {
		switch js.Status {
		case "manual", "scheduled":
		default:
			js.Status = "created"
		}
		if js.Stage == "" {
			js.Stage = "test"
		}
		j := newJob(pl, js, pl.CreatedAt, pl.CreatedAt)
		j.ID = w.nextID("job")
		pl.Jobs = append(pl.Jobs, j)
	}
	p.Pipelines = append(p.Pipelines, pl)
	if spec.At.Sub(p.LastActivityAt) >= time.Hour { // gitlab-api §7: at most hourly
		p.LastActivityAt = spec.At
	}
	p.builds = nil
	w.process(pl)
	return pl
}

// StartJob gives a pending build to a runner. Nil takes any.
func (w *World) StartJob(pl *Pipeline, j *Job, runner *Runner) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := expect(pl, j, "pending"); err != nil {
		return err
	}
	if runner == nil && len(w.Runners) > 0 {
		runner = w.Runners[int(j.ID)%len(w.Runners)]
	}
	j.Status, j.StartedAt, j.Runner = "running", new(w.now().UTC()), runner
	if j.Kind == Bridge {
		j.Runner = nil
	}
	w.process(pl)
	return nil
}

// TriggerPipeline has a bridge that waits start a pipeline: a child where into
// is the project of the bridge's own pipeline, else one downstream. The bridge
// runs from now on.
func (w *World) TriggerPipeline(pl *Pipeline, bridge *Job, into *Project, spec PipelineSpec) (*Pipeline, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := expect(pl, bridge, "pending"); err != nil {
		return nil, err
	}
	if bridge.Kind != Bridge || w.projects[into.ID] != into {
		return nil, fmt.Errorf("job %d of project %d starts no pipeline in project %d", bridge.ID, pl.ProjectID, into.ID)
	}
	spec.Parent, spec.Source = pl, "pipeline"
	if into.ID == pl.ProjectID {
		spec.Source = "parent_pipeline"
	}
	bridge.Downstream = w.startPipeline(into, spec)
	bridge.Status, bridge.StartedAt = "running", new(w.now().UTC())
	w.process(pl)
	return bridge.Downstream, nil
}

// FinishJob ends a running job with success, failed or canceled. The next
// stage begins when the job was the last of its own.
func (w *World) FinishJob(pl *Pipeline, j *Job, status string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := expect(pl, j, "running", "canceling"); err != nil {
		return err
	}
	w.finish(j, status)
	w.process(pl)
	return nil
}

func (w *World) finish(j *Job, status string) {
	j.Status, j.FinishedAt = status, new(w.now().UTC())
	if status == "failed" {
		j.FailureReason = new("script_failure")
		j.exit()
	}
	if j.Kind == Build && j.StartedAt != nil {
		j.Artifacts = []Artifact{{FileType: "trace", Size: 2000 + j.ID%9000, Filename: "job.log"}}
		j.ArtifactsExpireAt = new(j.FinishedAt.AddDate(0, 0, 30))
	}
}

// FinishPipeline ends what still moves in a pipeline, all at this moment, with
// the given status of the job that was last. Manual jobs stay.
func (w *World) FinishPipeline(pl *Pipeline, status string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !active(pl.Status) {
		return fmt.Errorf("pipeline %d is %s and does not run", pl.ID, pl.Status)
	}
	now := w.now().UTC()
	for active(pl.Status) {
		moved := false
		for i, j := range pl.Jobs {
			if !active(j.Status) || j.Status == "created" {
				continue
			}
			moved = true
			if j.QueuedAt == nil && j.Kind == Build {
				j.QueuedAt = &now
			}
			if j.StartedAt == nil {
				j.StartedAt = &now
			}
			end := "success"
			if status != "success" && !slices.ContainsFunc(pl.Jobs[i+1:], func(o *Job) bool { return active(o.Status) }) {
				end = status
			}
			w.finish(j, end)
		}
		w.process(pl)
		if !moved {
			break
		}
	}
	return nil
}

// RetryJob adds a new attempt of a job that has ended, and reopens its
// pipeline.
func (w *World) RetryJob(pl *Pipeline, j *Job, by *User) (*Job, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := expect(pl, j, "success", "failed", "canceled"); err != nil {
		return nil, err
	}
	if j.Retried {
		return nil, fmt.Errorf("job %d was retried already", j.ID)
	}
	now := w.now().UTC()
	j.Retried = true
	again := &Job{
		ID: w.nextID("job"), ProjectID: j.ProjectID, PipelineID: j.PipelineID, Kind: j.Kind, Name: j.Name, Stage: j.Stage,
		Status: "pending", AllowFailure: j.AllowFailure, Manual: j.Manual, CreatedAt: now, QueuedAt: &now, User: j.User, Tags: j.Tags,
		Needs: j.Needs, Environment: j.Environment,
	}
	if again.Kind == Bridge {
		again.QueuedAt = nil
	}
	if by != nil {
		again.User = by
	}
	pl.Jobs = append(pl.Jobs, again)
	if p := w.projects[pl.ProjectID]; p != nil {
		p.builds = nil
	}
	for _, later := range pl.Jobs { // what was skipped after the failure waits again
		if later.Status == "skipped" && !later.Retried && laterStage(pl, j.Stage, later.Stage) {
			later.Status = "created"
		}
	}
	w.changed(pl)
	w.process(pl)
	return again, nil
}

// PlayJob starts a manual or delayed job.
func (w *World) PlayJob(pl *Pipeline, j *Job, by *User) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := expect(pl, j, "manual", "scheduled"); err != nil {
		return err
	}
	j.Status, j.ScheduledAt = "pending", nil
	if j.Kind == Build {
		j.QueuedAt = new(w.now().UTC())
	}
	if by != nil {
		j.User = by
	}
	w.changed(pl)
	w.process(pl)
	return nil
}

// CancelPipeline cancels every job that has not ended. Running builds end at
// once.
func (w *World) CancelPipeline(pl *Pipeline) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if complete(pl.Status) {
		return fmt.Errorf("pipeline %d is %s already", pl.ID, pl.Status)
	}
	for _, j := range pl.Jobs {
		if !complete(j.Status) {
			w.finish(j, "canceled")
		}
	}
	if len(pl.Jobs) == 0 {
		pl.Status, pl.FinishedAt = "canceled", new(w.now().UTC())
	}
	w.changed(pl)
	w.process(pl)
	return nil
}

// EraseJob removes the log and artifacts of a build. Nothing else shows it.
func (w *World) EraseJob(pl *Pipeline, j *Job) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := expect(pl, j, "success", "failed", "canceled"); err != nil {
		return err
	}
	j.ErasedAt, j.Artifacts, j.ArtifactsExpireAt = new(w.now().UTC()), nil, nil
	return nil
}

// DeletePipeline removes a pipeline. Nothing but its absence shows it.
func (w *World) DeletePipeline(pl *Pipeline) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.projects[pl.ProjectID]
	if p == nil || p.pipeline(pl.ID) == nil {
		return fmt.Errorf("pipeline %d is not there", pl.ID)
	}
	p.Pipelines = slices.DeleteFunc(p.Pipelines, func(o *Pipeline) bool { return o == pl })
	w.unlink(map[*Pipeline]bool{pl: true})
	p.unDeploy(pl)
	p.builds = nil
	return nil
}

// DeleteProject removes a project with its pipelines.
func (w *World) DeleteProject(p *Project) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Projects = slices.DeleteFunc(w.Projects, func(o *Project) bool { return o == p })
	delete(w.projects, p.ID)
	for path, o := range w.paths {
		if o == p {
			delete(w.paths, path)
		}
	}
	gone := make(map[*Pipeline]bool, len(p.Pipelines))
	for _, pl := range p.Pipelines {
		gone[pl] = true
	}
	w.unlink(gone)
}

// MoveProject gives a project another full path, in a group that is added when
// it is missing. The old path is redirected from now on.
func (w *World) MoveProject(p *Project, fullPath string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if o := w.paths[strings.ToLower(fullPath)]; o != nil && o != p && strings.EqualFold(o.FullPath, fullPath) {
		return fmt.Errorf("there is a project at %s", fullPath)
	}
	namespace, last, found := cutLast(fullPath, "/")
	if !found {
		return fmt.Errorf("%q has no group", fullPath)
	}
	p.FormerPaths = append(p.FormerPaths, p.FullPath)
	p.FullPath, p.Path = fullPath, last
	p.Group, p.Owner = w.addGroup(namespace), nil
	p.UpdatedAt = w.now().UTC()
	w.paths[strings.ToLower(fullPath)] = p
	return nil
}

// ArchiveProject archives a project, or brings it back.
func (w *World) ArchiveProject(p *Project, archived bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p.Archived, p.UpdatedAt = archived, w.now().UTC()
}

// SetBuildsAccess sets who may read a project's pipelines: enabled, private, or
// disabled, which switches CI/CD off.
func (w *World) SetBuildsAccess(p *Project, access string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p.BuildsAccess, p.UpdatedAt = access, w.now().UTC()
}

// Forbid makes a project's pipelines answer 403, or readable again.
func (w *World) Forbid(p *Project, forbidden bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p.Forbidden = forbidden
}

// expect says what is wrong with moving j from one of the statuses.
func expect(pl *Pipeline, j *Job, statuses ...string) error {
	if !slices.Contains(pl.Jobs, j) {
		return fmt.Errorf("job %d is not of pipeline %d", j.ID, pl.ID)
	}
	if !slices.Contains(statuses, j.Status) {
		return fmt.Errorf("job %d is %s, not %s", j.ID, j.Status, strings.Join(statuses, " or "))
	}
	return nil
}

// changed raises a pipeline's updated_at.
func (w *World) changed(pl *Pipeline) { pl.UpdatedAt = new(w.now().UTC()) }

// process lets the next stage begin where the one before has ended, then gives
// the pipeline the status that follows from its jobs.
func (w *World) process(pl *Pipeline) {
	now := w.now().UTC()
	defer func() { w.follow(pl, now, true) }()
	var before []*Job
	for _, stage := range stagesOf(pl) {
		state := statusOf(before)
		if state == "" || state == "success" || state == "failed" || state == "skipped" || state == "canceled" {
			for _, j := range pl.Jobs {
				if j.Stage != stage || j.Status != "created" {
					continue
				}
				switch {
				case state == "failed", state == "canceled":
					j.Status = "skipped"
				default:
					j.Status = "pending"
					if j.Kind == Build {
						j.QueuedAt = &now
					}
				}
			}
		}
		for _, j := range pl.Jobs {
			if j.Stage == stage {
				before = append(before, j)
			}
		}
	}
	status := statusOf(pl.Jobs)
	if status == "" || status == pl.Status {
		return
	}
	pl.Status = status
	w.changed(pl)
	if status == "running" && pl.StartedAt == nil {
		pl.StartedAt = &now
	}
	pl.FinishedAt = nil
	if complete(status) {
		if pl.StartedAt == nil && slices.ContainsFunc(pl.Jobs, func(j *Job) bool { return j.StartedAt != nil }) {
			pl.StartedAt = &now
		}
		pl.FinishedAt = &now
	}
}

func stagesOf(pl *Pipeline) []string {
	var stages []string
	for _, j := range pl.Jobs {
		if !slices.Contains(stages, j.Stage) {
			stages = append(stages, j.Stage)
		}
	}
	return stages
}

func laterStage(pl *Pipeline, earlier, later string) bool {
	stages := stagesOf(pl)
	return slices.Index(stages, later) > slices.Index(stages, earlier)
}
