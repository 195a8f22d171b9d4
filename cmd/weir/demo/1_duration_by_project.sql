-- How long do pipelines take, and where is the tail?
-- Successful and failed runs of the last 30 days; a child pipeline is a part of its run.
-- GitLab's own duration: time in which at least one job ran, waiting excluded.
SELECT r.full_path AS project,
       count(*) AS runs,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY p.duration_seconds) AS p50_seconds,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY p.duration_seconds) AS p95_seconds
FROM pipelines p
JOIN projects r ON r.instance_id = p.instance_id AND r.id = p.project_id
WHERE p.status IN ('success', 'failed')
  AND p.source IS DISTINCT FROM 'parent_pipeline'
  AND p.created_at >= now() - INTERVAL '30 days'
GROUP BY r.instance_id, r.id, r.full_path
ORDER BY p95_seconds DESC NULLS LAST, project
LIMIT 8
