-- What metrics look at again and again, computed once (measure.go): private
-- tables, not published, and rebuilt from the others for the pipelines that
-- measure_dirty names.

CREATE TABLE measure_dirty (
  instance_id bigint NOT NULL,
  pipeline_id bigint NOT NULL,
  PRIMARY KEY (instance_id, pipeline_id)
);

CREATE TABLE measure_attempts (
  instance_id bigint NOT NULL,
  pipeline_id bigint NOT NULL,
  project_id bigint NOT NULL,
  day date NOT NULL,
  name text NOT NULL,
  base_name text NOT NULL,
  stage text,
  ref_type text,
  sha text,
  child text,
  created_at timestamptz NOT NULL,
  id bigint NOT NULL,
  passed boolean NOT NULL,
  broke boolean NOT NULL,
  coarse boolean NOT NULL,
  alone boolean NOT NULL
);

CREATE TABLE measure_days (
  day date NOT NULL,
  instance_id bigint NOT NULL,
  project_id bigint NOT NULL,
  base_name text NOT NULL,
  n bigint NOT NULL,
  median double precision NOT NULL,
  coarse boolean NOT NULL
);

CREATE TABLE measure_paths (
  instance_id bigint NOT NULL,
  pipeline_id bigint NOT NULL,
  base_name text NOT NULL,
  seconds double precision,
  coarse boolean NOT NULL
);

INSERT INTO measure_dirty SELECT instance_id, id FROM pipelines UNION SELECT instance_id, pipeline_id FROM jobs;

CREATE INDEX measure_attempts_pipeline ON measure_attempts (instance_id, pipeline_id);

CREATE INDEX measure_attempts_day ON measure_attempts (day);

CREATE INDEX measure_days_day ON measure_days (day);

CREATE INDEX measure_paths_pipeline ON measure_paths (instance_id, pipeline_id);

-- By hash: a text of any length fits.
CREATE INDEX pipelines_commit ON pipelines USING hash (sha);
