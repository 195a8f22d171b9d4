-- Broken default branch
-- measures: for how long default branches were red, and how long it took to make them green again (time_to_green)
-- population: finished runs of pushes to the default branch that ended before the window's end, also those before its beginning, per project by (created_at, id); a run that a later one has overtaken (created later, ended at the same time or earlier) is left out
-- leaves out: merge requests, schedules, other branches, child pipelines, canceled runs
-- formula: a red period begins at finished_at of the first failed run after a success (or of the project's first run if that failed) and ends at finished_at of the next success. value = red seconds inside the window, open periods up to its end or now; n, p50, p95 = full lengths of the periods that ended inside it; open = periods red at its end. By day, week or month each bucket is answered as if it were the window
-- empty: n = 0, open = 0, value = 0, percentiles NULL
-- source: weir
WITH
/*line*/, turns AS (
  SELECT *, lead(finished_at) OVER (PARTITION BY instance_id, project_id ORDER BY created_at, id) AS next_turn
  FROM line
  WHERE status_before IS DISTINCT FROM status
), periods AS (
  SELECT instance_id, project_id, finished_at AS red_from, next_turn AS red_to
  FROM turns
  WHERE status = 'failed'
), hits AS (
  SELECT /*dims*/b.ends, p.red_to < b.ends AS ended,
         seconds(p.red_to, p.red_from) AS length,
         seconds(CASE WHEN p.red_to < b.ends THEN p.red_to ELSE least(b.ends, :now) END, greatest(p.red_from, b.starts)) AS red
  FROM periods p
  JOIN (VALUES /*buckets*/) AS b(label, starts, ends) ON p.red_from < b.ends AND (p.red_to IS NULL OR p.red_to >= b.starts)/*joins*/
  WHERE true/*filters*/
)
SELECT /*by*/count(*) FILTER (WHERE ended) AS n,
       count(*) FILTER (WHERE ended IS NOT TRUE) AS open,
       coalesce(sum(greatest(red, 0)), 0) AS value,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY length) FILTER (WHERE ended) AS p50,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY length) FILTER (WHERE ended) AS p95,
       (SELECT bool_or(time_precision = 's') FROM history) AS coarse
FROM hits
/*group by*/
