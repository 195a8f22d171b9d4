package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
)

func (p *program) rulesCommand() *cobra.Command {
	list := func(cmd *cobra.Command, _ []string) error { return p.withClient(cmd.Context(), p.listRules) }
	cmd := &cobra.Command{
		Use:   "rules",
		Short: "List, preview and explain the rules that lead runs to services and find deployments",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return group(cmd, args)
			}
			return list(cmd, nil)
		},
	}
	preview := p.applyCommand("preview FILE...", "See what files would change on all history, and change nothing")
	preview.RunE = func(cmd *cobra.Command, args []string) error { return p.applyCatalog(cmd.Context(), args, true) }
	cmd.AddCommand(
		&cobra.Command{Use: "list", Short: "List the rules in the order in which they are tried", Args: noArguments, RunE: list},
		p.applyCommand("apply FILE...", "Put the rules of files in force; sections that they leave out stay"),
		preview,
		&cobra.Command{
			Use: "explain PIPELINE", Short: "Say what every rule makes of a pipeline: ID or INSTANCE/ID",
			Args: oneArgument("a pipeline's id, or INSTANCE/ID", "Run weir query 'select instance_id, id from pipelines limit 10' for some."),
			RunE: func(cmd *cobra.Command, args []string) error {
				instance, id, err := pipelineID(args[0])
				if err != nil {
					return err
				}
				return p.withClient(cmd.Context(), func(ctx context.Context, client *api.Client) error {
					e, err := client.Explain(ctx, instance, id)
					if err != nil {
						return err
					}
					return p.showExplanation(e)
				})
			},
		},
	)
	return cmd
}

func pipelineID(arg string) (ci.InstanceID, ci.PipelineID, error) {
	first, second, both := strings.Cut(arg, "/")
	if !both {
		first, second = "0", first
	}
	instance, err := strconv.ParseInt(first, 10, 64)
	id, err2 := strconv.ParseInt(second, 10, 64)
	if err != nil || err2 != nil || id < 1 || instance < 0 {
		return 0, 0, &usageError{cause: fmt.Sprintf("%q is no pipeline", arg), remedy: "Write its id, or INSTANCE/ID: 1/4711."}
	}
	return ci.InstanceID(instance), ci.PipelineID(id), nil
}

// applyCommand is a command that reads files of the catalog.
func (p *program) applyCommand(use, short string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &usageError{cause: cmd.CommandPath() + " wants a file", remedy: "Name services.yaml, or - for standard input."}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return p.applyCatalog(cmd.Context(), args, false) },
	}
}

func (p *program) applyCatalog(ctx context.Context, names []string, preview bool) error {
	var files []api.CatalogFile
	for _, name := range names {
		read := func() ([]byte, error) { return os.ReadFile(name) }
		if name == "-" {
			name = "standard input"
			read = func() ([]byte, error) { return io.ReadAll(p.stdin) }
		}
		content, err := read()
		if err != nil {
			return &ci.Problem{Code: ci.BadRequest, Cause: fmt.Sprintf("%s cannot be read: %v.", name, err), Remedy: "Name a file that is there, or - for standard input.", Err: err}
		}
		files = append(files, api.CatalogFile{Name: name, Content: string(content)})
	}
	return p.withClient(ctx, func(ctx context.Context, client *api.Client) error {
		put := client.ApplyCatalog
		if preview {
			put = client.PreviewCatalog
		}
		change, err := put(ctx, files)
		var refused *api.CatalogRefused
		if errors.As(err, &refused) {
			p.showFindings(refused.Findings)
		}
		if err != nil {
			return err
		}
		return p.showChange(change)
	})
}

// showFindings tells all that is wrong, on stderr: for people, or one object a line.
func (p *program) showFindings(findings []api.Finding) {
	for _, one := range findings {
		if f := p.format(); f == asJSON || f == asNDJSON {
			_ = writeDocument(p.stderr, asNDJSON, one) // stderr may be gone
			continue
		}
		p.message("%s: %s\n  what to do: %s", printable(one.Place), printable(one.Cause), printable(one.Remedy))
	}
}

func (p *program) showChange(c api.CatalogChange) error {
	f := p.format()
	if f == asJSON || f == asNDJSON {
		return writeDocument(p.stdout, f, c)
	}
	head := "in force"
	if c.Preview {
		head = "preview, nothing is stored"
	}
	p.message("%s: %d services, %d rules, %d deploy rules; %s of %d pipelines belong to a service",
		head, c.Services, c.Rules, c.DeployRules, share(c.Mapped, c.Pipelines), c.Pipelines)
	for _, one := range c.Conflicts {
		p.message("  %s wins over %s for %d pipelines, such as %d/%d", ruleText(one.Winner), ruleText(one.Loser), one.Pipelines, one.InstanceID, one.Example)
	}
	for _, r := range c.Idle {
		p.message("  %s never wins on what is stored", ruleText(r))
	}
	rows := [][]any{
		{"mapped before", c.MappedBefore, ""},
		{"mapped", c.Mapped, ""},
		{"newly mapped", c.NewlyMapped, examplesText(c, "newly_mapped")},
		{"remapped", c.Remapped, examplesText(c, "remapped")},
		{"orphaned", c.Orphaned, examplesText(c, "orphaned")},
		{"deployments", c.Deployments, ""},
		{"deployments added", c.DeploymentsAdded, ""},
		{"deployments removed", c.DeploymentsRemoved, ""},
		{"deployments changed", c.DeploymentsChanged, ""},
	}
	return writeRows(p.stdout, f, []string{"change", "count", "examples"}, rows)
}

// examplesText writes up to two examples of a kind of change; JSON has five.
func examplesText(c api.CatalogChange, kind string) string {
	var parts []string
	for _, e := range c.Examples {
		if e.Kind == kind && len(parts) < 2 {
			parts = append(parts, fmt.Sprintf("%s %d/%d: %s → %s", e.Project, e.InstanceID, e.PipelineID, cmp.Or(e.Before, "nothing"), cmp.Or(e.After, "nothing")))
		}
	}
	return strings.Join(parts, "; ")
}

func ruleText(r api.CatalogRule) string {
	yields := r.Service
	if r.Kind == "deploy" {
		yields = strings.TrimSpace("deployments to " + r.Environment + " " + r.Service)
	}
	name := fmt.Sprintf("%s rule %d", r.Kind, r.ID)
	if r.Name != "" {
		name += " " + strconv.Quote(r.Name)
	}
	return fmt.Sprintf("%s (%s → %s)", name, matchText(r.Match), yields)
}

func (p *program) listRules(ctx context.Context, client *api.Client) error {
	all, err := client.Rules(ctx)
	if err != nil {
		return err
	}
	f := p.format()
	switch {
	case f == asJSON:
		return writeDocument(p.stdout, f, all)
	case f == asTable && len(all) == 0:
		p.message("there are no rules yet; weir services propose > services.yaml is a beginning")
		return nil
	}
	var rows [][]any
	for _, r := range all {
		rows = append(rows, []any{r.Kind, int64(r.ID), r.Priority, r.Name, matchText(r.Match), r.Service, r.Environment, r.Tier, r.Enabled, r.Source, r.Matches})
	}
	return writeRows(p.stdout, f, []string{"kind", "id", "priority", "name", "match", "service", "environment", "tier", "enabled", "source", "matches"}, rows)
}

func (p *program) showExplanation(e api.Explanation) error {
	f := p.format()
	if f == asJSON {
		return writeDocument(p.stdout, f, e)
	}
	belongs := "belongs to no service"
	if len(e.Services) > 0 {
		belongs = "belongs to " + strings.Join(e.Services, ", ")
	}
	p.message("pipeline %d/%d of %s (%s %s, source %s) %s", e.InstanceID, e.PipelineID, printable(cmp.Or(e.Project, "?")),
		e.RefType, printable(cmp.Or(e.Ref, "?")), printable(cmp.Or(string(e.Source), "?")), belongs)
	var rows [][]any
	for _, v := range e.Verdicts {
		verdict := "no"
		switch {
		case v.Won:
			verdict = "wins"
		case v.Matched:
			verdict = "later"
		}
		rows = append(rows, []any{v.Kind, int64(v.RuleID), v.Name, v.Service, verdict, v.Why})
	}
	return writeRows(p.stdout, f, []string{"kind", "rule", "name", "service", "verdict", "why"}, rows)
}
