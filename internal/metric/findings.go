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
			finding: finding{command: "slow", view: "jobs", then: (*Engine).addGains},
		},
		{
			name: "slow_runs", over: overRuns, shape: ranked, unit: listUnit,
			finding: finding{command: "slow", view: "runs", starts: []Dim{Project}},
		},
		{name: "flaky_evidence", over: overGroups, shape: ranked, unit: listUnit, by: none, finding: finding{command: "flaky", view: "jobs"}},
		{name: "flaky_attempts", over: overGroups, shape: ranked, unit: listUnit, by: none, finding: finding{command: "flaky", view: "attempts"}},
		{
			name: "failure_clusters", over: overAttempts, shape: ranked, unit: listUnit, more: []Dim{FailureReason, FailureClass},
			finding: finding{command: "failures", view: "clusters", starts: []Dim{Project, BaseName, Stage, FailureReason}},
		},
		{name: "red_periods", over: overPeriods, shape: ranked, unit: listUnit, by: none, finding: finding{command: "broken", view: "periods"}},
		{name: "busy_runners", over: overAttempts, shape: ranked, unit: listUnit, by: none, finding: finding{command: "queue", view: "runners"}},
		{
			name: "queue_waits", over: overAttempts, shape: ranked, unit: listUnit, more: []Dim{Status},
			finding: finding{command: "queue", view: "waits", starts: []Dim{RunnerTag, HourOfWeek}},
		},
		{
			name: "cost_shares", over: overAttempts, shape: ranked, unit: listUnit, more: []Dim{Status},
			finding: finding{command: "cost", view: "shares", starts: []Dim{Project}},
		},
		{name: "cost_rules", over: overAttempts, shape: ranked, unit: listUnit, by: none, more: []Dim{Status}, finding: finding{command: "cost", view: "rules"}},
		{name: "dora", over: overDeployments, shape: ranked, unit: listUnit, finding: finding{command: "dora", view: "keys"}},
		{
			name: "regressions", over: overRuns, shape: ranked, unit: listUnit, by: none,
			finding: finding{command: "regressions", view: "changes", then: (*Engine).addPoints},
		},
	}
}
