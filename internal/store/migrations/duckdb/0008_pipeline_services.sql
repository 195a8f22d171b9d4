-- pipeline_services without a key: DuckDB takes deleted rows out of an index one
-- by one, and never gives back the room of a table that has one, so leading a
-- million pipelines from some services to others took 16 s of the processor
-- instead of 3. Nobody but mapping writes the table, and only pairs that are not
-- there (mapping_keep.go).

CREATE TABLE pipeline_services_keyless (
  instance_id BIGINT NOT NULL,
  pipeline_id BIGINT NOT NULL,
  service_id BIGINT NOT NULL,
  rule_id BIGINT
);

INSERT INTO pipeline_services_keyless SELECT instance_id, pipeline_id, service_id, rule_id FROM pipeline_services
ORDER BY instance_id, pipeline_id, service_id;

DROP TABLE pipeline_services;

ALTER TABLE pipeline_services_keyless RENAME TO pipeline_services;
