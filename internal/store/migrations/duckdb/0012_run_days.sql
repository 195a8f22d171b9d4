-- Days of runs are kept beside those of jobs, without a base_name, and for each
-- pipeline the day that it was counted in, which is to be counted anew should it
-- leave it.

CREATE TABLE measure_runs (
  instance_id BIGINT NOT NULL,
  pipeline_id BIGINT NOT NULL,
  day DATE NOT NULL
);

INSERT INTO measure_runs
SELECT instance_id, id, DATE '1970-01-01' + CAST(floor(CAST(extract(epoch FROM created_at) AS double precision) / 86400) AS integer)
FROM pipelines
WHERE created_at IS NOT NULL
ORDER BY instance_id, id;

ALTER TABLE measure_days ALTER COLUMN base_name DROP NOT NULL;

INSERT INTO measure_days (day, instance_id, project_id, base_name, level, coarse)
SELECT r.day, p.instance_id, p.project_id, NULL,
       concat(r.day - DATE '1970-01-01', ' ', count(*), ' ', percentile_cont(0.5) WITHIN GROUP (ORDER BY p.duration_seconds)),
       coalesce(bool_or(p.time_precision = 's'), false)
FROM pipelines p
JOIN measure_runs r ON r.instance_id = p.instance_id AND r.pipeline_id = p.id
WHERE p.source IS DISTINCT FROM 'parent_pipeline' AND p.status IN ('success', 'failed') AND p.duration_seconds IS NOT NULL
GROUP BY r.day, p.instance_id, p.project_id;
