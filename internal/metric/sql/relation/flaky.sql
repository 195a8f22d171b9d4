bridges AS (
  SELECT instance_id, downstream_pipeline_id, min(name) AS name
  FROM jobs
  WHERE kind = 'bridge' AND downstream_pipeline_id IS NOT NULL
  GROUP BY instance_id, downstream_pipeline_id
), attempts AS (
  SELECT j.instance_id, j.project_id, p.sha, p.ref, p.ref_type, b.name AS child, j.name, j.base_name, j.stage, j.pipeline_id, j.created_at, j.id,
         j.status, j.failure_reason, j.time_precision, j.started_at, j.duration_seconds, j.web_url,
         j.status = 'failed' AND coalesce(j.failure_reason, '') IN (/*flaky reasons*/) AS counts
  FROM jobs j
  LEFT JOIN pipelines p ON p.instance_id = j.instance_id AND p.id = j.pipeline_id
  LEFT JOIN bridges b ON b.instance_id = p.instance_id AND b.downstream_pipeline_id = CASE WHEN p.source = 'parent_pipeline' THEN p.id END
  WHERE j.kind = 'build' AND j.status IN ('success', 'failed') AND j.created_at >= :from AND j.created_at < :to/*deleted*/
), grouped AS (
  SELECT instance_id, project_id, sha, ref_type, child, name, min(base_name) AS base_name, min(created_at) AS created_at, max(id) AS last_id,
         (array_agg(stage ORDER BY created_at, id))[1] AS stage, (array_agg(pipeline_id ORDER BY created_at, id))[1] AS pipeline_id,
         bool_or(status = 'success') AND bool_or(counts) AS flaky, count(*) FILTER (WHERE counts) AS failed,
         count(*) FILTER (WHERE status = 'success') AS passed,
         coalesce(sum(duration_seconds) FILTER (WHERE counts), 0) AS lost, bool_or(time_precision = 's') AS coarse
  FROM attempts
  GROUP BY instance_id, project_id, sha, ref_type, child, name
)
