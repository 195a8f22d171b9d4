-- Red periods
-- measures: when default branches were red: who and what turned each red, who made it green again, and how long it took
-- population: the red periods of broken_default_branch that touch the window
-- leaves out: merge requests, schedules, other branches, child pipelines, canceled runs
-- formula: red_from = finished_at of the failed run that began it, red_to = of the success that ended it, NULL while it is red; length_seconds = between them, or to the earlier of the window's end and now; red_seconds = the part of it inside the window; failed = failed runs in it; sha, user, pipeline_id, url of the run that turned it red, and fixed_… of the one that ended it. Ordered by red_seconds
-- empty: no rows
-- source: weir
WITH
/*line*/, numbered AS (
  SELECT *, sum(CASE WHEN status_before IS DISTINCT FROM status THEN 1 ELSE 0 END) OVER (PARTITION BY instance_id, project_id
    ORDER BY created_at, id ROWS UNBOUNDED PRECEDING) AS turn
  FROM line
), counted AS (
  SELECT instance_id, project_id, turn, count(*) AS n FROM numbered GROUP BY instance_id, project_id, turn
), turns AS (
  SELECT *, lead(finished_at) OVER (PARTITION BY instance_id, project_id ORDER BY created_at, id) AS next_turn,
         lead(id) OVER (PARTITION BY instance_id, project_id ORDER BY created_at, id) AS next_id
  FROM numbered
  WHERE status_before IS DISTINCT FROM status
), periods AS (
  SELECT *, CASE WHEN next_turn IS NOT NULL THEN next_turn ELSE least(:to, :now) END AS ends
  FROM turns
  WHERE status = 'failed' AND (next_turn IS NULL OR next_turn >= :from)
), shown AS (
  SELECT instance_id, project_id, id, turn, next_turn, next_id, time_precision, finished_at,
         greatest(seconds(ends, finished_at), 0) AS length_seconds, greatest(seconds(ends, greatest(finished_at, :from)), 0) AS red_seconds
  FROM periods
  ORDER BY red_seconds DESC, finished_at DESC, instance_id, id
  LIMIT :limit
)
SELECT p.instance_id AS key_instance, r.full_path AS project, p.finished_at AS red_from, p.next_turn AS red_to, p.length_seconds, p.red_seconds,
       c.n AS failed, a.sha, u.username AS "user", p.id AS pipeline_id, a.web_url AS url,
       f.sha AS fixed_sha, v.username AS fixed_user, f.id AS fixed_pipeline_id, f.web_url AS fixed_url,
       p.time_precision = 's' OR coalesce(f.time_precision = 's', false) AS coarse
FROM shown p
JOIN counted c ON c.instance_id = p.instance_id AND c.project_id = p.project_id AND c.turn = p.turn
JOIN pipelines a ON a.instance_id = p.instance_id AND a.id = p.id
LEFT JOIN projects r ON r.instance_id = p.instance_id AND r.id = p.project_id
LEFT JOIN users u ON u.instance_id = a.instance_id AND u.id = a.user_id
LEFT JOIN pipelines f ON f.instance_id = p.instance_id AND f.id = p.next_id
LEFT JOIN users v ON v.instance_id = f.instance_id AND v.id = f.user_id
ORDER BY p.red_seconds DESC, p.finished_at DESC, p.instance_id, p.id
