package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/catalog"
)

func (p *program) servicesCommand() *cobra.Command {
	list := func(cmd *cobra.Command, _ []string) error {
		return p.withClient(cmd.Context(), p.listServices)
	}
	cmd := &cobra.Command{
		Use:   "services",
		Short: "Say which runs belong to which service, and see what belongs to none",
		Long: `Services are described in services.yaml, or in Backstage's catalog-info.yaml.

  weir services propose > services.yaml    a beginning: one service a repository
  weir rules preview services.yaml         what it would change, on all history
  weir services apply services.yaml        put it in force
  weir services coverage                   what maps to nothing, biggest first`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return group(cmd, args)
			}
			return list(cmd, nil)
		},
	}
	cmd.AddCommand(
		&cobra.Command{Use: "list", Short: "List the services", Args: noArguments, RunE: list},
		&cobra.Command{
			Use: "show IDENTIFIER", Short: "Show a service and the rules that lead to it", Args: oneArgument("a service's identifier", "Run weir services for the identifiers."),
			RunE: func(cmd *cobra.Command, args []string) error {
				return p.withClient(cmd.Context(), func(ctx context.Context, client *api.Client) error {
					s, err := client.Service(ctx, args[0])
					if err != nil {
						return err
					}
					return p.showService(s)
				})
			},
		},
		p.applyCommand("apply FILE...", "Put services.yaml or catalog-info.yaml files in force"),
		&cobra.Command{
			Use: "propose", Short: "Print a services.yaml with one service a repository", Args: noArguments,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return p.withClient(cmd.Context(), func(ctx context.Context, client *api.Client) error {
					text, err := client.ProposeServices(ctx)
					if err == nil {
						_, err = fmt.Fprint(p.stdout, text)
					}
					return err
				})
			},
		},
		&cobra.Command{
			Use: "coverage", Short: "List what maps to nothing, biggest first", Args: noArguments,
			RunE: func(cmd *cobra.Command, _ []string) error { return p.withClient(cmd.Context(), p.showCoverage) },
		},
		&cobra.Command{
			Use: "schema", Short: "Print the JSON Schema of services.yaml", Args: noArguments,
			RunE: func(*cobra.Command, []string) error {
				_, err := p.stdout.Write(catalog.Schema())
				return err
			},
		},
	)
	return cmd
}

// oneArgument wants one argument and says what.
func oneArgument(thing, remedy string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			return nil
		}
		return &usageError{cause: fmt.Sprintf("%s wants %s", cmd.CommandPath(), thing), remedy: remedy}
	}
}

func (p *program) listServices(ctx context.Context, client *api.Client) error {
	all, err := client.Services(ctx)
	if err != nil {
		return err
	}
	f := p.format()
	switch {
	case f == asJSON:
		return writeDocument(p.stdout, f, all)
	case f == asTable && len(all) == 0:
		p.message("there are no services yet; the first step is\n  weir services propose > services.yaml")
		return nil
	}
	var rows [][]any
	for _, s := range all {
		rows = append(rows, []any{s.Identifier, known(s.Name), known(s.Owner), known(s.Tier), known(s.Lifecycle), s.Source, s.Pipelines})
	}
	return writeRows(p.stdout, f, []string{"identifier", "name", "owner", "tier", "lifecycle", "source", "pipelines"}, rows)
}

// known gives nil, which every format writes in its way, for what nobody said.
func known(s *string) any {
	if s == nil {
		return nil
	}
	return *s
}

func (p *program) showService(s api.CatalogServiceDetail) error {
	f := p.format()
	if f == asJSON || f == asNDJSON {
		return writeDocument(p.stdout, f, s)
	}
	rows := [][]any{
		{"identifier", s.Identifier},
		{"name", known(s.Name)},
		{"description", known(s.Description)},
		{"owner", known(s.Owner)},
		{"tier", known(s.Tier)},
		{"lifecycle", known(s.Lifecycle)},
		{"source", s.Source},
		{"pipelines", s.Pipelines},
	}
	for _, r := range s.Rules {
		rows = append(rows, []any{fmt.Sprintf("%s rule %d", r.Kind, r.ID), matchText(r.Match)})
	}
	return writeRows(p.stdout, f, []string{"service", "value"}, rows)
}

// matchText writes a match as it stands in a file, fields by name.
func matchText(match map[string][]string) string {
	if len(match) == 0 {
		return "(everything)"
	}
	var parts []string
	for field, patterns := range match {
		parts = append(parts, field+": "+strings.Join(patterns, " | "))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

func (p *program) showCoverage(ctx context.Context, client *api.Client) error {
	c, err := client.Coverage(ctx)
	if err != nil {
		return err
	}
	f := p.format()
	if f == asJSON {
		return writeDocument(p.stdout, f, c)
	}
	p.message("%s of %d pipelines belong to a service", share(c.Mapped, c.Pipelines), c.Pipelines)
	if c.WithoutRepository > 0 {
		p.message("%d have no repository: connect the same GitLab with weir connect gitlab", c.WithoutRepository)
	}
	if c.Deployments > 0 {
		p.message("%s of %d deployments have a service", share(c.Deployments-c.DeploymentsWithoutService, c.Deployments), c.Deployments)
	}
	if c.Pending > 0 {
		p.message("%d pipelines changed just now and wait for the rules", c.Pending)
	}
	var rows [][]any
	for _, one := range c.Projects {
		rows = append(rows, []any{one.Project, one.Unmapped, one.Pipelines, fmt.Sprintf("%d/%d", one.InstanceID, one.Example)})
	}
	if len(rows) == 0 && f == asTable {
		return nil
	}
	return writeRows(p.stdout, f, []string{"project", "unmapped", "pipelines", "example"}, rows)
}

// share writes n of total with its percentage; of nothing there is none.
func share(n, total int64) string {
	if total == 0 {
		return "0"
	}
	return fmt.Sprintf("%d (%.1f %%)", n, 100*float64(n)/float64(total))
}
