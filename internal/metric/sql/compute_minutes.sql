-- Compute minutes
-- measures: for how many minutes jobs kept a runner busy; plain minutes on any runner, not the compute minutes that GitLab bills
-- population: attempts that started and ended, of any status, retried and canceled ones too
-- leaves out: bridges; what still runs
-- formula: sum of duration_seconds / 60
-- empty: n = 0, value = 0
-- source: weir
WITH attempts AS (
/*attempts*/
)
SELECT /*by*/count(*) AS n,
       coalesce(sum(duration_seconds), 0) / 60 AS value,
       bool_or(time_precision = 's') AS coarse
FROM attempts
WHERE started_at IS NOT NULL AND finished_at IS NOT NULL
/*group by*/
