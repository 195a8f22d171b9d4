package importer

import (
	"slices"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/store"
)

// The second half of convert.go: events of web hooks. Here absent and null are
// different things: null is said, and absent is not.

// addPipelineEvent adds a pipeline and the latest attempts of its builds.
//
// Not said are started_at, updated_at, committed_at, coverage, yaml_errors, all
// bridges and earlier attempts. Of a merge request's pipeline the event says
// the source branch where the API says refs/merge-requests/…: not the same
// thing, so ref stays unknown.
func addPipelineEvent(batch *store.Batch, project ci.Project, h *gitlab.PipelineHook, newest time.Time) {
	a := h.Attributes
	source := ci.Source(a.Source.Or(""))
	row := ci.Pipeline{
		InstanceID:      project.InstanceID,
		ID:              ci.PipelineID(a.ID),
		ProjectID:       project.ID,
		IID:             a.IID.Ptr(),
		Name:            a.Name.Ptr(),
		Status:          ci.Status(a.Status),
		Source:          word[ci.Source](a.Source),
		SHA:             a.SHA.Ptr(),
		BeforeSHA:       a.BeforeSHA.Ptr(),
		Tag:             a.Tag.Ptr(),
		CreatedAt:       at(a.CreatedAt),
		FinishedAt:      at(a.FinishedAt),
		DurationSeconds: a.Duration.Ptr(),
		QueuedSeconds:   a.QueuedDuration.Ptr(),
		WebURL:          a.URL.Ptr(),
		HasWarnings:     eventWarnings(h),
		TimePrecision:   precision(a.CreatedAt, a.FinishedAt),
		SyncedAt:        newest,
	}
	if request, ok := h.MergeRequest.Get(); ok || source == ci.SourceMergeRequest {
		row.RefType, row.IsDefaultBranch = ci.MergeRequest, new(false)
		if ok {
			row.MergeRequestIID = &request.IID
		}
	} else {
		ref := a.Ref.Or("")
		row.Ref, row.RefType = a.Ref.Ptr(), ci.ClassifyRef(ref, source, a.Tag.Or(false))
		switch branch, ok := h.Project.DefaultBranch.Get(); {
		case row.RefType != ci.Branch:
			row.IsDefaultBranch = new(false)
		case ok:
			row.IsDefaultBranch = new(ref == branch)
		}
	}
	if upstream, ok := h.SourcePipeline.Get(); ok && upstream.PipelineID > 0 {
		id := new(ci.PipelineID(upstream.PipelineID))
		if source == ci.SourceParent {
			row.ParentPipelineID = id
		} else {
			row.UpstreamPipelineID = id
		}
	}
	if user, ok := h.User.Get(); ok {
		row.UserID = id[ci.UserID](user.ID)
		addEventUser(batch, project.InstanceID, user, newest)
	}
	// The other columns never change: whatever is stored is as good.
	said := columns{"status"}
	said.add("name", a.Name.Absent())
	said.add("finished_at", a.FinishedAt.Absent())
	said.add("duration_seconds", a.Duration.Absent())
	said.add("queued_seconds", a.QueuedDuration.Absent())
	said.add("has_warnings", row.HasWarnings == nil)
	patch := patchOf(batch, said)
	patch.Pipelines = append(patch.Pipelines, row)
	for _, b := range h.Builds.Or(nil) {
		addEventBuild(batch, project, ci.PipelineID(a.ID), b, newest, true)
	}
}

// eventWarnings says whether a job failed that was allowed to, as far as an
// event shows it: by its label, or by a build; bridges are not in it.
func eventWarnings(h *gitlab.PipelineHook) *bool {
	switch h.Attributes.DetailedStatus.Or("") {
	case "passed with warnings":
		return new(true)
	case "passed":
		return new(false)
	}
	if slices.ContainsFunc(h.Builds.Or(nil), func(b gitlab.HookBuild) bool {
		s := ci.Status(b.Status)
		return b.AllowFailure.Or(false) && (s == ci.Failed || s == ci.Canceled)
	}) {
		return new(true)
	}
	return nil
}

// addJobEvent adds an attempt; whether it is the latest the event does not say.
func addJobEvent(batch *store.Batch, project ci.Project, h *gitlab.JobHook, newest time.Time) {
	addEventBuild(batch, project, ci.PipelineID(h.PipelineID), gitlab.HookBuild{
		ID: h.ID, Stage: h.Stage, Name: h.Name, Status: h.Status, CreatedAt: h.CreatedAt, StartedAt: h.StartedAt, FinishedAt: h.FinishedAt,
		Duration: h.Duration, QueuedDuration: h.QueuedDuration, FailureReason: h.FailureReason, AllowFailure: h.AllowFailure,
		User: h.User, Runner: h.Runner,
	}, newest, false)
}

func addEventBuild(batch *store.Batch, project ci.Project, pipeline ci.PipelineID, b gitlab.HookBuild, newest time.Time, latest bool) {
	row := ci.Job{
		InstanceID:      project.InstanceID,
		ID:              ci.JobID(b.ID),
		ProjectID:       project.ID,
		PipelineID:      pipeline,
		Name:            b.Name,
		BaseName:        ci.BaseName(b.Name),
		Stage:           b.Stage.Ptr(),
		Kind:            ci.Build,
		Status:          ci.Status(b.Status),
		AllowFailure:    b.AllowFailure.Ptr(),
		Manual:          b.Manual.Ptr(),
		CreatedAt:       at(b.CreatedAt),
		StartedAt:       at(b.StartedAt),
		FinishedAt:      at(b.FinishedAt),
		DurationSeconds: b.Duration.Ptr(),
		QueuedSeconds:   b.QueuedDuration.Ptr(),
		TimePrecision:   precision(b.CreatedAt, b.StartedAt, b.FinishedAt),
		SyncedAt:        newest,
	}
	if row.Status == ci.Manual {
		row.Manual = new(true)
	}
	if row.Status == ci.Failed { // events have a reason for other jobs too: unknown_failure
		row.FailureReason = b.FailureReason.Ptr()
	}
	if user, ok := b.User.Get(); ok {
		row.UserID = id[ci.UserID](user.ID)
		addEventUser(batch, project.InstanceID, user, newest)
	}
	said := columns{"status"}
	if latest {
		row.Retried = new(false)
		said.add("retried", false)
	}
	if runner, ok := b.Runner.Get(); ok && runner.ID > 0 {
		row.RunnerID = new(ci.RunnerID(runner.ID))
		batch.Runners = append(batch.Runners, ci.Runner{
			InstanceID: project.InstanceID, ID: ci.RunnerID(runner.ID), Description: runner.Description.Ptr(),
			RunnerType: runner.RunnerType.Ptr(), Tags: runner.Tags.Or(nil), Active: runner.Active.Ptr(), SyncedAt: newest,
		})
	}
	said.add("runner_id", b.Runner.Absent())
	said.add("started_at", b.StartedAt.Absent())
	said.add("finished_at", b.FinishedAt.Absent())
	said.add("duration_seconds", b.Duration.Absent())
	said.add("queued_seconds", b.QueuedDuration.Absent())
	patch := patchOf(batch, said)
	patch.Jobs = append(patch.Jobs, row)
}

// patchOf gives the patch of a batch that says these columns: a patch for every
// row would be slow.
func patchOf(batch *store.Batch, said columns) *store.Patch {
	i := slices.IndexFunc(batch.Patches, func(p store.Patch) bool { return slices.Equal(p.Said, said) })
	if i < 0 {
		i = len(batch.Patches)
		batch.Patches = append(batch.Patches, store.Patch{Said: said})
	}
	return &batch.Patches[i]
}

func addEventUser(batch *store.Batch, in ci.InstanceID, u gitlab.HookUser, newest time.Time) {
	userID, named := u.ID.Get()
	username, ok := u.Username.Get()
	if !named || !ok || username == "" {
		return // job events may leave the username out, and a user without one is none
	}
	batch.Users = append(batch.Users, ci.User{
		InstanceID: in, ID: ci.UserID(userID), Username: username, Name: u.Name.Ptr(), SyncedAt: newest,
	})
}

// columns collects the columns that an event says.
type columns []string

func (s *columns) add(column string, absent bool) {
	if !absent {
		*s = append(*s, column)
	}
}

// precision is that of times in one form: one with a fraction shows that none
// is cut, whole seconds may be.
func precision(times ...gitlab.Field[gitlab.Time]) ci.TimePrecision {
	if slices.ContainsFunc(times, func(f gitlab.Field[gitlab.Time]) bool { return f.Or(gitlab.Time{}).Nanosecond() != 0 }) {
		return ci.Milliseconds
	}
	return ci.Seconds
}
