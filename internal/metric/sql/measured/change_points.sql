WITH runs AS (
/*runs*/
), attempts AS (
/*attempts of runs*/
), levels AS (
  SELECT instance_id, project_id, CAST(NULL AS text) AS base_name, concat(local_day(created_at) - DATE '1970-01-01', ' ', count(*), ' ',
         percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_seconds)) AS level, bool_or(time_precision = 's') AS coarse
  FROM runs
  WHERE (created_at < :whole_from OR created_at >= :whole_to)
    AND status IN ('success', 'failed') AND duration_seconds IS NOT NULL
  GROUP BY instance_id, project_id, local_day(created_at)
  UNION ALL
  SELECT instance_id, project_id, base_name, concat(local_day(created_at) - DATE '1970-01-01', ' ', count(*), ' ',
         percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_seconds)) AS level, bool_or(time_precision = 's') AS coarse
  FROM attempts
  WHERE (created_at < :whole_from OR created_at >= :whole_to)
    AND status = 'success' AND retried IS NOT TRUE AND started_at IS NOT NULL AND finished_at IS NOT NULL AND duration_seconds IS NOT NULL
  GROUP BY instance_id, project_id, base_name, local_day(created_at)
  UNION ALL
  SELECT instance_id, project_id, base_name, level, coarse
  FROM (
/*days*/
  ) whole
)
SELECT instance_id, project_id, base_name, string_agg(level, ',') AS days, bool_or(coarse) AS coarse
FROM levels
GROUP BY instance_id, project_id, base_name
