package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/weirhq/weir/internal/ci"
)

// Patch is rows that know some columns only: what a web hook says. A row that
// is new is stored as it is. Of one that is stored, the columns that are said
// are written, NULL too, and all others keep what a fuller answer said, but for
// updated_at, of which nothing is known any more: NULL, which makes the next
// poll read the pipeline anew. A job that was written does the same to its
// pipeline: where GitLab's clock is ahead, an old event may have won.
//
// SyncedAt of a patch is the newest time that its event proves, so it loses
// against every answer that was asked for after that; one that was asked for
// before, and comes when nothing else is known of a job, is asked for again.
// Among events of one second the status that is further on wins, and an attempt
// of a job, or a deployment, that has ended does not run again. Times cut to
// whole seconds do not replace what is known exactly.
type Patch struct {
	Said        []string // columns, in any order; keys, synced_at and time_precision always are
	Pipelines   []ci.Pipeline
	Jobs        []ci.Job
	Deployments []ci.Deployment
}

// loads encodes the rows of a patch.
func (p *Patch) loads() ([]load, error) {
	rows := Batch{Pipelines: p.Pipelines, Jobs: p.Jobs, Deployments: p.Deployments}
	return rows.loads()
}

// patchTable writes the rows of a patch.
func patchTable(ctx context.Context, w writer, l *load, said []string) (int64, error) {
	t := &l.table
	var total int64
	for _, rows := range l.layers {
		if err := w.load(ctx, t, rows); err != nil {
			return 0, err
		}
		n, err := w.exec(ctx, patch(t, said))
		if err != nil {
			return 0, err
		}
		if total += n; n < int64(len(rows)) {
			if _, err := w.exec(ctx, late(t)); err != nil {
				return 0, err
			}
		}
		if t.Name == "jobs" && n > 0 {
			if _, err := w.exec(ctx, unsettle); err != nil {
				return 0, err
			}
		}
	}
	return total, nil
}

const (
	// unsettle makes the next poll read the pipelines of the staged jobs that were
	// written.
	unsettle = `UPDATE pipelines SET updated_at = NULL
FROM stage_jobs s, jobs j
WHERE j.instance_id = s.instance_id AND j.id = s.id AND j.synced_at = s.synced_at` + unsettled

	// unsettleLost does so for full rows that lost against what an event alone has
	// said, later than they were asked for: else nobody would ever say the rest.
	unsettleLost = `UPDATE pipelines SET updated_at = NULL
FROM stage_jobs s, jobs j
WHERE j.instance_id = s.instance_id AND j.id = s.id AND j.synced_at > s.synced_at AND j.web_url IS NULL AND s.web_url IS NOT NULL` + unsettled

	unsettled = `
  AND pipelines.instance_id = s.instance_id AND pipelines.id = s.pipeline_id
  AND pipelines.updated_at IS NOT NULL AND pipelines.deleted_at IS NULL AND pipelines.source IS DISTINCT FROM 'external'`
)

// patch gives the statement that writes t's staging table into t where only
// some columns are said.
func patch(t *Table, said []string) string {
	var set []string
	for i := range t.Columns {
		c := &t.Columns[i]
		value := ""
		switch {
		case c.Key:
		case c.Name == "time_precision":
			value = patchedPrecision(t, said)
		case c.keep != keepNever, c.Name == "deleted_at", c.Name == "synced_at", c.Name == "updated_at":
			value = merged(t, c)
		case slices.Contains(said, c.Name) && c.Type == Timestamp:
			value = fmt.Sprintf("CASE WHEN %s THEN %s ELSE excluded.%s END", cutShort(t, c.Name), storedColumn(t, c.Name), quoteName(c.Name))
		case slices.Contains(said, c.Name):
			value = "excluded." + quoteName(c.Name)
		}
		if value != "" {
			set = append(set, quoteName(c.Name)+" = "+value)
		}
	}
	return insertStaged(t) + fmt.Sprintf("UPDATE SET %s\nWHERE NOT (%s)", strings.Join(set, ",\n  "), outdated(t))
}

// outdated is the condition under which a patch is an older truth than the
// stored row. It is never NULL.
func outdated(t *Table) string {
	asked, incoming := storedColumn(t, "synced_at"), "excluded.synced_at"
	condition := fmt.Sprintf("%[1]s > %[2]s OR %[1]s = %[2]s AND %[3]s > %[4]s",
		asked, incoming, advanced(storedColumn(t, "status")), advanced("excluded.status"))
	if t.Name == "jobs" || t.Name == "deployments" {
		const ended = "IN ('success', 'failed', 'canceled')"
		condition += fmt.Sprintf(" OR %s %s AND NOT excluded.status %s", storedColumn(t, "status"), ended, ended)
	}
	return condition
}

// advanced is how far on its way a status is. Times cannot tell it within a
// second.
func advanced(status string) string {
	return "CASE WHEN " + status + " IN ('created', 'blocked') THEN 0" +
		" WHEN " + status + " IN ('waiting_for_resource', 'preparing', 'waiting_for_callback') THEN 1" +
		" WHEN " + status + " IN ('manual', 'scheduled') THEN 2" +
		" WHEN " + status + " = 'running' THEN 4 WHEN " + status + " = 'canceling' THEN 5" +
		" WHEN " + status + " IN ('success', 'failed', 'canceled', 'skipped') THEN 6 ELSE 3 END" // pending, and what weir does not know
}

// cutShort says whether a stored time is the incoming one, only more exact.
func cutShort(t *Table, column string) string {
	cut := ""
	if t.has("time_precision") {
		cut = "excluded.time_precision = 's' AND "
	}
	return fmt.Sprintf("coalesce(%sdate_trunc('second', %s) = excluded.%s, false)", cut, storedColumn(t, column), quoteName(column))
}

// patchedPrecision: a row stays exact while each time that the patch says is
// kept, is exact itself, or is NULL.
func patchedPrecision(t *Table, said []string) string {
	exact := []string{storedColumn(t, "time_precision") + " = 'ms'"}
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Type == Timestamp && slices.Contains(said, c.Name) {
			exact = append(exact, fmt.Sprintf("(excluded.%s IS NULL OR excluded.time_precision = 'ms' OR %s)", quoteName(c.Name), cutShort(t, c.Name)))
		}
	}
	return "CASE WHEN " + strings.Join(exact, " AND ") + " THEN 'ms' ELSE 's' END"
}

func storedColumn(t *Table, column string) string { return quoteName(t.Name) + "." + quoteName(column) }

// touched is the batch with the rows of its patches among the others, for what
// follows from rows whoever said them.
func (b Batch) touched() Batch {
	for i := range b.Patches {
		b.Pipelines = append(slices.Clip(b.Pipelines), b.Patches[i].Pipelines...)
		b.Jobs = append(slices.Clip(b.Jobs), b.Patches[i].Jobs...)
		b.Deployments = append(slices.Clip(b.Deployments), b.Patches[i].Deployments...)
	}
	return b
}
