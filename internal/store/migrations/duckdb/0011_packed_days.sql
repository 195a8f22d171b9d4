-- A day's numbers are kept as change_points reads them: packed into a text.

CREATE TABLE measure_levels (
  day DATE NOT NULL,
  instance_id BIGINT NOT NULL,
  project_id BIGINT NOT NULL,
  base_name VARCHAR NOT NULL,
  level VARCHAR NOT NULL,
  coarse BOOLEAN NOT NULL
);

INSERT INTO measure_levels
SELECT day, instance_id, project_id, base_name, concat(day - DATE '1970-01-01', ' ', n, ' ', median), coarse FROM measure_days;

DROP TABLE measure_days;

ALTER TABLE measure_levels RENAME TO measure_days;
