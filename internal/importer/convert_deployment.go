package importer

import (
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/store"
)

// The third part of convert.go: deployments, and what becomes of projects.

// convertDeployment makes a row. GitLab's list does not say when a deployment
// ended: it ends with its job, and one that has none when GitLab last changed
// it. What was canceled or skipped, or waits, neither succeeded nor failed.
func convertDeployment(project ci.Project, d gitlab.Deployment, tier *string, askedAt time.Time) ci.Deployment {
	row := ci.Deployment{
		InstanceID:  project.InstanceID,
		ID:          ci.DeploymentID(d.ID),
		ProjectID:   project.ID,
		Environment: d.Environment.Name,
		Tier:        tier,
		SHA:         d.SHA.Ptr(),
		Success:     deploymentSuccess(d.Status),
		Source:      ci.FromGitLab,
		IID:         d.IID.Ptr(),
		Ref:         d.Ref.Ptr(),
		Status:      &d.Status,
		CreatedAt:   at(d.CreatedAt),
		UpdatedAt:   at(d.UpdatedAt),
		SyncedAt:    askedAt,
	}
	if user, ok := d.User.Get(); ok {
		row.UserID = new(ci.UserID(user.ID))
	}
	ended := row.UpdatedAt
	if job, ok := d.Deployable.Get(); ok {
		row.JobID = new(ci.JobID(job.ID))
		if pipeline, ok := job.Pipeline.Get(); ok {
			row.PipelineID = new(ci.PipelineID(pipeline.ID))
		}
		if finished := at(job.FinishedAt); finished != nil {
			ended = finished
		}
	}
	if row.Success != nil {
		row.DeployedAt = ended
	}
	return row
}

func deploymentSuccess(status string) *bool {
	switch status {
	case "success":
		return new(true)
	case "failed":
		return new(false)
	}
	return nil
}

func knownDeploymentStatus(status string) bool {
	return slices.Contains([]string{"created", "running", "success", "failed", "canceled", "skipped", "blocked"}, status)
}

// addDeploymentEvent adds a deployment. Not said are iid, created_at and
// updated_at; whether and when it ended is.
func addDeploymentEvent(batch *store.Batch, project ci.Project, d *gitlab.DeploymentHook, pipelines map[ci.JobID]ci.PipelineID, newest time.Time) {
	row := ci.Deployment{
		InstanceID:  project.InstanceID,
		ID:          ci.DeploymentID(d.ID),
		ProjectID:   project.ID,
		Environment: d.Environment,
		Tier:        d.Tier.Ptr(),
		Success:     deploymentSuccess(d.Status),
		Source:      ci.FromGitLab,
		Ref:         d.Ref.Ptr(),
		Status:      &d.Status,
		SyncedAt:    newest,
	}
	if sha := d.SHA(); sha != "" {
		row.SHA = &sha
	}
	if job, ok := d.JobID.Get(); ok {
		row.JobID = new(ci.JobID(job))
		row.PipelineID = new(pipelines[*row.JobID])
	}
	if row.Success != nil {
		row.DeployedAt = at(d.ChangedAt)
	}
	if user, ok := d.User.Get(); ok {
		row.UserID = id[ci.UserID](user.ID)
		addEventUser(batch, project.InstanceID, user, newest)
	}
	patch := patchOf(batch, columns{"status", "success", "deployed_at"})
	patch.Deployments = append(patch.Deployments, row)
}

// addProjectEvent adds where a project went, or that it is gone, and gives it as
// it is then. An event that does not begin where the project is stored came out
// of order, or again: the next poll knows.
func addProjectEvent(batch *store.Batch, was ci.Project, e HookEvent) ci.Project {
	change := e.Hook.Change
	if change.Event == gitlab.ProjectDestroyed {
		// The event says when the project was changed before it went; what was asked
		// for before the event came does not raise it again.
		at := e.ReceivedAt
		batch.Deleted = append(batch.Deleted, store.Tombstone{Table: "projects", InstanceID: was.InstanceID, ID: int64(was.ID), At: at})
		was.DeletedAt = &at
		return was
	}
	old, said := change.OldPath.Get()
	newest := e.proves()
	if _, timed := e.Hook.Newest(); !timed || !said || !strings.EqualFold(old, was.FullPath) || newest.Before(was.SyncedAt) {
		return was
	}
	is := was
	is.FullPath, is.SyncedAt = change.Path, newest
	is.Name = change.Name.Or(was.Name)
	if !strings.EqualFold(parentOf(old), parentOf(change.Path)) {
		is.GroupID = nil // another group, whose id the event does not say
	}
	if was.WebURL != nil {
		if base, ok := strings.CutSuffix(*was.WebURL, "/"+was.FullPath); ok {
			is.WebURL = new(base + "/" + change.Path)
		}
	}
	addMoved(batch, was, is)
	return is
}

// parentOf gives the full path of what a project lies in.
func parentOf(path string) string {
	return path[:max(strings.LastIndex(path, "/"), 0)]
}
