WITH
/*kept*/, grouped AS (
  SELECT instance_id, project_id, ref_type, name, min(base_name) AS base_name, min(created_at) AS created_at,
         (array_agg(stage ORDER BY created_at, id))[1] AS stage, (array_agg(pipeline_id ORDER BY created_at, id))[1] AS pipeline_id,
         bool_or(passed) AND bool_or(broke) AS flaky, bool_or(coarse) AS coarse
  FROM attempts
  GROUP BY instance_id, project_id, sha, ref_type, child, name
  UNION ALL
  -- A group by itself either passed or broke.
  SELECT instance_id, project_id, ref_type, name, base_name, created_at, stage, pipeline_id, false AS flaky, coarse
  FROM measure_attempts
  WHERE day >= :first_day AND day < :after_day AND alone
), counted AS (
  SELECT /*dims*/j.flaky, j.coarse
  FROM grouped j/*joins*/
  WHERE true/*filters*/
)
SELECT /*by*/count(*) AS n,
       count(*) FILTER (WHERE flaky) AS value,
       CAST(count(*) FILTER (WHERE flaky) AS double precision) / nullif(count(*), 0) AS rate,
       bool_or(coarse) AS coarse
FROM counted
/*group by*/
