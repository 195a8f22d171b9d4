-- Failure rate
-- measures: the share of finished runs that failed
-- population: finished runs: status success (with warnings too) or failed
-- leaves out: canceled, skipped and running runs; child pipelines
-- formula: failed / n
-- empty: n = 0, value NULL
-- source: GitLab (pipeline analytics: failure rate); OTel cicd.pipeline.result = failure
WITH runs AS (
/*runs*/
)
SELECT /*by*/count(*) AS n,
       CAST(count(*) FILTER (WHERE status = 'failed') AS double precision) / nullif(count(*), 0) AS value,
       bool_or(time_precision = 's') AS coarse
FROM runs
WHERE status IN ('success', 'failed')
/*group by*/
