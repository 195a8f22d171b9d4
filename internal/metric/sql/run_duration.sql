-- Run duration
-- measures: how long jobs of a run were running: the union of the running times of its effective jobs, waiting left out; GitLab's own number, in whole seconds
-- population: finished runs with a duration
-- leaves out: runs without a duration (external ones); child pipelines
-- formula: percentile_cont over duration_seconds
-- empty: n = 0, percentiles and average NULL
-- source: GitLab (pipeline analytics: duration); OTel cicd.pipeline.run.duration with state executing
WITH runs AS (
/*runs*/
)
SELECT /*by*/n, q[1] AS p50, q[2] AS p75, q[3] AS p90, q[4] AS p95, q[5] AS p99, avg, coarse
FROM (
  SELECT /*by*/count(*) AS n, percentile_cont(ARRAY[0.5, 0.75, 0.9, 0.95, 0.99]) WITHIN GROUP (ORDER BY duration_seconds) AS q,
         avg(duration_seconds) AS avg, bool_or(time_precision = 's') AS coarse
  FROM runs
  WHERE status IN ('success', 'failed') AND duration_seconds IS NOT NULL
  /*group by*/
) measured
