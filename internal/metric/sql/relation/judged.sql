SELECT *, NOT success OR coalesce(success AND next_sha IS NOT NULL AND next_first < turn, false) AS failed
FROM (
  SELECT *,
         lead(sha) OVER (PARTITION BY instance_id, project_id, environment, service_id, success ORDER BY ended_at, id) AS next_sha,
         lead(first_turn) OVER (PARTITION BY instance_id, project_id, environment, service_id, success ORDER BY ended_at, id) AS next_first
  FROM (
    SELECT *, min(turn) OVER (PARTITION BY instance_id, project_id, environment, service_id, success, sha) AS first_turn
    FROM (
      SELECT *, row_number() OVER (PARTITION BY instance_id, project_id, environment, service_id, success ORDER BY ended_at, id) AS turn
      FROM ended
    ) numbered
  ) known
) followed
