-- Attempts of flaky jobs
-- measures: the evidence: every attempt of every job that passed and failed on the same commit
-- population: the flaky groups of flaky_jobs, newest first, each with its attempts in order of time
-- leaves out: canceled attempts
-- formula: a row is an attempt; failure_reason is GitLab's. The limit counts attempts
-- empty: no rows
-- source: weir (GitLab knows flaky tests, not flaky jobs)
WITH bridges AS (
  SELECT instance_id, downstream_pipeline_id, min(name) AS name
  FROM jobs
  WHERE kind = 'bridge' AND downstream_pipeline_id IS NOT NULL
  GROUP BY instance_id, downstream_pipeline_id
), attempts AS (
  SELECT j.instance_id, j.project_id, p.sha, p.ref, p.ref_type, b.name AS child, j.name, j.base_name, j.stage, j.pipeline_id, j.created_at, j.id,
         j.status, j.failure_reason, j.time_precision, j.started_at, j.duration_seconds, j.web_url,
         j.status = 'failed' AND coalesce(j.failure_reason, '') IN (/*flaky reasons*/) AS counts
  FROM jobs j
  LEFT JOIN pipelines p ON p.instance_id = j.instance_id AND p.id = j.pipeline_id
  LEFT JOIN bridges b ON b.instance_id = p.instance_id AND b.downstream_pipeline_id = CASE WHEN p.source = 'parent_pipeline' THEN p.id END
  WHERE j.kind = 'build' AND j.status IN ('success', 'failed') AND j.created_at >= :from AND j.created_at < :to/*deleted*/
), groups AS (
  SELECT instance_id, project_id, sha, ref_type, child, name, min(base_name) AS base_name, min(created_at) AS created_at, max(id) AS last_id,
         (array_agg(stage ORDER BY created_at, id))[1] AS stage, (array_agg(pipeline_id ORDER BY created_at, id))[1] AS pipeline_id,
         bool_or(status = 'success') AND bool_or(counts) AS flaky, count(*) FILTER (WHERE counts) AS failed,
         count(*) FILTER (WHERE status = 'success') AS passed,
         coalesce(sum(duration_seconds) FILTER (WHERE counts), 0) AS lost, bool_or(time_precision = 's') AS coarse
  FROM attempts
  GROUP BY instance_id, project_id, sha, ref_type, child, name
), told AS (
  SELECT j.*
  FROM groups j/*filter joins*/
  WHERE j.flaky/*filters*/
)
SELECT t.instance_id AS key_instance, r.full_path AS project, t.name AS job_name, t.sha, a.ref, a.child, a.pipeline_id, a.id AS job_id, a.status,
       a.failure_reason, a.started_at, a.duration_seconds, a.web_url AS url, a.time_precision = 's' AS coarse
FROM told t
JOIN attempts a ON a.instance_id = t.instance_id AND a.project_id = t.project_id AND a.name = t.name AND a.sha IS NOT DISTINCT FROM t.sha
 AND a.ref_type IS NOT DISTINCT FROM t.ref_type AND a.child IS NOT DISTINCT FROM t.child
LEFT JOIN projects r ON r.instance_id = t.instance_id AND r.id = t.project_id
ORDER BY t.created_at DESC, t.last_id DESC, t.instance_id, a.created_at, a.id
LIMIT :limit
