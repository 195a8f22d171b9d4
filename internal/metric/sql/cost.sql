-- Cost
-- measures: what the minutes on runners cost by your own prices
-- population: attempts that started and ended, of any status; n and value cover those that a rule of costs.yaml prices, unpriced_minutes the rest
-- leaves out: bridges; what still runs; a divided answer has no row where nothing is priced
-- formula: sum of duration_seconds / 60 x the price a minute of the first rule, in file order, that prices the attempt; one currency a file
-- empty: n = 0, value = 0, unpriced_minutes = 0
-- source: weir
WITH attempts AS (
/*attempts*/
), priced AS (
  SELECT *, /*price*/ AS price FROM attempts WHERE started_at IS NOT NULL AND finished_at IS NOT NULL
)
SELECT /*by*/count(price) AS n,
       coalesce(sum(duration_seconds / 60 * price), 0) AS value,
       coalesce(sum(duration_seconds) FILTER (WHERE price IS NULL), 0) / 60 AS unpriced_minutes,
       bool_or(time_precision = 's') AS coarse
FROM priced
/*group by*/
