-- Time to restore
-- measures: how long it took from a failed deployment to the next successful one; incidents are not known to weir
-- population: failed deployments (as in change_failure_rate) that no failed one precedes, tier production unless filtered by tier; booked where they end
-- leaves out: further failures before the next success; deployments under way
-- formula: n, p50, p95 over the next successful deployment's deployed_at - its own; open = those without one at the window's end, which stand where they began
-- empty: n = 0, open = 0, percentiles NULL
-- source: DORA (failed deployment recovery time), as a proxy
WITH ended AS (
/*deployments*/
), judged AS (
/*judged*/
), followed AS (
  SELECT *,
         lag(failed) OVER (PARTITION BY instance_id, project_id, environment, service_id ORDER BY ended_at, id) AS failed_before,
         min(CASE WHEN success THEN ended_at END) OVER (PARTITION BY instance_id, project_id, environment, service_id ORDER BY ended_at, id
           ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS restored_at
  FROM judged
), outages AS (
  SELECT instance_id, project_id, pipeline_id, service_id, environment, tier, deleted_at, restored_at < :to AS restored,
         seconds(restored_at, ended_at) AS seconds,
         CASE WHEN restored_at < :to THEN restored_at ELSE greatest(ended_at, :from) END AS ended_at
  FROM followed
  WHERE failed AND failed_before IS NOT TRUE AND ended_at < :to AND (restored_at IS NULL OR restored_at >= :from)
), counted AS (
  SELECT /*dims*/d.restored, d.seconds
  FROM outages d/*joins*/
  WHERE true/*filters*/
)
SELECT /*by*/count(*) FILTER (WHERE restored) AS n,
       count(*) FILTER (WHERE restored IS NOT TRUE) AS open,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE restored) AS p50,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE restored) AS p95
FROM counted
/*group by*/
