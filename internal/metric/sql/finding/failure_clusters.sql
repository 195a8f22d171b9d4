-- Failure clusters
-- measures: which failures are one and the same: how often, since which commit, and whether they go on
-- population: that of failures: effective jobs with status failed, builds and bridges that started no pipeline
-- leaves out: retried attempts; passes before the window's beginning
-- formula: n = failures of one project, base_name, stage and failure_reason (divide by runner, failure_class, … for other clusters); runners = how many they ran on, runner = that runner's id where it was one; first_at, last_at = created_at of the first and last; since_sha = commit of the first, good_sha = commit with which the job (of that project and name, on any ref) had last passed before it, NULL where it had not since the window's beginning; going = whether no job of the cluster passed after its last failure, else ended_at = when that passing job was created; url = page of the last failure. Ordered by n
-- empty: no rows
-- source: GitLab (failure_reason); weir
WITH failed AS (
/*failed*/
), sized AS (
  SELECT /*by*/instance_id, project_id, name, created_at, id, pipeline_id, runner_id, web_url, time_precision,
         count(*) OVER (/*partition by*/) AS n, min(created_at) OVER (/*partition by*/) AS first_at, max(created_at) OVER (/*partition by*/) AS last_at
  FROM failed
), placed AS (
  SELECT *, dense_rank() OVER (ORDER BY n DESC, last_at DESC, /*by*/first_at) AS place
  FROM sized
), shown AS (
  -- Only of what is shown is it asked when its jobs passed.
  SELECT *, row_number() OVER (PARTITION BY place ORDER BY created_at, id) AS turn,
         row_number() OVER (PARTITION BY place, instance_id, project_id, name ORDER BY created_at DESC, id DESC) AS turn_back
  FROM placed
  WHERE place <= :limit
), passes AS (
  SELECT j.instance_id, j.project_id, j.name, j.created_at, j.id, j.pipeline_id
  FROM jobs j
  JOIN (SELECT DISTINCT instance_id, project_id, name FROM shown) f
    ON f.instance_id = j.instance_id AND f.project_id = j.project_id AND f.name = j.name
  WHERE j.status = 'success' AND j.retried IS NOT TRUE AND j.created_at >= :from
), before AS (
  -- The passes before each cluster's first failure, the last of them first.
  SELECT f.place, p.instance_id, p.pipeline_id, row_number() OVER (PARTITION BY f.place ORDER BY p.created_at DESC, p.id DESC) AS turn_back
  FROM shown f
  JOIN passes p ON p.instance_id = f.instance_id AND p.project_id = f.project_id AND p.name = f.name
  WHERE f.turn = 1 AND (p.created_at < f.created_at OR p.created_at = f.created_at AND p.id < f.id)
), commits AS (
  SELECT r.place, min(CASE WHEN r.good THEN p.sha END) AS good_sha, min(CASE WHEN NOT r.good THEN p.sha END) AS since_sha
  FROM (
    SELECT place, instance_id, pipeline_id, true AS good FROM before WHERE turn_back = 1
    UNION ALL
    SELECT place, instance_id, pipeline_id, false FROM shown WHERE turn = 1
  ) r
  JOIN pipelines p ON p.instance_id = r.instance_id AND p.id = r.pipeline_id
  GROUP BY r.place
), after AS (
  -- When each job of a cluster passed after its last failure there.
  SELECT f.place, f.instance_id, f.id, min(p.created_at) AS passed_at
  FROM shown f
  JOIN passes p ON p.instance_id = f.instance_id AND p.project_id = f.project_id AND p.name = f.name
  WHERE f.turn_back = 1 AND (p.created_at > f.created_at OR p.created_at = f.created_at AND p.id > f.id)
  GROUP BY f.place, f.instance_id, f.id
), ended AS (
  SELECT f.place, bool_or(a.passed_at IS NULL) AS going, max(a.passed_at) AS passed_at
  FROM shown f
  LEFT JOIN after a ON a.place = f.place AND a.instance_id = f.instance_id AND a.id = f.id
  WHERE f.turn_back = 1
  GROUP BY f.place
), clusters AS (
  SELECT /*by*/place, n, first_at, last_at, count(DISTINCT runner_id) AS runners, min(runner_id) AS runner,
         (array_agg(web_url ORDER BY created_at DESC, id DESC))[1] AS url, bool_or(time_precision = 's') AS coarse
  FROM shown
  GROUP BY /*by*/place, n, first_at, last_at
)
SELECT /*by*/k.n, k.runners,
/*unless runner*/       CASE WHEN k.runners = 1 THEN k.runner END AS runner,
       k.first_at, k.last_at, c.good_sha, c.since_sha, e.going, CASE WHEN NOT e.going THEN e.passed_at END AS ended_at, k.url, k.coarse
FROM clusters k
JOIN ended e ON e.place = k.place
LEFT JOIN commits c ON c.place = k.place
ORDER BY k.place
