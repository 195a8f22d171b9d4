-- Critical path
-- measures: which jobs the end of a run had to wait for: of one run (--run INSTANCE/ID) the chain of them in order of time, else how often each job is on it
-- population: runs that have ended, with their attempts that started and ended and their bridges; an attempt is ready at queued_at, else started_at - queued_seconds, else started_at; a bridge when its downstream pipeline was created
-- leaves out: what never started, or has not ended; child pipelines as runs of their own; a predecessor that ended less than a millisecond after the job was ready by started_at - queued_seconds: GitLab gives queued_duration in microseconds and times in milliseconds, and there is no grace (1 s where times are cut to seconds), so the chain then goes on from what ended before, or ends, and the rest is gap_before
-- formula: from the piece that ended last, back to that of its needs (where known, else of earlier stages and of earlier attempts of its own) that ended last at or before it was ready, and so on. exclusive = finished_at - ready; gap_before = from the end of the one before (or the run's creation) to ready. Over many runs by base_name: n = runs that had it, value = runs with it on the path, share = value / n, avg = mean exclusive seconds when on it
-- empty: no rows
-- source: weir
WITH runs AS (
/*runs*/
), ended AS (
  SELECT instance_id, id, created_at, finished_at
  FROM runs
  WHERE status IN ('success', 'failed', 'canceled', 'skipped') AND created_at IS NOT NULL AND finished_at IS NOT NULL
)
SELECT r.instance_id, r.id AS run_id, j.id, j.name, j.base_name, j.stage, j.kind, j.queued_at, j.queued_seconds, j.started_at, j.finished_at,
       d.created_at AS downstream_at, j.time_precision = 's' AS coarse
FROM ended r
JOIN jobs j ON j.instance_id = r.instance_id AND j.pipeline_id = r.id
LEFT JOIN pipelines d ON d.instance_id = j.instance_id AND d.id = j.downstream_pipeline_id
ORDER BY r.instance_id, r.id, j.id
