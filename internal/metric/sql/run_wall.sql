-- Run wall time
-- measures: from the creation of a run to its end with everything in between: queue, manual steps, and the pause before a later retry, which moves GitLab's finished_at; read it by its median
-- population: finished runs with both times
-- leaves out: runs without times (external ones); child pipelines. A run has only its last status: that a retried run was red before shows in retry_waste and flaky_jobs
-- formula: percentile_cont over finished_at - created_at
-- empty: n = 0, percentiles and average NULL
-- source: weir; OTel cicd.pipeline.run.duration over all states
WITH runs AS (
/*runs*/
)
SELECT /*by*/n, q[1] AS p50, q[2] AS p75, q[3] AS p90, q[4] AS p95, q[5] AS p99, avg, coarse
FROM (
  SELECT /*by*/count(*) AS n, percentile_cont(ARRAY[0.5, 0.75, 0.9, 0.95, 0.99]) WITHIN GROUP (ORDER BY seconds) AS q,
         avg(seconds) AS avg, bool_or(time_precision = 's') AS coarse
  FROM (SELECT *, seconds(finished_at, created_at) AS seconds FROM runs WHERE status IN ('success', 'failed')) finished
  WHERE seconds IS NOT NULL
  /*group by*/
) measured
