-- Flaky jobs, with evidence
-- measures: which jobs passed and failed on the same commit most often, what that cost, and where to look
-- population: the groups of flaky_jobs: attempts of one project, sha, ref_type, child and job name
-- leaves out: jobs that are never flaky in the window; canceled attempts
-- formula: n = groups of one project and job name, flaky = those with at least one success and at least one failure of class code or timeout, rate = flaky / n; failed = such failures in flaky groups, wasted_minutes = what they ran; first_at, last_at = first attempt of the first and last flaky group; of the last: sha, ref, and attempts = ids of its jobs with their status, url = page of the first that failed. Ordered by flaky, then wasted_minutes
-- empty: no rows
-- source: weir (GitLab knows flaky tests, not flaky jobs)
WITH
/*flaky*/
, told AS (
  SELECT j.*, row_number() OVER (PARTITION BY j.instance_id, j.project_id, j.name, j.flaky ORDER BY j.created_at DESC, j.last_id DESC) AS newest
  FROM grouped j/*filter joins*/
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
