package store

// The views under the names that users of DX know, so that their saved SQL
// ports over. A column of DX's that weir has no value for is there and NULL.

func dxViews() []Table {
	return []Table{
		{Name: "pipeline_runs", Meaning: "DX's name for a run: pipelines without child pipelines, status normalised.", Columns: []Column{
			{Name: "id", Type: BigInt, Nullable: true, Meaning: "GitLab's id of the pipeline", References: "pipelines.id"},
			{Name: "reference_id", Type: Text, Nullable: true, Meaning: "the same as text"},
			{Name: "source_id", Type: Text, Nullable: true, Meaning: "its number within the project, as text"},
			{Name: "pipeline_source_id", Type: BigInt, Nullable: true, Meaning: "its pipeline source: the project", References: "pipeline_sources.id"},
			{Name: "name", Type: Text, Nullable: true, Meaning: "name from workflow:name, else the project's path"},
			{Name: "status", Type: Text, Nullable: true, Meaning: "success, failure, cancelled, running, skipped, manual or unknown"},
			{Name: "started_at", Type: Timestamp, Nullable: true, Meaning: "when its first job started"},
			{Name: "finished_at", Type: Timestamp, Nullable: true, Meaning: "when its last job ended"},
			{Name: "created_at", Type: Timestamp, Nullable: true, Meaning: "when it was created"},
			{Name: "updated_at", Type: Timestamp, Nullable: true, Meaning: "when GitLab last changed it"},
			{Name: "duration", Type: Double, Nullable: true, Meaning: "GitLab's own duration, seconds"},
			{Name: "repository", Type: Text, Nullable: true, Meaning: "full path of the project"},
			{Name: "commit_sha", Type: Text, Nullable: true, Meaning: "commit that it ran on"},
			{Name: "head_branch", Type: Text, Nullable: true, Meaning: "branch; NULL for tags and merge requests"},
			{Name: "pr_number", Type: BigInt, Nullable: true, Meaning: "number of the merge request that it ran for"},
			{Name: "pull_id", Type: BigInt, Nullable: true, Meaning: "always NULL: weir does not import merge requests"},
			{Name: "email", Type: Text, Nullable: true, Meaning: "always NULL: weir does not import addresses"},
			{Name: "source_url", Type: Text, Nullable: true, Meaning: "page on GitLab"},
			{Name: "gitlab_project_id", Type: BigInt, Nullable: true, Meaning: "the project that it ran in", References: "projects.id"},
			{Name: "instance_id", Type: BigInt, Nullable: true, Meaning: "which GitLab", References: "instances.id"},
		}, query: `SELECT p.id, CAST(p.id AS text) AS reference_id, CAST(p.iid AS text) AS source_id,
  p.project_id AS pipeline_source_id, coalesce(p.name, r.full_path) AS name, ` + dxStatus("p.status") + ` AS status,
  p.started_at, p.finished_at, p.created_at, p.updated_at, p.duration_seconds AS duration,
  r.full_path AS repository, p.sha AS commit_sha,
  CASE WHEN p.ref_type = 'branch' THEN p.ref END AS head_branch, p.merge_request_iid AS pr_number,
  CAST(NULL AS bigint) AS pull_id, CAST(NULL AS text) AS email, p.web_url AS source_url,
  p.project_id AS gitlab_project_id, p.instance_id
FROM pipelines p LEFT JOIN projects r ON r.instance_id = p.instance_id AND r.id = p.project_id
WHERE p.source IS DISTINCT FROM 'parent_pipeline'`},
		{Name: "pipeline_jobs", Meaning: "DX's name for a job: every attempt, status normalised.", Columns: []Column{
			{Name: "id", Type: BigInt, Nullable: true, Meaning: "GitLab's id of the attempt", References: "jobs.id"},
			{Name: "pipeline_run_id", Type: BigInt, Nullable: true, Meaning: "its pipeline; a child pipeline is not in pipeline_runs", References: "pipelines.id"},
			{Name: "reference_id", Type: Text, Nullable: true, Meaning: "id as text"},
			{Name: "source_id", Type: Text, Nullable: true, Meaning: "id as text"},
			{Name: "name", Type: Text, Nullable: true, Meaning: "name with matrix and n/m parts"},
			{Name: "status", Type: Text, Nullable: true, Meaning: "success, failure, cancelled, running, skipped, manual or unknown"},
			{Name: "duration", Type: Double, Nullable: true, Meaning: "from start to end, seconds"},
			{Name: "started_at", Type: Timestamp, Nullable: true, Meaning: "when a runner started it"},
			{Name: "finished_at", Type: Timestamp, Nullable: true, Meaning: "when it ended"},
			{Name: "instance_id", Type: BigInt, Nullable: true, Meaning: "which GitLab", References: "instances.id"},
		}, query: `SELECT j.id, j.pipeline_id AS pipeline_run_id, CAST(j.id AS text) AS reference_id, CAST(j.id AS text) AS source_id,
  j.name, ` + dxStatus("j.status") + ` AS status, j.duration_seconds AS duration, j.started_at, j.finished_at, j.instance_id
FROM jobs j`},
		{Name: "pipeline_sources", Meaning: "DX's name for what runs come from: on GitLab, a project.", Columns: []Column{
			{Name: "id", Type: BigInt, Nullable: true, Meaning: "GitLab's id of the project", References: "projects.id"},
			{Name: "name", Type: Text, Nullable: true, Meaning: "full path of the project"},
			{Name: "api", Type: Text, Nullable: true, Meaning: "gitlab"},
			{Name: "instance_id", Type: BigInt, Nullable: true, Meaning: "which GitLab", References: "instances.id"},
		}, query: `SELECT r.id, r.full_path AS name, CAST('gitlab' AS text) AS api, r.instance_id FROM projects r`},
		{Name: "repos", Meaning: "DX's name for repositories.", Columns: []Column{
			{Name: "id", Type: BigInt, Nullable: true, Meaning: "the id of its project", References: "repositories.id"},
			{Name: "external_id", Type: Text, Nullable: true, Meaning: "its id at the source, as text"},
			{Name: "name", Type: Text, Nullable: true, Meaning: "name"},
			{Name: "organization", Type: Text, Nullable: true, Meaning: "first part of the path"},
			{Name: "full_path", Type: Text, Nullable: true, Meaning: "path with all groups"},
			{Name: "default_branch", Type: Text, Nullable: true, Meaning: "name of the default branch"},
			{Name: "archived", Type: Boolean, Nullable: true, Meaning: "whether it is read-only"},
			{Name: "source", Type: Text, Nullable: true, Meaning: "where it lives: gitlab"},
			{Name: "source_url", Type: Text, Nullable: true, Meaning: "page on GitLab"},
			{Name: "instance_id", Type: BigInt, Nullable: true, Meaning: "which GitLab", References: "instances.id"},
		}, query: `SELECT r.id, r.external_id, r.name, r.organization, r.full_path, r.default_branch, r.archived, r.source, r.web_url AS source_url, r.instance_id
FROM repositories r`},
	}
}

// dxStatus is GitLab's status in DX's words. What is on its way to running
// counts as running, as it does in DX; a word that GitLab invents is unknown.
func dxStatus(column string) string {
	return `CASE ` + column + ` WHEN 'success' THEN 'success' WHEN 'failed' THEN 'failure'
    WHEN 'canceled' THEN 'cancelled' WHEN 'canceling' THEN 'cancelled' WHEN 'skipped' THEN 'skipped' WHEN 'manual' THEN 'manual'
    WHEN 'created' THEN 'running' WHEN 'waiting_for_resource' THEN 'running' WHEN 'preparing' THEN 'running'
    WHEN 'waiting_for_callback' THEN 'running' WHEN 'pending' THEN 'running' WHEN 'running' THEN 'running'
    WHEN 'scheduled' THEN 'running' ELSE 'unknown' END`
}
