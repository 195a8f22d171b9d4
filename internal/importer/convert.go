package importer

import (
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
)

// This file is the only place where a GitLab word becomes a weir word. The
// rules: null and absent become NULL, a word that weir does not know is kept as
// it came, and nothing is computed that GitLab said itself.
//
// What GitLab's REST API does not say and weir derives, because it follows:
// retried and base_name of a job; has_warnings, ref_type, is_default_branch
// and merge_request_iid of a pipeline. What does not follow stays NULL:
// queued_at, and manual unless the job waits for a person right now.

func convertGroup(in ci.InstanceID, g gitlab.Group, askedAt time.Time) ci.Group {
	return ci.Group{
		InstanceID: in,
		ID:         ci.GroupID(g.ID),
		ParentID:   id[ci.GroupID](g.ParentID),
		FullPath:   g.FullPath,
		Name:       g.Name,
		Visibility: g.Visibility.Ptr(),
		WebURL:     g.WebURL.Ptr(),
		CreatedAt:  at(g.CreatedAt),
		SyncedAt:   askedAt,
	}
}

func convertProject(in ci.InstanceID, p gitlab.Project, askedAt time.Time) ci.Project {
	topics, ok := p.Topics.Get()
	if !ok {
		topics = p.TagList.Or(nil) // the name of topics before GitLab 14
	}
	project := ci.Project{
		InstanceID:     in,
		ID:             ci.ProjectID(p.ID),
		FullPath:       p.PathWithNamespace,
		Name:           p.Name,
		DefaultBranch:  p.DefaultBranch.Ptr(),
		Archived:       p.Archived.Ptr(),
		Visibility:     p.Visibility.Ptr(),
		Topics:         topics,
		WebURL:         p.WebURL.Ptr(),
		CreatedAt:      at(p.CreatedAt),
		LastActivityAt: at(p.LastActivityAt),
		CIAccess:       ci.CIEnabled,
		SyncedAt:       askedAt,
	}
	if p.Namespace.ID != 0 && p.Namespace.Kind.Or("group") == "group" {
		project.GroupID = new(ci.GroupID(p.Namespace.ID))
	}
	if p.BuildsAccessLevel.Or("") == "disabled" || !p.JobsEnabled.Or(true) {
		project.CIAccess = ci.CIDisabled
	}
	return project
}

func convertRepository(in ci.InstanceID, p gitlab.Project, askedAt time.Time) ci.Repository {
	return ci.Repository{
		InstanceID:    in,
		ID:            ci.ProjectID(p.ID),
		Source:        "gitlab",
		ExternalID:    formatID(p.ID),
		Organization:  topLevel(p.PathWithNamespace),
		Name:          p.Name,
		FullPath:      p.PathWithNamespace,
		DefaultBranch: p.DefaultBranch.Ptr(),
		Archived:      p.Archived.Ptr(),
		WebURL:        p.WebURL.Ptr(),
		SyncedAt:      askedAt,
	}
}

func convertPipeline(project ci.Project, p gitlab.Pipeline, askedAt time.Time) ci.Pipeline {
	ref, source := p.Ref.Or(""), ci.Source(p.Source.Or(""))
	row := ci.Pipeline{
		InstanceID:      project.InstanceID,
		ID:              ci.PipelineID(p.ID),
		ProjectID:       project.ID,
		IID:             p.IID.Ptr(),
		Name:            p.Name.Ptr(),
		Status:          ci.Status(p.Status),
		Source:          word[ci.Source](p.Source),
		Ref:             p.Ref.Ptr(),
		RefType:         ci.ClassifyRef(ref, source, p.Tag.Or(false)),
		SHA:             p.SHA.Ptr(),
		BeforeSHA:       p.BeforeSHA.Ptr(),
		Tag:             p.Tag.Ptr(),
		CreatedAt:       at(p.CreatedAt),
		UpdatedAt:       at(p.UpdatedAt),
		StartedAt:       at(p.StartedAt),
		FinishedAt:      at(p.FinishedAt),
		CommittedAt:     at(p.CommittedAt),
		DurationSeconds: p.Duration.Ptr(),
		QueuedSeconds:   p.QueuedDuration.Ptr(),
		Coverage:        percent(p.Coverage),
		YAMLErrors:      p.YAMLErrors.Ptr(),
		WebURL:          p.WebURL.Ptr(),
		TimePrecision:   ci.Milliseconds,
		SyncedAt:        askedAt,
	}
	if iid, ok := ci.MergeRequestIID(ref); ok {
		row.MergeRequestIID = &iid
	}
	if user, ok := p.User.Get(); ok {
		row.UserID = new(ci.UserID(user.ID))
	}
	switch {
	case row.RefType != ci.Branch:
		row.IsDefaultBranch = new(false)
	case project.DefaultBranch != nil:
		row.IsDefaultBranch = new(ref == *project.DefaultBranch)
	}
	return row
}

// convertRun makes a row of a pipeline as GraphQL gives it. Its list item, which
// is the same version, says when it was created and changed to the millisecond.
func convertRun(project ci.Project, run gitlab.Run, item gitlab.PipelineListItem, askedAt time.Time) ci.Pipeline {
	row := convertPipeline(project, run.Pipeline, askedAt)
	row.TimePrecision = ci.Seconds
	row.CreatedAt, row.UpdatedAt = at(item.CreatedAt), at(item.UpdatedAt)
	row.WebURL = item.WebURL.Ptr()
	row.FailureReason = run.FailureReason.Ptr()
	if upstream, ok := run.UpstreamID.Get(); ok {
		if row.Source != nil && *row.Source == ci.SourceParent {
			row.ParentPipelineID = new(ci.PipelineID(upstream))
		} else {
			row.UpstreamPipelineID = new(ci.PipelineID(upstream))
		}
	}
	return row
}

// scriptFailure is GitLab's word for a job whose own script failed.
const scriptFailure = "script_failure"

// convertRunJob makes a row of a job as GraphQL gives it. GraphQL has no word
// for why a job failed, only a sentence, and none for a failed script; any
// other failure is left unexplained, unless REST cannot explain it either: it
// does not list the earlier attempts of a bridge.
func convertRunJob(project ci.Project, run gitlab.Run, j gitlab.RunJob, askedAt time.Time) (row ci.Job, explained bool) {
	row = convertJob(project, ci.PipelineID(run.ID), ci.JobKind(j.Kind), j.Job, askedAt)
	if commit, ok := run.Commit.Get(); ok {
		row.CommitCommittedAt = at(commit.CommittedDate) // a job has its pipeline's commit
	}
	if row.WebURL == nil && project.WebURL != nil && row.Kind == ci.Bridge {
		row.WebURL = new(*project.WebURL + "/-/jobs/" + formatID(j.ID)) // where REST says it is
	}
	if row.Kind != ci.Build {
		row.Tags, row.ArtifactsBytes = nil, nil // as in REST, which has neither: an empty list says no more
	}
	row.TimePrecision = ci.Seconds
	row.Manual = j.Manual.Ptr()
	row.QueuedAt = at(j.QueuedAt)
	if row.Status != ci.Failed || row.Kind == ci.External {
		return row, true
	}
	if row.Kind == ci.Bridge { // it has no script
		return row, j.Retried.Or(false)
	}
	if _, ok := j.FailureMessage.Get(); ok {
		return row, false
	}
	row.FailureReason = new(scriptFailure)
	return row, true
}

func convertJob(project ci.Project, pipeline ci.PipelineID, kind ci.JobKind, j gitlab.Job, askedAt time.Time) ci.Job {
	row := ci.Job{
		InstanceID:      project.InstanceID,
		ID:              ci.JobID(j.ID),
		ProjectID:       project.ID,
		PipelineID:      pipeline,
		Name:            j.Name,
		BaseName:        ci.BaseName(j.Name),
		Stage:           j.Stage.Ptr(),
		Kind:            kind,
		Status:          ci.Status(j.Status),
		AllowFailure:    j.AllowFailure.Ptr(),
		CreatedAt:       at(j.CreatedAt),
		StartedAt:       at(j.StartedAt),
		FinishedAt:      at(j.FinishedAt),
		ErasedAt:        at(j.ErasedAt),
		DurationSeconds: j.Duration.Ptr(),
		QueuedSeconds:   j.QueuedDuration.Ptr(),
		Coverage:        percent(j.Coverage),
		FailureReason:   j.FailureReason.Ptr(),
		Tags:            j.TagList.Or(nil),
		WebURL:          j.WebURL.Ptr(),
		TimePrecision:   ci.Milliseconds,
		SyncedAt:        askedAt,
	}
	if row.Status == ci.Manual {
		row.Manual = new(true)
	}
	if runner, ok := j.Runner.Get(); ok {
		row.RunnerID = new(ci.RunnerID(runner.ID))
	}
	if user, ok := j.User.Get(); ok {
		row.UserID = new(ci.UserID(user.ID))
	}
	if commit, ok := j.Commit.Get(); ok {
		row.CommitCommittedAt = at(commit.CommittedDate)
	}
	row.ArtifactsBytes = artifactsBytes(j.Artifacts)
	if downstream, ok := j.DownstreamPipeline.Get(); ok {
		row.DownstreamPipelineID = new(ci.PipelineID(downstream.ID))
	}
	return row
}

// artifactsBytes sums a job's files, its log included. One file of unknown size
// makes the sum unknown; no files are 0 bytes.
func artifactsBytes(f gitlab.Field[[]gitlab.Artifact]) *int64 {
	artifacts, ok := f.Get()
	if !ok {
		return nil
	}
	var sum int64
	for _, a := range artifacts {
		size, ok := a.Size.Get()
		if !ok {
			return nil
		}
		sum += size
	}
	return &sum
}

func convertUser(in ci.InstanceID, u gitlab.User, askedAt time.Time) ci.User {
	return ci.User{
		InstanceID: in,
		ID:         ci.UserID(u.ID),
		Username:   u.Username,
		Name:       u.Name.Ptr(),
		State:      u.State.Ptr(),
		Bot:        u.Bot.Ptr(),
		WebURL:     u.WebURL.Ptr(),
		SyncedAt:   askedAt,
	}
}

func convertRunner(in ci.InstanceID, r gitlab.Runner, askedAt time.Time) ci.Runner {
	return ci.Runner{
		InstanceID:  in,
		ID:          ci.RunnerID(r.ID),
		Description: r.Description.Ptr(),
		RunnerType:  r.RunnerType.Ptr(),
		Active:      r.Active.Ptr(),
		SyncedAt:    askedAt,
	}
}

func at(f gitlab.Field[gitlab.Time]) *time.Time {
	t, ok := f.Get()
	if !ok {
		return nil
	}
	return &t.Time
}

func id[T ~int64](f gitlab.Field[int64]) *T {
	v, ok := f.Get()
	if !ok {
		return nil
	}
	return new(T(v))
}

func word[T ~string](f gitlab.Field[string]) *T {
	v, ok := f.Get()
	if !ok {
		return nil
	}
	return new(T(v))
}

func percent(f gitlab.Field[gitlab.Coverage]) *float64 {
	v, ok := f.Get()
	if !ok {
		return nil
	}
	return new(float64(v))
}
