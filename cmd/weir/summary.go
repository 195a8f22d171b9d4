package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weirhq/weir/internal/api"
)

// errorLimit is how many errors of an import are shown to a person.
const errorLimit = 20

// summary tells how one import went. With -o json and ndjson the last event
// has said it.
func (p *program) summary(name string, done api.SyncEvent) error {
	s := done.Sync
	switch f := p.format(); {
	case s == nil, f == asJSON, f == asNDJSON:
		return nil
	case f == asCSV:
		var rows [][]any
		for _, table := range slices.Sorted(maps.Keys(s.Rows)) {
			rows = append(rows, []any{int64(s.ID), string(s.State), table, s.Rows[table]})
		}
		return writeRows(p.stdout, f, []string{"sync", "state", "table", "rows"}, rows)
	}
	took := ""
	if s.FinishedAt != nil {
		took = " in " + spanText(s.FinishedAt.Sub(s.StartedAt).Seconds())
	}
	fmt.Fprintf(p.stdout, "%s: sync %d is %s%s\n", name, s.ID, s.State, took)
	fmt.Fprintf(p.stdout, "  rows      %s\n", counts(s.Rows))
	fmt.Fprintf(p.stdout, "  requests  %s%s\n", thousands(s.Requests), plansText(s))
	endpoints := slices.SortedFunc(maps.Keys(s.RequestsByEndpoint), func(a, b string) int {
		return int(s.RequestsByEndpoint[b] - s.RequestsByEndpoint[a])
	})
	for _, e := range endpoints {
		fmt.Fprintf(p.stdout, "    %9s  %s\n", thousands(s.RequestsByEndpoint[e]), e)
	}
	if s.ThrottledSeconds >= 0.1 {
		fmt.Fprintf(p.stdout, "  waited    %s for GitLab's limits\n", spanText(s.ThrottledSeconds))
	}
	if len(s.Errors) == 0 {
		return nil
	}
	fmt.Fprintf(p.stdout, "  %s\n", count(int64(len(s.Errors)), "error"))
	for i, e := range s.Errors {
		if i == errorLimit {
			fmt.Fprintf(p.stdout, "    … and %s more: weir query \"select * from sync_errors where sync_id = %d\"\n", thousands(int64(len(s.Errors)-i)), s.ID)
			break
		}
		where := printable(e.Project)
		if where == "" {
			where = "the whole run"
			if e.ProjectID != nil {
				where = fmt.Sprintf("project %d", *e.ProjectID)
			}
		}
		fmt.Fprintf(p.stdout, "    %s  %s  %s\n", e.Code, where, printable(e.Detail))
	}
	return nil
}

// plansText says by which plan an import asked, and what the others would have
// needed for the same, the cheapest first; nothing where none was chosen.
func plansText(s *api.Sync) string {
	if len(s.PlanRequests) == 0 {
		return ""
	}
	var parts []string
	for _, plan := range byCost(s.PlanRequests) {
		if plan != s.Plan {
			parts = append(parts, fmt.Sprintf("%s about %s", plan, thousands(s.PlanRequests[plan])))
		}
	}
	return fmt.Sprintf(" by the plan %s (%s)", s.Plan, strings.Join(parts, ", "))
}

// byCost gives the plans, the cheapest first.
func byCost(requests map[string]int64) []string {
	return slices.SortedFunc(maps.Keys(requests), func(a, b string) int {
		return cmp.Or(cmp.Compare(requests[a], requests[b]), strings.Compare(a, b))
	})
}
