package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/api"
)

// tableLimit is how many rows a table shows unless --limit says otherwise: it
// is aligned in memory and read by eyes. The other formats stream everything.
const tableLimit = 1000

func (p *program) queryCommand() *cobra.Command {
	var (
		file      string
		variables []string
		limit     int
		timeout   time.Duration
	)
	cmd := &cobra.Command{
		Use:   "query [SQL|-]",
		Short: "Ask the imported data in SQL",
		Long: `Ask the imported data in SQL. The statement comes from the argument, from --file,
or from stdin. It can only read. weir schema lists the tables.

A :name in the statement stands for a value given by -v name=value:

  weir query -v project=acme/shop "
    select p.name, count(*) from pipelines p join projects r on r.id = p.project_id
    where r.full_path = :project group by 1"

A table shows NULL as NULL and cuts fractions to three digits; json, ndjson and
csv give every digit, NULL as null, and in csv as an empty field (an empty text is "").`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return &usageError{
					cause:  fmt.Sprintf("weir query takes one statement, and %d arguments were given", len(args)),
					remedy: `Put the statement into quotes: weir query "select count(*) from jobs".`,
				}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			sql, err := p.statement(args, file)
			if err != nil {
				return err
			}
			values, err := variableValues(variables)
			if err != nil {
				return err
			}
			if limit < 0 || timeout < 0 {
				return &usageError{cause: "--limit and --timeout cannot be negative", remedy: "Use 0 for no limit."}
			}
			if !cmd.Flags().Changed("limit") && p.format() == asTable {
				limit = tableLimit
			}
			return p.withClient(cmd.Context(), func(ctx context.Context, client *api.Client) error {
				return p.query(ctx, client, api.QueryRequest{
					SQL: sql, Variables: values, MaxRows: limit, TimeoutSeconds: timeout.Seconds(),
				})
			})
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVarP(&file, "file", "f", "", "read the statement from a file")
	flags.StringArrayVarP(&variables, "variable", "v", nil, "name=value: the value of :name (repeatable)")
	flags.IntVar(&limit, "limit", 0, "most rows to give, 0 for all (default 1000 in a table, all otherwise)")
	flags.DurationVar(&timeout, "timeout", 0, "longest the statement may run (default 60s)")
	return cmd
}

// statement finds the SQL: exactly one of the argument, the file and stdin.
func (p *program) statement(args []string, file string) (string, error) {
	var sql []byte
	var err error
	switch {
	case len(args) == 1 && file != "":
		return "", &usageError{cause: "the statement is given twice, as an argument and by --file", remedy: "Leave one of them out."}
	case len(args) == 1 && args[0] != "-":
		sql = []byte(args[0])
	case file != "":
		if sql, err = os.ReadFile(file); err != nil {
			return "", &usageError{cause: fmt.Sprintf("the statement cannot be read: %v", err), remedy: "Name a file that can be read by --file."}
		}
	case len(args) == 0 && terminal(p.stdin):
		return "", &usageError{cause: "there is no statement", remedy: `Give one: weir query "select count(*) from jobs"; weir schema lists the tables.`}
	default:
		if sql, err = io.ReadAll(p.stdin); err != nil {
			return "", fmt.Errorf("reading the statement from stdin: %w", err)
		}
	}
	if strings.TrimSpace(string(sql)) == "" {
		return "", &usageError{cause: "the statement is empty", remedy: `Give one: weir query "select count(*) from jobs"; weir schema lists the tables.`}
	}
	return string(sql), nil
}

func variableValues(given []string) (map[string]string, error) {
	values := map[string]string{}
	for _, v := range given {
		name, value, ok := strings.Cut(v, "=")
		if _, twice := values[name]; !ok || name == "" || twice {
			return nil, &usageError{
				cause:  fmt.Sprintf("-v %q is not of the form name=value, or its name was given before", v),
				remedy: "Write -v name=value, once for each :name of the statement.",
			}
		}
		values[name] = value
	}
	return values, nil
}

// query writes the rows of a statement to stdout as they arrive.
func (p *program) query(ctx context.Context, client *api.Client, q api.QueryRequest) error {
	rows, err := client.Query(ctx, q)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	var columns []string
	for _, c := range rows.Columns() {
		columns = append(columns, c.Name)
	}
	w, err := newRowWriter(p.stdout, p.format(), columns)
	if err != nil {
		return err
	}
	for row, err := range rows.All() {
		if err != nil {
			return err // without close: half an answer must not look whole
		}
		if err := w.write(row); err != nil {
			return err
		}
	}
	if err := w.close(); err != nil {
		return err
	}
	s := rows.Summary()
	switch {
	case s.Truncated:
		p.message("only the first %s are given; --limit 0 gives all", count(s.Rows, "row"))
	case p.format() == asTable:
		p.message("%s in %s", count(s.Rows, "row"), spanText(s.TookSeconds))
	}
	return nil
}
