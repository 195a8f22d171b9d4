-- Redundant runs
-- measures: how long runners worked for runs that a newer commit had overtaken already
-- population: finished runs for which a later run of the same project, ref and source but another sha was created before their end, also when that run lies behind the window's end; runs whose ref or source is not known are taken for runs of one
-- leaves out: canceled runs (somebody has acted); runs without a sha; child pipelines
-- formula: n = such runs; value = sum over a run's attempts that started and ended of the seconds of [started_at, finished_at) after the first such later run was created
-- empty: n = 0, value = 0
-- source: weir (GitLab: auto-cancel redundant pipelines would have saved it)
WITH runs AS (
/*runs*/
), line AS (
  SELECT p.instance_id, p.id, p.project_id, p.ref, p.source, p.sha, p.created_at, p.finished_at,
         lead(p.created_at) OVER next_run AS next_at, lead(p.sha) OVER next_run AS next_sha
  FROM pipelines p
  WHERE /*own*/p.created_at >= :from AND p.sha IS NOT NULL
  WINDOW next_run AS (PARTITION BY p.instance_id, p.project_id, p.ref, p.source ORDER BY p.created_at, p.id)
), beside AS (
  SELECT * FROM line WHERE next_at < finished_at
), overtaken AS (
  SELECT instance_id, id, next_at AS overtaken_at FROM beside WHERE next_sha <> sha
  UNION ALL
  -- The next one ran on the same commit: one after it may not have.
  SELECT b.instance_id, b.id, min(l.created_at)
  FROM beside b
  JOIN line l ON l.instance_id = b.instance_id AND l.project_id = b.project_id AND l.ref IS NOT DISTINCT FROM b.ref
    AND l.source IS NOT DISTINCT FROM b.source AND l.created_at >= b.next_at AND l.created_at < b.finished_at AND l.sha <> b.sha
    AND (l.created_at > b.created_at OR l.id > b.id)
  WHERE b.next_sha = b.sha
  GROUP BY b.instance_id, b.id
), redundant AS (
  SELECT /*by*/r.instance_id, r.id, r.time_precision, o.overtaken_at
  FROM runs r
  JOIN overtaken o ON o.instance_id = r.instance_id AND o.id = r.id
  WHERE r.status IN ('success', 'failed')
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
