-- What GitLab says of the deployments that it recorded. Who imported before
-- this has none of them yet.

ALTER TABLE deployments ADD COLUMN iid bigint;

ALTER TABLE deployments ADD COLUMN ref text;

ALTER TABLE deployments ADD COLUMN status text;

ALTER TABLE deployments ADD COLUMN user_id bigint;

ALTER TABLE deployments ADD COLUMN created_at timestamptz;

ALTER TABLE deployments ADD COLUMN updated_at timestamptz;
