package metric

// list names every metric, in the order in which a reader meets them. A metric
// is a line here, sql/NAME.sql (what it means, and how it is computed) and
// testdata/NAME.txt (what it must answer); documentation, API and command line
// follow from these.
func list() []metric {
	return []metric{
		{name: "runs", over: overRuns, shape: byStatus, unit: "count", more: []Dim{Status, FailureReason}},
		{name: "success_rate", over: overRuns, shape: plainRow, unit: "rate"},
		{name: "failure_rate", over: overRuns, shape: plainRow, unit: "rate"},
		{name: "cancel_rate", over: overRuns, shape: plainRow, unit: "rate"},
		{name: "run_duration", over: overRuns, shape: plainRow, unit: "s"},
		{name: "run_wall", over: overRuns, shape: plainRow, unit: "s"},
		{name: "run_queue", over: overRuns, shape: plainRow, unit: "s"},
		{name: "redundant_runs", over: overRuns, shape: plainRow, unit: "s"},
		{name: "broken_default_branch", over: overPeriods, shape: plainRow, unit: "s"},
		{name: "job_duration", over: overAttempts, shape: plainRow, unit: "s", more: []Dim{Status}},
		{name: "job_queue", over: overAttempts, shape: plainRow, unit: "s", more: []Dim{Status}},
		{name: "job_failure_rate", over: overAttempts, shape: plainRow, unit: "rate"},
		{name: "compute_minutes", over: overAttempts, shape: plainRow, unit: "min", more: []Dim{Status}},
		{name: "cost", over: overAttempts, shape: plainRow, unit: "money", more: []Dim{Status}},
		{name: "retry_waste", over: overAttempts, shape: plainRow, unit: "s", more: []Dim{Status}},
		{name: "failures", over: overAttempts, shape: plainRow, unit: "count", more: []Dim{Status, FailureReason, FailureClass}},
		{name: "flaky_jobs", over: overGroups, shape: plainRow, unit: "count"},
		{
			name: "change_points", over: overSeries, shape: shifted, unit: "rate", by: []Dim{},
			alone: alone{"its rows compare what was before a day with what came after it", "Leave compare out, and say by from and to where to look."},
		},
		{name: "critical_path", over: overPaths, shape: onThePath, unit: "count", by: []Dim{BaseName}},
		{name: "deployment_frequency", over: overDeployments, shape: plainRow, unit: "1/day"},
		{name: "lead_time", over: overDeployments, shape: plainRow, unit: "s"},
		{name: "change_failure_rate", over: overDeployments, shape: plainRow, unit: "rate"},
		{name: "time_to_restore", over: overDeployments, shape: plainRow, unit: "s"},
	}
}
