-- Which jobs fail and pass on the same commit?
-- A group is all attempts of one job on one commit. It is flaky when one attempt
-- passed and another failed by the job's own script or by its time limit.
WITH attempts AS (
    SELECT j.instance_id, j.project_id, p.sha, j.name,
           bool_or(j.status = 'success') AS passed,
           bool_or(j.status = 'failed' AND j.failure_reason IN
                   ('script_failure', 'trace_size_exceeded', 'job_execution_timeout')) AS failed
    FROM jobs j
    JOIN pipelines p ON p.instance_id = j.instance_id AND p.id = j.pipeline_id
    WHERE j.kind = 'build' AND j.status IN ('success', 'failed')
      AND j.created_at >= now() - INTERVAL '30 days'
    GROUP BY j.instance_id, j.project_id, p.sha, p.ref_type, j.name
)
SELECT r.full_path AS project, a.name AS job,
       count(*) AS commits,
       count(*) FILTER (WHERE passed AND failed) AS flaky,
       count(*) FILTER (WHERE passed AND failed)::double precision / count(*) AS rate
FROM attempts a
JOIN projects r ON r.instance_id = a.instance_id AND r.id = a.project_id
GROUP BY r.instance_id, r.id, r.full_path, a.name
HAVING count(*) FILTER (WHERE passed AND failed) > 0
ORDER BY flaky DESC, rate DESC, project, job
LIMIT 5
