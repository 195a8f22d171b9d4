-- Redundant runs
-- measures: how long runners worked for runs that a newer commit had overtaken already
-- population: finished runs for which a later run of the same project, ref and source but another sha was created before their end, also when that run lies behind the window's end
-- leaves out: canceled runs (somebody has acted); runs without a sha; child pipelines
-- formula: n = such runs; value = sum over a run's attempts that started and ended of the seconds of [started_at, finished_at) after the first such later run was created
-- empty: n = 0, value = 0
-- source: weir (GitLab: auto-cancel redundant pipelines would have saved it)
WITH runs AS (
/*runs*/
), line AS (
  SELECT p.instance_id, p.id, p.project_id, p.ref, p.source, p.created_at,
         p.sha <> lag(p.sha) OVER (PARTITION BY p.instance_id, p.project_id, p.ref, p.source ORDER BY p.created_at, p.id) AS moved
  FROM pipelines p
  WHERE /*own*/p.created_at >= :from AND p.sha IS NOT NULL
), later AS (
  SELECT instance_id, id,
         min(CASE WHEN moved THEN created_at END) OVER (PARTITION BY instance_id, project_id, ref, source ORDER BY created_at, id
           ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS overtaken_at
  FROM line
), redundant AS (
  SELECT r.*, l.overtaken_at
  FROM runs r
  JOIN later l ON l.instance_id = r.instance_id AND l.id = r.id
  WHERE r.status IN ('success', 'failed') AND l.overtaken_at < r.finished_at
), lost AS (
  SELECT j.instance_id, j.pipeline_id, bool_or(j.time_precision = 's') AS coarse,
         sum(seconds(j.finished_at, greatest(j.started_at, r.overtaken_at))) AS seconds
  FROM jobs j
  JOIN (SELECT DISTINCT instance_id, id, overtaken_at FROM redundant) r ON r.instance_id = j.instance_id AND r.id = j.pipeline_id
  WHERE j.kind = 'build' AND j.started_at IS NOT NULL AND j.finished_at > r.overtaken_at AND j.finished_at > j.started_at
  GROUP BY j.instance_id, j.pipeline_id
)
SELECT /*by*/count(*) AS n, coalesce(sum(l.seconds), 0) AS value,
       bool_or(r.time_precision = 's' OR coalesce(l.coarse, false)) AS coarse
FROM redundant r
LEFT JOIN lost l ON l.instance_id = r.instance_id AND l.pipeline_id = r.id
/*group by*/
