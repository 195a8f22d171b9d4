WITH
/*kept*/, grouped AS (
  SELECT instance_id, project_id, sha, ref_type, child, name, min(base_name) AS base_name, min(created_at) AS created_at, max(id) AS last_id,
         (array_agg(stage ORDER BY created_at, id))[1] AS stage, (array_agg(pipeline_id ORDER BY created_at, id))[1] AS pipeline_id,
         bool_or(passed) AND bool_or(broke) AS flaky, count(*) FILTER (WHERE broke) AS failed, bool_or(coarse) AS coarse
  FROM attempts
  GROUP BY instance_id, project_id, sha, ref_type, child, name
  UNION ALL
  -- A group by itself either passed or broke.
  SELECT instance_id, project_id, NULL, ref_type, NULL, name, base_name, created_at, id, stage, pipeline_id, false, 0, coarse
  FROM measure_attempts
  WHERE day >= :first_day AND day < :after_day AND alone
), told AS (
  SELECT j.*
  FROM grouped j/*filter joins*/
  WHERE true/*filters*/
), counted AS (
  SELECT instance_id, project_id, name, count(*) AS n, count(*) FILTER (WHERE flaky) AS flaky, coalesce(sum(failed) FILTER (WHERE flaky), 0) AS failed,
         min(created_at) FILTER (WHERE flaky) AS first_at, max(created_at) FILTER (WHERE flaky) AS last_at, bool_or(coarse) AS coarse
  FROM told
  GROUP BY instance_id, project_id, name
), ranked AS (
  SELECT t.*, row_number() OVER (PARTITION BY t.instance_id, t.project_id, t.name ORDER BY t.created_at DESC, t.last_id DESC) AS newest
  FROM told t
  WHERE t.flaky
), tries AS (
  SELECT t.instance_id, t.project_id, t.name, t.sha, t.last_id, t.newest, a.pipeline_id, a.created_at, a.id, a.broke,
         j.status, j.duration_seconds, j.web_url
  FROM ranked t
  JOIN attempts a ON a.instance_id = t.instance_id AND a.project_id = t.project_id AND a.name = t.name AND a.sha IS NOT DISTINCT FROM t.sha
   AND a.ref_type IS NOT DISTINCT FROM t.ref_type AND a.child IS NOT DISTINCT FROM t.child
  JOIN jobs j ON j.instance_id = a.instance_id AND j.id = a.id AND j.created_at >= :from AND j.created_at < :to
), wasted AS (
  SELECT instance_id, project_id, name, sum(lost) AS lost
  FROM (
    SELECT instance_id, project_id, name, last_id, coalesce(sum(duration_seconds) FILTER (WHERE broke), 0) AS lost
    FROM tries
    GROUP BY instance_id, project_id, name, last_id
  ) grouped
  GROUP BY instance_id, project_id, name
), evidence AS (
  SELECT t.instance_id, t.project_id, t.name, t.sha, min(p.ref) AS ref,
         string_agg(CAST(t.id AS text) || ' ' || t.status, ', ' ORDER BY t.created_at, t.id) AS attempts,
         (array_agg(t.web_url ORDER BY t.broke DESC, t.created_at, t.id))[1] AS url
  FROM tries t
  LEFT JOIN pipelines p ON p.instance_id = t.instance_id AND p.id = t.pipeline_id
  WHERE t.newest = 1
  GROUP BY t.instance_id, t.project_id, t.name, t.sha
)
SELECT c.instance_id AS key_instance, c.project_id AS key_project, r.full_path AS project, c.name AS job_name, c.n, c.flaky,
       CAST(c.flaky AS double precision) / c.n AS rate, CAST(c.failed AS bigint) AS failed, w.lost / 60 AS wasted_minutes, c.first_at, c.last_at,
       e.sha, e.ref, e.attempts, e.url, c.coarse
FROM counted c
JOIN evidence e ON e.instance_id = c.instance_id AND e.project_id = c.project_id AND e.name = c.name
JOIN wasted w ON w.instance_id = c.instance_id AND w.project_id = c.project_id AND w.name = c.name
LEFT JOIN projects r ON r.instance_id = c.instance_id AND r.id = c.project_id
ORDER BY c.flaky DESC, wasted_minutes DESC, c.instance_id, c.project_id, c.name
LIMIT :limit
