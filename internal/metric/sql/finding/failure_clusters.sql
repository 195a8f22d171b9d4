-- Failure clusters
-- measures: which failures are one and the same: how often, since which commit, and whether they go on
-- population: that of failures: effective jobs with status failed, builds and bridges that started no pipeline
-- leaves out: retried attempts; passes before the window's beginning
-- formula: n = failures of one project, base_name, stage and failure_reason (divide by runner, failure_class, … for other clusters); runners = how many they ran on, runner = that runner's id where it was one; first_at, last_at = created_at of the first and last; since_sha = commit of the first, good_sha = commit with which the job (of that project and name, on any ref) had last passed before it, NULL where it had not since the window's beginning; going = whether no job of the cluster passed after its last failure, else ended_at = when that passing job was created; url = page of the last failure. Ordered by n
-- empty: no rows
-- source: GitLab (failure_reason); weir
WITH failed AS (
/*failed*/
), line AS (
  SELECT DISTINCT instance_id, project_id, name, created_at, id, pipeline_id, false AS passed FROM failed
  UNION ALL
  SELECT j.instance_id, j.project_id, j.name, j.created_at, j.id, j.pipeline_id, true
  FROM jobs j
  JOIN (SELECT DISTINCT instance_id, project_id, name FROM failed) f
    ON f.instance_id = j.instance_id AND f.project_id = j.project_id AND f.name = j.name
  WHERE j.status = 'success' AND j.retried IS NOT TRUE AND j.created_at >= :from
), known AS (
  SELECT l.*, p.sha FROM line l LEFT JOIN pipelines p ON p.instance_id = l.instance_id AND p.id = l.pipeline_id
), streaks AS (
  SELECT *, count(*) FILTER (WHERE passed) OVER (PARTITION BY instance_id, project_id, name ORDER BY created_at, id ROWS UNBOUNDED PRECEDING) AS streak,
         min(CASE WHEN passed THEN created_at END) OVER (PARTITION BY instance_id, project_id, name ORDER BY created_at, id
           ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS passed_at
  FROM known
), dated AS (
  SELECT *, max(CASE WHEN passed THEN sha END) OVER (PARTITION BY instance_id, project_id, name, streak) AS good_sha FROM streaks
)
SELECT /*by*/count(*) AS n, count(DISTINCT f.runner_id) AS runners,
/*unless runner*/       CASE WHEN count(DISTINCT f.runner_id) = 1 THEN min(f.runner_id) END AS runner,
       min(f.created_at) AS first_at, max(f.created_at) AS last_at,
       (array_agg(d.good_sha ORDER BY f.created_at, f.id))[1] AS good_sha,
       (array_agg(d.sha ORDER BY f.created_at, f.id))[1] AS since_sha,
       bool_or(d.passed_at IS NULL) AS going,
       CASE WHEN NOT bool_or(d.passed_at IS NULL) THEN max(d.passed_at) END AS ended_at,
       (array_agg(f.web_url ORDER BY f.created_at DESC, f.id DESC))[1] AS url,
       bool_or(f.time_precision = 's') AS coarse
FROM failed f
JOIN dated d ON d.instance_id = f.instance_id AND d.id = f.id AND NOT d.passed
/*group by*/
ORDER BY n DESC, last_at DESC, /*by*/first_at
LIMIT :limit
