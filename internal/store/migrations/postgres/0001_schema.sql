-- Schema version 1, written from the descriptions by `go test ./internal/store -run TestSchemaFile -update`.
-- Once released it does not change any more: what comes later is another file.

CREATE TABLE "instances" (
  "id" bigint NOT NULL,
  "base_url" text NOT NULL,
  "version" text,
  "created_at" timestamptz NOT NULL,
  PRIMARY KEY ("id")
);

CREATE TABLE "groups" (
  "instance_id" bigint NOT NULL,
  "id" bigint NOT NULL,
  "parent_id" bigint,
  "full_path" text NOT NULL,
  "name" text NOT NULL,
  "visibility" text,
  "web_url" text,
  "created_at" timestamptz,
  "deleted_at" timestamptz,
  "synced_at" timestamptz NOT NULL,
  PRIMARY KEY ("instance_id", "id")
);

CREATE TABLE "projects" (
  "instance_id" bigint NOT NULL,
  "id" bigint NOT NULL,
  "group_id" bigint,
  "full_path" text NOT NULL,
  "name" text NOT NULL,
  "default_branch" text,
  "archived" boolean,
  "visibility" text,
  "topics" text[],
  "web_url" text,
  "created_at" timestamptz,
  "last_activity_at" timestamptz,
  "ci_access" text NOT NULL,
  "repository_id" bigint,
  "deleted_at" timestamptz,
  "synced_at" timestamptz NOT NULL,
  PRIMARY KEY ("instance_id", "id")
);

CREATE TABLE "repositories" (
  "instance_id" bigint NOT NULL,
  "id" bigint NOT NULL,
  "source" text NOT NULL,
  "external_id" text NOT NULL,
  "organization" text NOT NULL,
  "name" text NOT NULL,
  "full_path" text NOT NULL,
  "default_branch" text,
  "archived" boolean,
  "web_url" text,
  "deleted_at" timestamptz,
  "synced_at" timestamptz NOT NULL,
  PRIMARY KEY ("instance_id", "id")
);

CREATE TABLE "users" (
  "instance_id" bigint NOT NULL,
  "id" bigint NOT NULL,
  "username" text NOT NULL,
  "name" text,
  "state" text,
  "bot" boolean,
  "web_url" text,
  "synced_at" timestamptz NOT NULL,
  PRIMARY KEY ("instance_id", "id")
);

CREATE TABLE "pipelines" (
  "instance_id" bigint NOT NULL,
  "id" bigint NOT NULL,
  "project_id" bigint NOT NULL,
  "iid" bigint,
  "name" text,
  "status" text NOT NULL,
  "source" text,
  "ref" text,
  "ref_type" text NOT NULL,
  "is_default_branch" boolean,
  "merge_request_iid" bigint,
  "sha" text,
  "before_sha" text,
  "tag" boolean,
  "user_id" bigint,
  "parent_pipeline_id" bigint,
  "upstream_pipeline_id" bigint,
  "created_at" timestamptz,
  "updated_at" timestamptz,
  "started_at" timestamptz,
  "finished_at" timestamptz,
  "committed_at" timestamptz,
  "duration_seconds" double precision,
  "queued_seconds" double precision,
  "coverage" double precision,
  "yaml_errors" text,
  "failure_reason" text,
  "has_warnings" boolean,
  "web_url" text,
  "time_precision" text NOT NULL,
  "deleted_at" timestamptz,
  "synced_at" timestamptz NOT NULL,
  PRIMARY KEY ("instance_id", "id")
);

CREATE TABLE "jobs" (
  "instance_id" bigint NOT NULL,
  "id" bigint NOT NULL,
  "project_id" bigint NOT NULL,
  "pipeline_id" bigint NOT NULL,
  "name" text NOT NULL,
  "base_name" text NOT NULL,
  "stage" text,
  "kind" text NOT NULL,
  "status" text NOT NULL,
  "allow_failure" boolean,
  "retried" boolean,
  "manual" boolean,
  "created_at" timestamptz,
  "queued_at" timestamptz,
  "started_at" timestamptz,
  "finished_at" timestamptz,
  "erased_at" timestamptz,
  "duration_seconds" double precision,
  "queued_seconds" double precision,
  "coverage" double precision,
  "failure_reason" text,
  "runner_id" bigint,
  "user_id" bigint,
  "commit_committed_at" timestamptz,
  "tags" text[],
  "artifacts_bytes" bigint,
  "downstream_pipeline_id" bigint,
  "web_url" text,
  "time_precision" text NOT NULL,
  "deleted_at" timestamptz,
  "synced_at" timestamptz NOT NULL,
  PRIMARY KEY ("instance_id", "id")
);

CREATE TABLE "job_needs" (
  "instance_id" bigint NOT NULL,
  "pipeline_id" bigint NOT NULL,
  "job_name" text NOT NULL,
  "needs_name" text NOT NULL,
  "synced_at" timestamptz NOT NULL,
  PRIMARY KEY ("instance_id", "pipeline_id", "job_name", "needs_name")
);

CREATE TABLE "runners" (
  "instance_id" bigint NOT NULL,
  "id" bigint NOT NULL,
  "description" text,
  "runner_type" text,
  "tags" text[],
  "active" boolean,
  "synced_at" timestamptz NOT NULL,
  PRIMARY KEY ("instance_id", "id")
);

CREATE TABLE "deployments" (
  "instance_id" bigint NOT NULL,
  "id" bigint NOT NULL,
  "project_id" bigint NOT NULL,
  "repository_id" bigint,
  "service_id" bigint,
  "environment" text NOT NULL,
  "tier" text,
  "sha" text,
  "pipeline_id" bigint,
  "job_id" bigint,
  "deployed_at" timestamptz,
  "success" boolean,
  "rule_id" bigint,
  "source" text NOT NULL,
  "deleted_at" timestamptz,
  "synced_at" timestamptz NOT NULL,
  PRIMARY KEY ("instance_id", "id")
);

CREATE TABLE "services" (
  "id" bigint NOT NULL,
  "identifier" text NOT NULL,
  "name" text,
  "description" text,
  "owner" text,
  "tier" text,
  "lifecycle" text,
  "source" text NOT NULL,
  "deleted_at" timestamptz,
  PRIMARY KEY ("id")
);

CREATE TABLE "service_rules" (
  "id" bigint NOT NULL,
  "priority" bigint NOT NULL,
  "match" jsonb,
  "service_id" bigint NOT NULL,
  "enabled" boolean NOT NULL,
  "source" text NOT NULL,
  PRIMARY KEY ("id")
);

CREATE TABLE "deploy_rules" (
  "id" bigint NOT NULL,
  "priority" bigint NOT NULL,
  "match" jsonb,
  "environment" text NOT NULL,
  "tier" text,
  "service_id" bigint,
  "enabled" boolean NOT NULL,
  "source" text NOT NULL,
  PRIMARY KEY ("id")
);

CREATE TABLE "pipeline_services" (
  "instance_id" bigint NOT NULL,
  "pipeline_id" bigint NOT NULL,
  "service_id" bigint NOT NULL,
  "rule_id" bigint,
  PRIMARY KEY ("instance_id", "pipeline_id", "service_id")
);

CREATE TABLE "project_syncs" (
  "instance_id" bigint NOT NULL,
  "project_id" bigint NOT NULL,
  "cursor" text,
  "synced_to" timestamptz,
  "backfilled_from" timestamptz,
  "open_pipelines" bigint,
  "last_synced_at" timestamptz,
  "last_error_code" text,
  "last_error_at" timestamptz,
  "requests" bigint NOT NULL,
  PRIMARY KEY ("instance_id", "project_id")
);

CREATE TABLE "syncs" (
  "id" bigint NOT NULL,
  "instance_id" bigint NOT NULL,
  "connection_id" bigint NOT NULL,
  "kind" text NOT NULL,
  "state" text NOT NULL,
  "started_at" timestamptz NOT NULL,
  "finished_at" timestamptz,
  "rows" jsonb,
  "requests" bigint NOT NULL,
  "requests_by_endpoint" jsonb,
  "throttled_seconds" double precision NOT NULL,
  "plan" text NOT NULL,
  PRIMARY KEY ("id")
);

CREATE TABLE "sync_errors" (
  "sync_id" bigint NOT NULL,
  "seq" bigint NOT NULL,
  "instance_id" bigint NOT NULL,
  "project_id" bigint,
  "code" text NOT NULL,
  "detail" text NOT NULL,
  "at" timestamptz NOT NULL,
  PRIMARY KEY ("sync_id", "seq")
);

CREATE INDEX jobs_pipeline ON jobs (instance_id, pipeline_id);

CREATE INDEX jobs_project_created ON jobs (instance_id, project_id, created_at);

CREATE INDEX jobs_downstream ON jobs (instance_id, downstream_pipeline_id) WHERE downstream_pipeline_id IS NOT NULL;

CREATE INDEX jobs_created ON jobs USING brin (created_at);

CREATE INDEX pipelines_project_created ON pipelines (instance_id, project_id, created_at);

CREATE INDEX pipelines_project_updated ON pipelines (instance_id, project_id, updated_at);

CREATE INDEX pipelines_created ON pipelines USING brin (created_at);
