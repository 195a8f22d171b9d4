-- Job failure rate
-- measures: the share of jobs whose last attempt failed
-- population: effective attempts with status success or failed that must not fail; by or where allow_failure brings the others in
-- leaves out: retried attempts, bridges, canceled and skipped jobs, jobs that are allowed to fail
-- formula: failed / n
-- empty: n = 0, value NULL
-- source: GitLab (CI/CD analytics: job failure rate); OTel cicd.pipeline.task.run.result
WITH attempts AS (
/*attempts*/
)
SELECT /*by*/count(*) AS n,
       CAST(count(*) FILTER (WHERE status = 'failed') AS double precision) / nullif(count(*), 0) AS value,
       bool_or(time_precision = 's') AS coarse
FROM attempts
WHERE status IN ('success', 'failed') AND retried IS NOT TRUE
/*unless allow_failure*/  AND allow_failure = false
/*group by*/
