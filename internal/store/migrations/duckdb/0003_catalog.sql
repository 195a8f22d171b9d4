-- Names of rules, and what the catalog has not looked at yet (mark.go,
-- mapping.go): pipelines that changed since, and what was last looked at of
-- each project. The last two are not published.

ALTER TABLE service_rules ADD COLUMN name VARCHAR;

ALTER TABLE deploy_rules ADD COLUMN name VARCHAR;

CREATE TABLE catalog_dirty (
  instance_id BIGINT NOT NULL,
  pipeline_id BIGINT NOT NULL,
  PRIMARY KEY (instance_id, pipeline_id)
);

CREATE TABLE catalog_projects (
  instance_id BIGINT NOT NULL,
  project_id BIGINT NOT NULL,
  facts VARCHAR NOT NULL,
  PRIMARY KEY (instance_id, project_id)
);

INSERT INTO catalog_dirty SELECT instance_id, id FROM pipelines;
