package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
)

func (p *program) statusCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say what is current, what failed, and what it cost",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withClient(cmd.Context(), func(ctx context.Context, client *api.Client) error {
				return p.status(ctx, client, all)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "projects", false, "list every project, not only those with a problem")
	return cmd
}

func (p *program) status(ctx context.Context, client *api.Client, all bool) error {
	s, err := client.Status(ctx)
	if err != nil {
		return err
	}
	switch f := p.format(); f {
	case asJSON, asNDJSON:
		return writeDocument(p.stdout, f, s)
	case asCSV:
		return p.projectRows(s.Projects)
	}
	p.refusedFiles(s.Refused)
	if len(s.Connections) == 0 {
		fmt.Fprintf(p.stdout, "no connections yet; the first step is\n  %s\n", connectHint)
		return nil
	}
	fmt.Fprintf(p.stdout, "%s of %s: %s\n", bytesText(s.Bytes), s.Engine, counts(s.Rows))
	if s.CompleteTo != nil {
		fmt.Fprintf(p.stdout, "complete up to %s in every project with CI\n", atText(s.CompleteTo))
	} else {
		fmt.Fprintln(p.stdout, "not complete yet: a project with CI was never read to the end")
	}
	for _, c := range s.Connections {
		p.connectionStatus(c)
	}
	shown := slices.DeleteFunc(slices.Clone(s.Projects), func(one api.ProjectStatus) bool { return !all && !troubled(one) })
	if len(shown) == 0 {
		return nil
	}
	if !all {
		fmt.Fprintf(p.stdout, "\n%s of %d with a problem (weir status --projects lists all)\n", count(int64(len(shown)), "project"), len(s.Projects))
	} else {
		fmt.Fprintln(p.stdout)
	}
	return p.projectRows(shown)
}

// refusedFiles says which configuration is not in force, and why.
func (p *program) refusedFiles(list []api.RefusedFile) {
	for _, f := range list {
		fmt.Fprintf(p.stdout, "%s of %s refused, the old one stays in force:\n", printable(strings.Join(f.Files, ", ")), atText(&f.At))
		for _, one := range f.Findings {
			fmt.Fprintf(p.stdout, "  %s: %s\n    what to do: %s\n", printable(one.Place), printable(one.Cause), printable(one.Remedy))
		}
	}
}

func (p *program) connectionStatus(c api.ConnectionStatus) {
	k := c.Connection
	fmt.Fprintf(p.stdout, "\n%s (connection %d): %s at %s is %s\n", printable(k.Name), k.ID, k.Kind, printable(k.BaseURL), stateText(k))
	if k.LastErrorCode != nil {
		fmt.Fprintf(p.stdout, "  last check failed: %s; weir connections check %d says why\n", *k.LastErrorCode, k.ID)
	}
	for _, w := range k.Warnings {
		fmt.Fprintln(p.stdout, warningText(w))
	}
	switch last := c.LastSync; {
	case c.Running != nil:
		fmt.Fprintf(p.stdout, "  sync %d is running\n", *c.Running)
	case last == nil:
		fmt.Fprintln(p.stdout, "  never imported; run weir sync")
	default:
		line := fmt.Sprintf("  sync %d of %s is %s: %s%s", last.ID, atText(&last.StartedAt), last.State, count(last.Requests, "request"), plansText(last))
		if last.FinishedAt != nil {
			line += " in " + spanText(last.FinishedAt.Sub(last.StartedAt).Seconds())
		}
		if last.ThrottledSeconds >= 1 {
			line += ", waited " + spanText(last.ThrottledSeconds) + " for GitLab's limits"
		}
		if n := len(last.Errors); n > 0 {
			line += ", " + count(int64(n), "error")
		}
		fmt.Fprintln(p.stdout, line)
	}
	p.hookStatus(c.Hooks)
	p.pollStatus(c.Poll)
	p.gitLabStatus(c.GitLab)
}

// troubled says whether a project wants a look: its last visit failed, or it
// may be read and never was to the end.
func troubled(one api.ProjectStatus) bool {
	if one.DeletedAt != nil {
		return false
	}
	return one.LastErrorCode != nil || one.SyncedTo == nil && one.CIAccess == ci.CIEnabled
}

func (p *program) projectRows(projects []api.ProjectStatus) error {
	f := p.format()
	at := func(t *time.Time) any {
		if t == nil {
			return nil
		}
		if f == asTable {
			return atText(t)
		}
		return *t
	}
	var rows [][]any
	for _, one := range projects {
		var open, code any
		if one.OpenPipelines != nil {
			open = *one.OpenPipelines
		}
		if one.LastErrorCode != nil {
			code = *one.LastErrorCode
		} else if f == asTable {
			code = "" // nothing went wrong: an empty cell says it better than NULL
		}
		rows = append(rows, []any{one.FullPath, string(one.CIAccess), at(one.SyncedTo), at(one.BackfilledFrom), open, code, one.Requests})
	}
	return writeRows(p.stdout, f, []string{"project", "ci_access", "synced_to", "backfilled_from", "open_pipelines", "last_error", "requests"}, rows)
}
