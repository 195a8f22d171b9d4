-- Broken default branch
-- measures: for how long default branches were red, and how long it took to make them green again (time_to_green)
-- population: finished runs of pushes to the default branch that ended before the window's end, also those before its beginning, per project by (created_at, id); a run that a later one has overtaken (created later, ended at the same time or earlier) is left out
-- leaves out: merge requests, schedules, other branches, child pipelines, canceled runs
-- formula: a red period begins at finished_at of the first failed run after a success (or of the project's first run if that failed) and ends at finished_at of the next success. value = red seconds inside the window, open periods up to its end or now; n, p50, p95 = full lengths of the periods that ended inside it; open = periods red at its end. By day, week or month each bucket is answered as if it were the window
-- empty: n = 0, open = 0, value = 0, percentiles NULL
-- source: weir
WITH history AS (
  SELECT p.instance_id, p.project_id, p.id, p.status, p.created_at, p.finished_at, p.time_precision
  FROM pipelines p/*filter joins*/
  WHERE p.is_default_branch AND p.source = 'push' AND p.status IN ('success', 'failed') AND p.finished_at < :to AND p.created_at IS NOT NULL/*place filters*/
), before AS (
  SELECT instance_id, project_id, max(created_at) AS last, max(CASE WHEN status = 'success' THEN created_at END) AS last_green,
         max(CASE WHEN status = 'failed' THEN created_at END) AS last_red
  FROM history
  WHERE finished_at < :from
  GROUP BY instance_id, project_id
), pushes AS (
  -- Where the window began green, of all that ended before it only the last created can overtake or begin anything.
  SELECT h.*
  FROM history h
  LEFT JOIN before b ON b.instance_id = h.instance_id AND b.project_id = h.project_id
  WHERE h.finished_at >= :from OR b.last_green IS NULL OR b.last_red >= b.last_green OR h.created_at = b.last
), seen AS (
  SELECT *, min(finished_at) OVER (PARTITION BY instance_id, project_id ORDER BY created_at, id
    ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS next_end
  FROM pushes
), line AS (
  SELECT *, lag(status) OVER (PARTITION BY instance_id, project_id ORDER BY created_at, id) AS status_before
  FROM seen
  WHERE next_end IS NULL OR next_end > finished_at
), turns AS (
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
