-- Schema version 1, written from the descriptions by `go test ./internal/store -run TestSchemaFile -update`.
-- Once released it does not change any more: what comes later is another file.

CREATE TABLE "instances" (
  "id" BIGINT NOT NULL,
  "base_url" VARCHAR NOT NULL,
  "version" VARCHAR,
  "created_at" TIMESTAMPTZ NOT NULL,
  PRIMARY KEY ("id")
);

CREATE TABLE "groups" (
  "instance_id" BIGINT NOT NULL,
  "id" BIGINT NOT NULL,
  "parent_id" BIGINT,
  "full_path" VARCHAR NOT NULL,
  "name" VARCHAR NOT NULL,
  "visibility" VARCHAR,
  "web_url" VARCHAR,
  "created_at" TIMESTAMPTZ,
  "deleted_at" TIMESTAMPTZ,
  "synced_at" TIMESTAMPTZ NOT NULL,
  PRIMARY KEY ("instance_id", "id")
);

CREATE TABLE "projects" (
  "instance_id" BIGINT NOT NULL,
  "id" BIGINT NOT NULL,
  "group_id" BIGINT,
  "full_path" VARCHAR NOT NULL,
  "name" VARCHAR NOT NULL,
  "default_branch" VARCHAR,
  "archived" BOOLEAN,
  "visibility" VARCHAR,
  "topics" VARCHAR[],
  "web_url" VARCHAR,
  "created_at" TIMESTAMPTZ,
  "last_activity_at" TIMESTAMPTZ,
  "ci_access" VARCHAR NOT NULL,
  "repository_id" BIGINT,
  "deleted_at" TIMESTAMPTZ,
  "synced_at" TIMESTAMPTZ NOT NULL,
  PRIMARY KEY ("instance_id", "id")
);

CREATE TABLE "repositories" (
  "instance_id" BIGINT NOT NULL,
  "id" BIGINT NOT NULL,
  "source" VARCHAR NOT NULL,
  "external_id" VARCHAR NOT NULL,
  "organization" VARCHAR NOT NULL,
  "name" VARCHAR NOT NULL,
  "full_path" VARCHAR NOT NULL,
  "default_branch" VARCHAR,
  "archived" BOOLEAN,
  "web_url" VARCHAR,
  "deleted_at" TIMESTAMPTZ,
  "synced_at" TIMESTAMPTZ NOT NULL,
  PRIMARY KEY ("instance_id", "id")
);

CREATE TABLE "users" (
  "instance_id" BIGINT NOT NULL,
  "id" BIGINT NOT NULL,
  "username" VARCHAR NOT NULL,
  "name" VARCHAR,
  "state" VARCHAR,
  "bot" BOOLEAN,
  "web_url" VARCHAR,
  "synced_at" TIMESTAMPTZ NOT NULL,
  PRIMARY KEY ("instance_id", "id")
);

CREATE TABLE "pipelines" (
  "instance_id" BIGINT NOT NULL,
  "id" BIGINT NOT NULL,
  "project_id" BIGINT NOT NULL,
  "iid" BIGINT,
  "name" VARCHAR,
  "status" VARCHAR NOT NULL,
  "source" VARCHAR,
  "ref" VARCHAR,
  "ref_type" VARCHAR NOT NULL,
  "is_default_branch" BOOLEAN,
  "merge_request_iid" BIGINT,
  "sha" VARCHAR,
  "before_sha" VARCHAR,
  "tag" BOOLEAN,
  "user_id" BIGINT,
  "parent_pipeline_id" BIGINT,
  "upstream_pipeline_id" BIGINT,
  "created_at" TIMESTAMPTZ,
  "updated_at" TIMESTAMPTZ,
  "started_at" TIMESTAMPTZ,
  "finished_at" TIMESTAMPTZ,
  "committed_at" TIMESTAMPTZ,
  "duration_seconds" DOUBLE,
  "queued_seconds" DOUBLE,
  "coverage" DOUBLE,
  "yaml_errors" VARCHAR,
  "failure_reason" VARCHAR,
  "has_warnings" BOOLEAN,
  "web_url" VARCHAR,
  "time_precision" VARCHAR NOT NULL,
  "deleted_at" TIMESTAMPTZ,
  "synced_at" TIMESTAMPTZ NOT NULL,
  PRIMARY KEY ("instance_id", "id")
);

CREATE TABLE "jobs" (
  "instance_id" BIGINT NOT NULL,
  "id" BIGINT NOT NULL,
  "project_id" BIGINT NOT NULL,
  "pipeline_id" BIGINT NOT NULL,
  "name" VARCHAR NOT NULL,
  "base_name" VARCHAR NOT NULL,
  "stage" VARCHAR,
  "kind" VARCHAR NOT NULL,
  "status" VARCHAR NOT NULL,
  "allow_failure" BOOLEAN,
  "retried" BOOLEAN,
  "manual" BOOLEAN,
  "created_at" TIMESTAMPTZ,
  "queued_at" TIMESTAMPTZ,
  "started_at" TIMESTAMPTZ,
  "finished_at" TIMESTAMPTZ,
  "erased_at" TIMESTAMPTZ,
  "duration_seconds" DOUBLE,
  "queued_seconds" DOUBLE,
  "coverage" DOUBLE,
  "failure_reason" VARCHAR,
  "runner_id" BIGINT,
  "user_id" BIGINT,
  "commit_committed_at" TIMESTAMPTZ,
  "tags" VARCHAR[],
  "artifacts_bytes" BIGINT,
  "downstream_pipeline_id" BIGINT,
  "web_url" VARCHAR,
  "time_precision" VARCHAR NOT NULL,
  "deleted_at" TIMESTAMPTZ,
  "synced_at" TIMESTAMPTZ NOT NULL,
  PRIMARY KEY ("instance_id", "id")
);

CREATE TABLE "job_needs" (
  "instance_id" BIGINT NOT NULL,
  "pipeline_id" BIGINT NOT NULL,
  "job_name" VARCHAR NOT NULL,
  "needs_name" VARCHAR NOT NULL,
  "synced_at" TIMESTAMPTZ NOT NULL,
  PRIMARY KEY ("instance_id", "pipeline_id", "job_name", "needs_name")
);

CREATE TABLE "runners" (
  "instance_id" BIGINT NOT NULL,
  "id" BIGINT NOT NULL,
  "description" VARCHAR,
  "runner_type" VARCHAR,
  "tags" VARCHAR[],
  "active" BOOLEAN,
  "synced_at" TIMESTAMPTZ NOT NULL,
  PRIMARY KEY ("instance_id", "id")
);

CREATE TABLE "deployments" (
  "instance_id" BIGINT NOT NULL,
  "id" BIGINT NOT NULL,
  "project_id" BIGINT NOT NULL,
  "repository_id" BIGINT,
  "service_id" BIGINT,
  "environment" VARCHAR NOT NULL,
  "tier" VARCHAR,
  "sha" VARCHAR,
  "pipeline_id" BIGINT,
  "job_id" BIGINT,
  "deployed_at" TIMESTAMPTZ,
  "success" BOOLEAN,
  "rule_id" BIGINT,
  "source" VARCHAR NOT NULL,
  "deleted_at" TIMESTAMPTZ,
  "synced_at" TIMESTAMPTZ NOT NULL,
  PRIMARY KEY ("instance_id", "id")
);

CREATE TABLE "services" (
  "id" BIGINT NOT NULL,
  "identifier" VARCHAR NOT NULL,
  "name" VARCHAR,
  "description" VARCHAR,
  "owner" VARCHAR,
  "tier" VARCHAR,
  "lifecycle" VARCHAR,
  "source" VARCHAR NOT NULL,
  "deleted_at" TIMESTAMPTZ,
  PRIMARY KEY ("id")
);

CREATE TABLE "service_rules" (
  "id" BIGINT NOT NULL,
  "priority" BIGINT NOT NULL,
  "match" JSON,
  "service_id" BIGINT NOT NULL,
  "enabled" BOOLEAN NOT NULL,
  "source" VARCHAR NOT NULL,
  PRIMARY KEY ("id")
);

CREATE TABLE "deploy_rules" (
  "id" BIGINT NOT NULL,
  "priority" BIGINT NOT NULL,
  "match" JSON,
  "environment" VARCHAR NOT NULL,
  "tier" VARCHAR,
  "service_id" BIGINT,
  "enabled" BOOLEAN NOT NULL,
  "source" VARCHAR NOT NULL,
  PRIMARY KEY ("id")
);

CREATE TABLE "pipeline_services" (
  "instance_id" BIGINT NOT NULL,
  "pipeline_id" BIGINT NOT NULL,
  "service_id" BIGINT NOT NULL,
  "rule_id" BIGINT,
  PRIMARY KEY ("instance_id", "pipeline_id", "service_id")
);

CREATE TABLE "project_syncs" (
  "instance_id" BIGINT NOT NULL,
  "project_id" BIGINT NOT NULL,
  "cursor" VARCHAR,
  "synced_to" TIMESTAMPTZ,
  "backfilled_from" TIMESTAMPTZ,
  "open_pipelines" BIGINT,
  "last_synced_at" TIMESTAMPTZ,
  "last_error_code" VARCHAR,
  "last_error_at" TIMESTAMPTZ,
  "requests" BIGINT NOT NULL,
  PRIMARY KEY ("instance_id", "project_id")
);

CREATE TABLE "syncs" (
  "id" BIGINT NOT NULL,
  "instance_id" BIGINT NOT NULL,
  "connection_id" BIGINT NOT NULL,
  "kind" VARCHAR NOT NULL,
  "state" VARCHAR NOT NULL,
  "started_at" TIMESTAMPTZ NOT NULL,
  "finished_at" TIMESTAMPTZ,
  "rows" JSON,
  "requests" BIGINT NOT NULL,
  "requests_by_endpoint" JSON,
  "throttled_seconds" DOUBLE NOT NULL,
  "plan" VARCHAR NOT NULL,
  PRIMARY KEY ("id")
);

CREATE TABLE "sync_errors" (
  "sync_id" BIGINT NOT NULL,
  "seq" BIGINT NOT NULL,
  "instance_id" BIGINT NOT NULL,
  "project_id" BIGINT,
  "code" VARCHAR NOT NULL,
  "detail" VARCHAR NOT NULL,
  "at" TIMESTAMPTZ NOT NULL,
  PRIMARY KEY ("sync_id", "seq")
);
