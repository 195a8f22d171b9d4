package importer

import (
	"slices"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
)

// The third part of convert.go: deployments.

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
