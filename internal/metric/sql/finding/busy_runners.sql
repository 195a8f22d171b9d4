-- Busy runners
-- measures: which runners jobs wait for, and how full those are
-- population: attempts that started on a known runner
-- leaves out: bridges; attempts that never started, so what still waits
-- formula: n = attempts of one runner; p50_seconds, p95_seconds over queued_seconds, waited_minutes = their sum. A runner's stretch goes from the first start to the last end seen, within the window. concurrency = the most attempts seen running on it at once (weir does not know its real limit); saturation = share of the stretch in which that many ran; busy = share in which at least one ran; waiting = share in which at least one that it took later stood in the queue. Ordered by waited_minutes
-- empty: no rows
-- source: weir; GitLab (queued_duration)
WITH attempts AS (
/*attempts*/
), taken AS (
  -- In seconds since the window's beginning.
  SELECT instance_id, runner_id, queued_seconds, time_precision, seconds(started_at, :from) AS starts,
         greatest(seconds(least(coalesce(finished_at, :now), :to), :from), seconds(started_at, :from)) AS ends
  FROM attempts
  WHERE runner_id IS NOT NULL AND started_at IS NOT NULL AND started_at < :to
), measured AS (
  SELECT instance_id, runner_id, count(*) AS n, percentile_cont(0.5) WITHIN GROUP (ORDER BY queued_seconds) AS p50_seconds,
         percentile_cont(0.95) WITHIN GROUP (ORDER BY queued_seconds) AS p95_seconds, coalesce(sum(queued_seconds), 0) / 60 AS waited_minutes,
         min(starts) AS begins, max(ends) - min(starts) AS stretch, bool_or(time_precision = 's') AS coarse
  FROM taken
  GROUP BY instance_id, runner_id
), queued AS (
  SELECT t.instance_id, t.runner_id, greatest(t.starts - t.queued_seconds, m.begins) AS ready, t.starts
  FROM taken t
  JOIN measured m ON m.instance_id = t.instance_id AND m.runner_id = t.runner_id
  WHERE t.queued_seconds IS NOT NULL
), steps AS (
  SELECT instance_id, runner_id, moment, sum(run) AS run, sum(queue) AS queue
  FROM (
    SELECT instance_id, runner_id, starts AS moment, 1 AS run, 0 AS queue FROM taken WHERE ends > starts
    UNION ALL SELECT instance_id, runner_id, ends, -1, 0 FROM taken WHERE ends > starts
    UNION ALL SELECT instance_id, runner_id, ready, 0, 1 FROM queued WHERE starts > ready
    UNION ALL SELECT instance_id, runner_id, starts, 0, -1 FROM queued WHERE starts > ready
  ) moved
  GROUP BY instance_id, runner_id, moment
), levels AS (
  SELECT instance_id, runner_id, sum(run) OVER (PARTITION BY instance_id, runner_id ORDER BY moment ROWS UNBOUNDED PRECEDING) AS running,
         sum(queue) OVER (PARTITION BY instance_id, runner_id ORDER BY moment ROWS UNBOUNDED PRECEDING) AS waits,
         lead(moment) OVER (PARTITION BY instance_id, runner_id ORDER BY moment) - moment AS lasted
  FROM steps
), peaks AS (
  SELECT instance_id, runner_id, max(running) AS concurrency FROM levels GROUP BY instance_id, runner_id
), shares AS (
  SELECT l.instance_id, l.runner_id, max(p.concurrency) AS concurrency,
         sum(CASE WHEN l.running = p.concurrency THEN l.lasted ELSE 0 END) AS full_seconds,
         sum(CASE WHEN l.running > 0 THEN l.lasted ELSE 0 END) AS busy_seconds,
         sum(CASE WHEN l.waits > 0 THEN l.lasted ELSE 0 END) AS waiting_seconds
  FROM levels l
  JOIN peaks p ON p.instance_id = l.instance_id AND p.runner_id = l.runner_id
  GROUP BY l.instance_id, l.runner_id
)
SELECT m.instance_id AS key_instance, m.runner_id AS runner, n.description, n.runner_type, m.n, m.p50_seconds, m.p95_seconds, m.waited_minutes,
       CAST(s.concurrency AS bigint) AS concurrency,
       s.full_seconds / nullif(m.stretch, 0) AS saturation, s.busy_seconds / nullif(m.stretch, 0) AS busy,
       s.waiting_seconds / nullif(m.stretch, 0) AS waiting, m.coarse
FROM measured m
LEFT JOIN shares s ON s.instance_id = m.instance_id AND s.runner_id = m.runner_id
LEFT JOIN runners n ON n.instance_id = m.instance_id AND n.id = m.runner_id
ORDER BY m.waited_minutes DESC, m.instance_id, m.runner_id
LIMIT :limit
