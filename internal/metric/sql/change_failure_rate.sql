-- Change failure rate
-- measures: the share of deployments that failed or were rolled back; incidents are not known to weir
-- population: ended deployments by deployed_at, tier production unless filtered by tier
-- leaves out: deployments under way
-- formula: failed / n; failed = without success, or successful and the next successful one to the same project, environment and service is a rollback: its sha had been deployed there successfully before this one
-- empty: n = 0, failed = 0, value NULL
-- source: DORA (change failure rate), as a proxy
WITH ended AS (
/*deployments*/
), judged AS (
/*judged*/
), counted AS (
  SELECT /*dims*/d.failed
  FROM judged d/*joins*/
  WHERE d.ended_at >= :from AND d.ended_at < :to/*filters*/
)
SELECT /*by*/count(*) AS n,
       count(*) FILTER (WHERE failed) AS failed,
       CAST(count(*) FILTER (WHERE failed) AS double precision) / nullif(count(*), 0) AS value
FROM counted
/*group by*/
