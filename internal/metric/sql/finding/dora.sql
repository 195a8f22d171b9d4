-- The four keys
-- measures: how often and how fast changes reach production, how often they fail there, and how long that lasts
-- population: that of deployment_frequency, lead_time, change_failure_rate and time_to_restore: deployments that ended, to production unless filtered by tier
-- leaves out: incidents, which weir does not know: a failed deployment and a rollback stand for them
-- formula: n = deployments; per_day = successful ones a day; lead_p50_seconds, lead_p95_seconds over lead_time; failure_rate = change_failure_rate, failed of them; restore_p50_seconds over time_to_restore, open = failures without a success since. Each value is that of its metric. Ordered by n
-- empty: no rows
-- source: DORA, as a proxy
WITH frequency AS (
/*answer deployment_frequency*/
), lead_time AS (
/*answer lead_time*/
), failure AS (
/*answer change_failure_rate*/
), restore AS (
/*answer time_to_restore*/
), every AS (
  SELECT /*by*/CAST(NULL AS bigint) AS n, value AS per_day, CAST(NULL AS double precision) AS lead_p50, CAST(NULL AS double precision) AS lead_p95,
         CAST(NULL AS double precision) AS failure_rate, CAST(NULL AS bigint) AS failed, CAST(NULL AS double precision) AS restore_p50,
         CAST(NULL AS bigint) AS open FROM frequency
  UNION ALL SELECT /*by*/NULL, NULL, p50, p95, NULL, NULL, NULL, NULL FROM lead_time
  UNION ALL SELECT /*by*/n, NULL, NULL, NULL, value, failed, NULL, NULL FROM failure
  UNION ALL SELECT /*by*/NULL, NULL, NULL, NULL, NULL, NULL, p50, open FROM restore
)
SELECT /*by*/coalesce(max(n), 0) AS n, coalesce(max(per_day), 0) AS per_day, max(lead_p50) AS lead_p50_seconds, max(lead_p95) AS lead_p95_seconds,
       max(failure_rate) AS failure_rate, coalesce(max(failed), 0) AS failed, max(restore_p50) AS restore_p50_seconds,
       coalesce(max(open), 0) AS open
FROM every
/*group by*/
ORDER BY n DESC, /*by*/failed
LIMIT :limit
