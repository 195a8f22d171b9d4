-- Slow runs
-- measures: where people wait longest for pipelines
-- population: finished runs that somebody waits for (not started by a schedule, nor by a user known as a bot)
-- leaves out: scheduled runs and those of bots; canceled runs; what GitLab gave no duration
-- formula: n = runs; p50_seconds, p95_seconds over duration_seconds (as run_duration); queue_p50_seconds over started_at - created_at; waited_minutes = sum of both: pauses before manual steps are nobody's waiting. Ordered by waited_minutes
-- empty: no rows; undivided, n = 0 and percentiles NULL
-- source: weir; GitLab (duration)
WITH waited AS (
/*waited*/
)
SELECT /*by*/count(*) AS n,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_seconds) AS p50_seconds,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_seconds) AS p95_seconds,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds(started_at, created_at)) AS queue_p50_seconds,
       coalesce(sum(duration_seconds + coalesce(seconds(started_at, created_at), 0)), 0) / 60 AS waited_minutes,
       bool_or(time_precision = 's') AS coarse
FROM waited
WHERE status IN ('success', 'failed') AND duration_seconds IS NOT NULL
/*group by*/
ORDER BY waited_minutes DESC, /*by*/n
LIMIT :limit
