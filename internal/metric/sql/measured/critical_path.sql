WITH runs AS (
/*runs*/
), ended AS (
  SELECT instance_id, id
  FROM runs
  WHERE status IN ('success', 'failed', 'canceled', 'skipped') AND created_at IS NOT NULL AND finished_at IS NOT NULL
)
SELECT m.base_name AS by_base_name, count(*) AS n, count(m.seconds) AS value,
       CAST(count(m.seconds) AS double precision) / count(*) AS share,
       sum(m.seconds) / nullif(count(m.seconds), 0) AS avg,
       bool_or(m.coarse) AS coarse
FROM ended r
JOIN measure_paths m ON m.instance_id = r.instance_id AND m.pipeline_id = r.id
GROUP BY m.base_name
