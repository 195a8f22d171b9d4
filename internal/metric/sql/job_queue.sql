-- Job queue
-- measures: how long an attempt waited for a runner; a manual job and one played late are created with their pipeline, so read their queue by its median
-- population: attempts that started, of any status
-- leaves out: bridges; attempts that never started
-- formula: percentile_cont over queued_seconds
-- empty: n = 0, percentiles and average NULL
-- source: GitLab (queued_duration)
WITH attempts AS (
/*attempts*/
)
SELECT /*by*/n, q[1] AS p50, q[2] AS p75, q[3] AS p90, q[4] AS p95, q[5] AS p99, avg, coarse
FROM (
  SELECT /*by*/count(*) AS n, percentile_cont(ARRAY[0.5, 0.75, 0.9, 0.95, 0.99]) WITHIN GROUP (ORDER BY queued_seconds) AS q,
         avg(queued_seconds) AS avg, bool_or(time_precision = 's') AS coarse
  FROM attempts
  WHERE started_at IS NOT NULL AND queued_seconds IS NOT NULL
  /*group by*/
) measured
