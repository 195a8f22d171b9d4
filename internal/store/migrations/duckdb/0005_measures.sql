-- What metrics look at again and again, computed once (measure.go): private
-- tables, not published, and rebuilt from the others for the pipelines that
-- measure_dirty names.

CREATE TABLE measure_dirty (
  instance_id BIGINT NOT NULL,
  pipeline_id BIGINT NOT NULL,
  PRIMARY KEY (instance_id, pipeline_id)
);

CREATE TABLE measure_attempts (
  instance_id BIGINT NOT NULL,
  pipeline_id BIGINT NOT NULL,
  project_id BIGINT NOT NULL,
  day DATE NOT NULL,
  name VARCHAR NOT NULL,
  base_name VARCHAR NOT NULL,
  stage VARCHAR,
  ref_type VARCHAR,
  sha VARCHAR,
  child VARCHAR,
  created_at TIMESTAMPTZ NOT NULL,
  id BIGINT NOT NULL,
  passed BOOLEAN NOT NULL,
  broke BOOLEAN NOT NULL,
  coarse BOOLEAN NOT NULL,
  alone BOOLEAN NOT NULL
);

CREATE TABLE measure_days (
  day DATE NOT NULL,
  instance_id BIGINT NOT NULL,
  project_id BIGINT NOT NULL,
  base_name VARCHAR NOT NULL,
  n BIGINT NOT NULL,
  median DOUBLE NOT NULL,
  coarse BOOLEAN NOT NULL
);

CREATE TABLE measure_paths (
  instance_id BIGINT NOT NULL,
  pipeline_id BIGINT NOT NULL,
  base_name VARCHAR NOT NULL,
  seconds DOUBLE,
  coarse BOOLEAN NOT NULL
);

INSERT INTO measure_dirty SELECT instance_id, id FROM pipelines UNION SELECT instance_id, pipeline_id FROM jobs;
