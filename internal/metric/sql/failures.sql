-- Failures
-- measures: how many jobs failed in the end, and why
-- population: effective jobs with status failed: builds, and bridges that started no pipeline
-- leaves out: retried attempts; a bridge whose downstream pipeline failed, because the jobs there are counted. Failed runs without a failed job: runs --where status=failed --by failure_reason
-- formula: count
-- empty: n = 0
-- source: GitLab (failure_reason); classes are weir's
WITH failed AS (
/*failed*/
)
SELECT /*by*/count(*) AS n, bool_or(time_precision = 's') AS coarse
FROM failed
/*group by*/
