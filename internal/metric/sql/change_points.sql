-- Change points
-- measures: when jobs and runs became slower or faster for good
-- population: days of one project and job base_name: effective successful attempts; and days of one project's runs (base_name null): finished runs
-- leaves out: days without runs; retried and failed attempts; child pipelines as runs of their own
-- formula: lasting shifts of level of a day's median duration: day = first day of the new level, before and after = medians of the levels, value = after / before - 1, sha_before = commit of the last run before that day, sha_after = of the first run since. Found by segmentation on logarithms; a heuristic, held to at most one false point in 100 flat series of 90 days
-- empty: no rows
-- source: weir
WITH runs AS (
/*runs*/
), attempts AS (
/*attempts of runs*/
), measured AS (
  SELECT r.instance_id, r.project_id, CAST(NULL AS text) AS base_name, r.created_at, r.duration_seconds, r.time_precision
  FROM runs r
  WHERE r.status IN ('success', 'failed') AND r.duration_seconds IS NOT NULL
  UNION ALL
  SELECT j.instance_id, j.project_id, j.base_name, j.created_at, j.duration_seconds, j.time_precision
  FROM attempts j
  WHERE j.status = 'success' AND j.retried IS NOT TRUE AND j.started_at IS NOT NULL AND j.finished_at IS NOT NULL AND j.duration_seconds IS NOT NULL
)
SELECT instance_id, project_id, base_name, local_day(created_at) AS day, count(*) AS n,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_seconds) AS median, bool_or(time_precision = 's') AS coarse
FROM measured
GROUP BY instance_id, project_id, base_name, local_day(created_at)
ORDER BY instance_id, project_id, base_name, day
