-- Slow jobs
-- measures: which jobs people wait for, and how many minutes earlier runs would have ended without each
-- population: runs that somebody waits for (not started by a schedule, nor by a user known as a bot), and their attempts that started and ended
-- leaves out: scheduled runs and those of bots; child pipelines as runs of their own; the gain counts runs that have ended only
-- formula: n = attempts of one project and base_name; p50_seconds, p95_seconds over duration_seconds, total_minutes = their sum; queue_p50_seconds and queue_minutes the same of queued_seconds; runs = runs that had it, path_share = share of them with it on the critical path; gain_minutes = over those, how much earlier what came after it would have been ready (or the run ended) had all attempts of that name taken no time and all else been as it was: from the end of what else that had to wait for, or from the moment the job was ready itself, to its end. Ordered by gain_minutes
-- empty: no rows
-- source: weir; the critical path is that of critical_path
WITH waited AS (
/*waited*/
), attempts AS (
  SELECT j.*
  FROM jobs j
  JOIN waited r ON r.instance_id = j.instance_id AND r.id = j.pipeline_id
  WHERE j.kind = 'build' AND j.started_at IS NOT NULL AND j.finished_at IS NOT NULL
), measured AS (
  SELECT instance_id, project_id, base_name, count(*) AS n,
         percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_seconds) AS p50_seconds,
         percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_seconds) AS p95_seconds,
         coalesce(sum(duration_seconds), 0) / 60 AS total_minutes,
         percentile_cont(0.5) WITHIN GROUP (ORDER BY queued_seconds) AS queue_p50_seconds,
         coalesce(sum(queued_seconds), 0) / 60 AS queue_minutes,
         bool_or(time_precision = 's') AS coarse
  FROM attempts
  GROUP BY instance_id, project_id, base_name
)
SELECT m.instance_id AS key_instance, m.project_id AS key_project, c.full_path AS project, m.base_name, m.n, m.p50_seconds, m.p95_seconds,
       m.total_minutes, m.queue_p50_seconds, m.queue_minutes, m.coarse
FROM measured m
LEFT JOIN projects c ON c.instance_id = m.instance_id AND c.id = m.project_id
ORDER BY m.total_minutes DESC, m.instance_id, m.project_id, m.base_name
