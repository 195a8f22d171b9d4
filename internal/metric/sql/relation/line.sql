history AS (
  SELECT p.instance_id, p.project_id, p.id, p.status, p.created_at, p.finished_at, p.time_precision
  FROM pipelines p/*filter joins*/
  WHERE p.is_default_branch AND p.source = 'push' AND p.status IN ('success', 'failed') AND p.finished_at < :to AND p.created_at IS NOT NULL/*place filters*/
), before AS (
  SELECT instance_id, project_id, max(created_at) AS last, max(CASE WHEN status = 'success' THEN created_at END) AS last_green,
         max(CASE WHEN status = 'failed' THEN created_at END) AS last_red
  FROM history
  WHERE finished_at < :from
  GROUP BY instance_id, project_id
), pushes AS (
  -- Where the window began green, of all that ended before it only the last created can overtake or begin anything.
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
)
