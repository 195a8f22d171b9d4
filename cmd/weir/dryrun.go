package main

import (
	"context"
	"fmt"

	"github.com/weirhq/weir/internal/api"
)

// dryRun says what an import would cost, and imports nothing.
func (p *program) dryRun(ctx context.Context, client *api.Client, r api.SyncRequest) error {
	list, err := client.EstimateSyncs(ctx, r)
	if err != nil {
		return err
	}
	if f := p.format(); f == asJSON || f == asNDJSON {
		return writeDocument(p.stdout, f, api.Estimates{Estimates: list})
	}
	names, err := p.connectionNames(ctx, client)
	if err != nil {
		return err
	}
	var rows [][]any
	for _, e := range list {
		if p.format() == asTable {
			p.tellEstimate(names[e.ConnectionID], e)
		}
		for _, plan := range byCost(e.Requests) {
			rows = append(rows, []any{int64(e.ConnectionID), plan, e.Requests[plan], e.Minutes[plan], plan == e.Auto})
		}
	}
	if p.format() == asTable {
		return nil
	}
	return writeRows(p.stdout, p.format(), []string{"connection", "plan", "requests", "minutes", "auto"}, rows)
}

func (p *program) tellEstimate(name string, e api.Estimate) {
	least := ""
	if e.AtLeast {
		least = "at least "
	}
	fmt.Fprintf(p.stdout, "%s: %s%s of %s to be read\n", name, least, count(e.Pipelines, "pipeline"), count(e.Projects, "project"))
	if e.ProjectsCounted < e.Projects && e.ProjectsCounted > 0 {
		fmt.Fprintf(p.stdout, "  %s were counted, the others taken to be like them\n", count(e.ProjectsCounted, "project"))
	}
	switch e.BuildsFrom {
	case "store":
		fmt.Fprintf(p.stdout, "  %.3g jobs a pipeline, as in the newest that are stored\n", e.BuildsPerPipeline)
	case "sample":
		fmt.Fprintf(p.stdout, "  %.3g jobs a pipeline, as in a few that were read\n", e.BuildsPerPipeline)
	}
	for _, plan := range byCost(e.Requests) {
		takes := ""
		if plan == e.Auto {
			takes = ", which auto takes"
		}
		fmt.Fprintf(p.stdout, "  %-10s  about %s, %s or more%s\n", plan, count(e.Requests[plan], "request"), spanText(e.Minutes[plan]*60), takes)
	}
	fmt.Fprintf(p.stdout, "  this look took %s\n", count(e.RequestsSpent, "request"))
}
