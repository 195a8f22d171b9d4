-- Busy runners
-- measures: which runners jobs wait for, and how full those are
-- population: attempts that started on a known runner
-- leaves out: bridges; attempts that never started, so what still waits
-- formula: n = attempts of one runner; p50_seconds, p95_seconds over queued_seconds, waited_minutes = their sum. A runner's stretch goes from the first start to the last end seen, within the window. concurrency = the most attempts seen running on it at once (weir does not know its real limit); saturation = share of the stretch in which that many ran, NULL where no attempt took any time; busy = share in which at least one ran; waiting = share in which at least one that it took later stood in the queue. Ordered by waited_minutes
-- empty: no rows
-- source: weir; GitLab (queued_duration)
WITH attempts AS (
/*attempts*/
), taken AS (
  SELECT instance_id, runner_id, queued_seconds, time_precision, started_at,
         greatest(least(coalesce(finished_at, :now), :to), started_at) AS ended_at
  FROM attempts
  WHERE runner_id IS NOT NULL AND started_at IS NOT NULL AND started_at < :to
), measured AS (
  SELECT instance_id, runner_id, count(*) AS n, percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY queued_seconds) AS q,
         coalesce(sum(queued_seconds), 0) / 60 AS waited_minutes, min(started_at) AS begins, max(ended_at) AS ends, bool_or(time_precision = 's') AS coarse
  FROM taken
  GROUP BY instance_id, runner_id
), shown AS (
  SELECT *, row_number() OVER (ORDER BY waited_minutes DESC, instance_id, runner_id) AS place
  FROM measured
  ORDER BY place
  LIMIT :limit
), spans AS (
  SELECT s.place, s.begins, t.started_at, t.ended_at, t.queued_seconds
  FROM taken t
  JOIN shown s ON s.instance_id = t.instance_id AND s.runner_id = t.runner_id
), steps AS (
  SELECT place, started_at AS moment, 1 AS run FROM spans WHERE ended_at > started_at
  UNION ALL
  SELECT place, ended_at, -1 FROM spans WHERE ended_at > started_at
), levels AS (
  -- What ends at a moment comes before what starts at it: they do not overlap.
  SELECT place, sum(run) OVER line AS running, moment, lead(moment) OVER line AS until
  FROM steps
  WINDOW line AS (PARTITION BY place ORDER BY moment, run ROWS UNBOUNDED PRECEDING)
), loads AS (
  SELECT place, running, max(running) OVER (PARTITION BY place) AS concurrency, sum(seconds(until, moment)) AS lasted
  FROM levels
  GROUP BY place, running
), ran AS (
  SELECT place, concurrency, sum(CASE WHEN running = concurrency THEN lasted END) AS full_seconds, sum(CASE WHEN running > 0 THEN lasted END) AS busy_seconds
  FROM loads
  GROUP BY place, concurrency
), queued AS (
  -- In seconds since the runner's first start.
  SELECT place, greatest(seconds(started_at, begins) - queued_seconds, 0) AS comes, seconds(started_at, begins) AS leaves
  FROM spans
  WHERE queued_seconds IS NOT NULL
), queue AS (
  -- Each beside the last to leave of those that came before.
  SELECT place, comes, leaves, max(leaves) OVER (PARTITION BY place ORDER BY comes, leaves ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS busy_until
  FROM queued
), waited AS (
  SELECT place, sum(greatest(leaves - greatest(comes, busy_until), 0)) AS waiting_seconds
  FROM queue
  GROUP BY place
)
SELECT s.instance_id AS key_instance, s.runner_id AS runner, n.description, n.runner_type, s.n, s.q[1] AS p50_seconds, s.q[2] AS p95_seconds,
       s.waited_minutes, CAST(coalesce(r.concurrency, 0) AS bigint) AS concurrency, r.full_seconds / nullif(seconds(s.ends, s.begins), 0) AS saturation,
       coalesce(r.busy_seconds, 0) / nullif(seconds(s.ends, s.begins), 0) AS busy,
       coalesce(w.waiting_seconds, 0) / nullif(seconds(s.ends, s.begins), 0) AS waiting, s.coarse
FROM shown s
LEFT JOIN ran r ON r.place = s.place
LEFT JOIN waited w ON w.place = s.place
LEFT JOIN runners n ON n.instance_id = s.instance_id AND n.id = s.runner_id
ORDER BY s.place
