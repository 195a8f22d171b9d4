package store

import (
	"context"
	"slices"

	"github.com/weirhq/weir/internal/ci"
)

// A bridge says which pipeline it started; the pipeline does not say who
// started it. Either may be stored first, days apart, so both directions are
// looked at, each bounded by the ids of the batch. A link that GitLab itself
// stated is not touched.

const (
	// linkStarted: bridges of the batch, pipelines stored before or with it.
	linkStarted = `UPDATE pipelines SET
  parent_pipeline_id = CASE WHEN pipelines.source = 'parent_pipeline' THEN coalesce(pipelines.parent_pipeline_id, b.pipeline_id) ELSE pipelines.parent_pipeline_id END,
  upstream_pipeline_id = CASE WHEN pipelines.source IS DISTINCT FROM 'parent_pipeline' THEN coalesce(pipelines.upstream_pipeline_id, b.pipeline_id) ELSE pipelines.upstream_pipeline_id END
FROM (SELECT downstream_pipeline_id AS id, min(pipeline_id) AS pipeline_id FROM jobs
  WHERE instance_id = $1 AND downstream_pipeline_id = ANY($2) GROUP BY downstream_pipeline_id) b
WHERE pipelines.instance_id = $1 AND pipelines.id = b.id AND pipelines.id = ANY($2)
  AND CASE WHEN pipelines.source = 'parent_pipeline' THEN pipelines.parent_pipeline_id IS NULL ELSE pipelines.upstream_pipeline_id IS NULL END`
)

// link sets parent_pipeline_id and upstream_pipeline_id of the pipelines that
// the batch holds, and of those that its bridges started.
func link(ctx context.Context, w writer, b *Batch) error {
	candidates := map[ci.InstanceID][]int64{}
	for i := range b.Pipelines {
		if p := &b.Pipelines[i]; mayBeStarted(p.Source) {
			candidates[p.InstanceID] = append(candidates[p.InstanceID], int64(p.ID))
		}
	}
	for i := range b.Jobs {
		if j := &b.Jobs[i]; j.DownstreamPipelineID != nil {
			candidates[j.InstanceID] = append(candidates[j.InstanceID], int64(*j.DownstreamPipelineID))
		}
	}
	for instance, ids := range candidates {
		slices.Sort(ids)
		ids = slices.Compact(ids)
		if _, err := w.exec(ctx, linkStarted, int64(instance), ids); err != nil {
			return err
		}
	}
	if err := linkAttempts(ctx, w, b); err != nil {
		return err
	}
	if err := linkRepositories(ctx, w, b); err != nil {
		return err
	}
	return linkDeployments(ctx, w, b)
}

// mayBeStarted says whether a bridge may have started a pipeline of this
// source. Most pipelines have one of which that cannot be, and are not looked
// for among all bridges; an unknown source may be anything.
func mayBeStarted(source *ci.Source) bool {
	if source == nil {
		return true
	}
	switch *source {
	case "push", "web", "schedule", "merge_request_event", "external_pull_request_event", "api", "external", "trigger", "chat", "webide":
		return false
	}
	return true
}

// olderAttempts: GitLab lists every attempt of a build, but of a bridge only the
// latest, so the attempts before it are known from earlier answers alone.
const olderAttempts = `UPDATE jobs SET retried = true
FROM (SELECT pipeline_id, name, max(id) AS id FROM jobs
  WHERE instance_id = $1 AND kind = $3 AND pipeline_id = ANY($2) GROUP BY pipeline_id, name HAVING count(*) > 1) latest
WHERE jobs.instance_id = $1 AND jobs.kind = $3 AND jobs.pipeline_id = latest.pipeline_id AND jobs.name = latest.name
  AND jobs.id < latest.id AND jobs.retried IS DISTINCT FROM true`

// linkAttempts marks as retried what a bridge of the batch has superseded, or
// an attempt that only a hook told of.
func linkAttempts(ctx context.Context, w writer, b *Batch) error {
	bridges, builds := map[ci.InstanceID][]int64{}, map[ci.InstanceID][]int64{}
	for i := range b.Jobs {
		if j := &b.Jobs[i]; j.Kind == ci.Bridge {
			bridges[j.InstanceID] = append(bridges[j.InstanceID], int64(j.PipelineID))
		}
	}
	for i := range b.Patches {
		for j := range b.Patches[i].Jobs {
			job := &b.Patches[i].Jobs[j]
			builds[job.InstanceID] = append(builds[job.InstanceID], int64(job.PipelineID))
		}
	}
	if err := supersede(ctx, w, ci.Bridge, bridges); err != nil {
		return err
	}
	return supersede(ctx, w, ci.Build, builds)
}

func supersede(ctx context.Context, w writer, kind ci.JobKind, candidates map[ci.InstanceID][]int64) error {
	for instance, pipelines := range candidates {
		slices.Sort(pipelines)
		if _, err := w.exec(ctx, olderAttempts, int64(instance), slices.Compact(pipelines), string(kind)); err != nil {
			return err
		}
	}
	return nil
}

// linkProjects: a project and its repository come from two connections, in
// either order, and have the same id.
const linkProjects = `UPDATE projects SET repository_id = projects.id
WHERE projects.instance_id = $1 AND projects.id = ANY($2) AND projects.repository_id IS NULL
  AND EXISTS (SELECT 1 FROM repositories r WHERE r.instance_id = projects.instance_id AND r.id = projects.id)`

// linkRepositories sets repository_id of the projects whose row or whose
// repository's row the batch holds.
func linkRepositories(ctx context.Context, w writer, b *Batch) error {
	candidates := map[ci.InstanceID][]int64{}
	for i := range b.Projects {
		candidates[b.Projects[i].InstanceID] = append(candidates[b.Projects[i].InstanceID], int64(b.Projects[i].ID))
	}
	for i := range b.Repositories {
		candidates[b.Repositories[i].InstanceID] = append(candidates[b.Repositories[i].InstanceID], int64(b.Repositories[i].ID))
	}
	for instance, ids := range candidates {
		if _, err := w.exec(ctx, linkProjects, int64(instance), ids); err != nil {
			return err
		}
	}
	return nil
}

const (
	// repositoriesOfDeployments: GitLab's answers name the project alone.
	repositoriesOfDeployments = `UPDATE deployments SET repository_id = p.repository_id FROM projects p
WHERE p.instance_id = $1 AND p.id = ANY($2) AND p.repository_id IS NOT NULL
  AND deployments.instance_id = $1 AND deployments.project_id = p.id AND deployments.repository_id IS NULL`

	// runsGiveWay: what a rule made of a whole run is the same deployment that
	// GitLab has recorded now, and would count twice until the rules are asked
	// again. What a rule made of a job is told by the job (metric.md, §5).
	runsGiveWay = `DELETE FROM deployments WHERE source = 'rule' AND job_id IS NULL AND instance_id = $1 AND pipeline_id = ANY($2)
  AND EXISTS (SELECT 1 FROM deployments g WHERE g.source = 'gitlab' AND g.instance_id = deployments.instance_id
    AND g.pipeline_id = deployments.pipeline_id AND g.environment = deployments.environment)`
)

// linkDeployments gives deployments their repository, whichever of deployment,
// project and repository came first, and takes back what rules made of runs
// whose deployment GitLab has recorded.
func linkDeployments(ctx context.Context, w writer, b *Batch) error {
	projects, pipelines := map[ci.InstanceID][]int64{}, map[ci.InstanceID][]int64{}
	for i := range b.Repositories {
		projects[b.Repositories[i].InstanceID] = append(projects[b.Repositories[i].InstanceID], int64(b.Repositories[i].ID))
	}
	for i := range b.Projects {
		projects[b.Projects[i].InstanceID] = append(projects[b.Projects[i].InstanceID], int64(b.Projects[i].ID))
	}
	for i := range b.Deployments {
		d := &b.Deployments[i]
		projects[d.InstanceID] = append(projects[d.InstanceID], int64(d.ProjectID))
		if d.PipelineID != nil {
			pipelines[d.InstanceID] = append(pipelines[d.InstanceID], int64(*d.PipelineID))
		}
	}
	for _, one := range []struct {
		statement string
		of        map[ci.InstanceID][]int64
	}{{repositoriesOfDeployments, projects}, {runsGiveWay, pipelines}} {
		for instance, ids := range one.of {
			slices.Sort(ids)
			if _, err := w.exec(ctx, one.statement, int64(instance), slices.Compact(ids)); err != nil {
				return err
			}
		}
	}
	return nil
}
