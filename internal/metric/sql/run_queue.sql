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
SELECT /*by*/n, q[1] AS p50, q[2] AS p75, q[3] AS p90, q[4] AS p95, q[5] AS p99, avg, coarse
FROM (
  SELECT /*by*/count(*) AS n, percentile_cont(ARRAY[0.5, 0.75, 0.9, 0.95, 0.99]) WITHIN GROUP (ORDER BY seconds) AS q,
         avg(seconds) AS avg, bool_or(time_precision = 's') AS coarse
  FROM (SELECT *, seconds(started_at, created_at) AS seconds FROM runs) started
  WHERE seconds IS NOT NULL
  /*group by*/
) measured
