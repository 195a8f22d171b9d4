-- Queue
-- measures: where and when jobs wait for a runner
-- population: attempts that started, of any status
-- leaves out: bridges; attempts that never started; what GitLab gave no queued_duration
-- formula: n = attempts; p50_seconds, p95_seconds over queued_seconds, waited_minutes = their sum; by runner_tag and hour_of_week unless asked otherwise. A manual job and one played late are created with their pipeline, so read their queue by its median. Ordered by waited_minutes
-- empty: no rows
-- source: GitLab (queued_duration)
WITH attempts AS (
/*attempts*/
)
SELECT /*by*/count(*) AS n, percentile_cont(0.5) WITHIN GROUP (ORDER BY queued_seconds) AS p50_seconds,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY queued_seconds) AS p95_seconds, coalesce(sum(queued_seconds), 0) / 60 AS waited_minutes,
       bool_or(time_precision = 's') AS coarse
FROM attempts
WHERE started_at IS NOT NULL AND queued_seconds IS NOT NULL
/*group by*/
ORDER BY waited_minutes DESC, /*by*/n
LIMIT :limit
