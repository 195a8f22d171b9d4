-- Where do jobs wait for a runner?
-- Every attempt of the last 30 days that started.
SELECT n.description AS runner,
       count(*) AS jobs,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY j.queued_seconds) AS p50_queued_seconds,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY j.queued_seconds) AS p95_queued_seconds
FROM jobs j
JOIN runners n ON n.instance_id = j.instance_id AND n.id = j.runner_id
WHERE j.kind = 'build' AND j.started_at IS NOT NULL
  AND j.created_at >= now() - INTERVAL '30 days'
GROUP BY n.instance_id, n.id, n.description
ORDER BY p95_queued_seconds DESC NULLS LAST, runner
LIMIT 5
