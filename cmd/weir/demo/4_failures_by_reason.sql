-- Why do jobs fail?
-- The last attempt of each job in the last 30 days. A reason that GitLab did not
-- give stays NULL.
SELECT j.failure_reason,
       count(*) AS failures,
       count(DISTINCT (j.instance_id, j.project_id)) AS projects,
       sum(j.duration_seconds) / 3600 AS hours
FROM jobs j
WHERE j.kind = 'build' AND j.status = 'failed' AND NOT coalesce(j.retried, false)
  AND j.created_at >= now() - INTERVAL '30 days'
GROUP BY j.failure_reason
ORDER BY failures DESC, failure_reason NULLS LAST
LIMIT 8
