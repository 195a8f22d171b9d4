-- Names of rules, and what the catalog has not looked at yet (mark.go,
-- mapping.go): pipelines that changed since, and what was last looked at of
-- each project. The last two are not published.

ALTER TABLE service_rules ADD COLUMN name text;

ALTER TABLE deploy_rules ADD COLUMN name text;

CREATE TABLE catalog_dirty (
  instance_id bigint NOT NULL,
  pipeline_id bigint NOT NULL,
  PRIMARY KEY (instance_id, pipeline_id)
);

CREATE TABLE catalog_projects (
  instance_id bigint NOT NULL,
  project_id bigint NOT NULL,
  facts text NOT NULL,
  PRIMARY KEY (instance_id, project_id)
);

INSERT INTO catalog_dirty SELECT instance_id, id FROM pipelines;

CREATE INDEX pipeline_services_service ON pipeline_services (service_id);

CREATE INDEX deployments_pipeline ON deployments (instance_id, pipeline_id);

CREATE INDEX deployments_job ON deployments (instance_id, job_id);
