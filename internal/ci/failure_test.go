package ci

import "testing"

func TestClassifyFailure(t *testing.T) {
	for reason, want := range map[string]FailureClass{
		"script_failure":                      FailureCode,
		"trace_size_exceeded":                 FailureCode,
		"job_execution_timeout":               FailureTimeout,
		"job_token_expired":                   FailureTimeout,
		"runner_system_failure":               FailureInfrastructure,
		"stuck_or_timeout_failure":            FailureInfrastructure,
		"ci_quota_exceeded":                   FailureConfiguration,
		"config_error":                        FailureConfiguration,
		"downstream_pipeline_creation_failed": FailureConfiguration,
		"unknown_failure":                     FailureOther,
		"invented_tomorrow":                   FailureOther,
		"":                                    FailureOther,
	} {
		if got := ClassifyFailure(reason); got != want {
			t.Errorf("%q is %s, want %s", reason, got, want)
		}
	}
}

// A reason in two classes would count twice in SQL, where each class is a list.
func TestFailureReasonsAreDisjoint(t *testing.T) {
	seen := map[string]FailureClass{}
	for _, class := range []FailureClass{FailureCode, FailureTimeout, FailureInfrastructure, FailureConfiguration} {
		for _, reason := range FailureReasons(class) {
			if other, twice := seen[reason]; twice {
				t.Errorf("%s is of %s and of %s", reason, other, class)
			}
			seen[reason] = class
		}
	}
	if len(FailureReasons(FailureOther)) != 0 {
		t.Error("the class of what is unknown names reasons")
	}
}
