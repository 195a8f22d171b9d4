-- Attempts of flaky jobs
-- measures: the evidence: every attempt of every job that passed and failed on the same commit
-- population: the flaky groups of flaky_jobs, newest first, each with its attempts in order of time
-- leaves out: canceled attempts
-- formula: a row is an attempt; failure_reason is GitLab's. The limit counts attempts
-- empty: no rows
-- source: weir (GitLab knows flaky tests, not flaky jobs)
WITH
/*flaky*/
, told AS (
  SELECT j.*
  FROM grouped j/*filter joins*/
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
