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
SELECT /*by*/count(*) AS n,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS p50,
       percentile_cont(0.75) WITHIN GROUP (ORDER BY seconds) AS p75,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY seconds) AS p90,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS p95,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY seconds) AS p99,
       avg(seconds) AS avg,
       bool_or(time_precision = 's') AS coarse
FROM (SELECT *, CAST(extract(epoch FROM (finished_at - created_at)) AS double precision) AS seconds FROM runs WHERE status IN ('success', 'failed')) finished
WHERE seconds IS NOT NULL
/*group by*/
