-- Cancel rate
-- measures: the share of ended runs that somebody or something canceled
-- population: runs with status success, failed, canceled or skipped
-- leaves out: what still runs or waits for a person; child pipelines
-- formula: canceled / n
-- empty: n = 0, value NULL
-- source: GitLab; OTel cicd.pipeline.result = cancellation
WITH runs AS (
/*runs*/
)
SELECT /*by*/count(*) AS n,
       CAST(count(*) FILTER (WHERE status = 'canceled') AS double precision) / nullif(count(*), 0) AS value,
       bool_or(time_precision = 's') AS coarse
FROM runs
WHERE status IN ('success', 'failed', 'canceled', 'skipped')
/*group by*/
