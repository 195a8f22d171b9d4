history AS (
  SELECT p.instance_id, p.project_id, p.id, p.status, p.created_at, p.finished_at, p.time_precision
  FROM pipelines p/*filter joins*/
  WHERE p.is_default_branch AND p.source = 'push' AND p.status IN ('success', 'failed') AND p.finished_at < :to AND p.created_at IS NOT NULL/*place filters*/
), green AS (
  SELECT instance_id, project_id, max(created_at) AS last
  FROM history
  WHERE finished_at < :from AND status = 'success'
  GROUP BY instance_id, project_id
), recent AS (
  -- Of what ended before the window, nothing matters that was created before the last success, unless a later failure has overtaken that.
  SELECT h.instance_id, h.project_id, CASE WHEN min(CASE WHEN h.status = 'failed' THEN h.finished_at END)
    <= max(CASE WHEN h.status = 'success' THEN h.finished_at END) THEN NULL ELSE min(h.created_at) END AS since
  FROM history h
  JOIN green g ON g.instance_id = h.instance_id AND g.project_id = h.project_id AND g.last <= h.created_at
  WHERE h.finished_at < :from
  GROUP BY h.instance_id, h.project_id
), pushes AS (
  SELECT h.*
  FROM history h
  LEFT JOIN recent r ON r.instance_id = h.instance_id AND r.project_id = h.project_id
  WHERE h.finished_at >= :from OR r.since IS NULL OR h.created_at >= r.since
), seen AS (
  SELECT *, min(finished_at) OVER (PARTITION BY instance_id, project_id ORDER BY created_at, id
    ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS next_end
  FROM pushes
), line AS (
  SELECT *, lag(status) OVER (PARTITION BY instance_id, project_id ORDER BY created_at, id) AS status_before
  FROM seen
  WHERE next_end IS NULL OR next_end > finished_at
)
