-- What became slower since that day?
-- The median of each job's successful attempts before and since :day, where it
-- grew most; at least 20 attempts on either side.
SELECT r.full_path AS project, j.base_name AS job,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY j.duration_seconds)
           FILTER (WHERE j.created_at < CAST(:day AS timestamptz)) AS before_seconds,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY j.duration_seconds)
           FILTER (WHERE j.created_at >= CAST(:day AS timestamptz)) AS since_seconds,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY j.duration_seconds)
           FILTER (WHERE j.created_at >= CAST(:day AS timestamptz))
       / nullif(percentile_cont(0.5) WITHIN GROUP (ORDER BY j.duration_seconds)
           FILTER (WHERE j.created_at < CAST(:day AS timestamptz)), 0) AS factor
FROM jobs j
JOIN projects r ON r.instance_id = j.instance_id AND r.id = j.project_id
WHERE j.kind = 'build' AND j.status = 'success' AND NOT coalesce(j.retried, false)
GROUP BY r.instance_id, r.id, r.full_path, j.base_name
HAVING count(*) FILTER (WHERE j.created_at < CAST(:day AS timestamptz)) >= 20
   AND count(*) FILTER (WHERE j.created_at >= CAST(:day AS timestamptz)) >= 20
ORDER BY factor DESC NULLS LAST, project, job
LIMIT 5
