-- Red periods
-- measures: when default branches were red: who and what turned each red, who made it green again, and how long it took
-- population: the red periods of broken_default_branch that touch the window
-- leaves out: merge requests, schedules, other branches, child pipelines, canceled runs
-- formula: red_from = finished_at of the failed run that began it, red_to = of the success that ended it, NULL while it is red; length_seconds = between them, or to the earlier of the window's end and now; red_seconds = the part of it inside the window; failed = failed runs in it; sha, user, pipeline_id, url of the run that turned it red, and fixed_… of the one that ended it. Ordered by red_seconds
-- empty: no rows
-- source: weir
WITH history AS (
  SELECT p.instance_id, p.project_id, p.id, p.status, p.created_at, p.finished_at, p.time_precision, p.sha, p.user_id, p.web_url
  FROM pipelines p/*filter joins*/
  WHERE p.is_default_branch AND p.source = 'push' AND p.status IN ('success', 'failed') AND p.finished_at < :to AND p.created_at IS NOT NULL/*place filters*/
), before AS (
  SELECT instance_id, project_id, max(created_at) AS last, max(CASE WHEN status = 'success' THEN created_at END) AS last_green,
         max(CASE WHEN status = 'failed' THEN created_at END) AS last_red
  FROM history
  WHERE finished_at < :from
  GROUP BY instance_id, project_id
), pushes AS (
  -- As in broken_default_branch: where the window began green, nothing before it but its last run matters.
  SELECT h.*
  FROM history h
  LEFT JOIN before b ON b.instance_id = h.instance_id AND b.project_id = h.project_id
  WHERE h.finished_at >= :from OR b.last_green IS NULL OR b.last_red >= b.last_green OR h.created_at = b.last
), seen AS (
  SELECT *, min(finished_at) OVER (PARTITION BY instance_id, project_id ORDER BY created_at, id
    ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS next_end
  FROM pushes
), line AS (
  SELECT *, lag(status) OVER (PARTITION BY instance_id, project_id ORDER BY created_at, id) AS status_before
  FROM seen
  WHERE next_end IS NULL OR next_end > finished_at
), numbered AS (
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
)
SELECT p.instance_id AS key_instance, r.full_path AS project, p.finished_at AS red_from, p.next_turn AS red_to,
       greatest(seconds(p.ends, p.finished_at), 0) AS length_seconds,
       greatest(seconds(p.ends, greatest(p.finished_at, :from)), 0) AS red_seconds,
       c.n AS failed, p.sha, u.username AS "user", p.id AS pipeline_id, p.web_url AS url,
       f.sha AS fixed_sha, v.username AS fixed_user, f.id AS fixed_pipeline_id, f.web_url AS fixed_url,
       p.time_precision = 's' OR coalesce(f.time_precision = 's', false) AS coarse
FROM periods p
JOIN counted c ON c.instance_id = p.instance_id AND c.project_id = p.project_id AND c.turn = p.turn
LEFT JOIN projects r ON r.instance_id = p.instance_id AND r.id = p.project_id
LEFT JOIN users u ON u.instance_id = p.instance_id AND u.id = p.user_id
LEFT JOIN pipelines f ON f.instance_id = p.instance_id AND f.id = p.next_id
LEFT JOIN users v ON v.instance_id = f.instance_id AND v.id = f.user_id
ORDER BY red_seconds DESC, p.finished_at DESC, p.instance_id, p.id
LIMIT :limit
