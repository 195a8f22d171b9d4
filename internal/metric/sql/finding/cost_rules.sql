-- Cost by rule
-- measures: what each rule of costs.yaml prices, and what none does
-- population: attempts that started and ended, of any status, retried and canceled too
-- leaves out: bridges; what still runs
-- formula: a row is a rule, numbered in file order, also one that prices nothing; rule NULL = attempts without a price. n = attempts, minutes = sum of duration_seconds / 60, value = minutes x per_minute (NULL without a price)
-- empty: a row a rule, with n = 0
-- source: weir
WITH attempts AS (
/*attempts*/
), priced AS (
  SELECT *, /*price rule*/ AS rule FROM attempts WHERE started_at IS NOT NULL AND finished_at IS NOT NULL
), summed AS (
  SELECT rule, count(*) AS n, coalesce(sum(duration_seconds), 0) / 60 AS minutes, bool_or(time_precision = 's') AS coarse
  FROM priced
  GROUP BY rule
), rules AS (
  SELECT rule, matches, per_minute FROM (VALUES /*prices*/) AS x(rule, matches, per_minute) WHERE rule IS NOT NULL
  UNION ALL
  SELECT NULL, NULL, NULL FROM summed WHERE rule IS NULL
)
SELECT r.rule, r.matches, r.per_minute, coalesce(s.n, 0) AS n, coalesce(s.minutes, 0) AS minutes,
       CASE WHEN r.rule IS NOT NULL THEN coalesce(s.minutes, 0) * r.per_minute END AS value, s.coarse
FROM rules r
LEFT JOIN summed s ON s.rule IS NOT DISTINCT FROM r.rule
ORDER BY r.rule NULLS LAST
