-- Lead time
-- measures: from a commit to its first successful deployment; of the deployed commit, not of all commits in it
-- population: the first successful deployment of each sha to its project, environment and service whose commit time is known (of the deploying job, else of any job of that project and sha), by deployed_at, tier production unless filtered by tier
-- leaves out: later deployments of the same sha; failed ones; commits whose time nobody said
-- formula: percentile_cont over deployed_at - commit time
-- empty: n = 0, percentiles and average NULL
-- source: DORA (lead time for changes), as a proxy
WITH ended AS (
/*deployments*/
), firsts AS (
  SELECT * FROM (
    SELECT *, row_number() OVER (PARTITION BY instance_id, project_id, environment, service_id, sha ORDER BY ended_at, id) AS turn
    FROM ended
    WHERE success AND sha IS NOT NULL
  ) numbered
  WHERE turn = 1 AND ended_at >= :from AND ended_at < :to
), committed AS (
  SELECT p.instance_id, p.project_id, p.sha, min(j.commit_committed_at) AS committed_at
  FROM pipelines p
  JOIN jobs j ON j.instance_id = p.instance_id AND j.pipeline_id = p.id
  WHERE (p.instance_id, p.project_id, p.sha) IN (SELECT instance_id, project_id, sha FROM firsts)
  GROUP BY p.instance_id, p.project_id, p.sha
), timed AS (
  SELECT f.*, seconds(f.ended_at, coalesce(j.commit_committed_at, c.committed_at)) AS seconds
  FROM firsts f
  LEFT JOIN jobs j ON j.instance_id = f.instance_id AND j.id = f.job_id
  LEFT JOIN committed c ON c.instance_id = f.instance_id AND c.project_id = f.project_id AND c.sha = f.sha
), counted AS (
  SELECT /*dims*/d.seconds
  FROM timed d/*joins*/
  WHERE d.seconds IS NOT NULL/*filters*/
)
SELECT /*by*/n, q[1] AS p50, q[2] AS p75, q[3] AS p90, q[4] AS p95, q[5] AS p99, avg
FROM (
  SELECT /*by*/count(*) AS n, percentile_cont(ARRAY[0.5, 0.75, 0.9, 0.95, 0.99]) WITHIN GROUP (ORDER BY seconds) AS q,
         avg(seconds) AS avg
  FROM counted
  /*group by*/
) measured
