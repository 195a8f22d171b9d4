-- Flaky jobs, with evidence
-- measures: which jobs passed and failed on the same commit most often, what that cost, and where to look
-- population: the groups of flaky_jobs: attempts of one project, sha, ref_type, child and job name
-- leaves out: jobs that are never flaky in the window; canceled attempts
-- formula: n = groups of one project and job name, flaky = those with at least one success and at least one failure of class code or timeout, rate = flaky / n; failed = such failures in flaky groups, wasted_minutes = what they ran; first_at, last_at = first attempt of the first and last flaky group; of the last: sha, ref, and attempts = ids of its jobs with their status, url = page of the first that failed. Ordered by flaky, then wasted_minutes
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
  SELECT j.*, row_number() OVER (PARTITION BY j.instance_id, j.project_id, j.name, j.flaky ORDER BY j.created_at DESC, j.last_id DESC) AS newest
  FROM groups j/*filter joins*/
  WHERE true/*filters*/
), counted AS (
  SELECT instance_id, project_id, name, count(*) AS n, count(*) FILTER (WHERE flaky) AS flaky,
         coalesce(sum(failed) FILTER (WHERE flaky), 0) AS failed, coalesce(sum(lost) FILTER (WHERE flaky), 0) / 60 AS wasted_minutes,
         min(created_at) FILTER (WHERE flaky) AS first_at, max(created_at) FILTER (WHERE flaky) AS last_at, bool_or(coarse) AS coarse
  FROM told
  GROUP BY instance_id, project_id, name
), evidence AS (
  SELECT t.instance_id, t.project_id, t.name, t.sha, min(a.ref) AS ref,
         string_agg(CAST(a.id AS text) || ' ' || a.status, ', ' ORDER BY a.created_at, a.id) AS attempts,
         (array_agg(a.web_url ORDER BY a.counts DESC, a.created_at, a.id))[1] AS url
  FROM told t
  JOIN attempts a ON a.instance_id = t.instance_id AND a.project_id = t.project_id AND a.name = t.name AND a.sha IS NOT DISTINCT FROM t.sha
   AND a.ref_type IS NOT DISTINCT FROM t.ref_type AND a.child IS NOT DISTINCT FROM t.child
  WHERE t.flaky AND t.newest = 1
  GROUP BY t.instance_id, t.project_id, t.name, t.sha
)
SELECT c.instance_id AS key_instance, c.project_id AS key_project, r.full_path AS project, c.name AS job_name, c.n, c.flaky,
       CAST(c.flaky AS double precision) / c.n AS rate, CAST(c.failed AS bigint) AS failed, c.wasted_minutes, c.first_at, c.last_at,
       e.sha, e.ref, e.attempts, e.url, c.coarse
FROM counted c
JOIN evidence e ON e.instance_id = c.instance_id AND e.project_id = c.project_id AND e.name = c.name
LEFT JOIN projects r ON r.instance_id = c.instance_id AND r.id = c.project_id
ORDER BY c.flaky DESC, c.wasted_minutes DESC, c.instance_id, c.project_id, c.name
LIMIT :limit
