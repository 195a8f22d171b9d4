-- Job duration
-- measures: how long an attempt of a job ran
-- population: attempts that started and ended, with status success or failed; jobs of child pipelines and retried attempts too
-- leaves out: bridges; canceled attempts; what still runs
-- formula: percentile_cont over duration_seconds
-- empty: n = 0, percentiles and average NULL
-- source: GitLab (job duration)
WITH attempts AS (
/*attempts*/
)
SELECT /*by*/n, q[1] AS p50, q[2] AS p75, q[3] AS p90, q[4] AS p95, q[5] AS p99, avg, coarse
FROM (
  SELECT /*by*/count(*) AS n, percentile_cont(ARRAY[0.5, 0.75, 0.9, 0.95, 0.99]) WITHIN GROUP (ORDER BY duration_seconds) AS q,
         avg(duration_seconds) AS avg, bool_or(time_precision = 's') AS coarse
  FROM attempts
  WHERE status IN ('success', 'failed') AND started_at IS NOT NULL AND finished_at IS NOT NULL AND duration_seconds IS NOT NULL
  /*group by*/
) measured
