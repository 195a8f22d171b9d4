-- Runs
-- measures: how many pipelines ran, and how they stand
-- population: runs created in the window, of every status
-- leaves out: child pipelines, which are a part of their run (include=children counts them too)
-- formula: count, and count by status in GitLab's word
-- empty: n = 0
-- source: GitLab (pipeline analytics: total runs); OTel cicd.pipeline.run.active and cicd.pipeline.result
WITH runs AS (
/*runs*/
)
SELECT /*by*/status AS counted, count(*) AS n, bool_or(time_precision = 's') AS coarse
FROM runs
GROUP BY /*keys,*/status
