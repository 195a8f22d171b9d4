-- Retry waste
-- measures: how long runners worked on attempts that were thrown away by a retry
-- population: retried attempts that started and ended, of any status
-- leaves out: bridges; what still runs
-- formula: sum of duration_seconds; share = that / the sum over all attempts that started and ended in the same window, filters and row
-- empty: n = 0, value = 0, share NULL where nothing ran
-- source: weir
WITH attempts AS (
/*attempts*/
)
SELECT /*by*/count(*) FILTER (WHERE retried) AS n,
       coalesce(sum(duration_seconds) FILTER (WHERE retried), 0) AS value,
       coalesce(sum(duration_seconds) FILTER (WHERE retried), 0) / nullif(sum(duration_seconds), 0) AS share,
       bool_or(time_precision = 's') AS coarse
FROM attempts
WHERE started_at IS NOT NULL AND finished_at IS NOT NULL
/*group by*/
