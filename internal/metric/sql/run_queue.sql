-- Run queue
-- measures: how long a run waited before its first job started
-- population: runs that started, of any status
-- leaves out: runs that have not started or have no times; child pipelines
-- formula: percentile_cont over started_at - created_at
-- empty: n = 0, percentiles and average NULL
-- source: GitLab (queued_duration); OTel cicd.pipeline.run.duration with state pending
WITH runs AS (
/*runs*/
)
SELECT /*by*/count(*) AS n,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS p50,
       percentile_cont(0.75) WITHIN GROUP (ORDER BY seconds) AS p75,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY seconds) AS p90,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS p95,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY seconds) AS p99,
       avg(seconds) AS avg,
       bool_or(time_precision = 's') AS coarse
FROM (SELECT *, CAST(extract(epoch FROM (started_at - created_at)) AS double precision) AS seconds FROM runs) started
WHERE seconds IS NOT NULL
/*group by*/
