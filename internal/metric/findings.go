package metric

// findings names every finding, in the order in which a reader meets them. A
// finding is a line here, sql/finding/NAME.sql (what it means, and how it is
// computed) and testdata/finding/NAME.txt (what it must answer); documentation,
// API and the commands of the command line follow from these.
func findings() []metric {
	none := []Dim{}
	return []metric{
		{
			name: "slow_jobs", over: overPaths, shape: ranked, unit: listUnit, by: none,
			finding: finding{command: "slow", view: "jobs", same: []string{"project", "base_name"}, then: (*Engine).addGains},
		},
		{
			name: "slow_runs", over: overRuns, shape: ranked, unit: listUnit,
			finding: finding{command: "slow", view: "runs", starts: []Dim{Project}},
		},
		{
			name: "flaky_evidence", over: overGroups, shape: ranked, unit: listUnit, by: none,
			finding: finding{command: "flaky", view: "jobs", same: []string{"project", "job_name"}, unsaid: []string{"n"}},
		},
		{
			name: "flaky_attempts", over: overGroups, shape: ranked, unit: listUnit, by: none, finding: finding{command: "flaky", view: "attempts"},
			alone: alone{"its rows are single attempts, which happen once", "Compare weir flaky, or ask for the attempts of that period by from and to."},
		},
		{
			name: "failure_clusters", over: overAttempts, shape: ranked, unit: listUnit, more: []Dim{FailureReason, FailureClass},
			finding: finding{command: "failures", view: "clusters", starts: []Dim{Project, BaseName, Stage, FailureReason}},
		},
		{
			name: "red_periods", over: overPeriods, shape: ranked, unit: listUnit, by: none, finding: finding{command: "broken", view: "periods"},
			alone: alone{"its rows are single stretches of time, which happen once", "Compare weir report broken_default_branch, or ask for that period by from and to."},
		},
		{
			name: "busy_runners", over: overAttempts, shape: ranked, unit: listUnit, by: none,
			finding: finding{command: "queue", view: "runners", same: []string{"runner", "description", "runner_type"}},
		},
		{
			name: "queue_waits", over: overAttempts, shape: ranked, unit: listUnit, more: []Dim{Status},
			finding: finding{command: "queue", view: "waits", starts: []Dim{RunnerTag, HourOfWeek}},
		},
		{
			name: "cost_shares", over: overAttempts, shape: ranked, unit: listUnit, more: []Dim{Status},
			finding: finding{command: "cost", view: "shares", starts: []Dim{Project}},
		},
		{
			name: "cost_rules", over: overAttempts, shape: ranked, unit: listUnit, by: none, more: []Dim{Status},
			finding: finding{command: "cost", view: "rules", same: []string{"rule", "matches", "per_minute"}},
		},
		{name: "dora", over: overDeployments, shape: ranked, unit: listUnit, finding: finding{command: "dora", view: "keys"}},
		{
			name: "regressions", over: overRuns, shape: ranked, unit: listUnit, by: none,
			finding: finding{command: "regressions", view: "changes", then: (*Engine).addPoints},
			alone:   alone{"its rows compare with the previous period already", "Leave compare out, and choose the period by from and to."},
		},
	}
}
