-- Flaky jobs
-- measures: jobs that passed and failed on the same commit
-- population: groups of attempts (status success or failed, created in the window) of one project, sha, ref_type, child and job name; child is the name of the bridge that started the child pipeline; attempts whose sha is not known are taken for attempts of one commit. A group stands in the bucket, stage and service of its first attempt
-- leaves out: canceled attempts and bridges; what may fail, manual and retried attempts count
-- formula: n = groups; value = groups with at least one success and at least one failure of class code or timeout; rate = value / n
-- empty: n = 0, value = 0, rate NULL
-- source: weir (GitLab knows flaky tests, not flaky jobs)
WITH bridges AS (
  SELECT instance_id, downstream_pipeline_id, min(name) AS name
  FROM jobs
  WHERE kind = 'bridge' AND downstream_pipeline_id IS NOT NULL
  GROUP BY instance_id, downstream_pipeline_id
), tried AS (
  SELECT j.*
  FROM jobs j
  WHERE j.kind = 'build' AND j.status IN ('success', 'failed') AND j.created_at >= :from AND j.created_at < :to/*deleted*/
), attempts AS (
  SELECT j.instance_id, j.project_id, p.sha, p.ref_type, b.name AS child, j.name, j.base_name, j.stage, j.pipeline_id, j.created_at, j.id,
         j.status, j.failure_reason, j.time_precision
  FROM tried j
  LEFT JOIN (SELECT * FROM pipelines WHERE id >= (SELECT min(pipeline_id) FROM tried)) p -- older ones are not looked at
    ON p.instance_id = j.instance_id AND p.id = j.pipeline_id
  LEFT JOIN bridges b ON b.instance_id = p.instance_id AND b.downstream_pipeline_id = CASE WHEN p.source = 'parent_pipeline' THEN p.id END
), grouped AS (
  SELECT instance_id, project_id, sha, ref_type, child, name, min(base_name) AS base_name, min(created_at) AS created_at,
         (array_agg(stage ORDER BY created_at, id))[1] AS stage, (array_agg(pipeline_id ORDER BY created_at, id))[1] AS pipeline_id,
         bool_or(status = 'success') AND bool_or(status = 'failed' AND coalesce(failure_reason, '') IN (/*flaky reasons*/)) AS flaky,
         bool_or(time_precision = 's') AS coarse
  FROM attempts
  GROUP BY instance_id, project_id, sha, ref_type, child, name
), counted AS (
  SELECT /*dims*/j.flaky, j.coarse
  FROM grouped j/*joins*/
  WHERE true/*filters*/
)
SELECT /*by*/count(*) AS n,
       count(*) FILTER (WHERE flaky) AS value,
       CAST(count(*) FILTER (WHERE flaky) AS double precision) / nullif(count(*), 0) AS rate,
       bool_or(coarse) AS coarse
FROM counted
/*group by*/
