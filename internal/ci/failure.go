package ci

import "slices"

// FailureClass says who has to look at a failure (doc/metrics.md, failure_class).
type FailureClass string

// The classes of failures.
const (
	FailureCode           FailureClass = "code"           // the job's own script
	FailureTimeout        FailureClass = "timeout"        // it ran longer than allowed
	FailureInfrastructure FailureClass = "infrastructure" // runner, scheduler or GitLab broke; a retry may help
	FailureConfiguration  FailureClass = "configuration"  // GitLab or the runner refused it; a retry does not help
	FailureOther          FailureClass = "other"          // unknown, or a reason that weir does not know
)

// FailureReasons gives GitLab's names for why a job or a pipeline failed that
// belong to a class; none for FailureOther, where every other name belongs. The
// slice is the caller's.
func FailureReasons(class FailureClass) []string {
	switch class {
	case FailureCode:
		return []string{"script_failure", "trace_size_exceeded"}
	case FailureTimeout:
		return []string{
			"job_execution_timeout", "job_execution_server_timeout", "server_timeout_running", "server_timeout_canceling",
			"job_token_expired",
		}
	case FailureInfrastructure:
		return []string{
			"api_failure",
			// The old name of stuck_pending_* and no_updates_*.
			"stuck_or_timeout_failure",
			"runner_system_failure", "runner_external_dependency_failure", "runner_interrupted",
			"stuck_pending_with_matching_runners", "no_updates_running", "no_updates_canceling", "stale_schedule", "scheduler_failure",
			"data_integrity_failure", "job_router_failure", "duo_workflow_connection_failure",
		}
	case FailureConfiguration:
		return []string{
			"stuck_pending_no_matching_runners", "no_matching_runner", "runner_unsupported", "runner_configuration_error",
			"missing_dependency_failure", "unmet_prerequisites", "archived_failure", "forward_deployment_failure",
			"failed_outdated_deployment_job", "deployment_rejected", "environment_creation_failure", "protected_environment_failure",
			"user_blocked", "project_deleted", "builds_disabled", "ci_quota_exceeded", "ip_restriction_failure",
			"secrets_provider_not_found", "secrets_manager_access_denied", "id_token_burned_project_path", "duo_workflow_not_allowed",
			"pipeline_loop_detected", "insufficient_bridge_permissions", "insufficient_upstream_permissions",
			"downstream_bridge_project_not_found", "upstream_bridge_project_not_found", "invalid_bridge_trigger",
			"downstream_project_trigger_resolved_to_empty", "bridge_pipeline_is_child_pipeline", "downstream_pipeline_creation_failed",
			"reached_max_descendant_pipelines_depth", "reached_max_pipeline_hierarchy_size",
			"reached_downstream_pipeline_trigger_rate_limit",
			// Of pipelines.
			"config_error", "external_validation_failure",
		}
	}
	return nil
}

// ClassifyFailure gives the class of a failure's reason; FailureOther for a
// name that weir does not know and for none at all.
func ClassifyFailure(reason string) FailureClass {
	for _, class := range []FailureClass{FailureCode, FailureTimeout, FailureInfrastructure, FailureConfiguration} {
		if slices.Contains(FailureReasons(class), reason) {
			return class
		}
	}
	return FailureOther
}
