WITH runs AS (
/*runs*/
), levels AS (
  SELECT instance_id, project_id, concat(local_day(created_at) - DATE '1970-01-01', ' ', count(*), ' ',
         percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_seconds)) AS level, bool_or(time_precision = 's') AS coarse
  FROM runs
  WHERE status IN ('success', 'failed') AND duration_seconds IS NOT NULL
  GROUP BY instance_id, project_id, local_day(created_at)
)
SELECT instance_id, project_id, NULL AS base_name, string_agg(level, ',') AS days, bool_or(coarse) AS coarse
FROM levels
GROUP BY instance_id, project_id
