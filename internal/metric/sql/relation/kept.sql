tried AS (
  SELECT j.*
  FROM jobs j
  WHERE j.kind = 'build' AND j.status IN ('success', 'failed') AND j.created_at >= :from AND j.created_at < :to
    AND (j.created_at < :whole_from OR j.created_at >= :whole_to)
), bridges AS (
  SELECT instance_id, downstream_pipeline_id, min(name) AS name
  FROM jobs
  WHERE kind = 'bridge' AND downstream_pipeline_id IN (SELECT pipeline_id FROM tried)
  GROUP BY instance_id, downstream_pipeline_id
), attempts AS (
  SELECT j.instance_id, j.project_id, p.sha, p.ref_type, b.name AS child, j.name, j.base_name, j.stage, j.pipeline_id, j.created_at, j.id,
         j.status = 'success' AS passed, j.status = 'failed' AND coalesce(j.failure_reason, '') IN (/*flaky reasons*/) AS broke,
         j.time_precision = 's' AS coarse
  FROM tried j
  LEFT JOIN (SELECT * FROM pipelines WHERE id >= (SELECT min(pipeline_id) FROM tried)) p -- older ones are not looked at
    ON p.instance_id = j.instance_id AND p.id = j.pipeline_id
  LEFT JOIN bridges b ON b.instance_id = p.instance_id AND b.downstream_pipeline_id = CASE WHEN p.source = 'parent_pipeline' THEN p.id END
  UNION ALL
  SELECT instance_id, project_id, sha, ref_type, child, name, base_name, stage, pipeline_id, created_at, id, passed, broke, coarse
  FROM measure_attempts
  WHERE day >= :first_day AND day < :after_day AND NOT alone
)
