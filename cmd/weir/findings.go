package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/metric"
)

// findingCommands makes the commands that show findings: one for each name that
// their definitions give, whose findings are its views. A finding that is one
// more line in package metric is a command, or a view of one, without a line
// here.
func (p *program) findingCommands() []*cobra.Command {
	engine, err := metric.New(metric.Config{})
	if err != nil {
		panic(err) // the files are part of the program, and tests read them all
	}
	var commands []*cobra.Command
	var views [][]metric.Definition
	for _, d := range engine.Findings() {
		i := slices.IndexFunc(views, func(of []metric.Definition) bool { return of[0].Command == d.Command })
		if i < 0 {
			views = append(views, nil)
			i = len(views) - 1
		}
		views[i] = append(views[i], d)
	}
	for _, of := range views {
		commands = append(commands, p.findingCommand(of))
	}
	return commands
}

// findingCommand makes the command of some findings, the first of which is shown
// unless another is asked for.
func (p *program) findingCommand(views []metric.Definition) *cobra.Command {
	var a asking
	var show string
	cmd := &cobra.Command{
		Use:   views[0].Command,
		Short: firstUpper(firstClause(views[0].Measures)),
		Long:  findingHelp(views),
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			name, err := viewOf(views, show, a.query.By)
			if err != nil {
				return err
			}
			limits, err := a.limits()
			if err != nil {
				return err
			}
			q := a.query
			q.Metric = name
			return p.withClient(cmd.Context(), func(ctx context.Context, client *api.Client) error {
				return p.report(ctx, client, q, a.showSQL, limits)
			})
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	if len(views) > 1 {
		flags.StringVar(&show, "show", "", "which view: "+strings.Join(viewNames(views), ", ")+" (default "+views[0].View+", or the one that --by fits)")
	}
	a.addFlags(flags)
	flags.IntVar(&a.query.Limit, "limit", 0, "how many rows at most (default 20)")
	return cmd
}

// viewOf gives the finding that is asked for: by name, else the first that is
// divided as asked.
func viewOf(views []metric.Definition, show string, by []string) (string, error) {
	for _, d := range views {
		if show == d.View {
			return d.Name, nil
		}
	}
	if show != "" {
		return "", &usageError{
			cause:  fmt.Sprintf("--show %q names no view of weir %s", show, views[0].Command),
			remedy: "It has " + strings.Join(viewNames(views), ", ") + ".",
		}
	}
	var dims []string
	for _, element := range by {
		for name := range strings.SplitSeq(element, ",") {
			dims = append(dims, strings.TrimSpace(name))
		}
	}
	for _, d := range views {
		if !slices.ContainsFunc(dims, func(dim string) bool { return !slices.Contains(d.Dimensions, metric.Dim(dim)) }) {
			return d.Name, nil
		}
	}
	// None fits: the one that can be divided at all says by what.
	for _, d := range views {
		if len(d.Dimensions) > 0 {
			return d.Name, nil
		}
	}
	return views[0].Name, nil
}

func viewNames(views []metric.Definition) []string {
	var names []string
	for _, d := range views {
		names = append(names, d.View)
	}
	return names
}

func findingHelp(views []metric.Definition) string {
	var b strings.Builder
	for i, d := range views {
		if i > 0 {
			b.WriteString("\n\n")
		}
		if len(views) > 1 {
			fmt.Fprintf(&b, "--show %s: ", d.View)
		}
		fmt.Fprintf(&b, "%s.\n\n%s\n", firstUpper(d.Measures), strings.Join(wrapped(d.Formula+". Population: "+d.Population+". Leaves out: "+d.LeavesOut+".", 80), "\n"))
		for _, example := range d.Examples {
			b.WriteString("\n  " + example)
		}
	}
	b.WriteString(`

Times, --where and --fail-on are those of weir report. A table on a terminal is for
people; -o json, ndjson, csv and md give every column and digit.`)
	return b.String()
}

// wrapped breaks a text into lines of at most so many letters, where its words
// allow.
func wrapped(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

func firstClause(text string) string {
	clause, _, _ := strings.Cut(text, ":")
	clause, _, _ = strings.Cut(clause, ";")
	return clause
}

func firstUpper(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// narrowTable is how wide a table may be where there is no terminal to ask.
const narrowTable = 200

// forPeople rewrites the rows of a finding for a table on a terminal: spans as
// 3m10s, shares in percent, commits by their first letters, times to the second.
// Where the table would be wider than the terminal the links go, and the note
// says so.
func forPeople(columns []metric.Column, names []string, rows [][]any, width int) (shown []string, cells [][]any, note string) {
	cells = make([][]any, len(rows))
	for i, row := range rows {
		cells[i] = make([]any, len(row))
		for j, value := range row {
			name := strings.TrimPrefix(names[j], "previous.")
			cells[i][j] = personal(name, unitOf(columns, name), value)
		}
	}
	widths := make([]int, len(names))
	total := 0
	for j, name := range names {
		widths[j] = utf8.RuneCountInString(name)
		for i := range cells {
			text, _ := cell(cells[i][j])
			widths[j] = max(widths[j], utf8.RuneCountInString(text))
		}
		total += widths[j] + 2
	}
	if total <= width {
		return names, cells, ""
	}
	keep := func(name string) bool { return name != "url" && !strings.HasSuffix(name, "_url") }
	for _, name := range names {
		if keep(name) {
			shown = append(shown, name)
		}
	}
	if len(shown) == len(names) {
		return names, cells, ""
	}
	for i, row := range cells {
		var kept []any
		for j, value := range row {
			if keep(names[j]) {
				kept = append(kept, value)
			}
		}
		cells[i] = kept
	}
	return shown, cells, "note: links are left out, to fit; -o md, csv or json has them"
}

func unitOf(columns []metric.Column, name string) string {
	for _, c := range columns {
		if c.Name == name {
			return c.Unit
		}
	}
	return ""
}

// personal is a value for people's eyes.
func personal(name, unit string, value any) any {
	if number, ok := value.(json.Number); ok {
		x, err := number.Float64()
		switch {
		case err != nil:
		case unit == "s":
			return signedSpan(x)
		case unit == "min":
			return signedSpan(x * 60)
		case unit == "rate":
			return fmt.Sprintf("%.1f %%", x*100)
		}
		return value
	}
	text, ok := value.(string)
	switch {
	case !ok:
	case name == "sha" || strings.HasSuffix(name, "_sha") || strings.HasPrefix(name, "sha_"):
		return text[:min(len(text), shownSHA)]
	case strings.HasSuffix(name, "_at") || name == "red_from" || name == "red_to":
		if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return atText(&at)
		}
	}
	return value
}

// shownSHA is how much of a commit's name GitLab shows.
const shownSHA = 8

func signedSpan(seconds float64) string {
	switch {
	case seconds == 0:
		return "0 s"
	case seconds < 0:
		return "−" + spanText(-seconds)
	}
	return spanText(seconds)
}
