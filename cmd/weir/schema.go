package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/api"
)

func (p *program) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema [TABLE]",
		Short: "List the tables, or the columns of one",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return &usageError{
					cause:  fmt.Sprintf("weir schema takes one table, and %d arguments were given", len(args)),
					remedy: "Name one table, or none for the list.",
				}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withClient(cmd.Context(), func(ctx context.Context, client *api.Client) error {
				if len(args) == 1 {
					return p.schemaTable(ctx, client, args[0])
				}
				return p.schemaTables(ctx, client)
			})
		},
	}
}

func (p *program) schemaTables(ctx context.Context, client *api.Client) error {
	tables, err := client.Schema(ctx)
	if err != nil {
		return err
	}
	f := p.format()
	if f == asJSON {
		return writeDocument(p.stdout, f, tables)
	}
	if f == asNDJSON {
		for _, t := range tables {
			if err := writeDocument(p.stdout, f, t); err != nil {
				return err
			}
		}
		return nil
	}
	var rows [][]any
	for _, t := range tables {
		var n any // a view's rows are not counted
		if t.Rows != nil {
			n = *t.Rows
		} else if f == asTable {
			n = ""
		}
		rows = append(rows, []any{t.Name, t.Kind, n, t.Meaning})
	}
	return writeRows(p.stdout, f, []string{"table", "kind", "rows", "meaning"}, rows)
}

func (p *program) schemaTable(ctx context.Context, client *api.Client, name string) error {
	t, err := client.Table(ctx, name)
	if err != nil {
		return err
	}
	f := p.format()
	if f == asJSON || f == asNDJSON {
		return writeDocument(p.stdout, f, t)
	}
	if f == asTable {
		rows := ""
		if t.Rows != nil {
			rows = ", " + count(*t.Rows, "row")
		}
		p.message("%s (%s%s): %s\n", t.Name, t.Kind, rows, t.Meaning)
	}
	var rows [][]any
	for _, c := range t.Columns {
		if f == asCSV {
			rows = append(rows, []any{c.Name, c.Type, c.Nullable, c.Key, c.References, c.Meaning})
			continue
		}
		null, key := "", ""
		if c.Nullable {
			null = "NULL"
		}
		if c.Key {
			key = "key"
		}
		rows = append(rows, []any{c.Name, c.Type, null, key, c.References, c.Meaning})
	}
	return writeRows(p.stdout, f, []string{"column", "type", "null", "key", "references", "meaning"}, rows)
}
