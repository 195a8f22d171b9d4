package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/metric"
)

func (p *program) reportCommand() *cobra.Command {
	var a asking
	cmd := &cobra.Command{
		Use:   "report [NAME]",
		Short: "Answer with a metric or a finding, or list them",
		Long: `Answer with a metric or a finding. Without a name: the list of them, and what each
measures. Findings have commands of their own: weir slow, weir flaky, …

  weir report run_duration --by project
  weir report success_rate --by week --from 12w --where default_branch=true
  weir report flaky_jobs --by project,job_name --compare previous
  weir report slow_jobs --where project=acme/shop
  weir report success_rate --fail-on 'success_rate<0.9'

A time is RFC 3339, a date (the first instant of that day in --tz), or a span
back from now: 12h, 30d, 4w. --to itself is not part of the window.

--where dim=value keeps the rows of that value; dim= those without one. Filters
of one dimension are alternatives, those of several hold together. Beside the
dimensions there is deleted=true|false.

--fail-on KEY<NUMBER (or <=, >, >=, =, !=) ends with exit code 6 when a row
breaches it. KEY is a key of the rows (p95, n, share), or the metric's name for
its value. A value that is not known breaches nothing.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return &usageError{
					cause:  fmt.Sprintf("weir report takes one metric, and %d arguments were given", len(args)),
					remedy: "Name one metric, or none for the list.",
				}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			limits, err := a.limits()
			if err != nil {
				return err
			}
			return p.withClient(cmd.Context(), func(ctx context.Context, client *api.Client) error {
				if len(args) == 0 {
					return p.reports(ctx, client)
				}
				q := a.query
				q.Metric = args[0]
				return p.report(ctx, client, q, a.showSQL, limits)
			})
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	a.addFlags(flags)
	flags.StringVar(&a.query.Run, "run", "", "of critical_path: one run, INSTANCE/ID")
	flags.IntVar(&a.query.Limit, "limit", 0, "of a finding: how many rows at most (default 20)")
	return cmd
}

// asking is what the flags of a command say that answers with a metric or a
// finding.
type asking struct {
	query   metric.Query
	showSQL bool
	failOn  []string
}

func (a *asking) addFlags(flags *pflag.FlagSet) {
	q := &a.query
	flags.StringArrayVar(&q.By, "by", nil, "divide the answer by dimensions: project, or project,day (repeatable)")
	flags.StringVar(&q.From, "from", "", "beginning of the window (default 30d)")
	flags.StringVar(&q.To, "to", "", "end of the window, exclusive (default now)")
	flags.StringVar(&q.TZ, "tz", "", "time zone that dates and days are counted in (default UTC)")
	flags.StringArrayVar(&q.Where, "where", nil, "dim=value: keep the rows of that value (repeatable)")
	flags.StringArrayVar(&q.Include, "include", nil, "children: count child pipelines as runs of their own")
	flags.StringVar(&q.Compare, "compare", "", "previous: add the previous period")
	flags.BoolVar(&a.showSQL, "sql", false, "print the statement behind the answer instead of the answer")
	flags.StringArrayVar(&a.failOn, "fail-on", nil, "exit with code 6 when a row breaches it: 'success_rate<0.9', 'p95>600' (repeatable)")
}

// limits reads the thresholds.
func (a *asking) limits() ([]threshold, error) {
	var limits []threshold
	for _, text := range a.failOn {
		limit, err := readThreshold(text)
		if err != nil {
			return nil, err
		}
		limits = append(limits, limit)
	}
	return limits, nil
}

// reports lists the metrics.
func (p *program) reports(ctx context.Context, client *api.Client) error {
	list, err := client.Reports(ctx)
	if err != nil {
		return err
	}
	f := p.format()
	if f == asJSON {
		return writeDocument(p.stdout, f, list)
	}
	if f == asNDJSON {
		for _, m := range append(list.Metrics, list.Findings...) {
			if err := writeDocument(p.stdout, f, m); err != nil {
				return err
			}
		}
		return nil
	}
	var rows [][]any
	for _, m := range append(list.Metrics, list.Findings...) {
		measures := m.Measures
		if f == asTable {
			measures, _, _ = strings.Cut(measures, ";") // the whole of it is in the other formats, and in doc/metrics.md
			measures, _, _ = strings.Cut(measures, ":")
		}
		rows = append(rows, []any{m.Name, m.Unit, m.Over, measures})
	}
	return writeRows(p.stdout, f, []string{"metric", "unit", "over", "measures"}, rows)
}

// report answers with a metric, then looks at the thresholds.
func (p *program) report(ctx context.Context, client *api.Client, q metric.Query, showSQL bool, limits []threshold) error {
	r, err := client.Report(ctx, q)
	if ci.CodeOf(err) == ci.NotFound {
		shown := problemOf(err)
		return &usageError{cause: shown.Cause, remedy: shown.Remedy}
	}
	if err != nil {
		return err
	}
	if err := p.writeReport(r, showSQL); err != nil {
		return err
	}
	breached := false
	for _, limit := range limits {
		found, err := limit.look(r)
		if err != nil {
			return err
		}
		for _, row := range found {
			p.message("breached: %s: %s", limit.text, row)
			breached = true
		}
	}
	if breached {
		return exit(exitThreshold)
	}
	return nil
}

func (p *program) writeReport(r api.Report, showSQL bool) error {
	f := p.format()
	switch {
	case showSQL:
		_, err := fmt.Fprintln(p.stdout, r.SQL)
		return err
	case f == asJSON:
		var b bytes.Buffer
		if err := json.Indent(&b, bytes.TrimSpace(r.Raw), "", "  "); err != nil {
			return err
		}
		_, err := fmt.Fprintf(p.stdout, "%s\n", b.Bytes())
		return err
	}
	if f == asTable {
		p.message("%s", reportTitle(r))
	}
	columns, rows := reportRows(r)
	note := ""
	if f == asTable && r.Unit == findingUnit {
		columns, rows, note = forPeople(r.Columns, columns, rows, p.width(narrowTable))
	}
	if f == asTable && r.Unit == findingUnit && len(rows) == 0 {
		p.message("nothing was found; --from widens the window")
		return nil
	}
	if err := writeRows(p.stdout, f, columns, rows); err != nil {
		return err
	}
	if f == asTable {
		for _, note := range append(reportNotes(r), note) {
			if note != "" {
				p.message("%s", note)
			}
		}
	}
	return nil
}

// findingUnit is the unit of an answer whose columns have each their own.
const findingUnit = "list"

// reportTitle says what the answer is about in one line.
func reportTitle(r api.Report) string {
	unit := strings.TrimPrefix(r.Unit, findingUnit)
	if r.Currency != "" {
		unit = r.Currency
	}
	if unit != "" {
		unit = " (" + unit + ")"
	}
	text := fmt.Sprintf("%s%s, %s to %s", r.Metric, unit, timeText(r.Window.From), timeText(r.Window.To))
	if r.Window.TZ != "UTC" {
		text += ", days of " + r.Window.TZ
	}
	if r.Window.Previous != nil {
		text += fmt.Sprintf("; previous: %s to %s", timeText(r.Window.Previous.From), timeText(r.Window.Previous.To))
	}
	return text
}

// reportNotes says what a reader of the answer must know.
func reportNotes(r api.Report) []string {
	var notes []string
	if r.Overlap {
		notes = append(notes, "note: what counts under several rows is in each of them, so rows do not add up")
	}
	if r.Precision == string(ci.Seconds) {
		notes = append(notes, "note: some of the times are known to the second only")
	}
	if part := r.Partial; part != nil {
		if len(part.Syncs) > 0 {
			text := "note: an import is running"
			if part.Incomplete > 0 {
				text += fmt.Sprintf("; %s not complete yet, numbers may grow", count(int64(part.Incomplete), "project"))
			}
			notes = append(notes, text)
		}
		if part.Previous != "" {
			notes = append(notes, "note: "+printable(part.Previous))
		}
	}
	return notes
}

// reportRows lays the answer out as rows; those of the previous period become
// columns beside their like.
func reportRows(r api.Report) (columns []string, rows [][]any) {
	dims := len(r.By)
	compared := r.Window.Previous != nil
	for _, c := range r.Columns {
		columns = append(columns, c.Name)
	}
	beside := r.Columns[min(dims, len(r.Columns)):]
	if dims == 0 {
		// What a row is about, and its evidence, stand there already.
		beside = slices.DeleteFunc(slices.Clone(beside), func(c metric.Column) bool { return c.Unit == "" })
	}
	if compared {
		for _, c := range beside {
			columns = append(columns, "previous."+c.Name)
		}
	}
	for _, row := range r.Rows {
		var values []any
		for _, c := range r.Columns {
			values = append(values, reportValue(row, c))
		}
		if compared {
			previous, _ := row["previous"].(map[string]any)
			for _, c := range beside {
				if previous == nil {
					values = append(values, nil)
					continue
				}
				values = append(values, reportValue(previous, c))
			}
		}
		rows = append(rows, values)
	}
	return columns, rows
}

// reportValue is the value of a key. A count that a row does not have is none:
// runs has a key only for what there is.
func reportValue(row map[string]any, c metric.Column) any {
	value, ok := row[c.Name]
	if !ok && c.Unit == "count" {
		return 0
	}
	return value
}

// threshold is what --fail-on asks for.
type threshold struct {
	text, key, operator string
	limit               float64
}

func readThreshold(text string) (threshold, error) {
	i := strings.IndexAny(text, "<>=!")
	if i > 0 {
		rest := text[i:]
		for _, operator := range []string{"<=", ">=", "!=", "<", ">", "="} {
			number, ok := strings.CutPrefix(rest, operator)
			if !ok {
				continue
			}
			var limit json.Number
			if json.Unmarshal([]byte(strings.TrimSpace(number)), &limit) == nil {
				if value, err := limit.Float64(); err == nil {
					return threshold{text, strings.TrimSpace(text[:i]), operator, value}, nil
				}
			}
			break
		}
	}
	return threshold{}, &usageError{
		cause:  fmt.Sprintf("--fail-on %q is not of the form KEY<NUMBER", text),
		remedy: "Write --fail-on 'success_rate<0.9' or --fail-on 'p95>600'; <=, >=, = and != work too.",
	}
}

// look gives the rows that breach the threshold, as text.
func (t threshold) look(r api.Report) ([]string, error) {
	key := t.key
	if key == r.Metric {
		key = "value"
	}
	var names []string
	known := false
	for _, c := range r.Columns[min(len(r.By), len(r.Columns)):] {
		names = append(names, c.Name)
		known = known || c.Name == key
	}
	if !known {
		return nil, &usageError{
			cause:  fmt.Sprintf("--fail-on %q names no key of %s", t.text, r.Metric),
			remedy: fmt.Sprintf("It has %s.", strings.Join(names, ", ")),
		}
	}
	var found []string
	for _, row := range r.Rows {
		number, ok := row[key].(json.Number)
		if !ok {
			continue
		}
		value, err := number.Float64()
		if err != nil || !t.breachedBy(value) {
			continue
		}
		var where []string
		for _, dim := range r.By {
			shown := "null"
			if row[dim] != nil {
				shown = plainText(row[dim])
			}
			where = append(where, dim+" "+printable(shown)+": ")
		}
		found = append(found, strings.Join(where, "")+key+" is "+number.String())
	}
	return found, nil
}

func (t threshold) breachedBy(value float64) bool {
	switch t.operator {
	case "<":
		return value < t.limit
	case "<=":
		return value <= t.limit
	case ">":
		return value > t.limit
	case ">=":
		return value >= t.limit
	case "=":
		return value == t.limit
	}
	return value != t.limit
}
