-- What GitLab says of the deployments that it recorded. Who imported before
-- this has none of them yet.

ALTER TABLE deployments ADD COLUMN iid BIGINT;

ALTER TABLE deployments ADD COLUMN ref VARCHAR;

ALTER TABLE deployments ADD COLUMN status VARCHAR;

ALTER TABLE deployments ADD COLUMN user_id BIGINT;

ALTER TABLE deployments ADD COLUMN created_at TIMESTAMPTZ;

ALTER TABLE deployments ADD COLUMN updated_at TIMESTAMPTZ;
