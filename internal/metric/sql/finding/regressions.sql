-- Regressions and gains
-- measures: what became slower and faster since the period before, by the minutes that people waited more or less
-- population: runs that somebody waits for (not started by a schedule, nor by a user known as a bot): of the window, and of the previous period with the same weekdays; what = run: finished runs; job: effective successful attempts of them; queue: their attempts that started
-- leaves out: scheduled runs and those of bots; what has fewer than 10 in either period; changes of less than 10 %
-- formula: before_seconds, after_seconds = medians of duration_seconds (queue: queued_seconds) in the previous period and in the window; change = after / before - 1; n = how many in the window; waited_minutes = (after - before) x n: the minutes that people waited more, below 0 less. The worst first, the best last; the limit holds for each. since = the day on which change_points (which looks at all runs) finds the level to shift most in that direction, with the commits on either side; NULL where it finds none
-- empty: no rows
-- source: weir
WITH waited AS (
  SELECT p.*, p.created_at >= :from AS recent
  FROM pipelines p
  LEFT JOIN users w ON w.instance_id = p.instance_id AND w.id = p.user_id/*joins*/
  WHERE /*own*/(p.created_at >= :from AND p.created_at < :to OR p.created_at >= :previous_from AND p.created_at < :previous_to)
    AND p.source IS DISTINCT FROM 'schedule' AND w.bot IS NOT TRUE/*filters*/
), attempts AS (
  SELECT j.instance_id, j.project_id, j.base_name, r.recent, j.duration_seconds, j.queued_seconds, j.time_precision,
         j.status = 'success' AND j.retried IS NOT TRUE AND j.finished_at IS NOT NULL AND j.duration_seconds IS NOT NULL AS effective
  FROM waited r JOIN jobs j ON j.instance_id = r.instance_id AND j.pipeline_id = r.id
  WHERE j.kind = 'build' AND j.started_at IS NOT NULL
), measured AS (
  SELECT instance_id, project_id, 'run' AS what, CAST(NULL AS text) AS base_name, recent, duration_seconds AS took, time_precision
  FROM waited
  WHERE status IN ('success', 'failed') AND duration_seconds IS NOT NULL
  UNION ALL
  SELECT instance_id, project_id, 'job', base_name, recent, duration_seconds, time_precision FROM attempts WHERE effective
  UNION ALL
  SELECT instance_id, project_id, 'queue', CAST(NULL AS text), recent, queued_seconds, time_precision FROM attempts WHERE queued_seconds IS NOT NULL
), compared AS (
  SELECT instance_id, project_id, what, base_name, count(*) FILTER (WHERE recent) AS n, count(*) FILTER (WHERE NOT recent) AS n_before,
         percentile_cont(0.5) WITHIN GROUP (ORDER BY took) FILTER (WHERE NOT recent) AS before_seconds,
         percentile_cont(0.5) WITHIN GROUP (ORDER BY took) FILTER (WHERE recent) AS after_seconds, bool_or(time_precision = 's') AS coarse
  FROM measured
  GROUP BY instance_id, project_id, what, base_name
), changed AS (
  SELECT *, after_seconds / before_seconds - 1 AS change, (after_seconds - before_seconds) * n / 60 AS waited_minutes
  FROM compared
  WHERE n >= 10 AND n_before >= 10 AND before_seconds > 0 AND abs(after_seconds / before_seconds - 1) >= 0.1
), ranked AS (
  SELECT *, row_number() OVER (PARTITION BY waited_minutes > 0 ORDER BY abs(waited_minutes) DESC, what, instance_id, project_id, base_name) AS place
  FROM changed
)
SELECT k.instance_id AS key_instance, k.project_id AS key_project, c.full_path AS project, k.what, k.base_name, k.n, k.before_seconds, k.after_seconds,
       k.change, k.waited_minutes, k.coarse
FROM ranked k
LEFT JOIN projects c ON c.instance_id = k.instance_id AND c.id = k.project_id
WHERE k.place <= :limit
ORDER BY k.waited_minutes DESC, k.what, k.instance_id, k.project_id, k.base_name
