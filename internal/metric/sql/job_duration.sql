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
SELECT /*by*/count(*) AS n,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_seconds) AS p50,
       percentile_cont(0.75) WITHIN GROUP (ORDER BY duration_seconds) AS p75,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY duration_seconds) AS p90,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_seconds) AS p95,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY duration_seconds) AS p99,
       avg(duration_seconds) AS avg,
       bool_or(time_precision = 's') AS coarse
FROM attempts
WHERE status IN ('success', 'failed') AND started_at IS NOT NULL AND finished_at IS NOT NULL AND duration_seconds IS NOT NULL
/*group by*/
