-- Cost, dearest first
-- measures: what minutes on runners cost by your own prices, and how many have no price
-- population: attempts that started and ended, of any status, retried and canceled too
-- leaves out: bridges; what still runs
-- formula: n = attempts, minutes = sum of duration_seconds / 60; value = sum of minutes x the price a minute of the first rule of costs.yaml that prices the attempt; unpriced_minutes = minutes without a price; by project unless asked otherwise. Ordered by value, then minutes
-- empty: no rows
-- source: weir
WITH attempts AS (
/*attempts*/
), priced AS (
  SELECT *, /*price*/ AS price FROM attempts WHERE started_at IS NOT NULL AND finished_at IS NOT NULL
)
SELECT /*by*/count(*) AS n, coalesce(sum(duration_seconds), 0) / 60 AS minutes,
       coalesce(sum(duration_seconds / 60 * price), 0) AS value,
       coalesce(sum(duration_seconds) FILTER (WHERE price IS NULL), 0) / 60 AS unpriced_minutes,
       bool_or(time_precision = 's') AS coarse
FROM priced
/*group by*/
ORDER BY value DESC, minutes DESC, /*by*/n
LIMIT :limit
