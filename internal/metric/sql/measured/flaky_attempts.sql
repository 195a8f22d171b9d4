WITH
/*kept*/, grouped AS (
  SELECT instance_id, project_id, sha, ref_type, child, name, min(base_name) AS base_name, min(created_at) AS created_at, max(id) AS last_id,
         (array_agg(stage ORDER BY created_at, id))[1] AS stage, (array_agg(pipeline_id ORDER BY created_at, id))[1] AS pipeline_id,
         bool_or(passed) AND bool_or(broke) AS flaky, bool_or(coarse) AS coarse
  FROM attempts
  GROUP BY instance_id, project_id, sha, ref_type, child, name
), told AS (
  SELECT j.*
  FROM grouped j/*filter joins*/
  WHERE j.flaky/*filters*/
), shown AS (
  SELECT t.instance_id, t.project_id, t.name, t.sha, t.created_at AS begun_at, t.last_id, a.child, a.pipeline_id, a.created_at, a.id
  FROM told t
  JOIN attempts a ON a.instance_id = t.instance_id AND a.project_id = t.project_id AND a.name = t.name AND a.sha IS NOT DISTINCT FROM t.sha
   AND a.ref_type IS NOT DISTINCT FROM t.ref_type AND a.child IS NOT DISTINCT FROM t.child
  ORDER BY t.created_at DESC, t.last_id DESC, t.instance_id, a.created_at, a.id
  LIMIT :limit
)
SELECT s.instance_id AS key_instance, r.full_path AS project, s.name AS job_name, s.sha, p.ref, s.child, s.pipeline_id, s.id AS job_id, j.status,
       j.failure_reason, j.started_at, j.duration_seconds, j.web_url AS url, j.time_precision = 's' AS coarse
FROM shown s
JOIN jobs j ON j.instance_id = s.instance_id AND j.id = s.id
LEFT JOIN pipelines p ON p.instance_id = s.instance_id AND p.id = s.pipeline_id
LEFT JOIN projects r ON r.instance_id = s.instance_id AND r.id = s.project_id
ORDER BY s.begun_at DESC, s.last_id DESC, s.instance_id, s.created_at, s.id
