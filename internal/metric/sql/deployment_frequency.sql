-- Deployment frequency
-- measures: how often was deployed
-- population: successful deployments by deployed_at, tier production unless filtered by tier; one known from GitLab and by a rule counts once
-- leaves out: failed deployments and those under way
-- formula: n = deployments; value = n / days of the window; days = days with at least one; per_week = median over the whole ISO weeks in the window, weeks without any being 0
-- empty: n = 0, value = 0, days = 0; per_week NULL where the window holds no whole week
-- source: DORA (deployment frequency)
WITH ended AS (
/*deployments*/
), counted AS (
  SELECT /*dims*/d.ended_at
  FROM ended d/*joins*/
  WHERE d.success AND d.ended_at >= :from AND d.ended_at < :to/*filters*/
), weeks AS (
  SELECT * FROM (VALUES /*weeks*/) AS w(label, starts, ends)
), weekly AS (
  SELECT /*by*/w.label, count(*) AS c
  FROM counted JOIN weeks w ON counted.ended_at >= w.starts AND counted.ended_at < w.ends
  GROUP BY /*keys,*/w.label
), whole AS (
  SELECT /*by*/count(*) AS n, count(DISTINCT local_day(ended_at)) AS days
  FROM counted
  /*group by*/
), filled AS (
  SELECT k.*, w.label, coalesce(y.c, 0) AS c
  FROM whole k
  CROSS JOIN weeks w
  LEFT JOIN weekly y ON y.label = w.label/*same y k*/
)
SELECT /*by*/n, CAST(n AS double precision) / :days AS value, days,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY CAST(c AS double precision)) FILTER (WHERE label IS NOT NULL) AS per_week
FROM filled
GROUP BY /*keys,*/n, days
