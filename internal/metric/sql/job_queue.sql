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
SELECT /*by*/count(*) AS n,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY queued_seconds) AS p50,
       percentile_cont(0.75) WITHIN GROUP (ORDER BY queued_seconds) AS p75,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY queued_seconds) AS p90,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY queued_seconds) AS p95,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY queued_seconds) AS p99,
       avg(queued_seconds) AS avg,
       bool_or(time_precision = 's') AS coarse
FROM attempts
WHERE started_at IS NOT NULL AND queued_seconds IS NOT NULL
/*group by*/
