SELECT /*dims*/j.*
FROM jobs j/*joins*/
WHERE j.status = 'failed' AND j.retried IS NOT TRUE
  AND (j.kind = 'build' OR j.kind = 'bridge' AND j.downstream_pipeline_id IS NULL)
  AND j.created_at >= :from AND j.created_at < :to/*filters*/
