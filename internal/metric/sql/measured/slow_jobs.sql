WITH waited AS (
/*waited*/
), attempts AS (
  SELECT j.instance_id, j.project_id, j.base_name, j.duration_seconds, j.queued_seconds, j.time_precision
  FROM jobs j
  JOIN waited r ON r.instance_id = j.instance_id AND r.id = j.pipeline_id
  WHERE j.kind = 'build' AND j.started_at IS NOT NULL AND j.finished_at IS NOT NULL
), measured AS (
  SELECT instance_id, project_id, base_name, count(*) AS n,
         percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY duration_seconds) AS took,
         coalesce(sum(duration_seconds), 0) / 60 AS total_minutes,
         percentile_cont(0.5) WITHIN GROUP (ORDER BY queued_seconds) AS queue_p50_seconds,
         coalesce(sum(queued_seconds), 0) / 60 AS queue_minutes,
         bool_or(time_precision = 's') AS coarse
  FROM attempts
  GROUP BY instance_id, project_id, base_name
), gains AS (
  SELECT r.instance_id, r.project_id, m.base_name, count(*) AS runs, count(m.gain) AS on_path,
         CAST(coalesce(sum(m.gain), 0) AS double precision) / 60000000 AS minutes, bool_or(m.coarse) AS coarse
  FROM waited r
  JOIN measure_paths m ON m.instance_id = r.instance_id AND m.pipeline_id = r.id
  WHERE r.status IN ('success', 'failed', 'canceled', 'skipped') AND r.created_at IS NOT NULL AND r.finished_at IS NOT NULL
  GROUP BY r.instance_id, r.project_id, m.base_name
), told AS (
  SELECT m.*, g.runs, g.on_path, g.minutes,
         coalesce(bool_or(m.coarse) OVER (), false) OR coalesce((SELECT bool_or(coarse) FROM gains), false) AS cut
  FROM measured m
  LEFT JOIN gains g ON g.instance_id = m.instance_id AND g.project_id = m.project_id AND g.base_name = m.base_name
)
SELECT m.instance_id AS key_instance, m.project_id AS key_project, c.full_path AS project, m.base_name, m.n,
       m.took[1] AS p50_seconds, m.took[2] AS p95_seconds, m.total_minutes, m.queue_p50_seconds, m.queue_minutes,
       coalesce(m.runs, 0) AS runs, CAST(m.on_path AS double precision) / m.runs AS path_share, m.minutes AS gain_minutes, m.cut AS coarse
FROM told m
LEFT JOIN projects c ON c.instance_id = m.instance_id AND c.id = m.project_id
ORDER BY coalesce(m.minutes, 0) DESC, m.total_minutes DESC, m.instance_id, m.project_id, m.base_name
LIMIT :limit
