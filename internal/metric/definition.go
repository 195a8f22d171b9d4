package metric

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

//go:embed sql
var files embed.FS

// metric is a line of the list.
type metric struct {
	name  string
	over  grain
	shape shape
	unit  string
	more  []Dim // dimensions beside those of the grain
	by    []Dim // what alone it can be divided by; nil: all its dimensions

	finding finding // of shape ranked
	alone   alone   // why it is not compared with the previous period; zero: it is
}

// alone says why the rows of an answer have no like in another period, and what
// to ask instead.
type alone struct{ why, remedy string }

// shape is how the rows of a statement become the rows of an answer.
type shape int

const (
	plainRow  shape = iota // a row is a row
	byStatus               // a row for each status, which become keys of one row
	shifted                // a row is a day of a series, in which changes of level are looked for
	onThePath              // a row is a job, of which critical paths are made
	ranked                 // a row is something to look at, in the statement's own order (finding.go)
)

// Definition is what a metric means, for people: the header of its SQL file
// and its line of the list.
type Definition struct {
	Name       string   `json:"name" doc:"as it is asked for"`
	Title      string   `json:"title" doc:"as it is shown"`
	Unit       string   `json:"unit" doc:"of its value: count, rate, s, min, 1/day or money"`
	Over       string   `json:"over" doc:"what it counts: runs, attempts, groups of attempts, days, or deployments"`
	Measures   string   `json:"measures" doc:"what it measures"`
	Population string   `json:"population" doc:"the rows that it is computed over"`
	LeavesOut  string   `json:"leaves_out" doc:"the rows that are not among them"`
	Formula    string   `json:"formula" doc:"how the value follows from the rows"`
	Empty      string   `json:"empty" doc:"what it answers where there is nothing"`
	Source     string   `json:"source" doc:"whose definition it is, and what others call it"`
	Dimensions []Dim    `json:"dimensions" doc:"what it can be divided by"`
	Filters    []Dim    `json:"filters" doc:"what it can be filtered by, beside deleted"`
	Examples   []string `json:"examples" doc:"how to ask for it"`
	Command    string   `json:"command,omitempty" doc:"of a finding: the command that shows it"`
	View       string   `json:"view,omitempty" doc:"of a finding: its name among those of one command (--show)"`
	Starts     []Dim    `json:"starts,omitempty" doc:"of a finding: what it is divided by where nothing else is asked"`
	Alone      string   `json:"alone,omitempty" doc:"why it is not compared with the previous period; left out where it can be"`
}

// headerKeys are the lines of a header, in order, after the title.
var headerKeys = []string{"measures", "population", "leaves out", "formula", "empty", "source"}

// readMetric reads a metric's SQL file: the definition in its header and the
// statement below.
func readMetric(files fs.FS, m metric) (Definition, string, error) {
	name := "sql/" + m.name + ".sql"
	if m.shape == ranked {
		name = "sql/finding/" + m.name + ".sql"
	}
	text, err := fs.ReadFile(files, name)
	if err != nil {
		return Definition{}, "", fmt.Errorf("metric %s: %w", m.name, err)
	}
	lines := strings.Split(string(text), "\n")
	title, ok := strings.CutPrefix(lines[0], "-- ")
	if !ok {
		return Definition{}, "", fmt.Errorf("%s: the first line is no title", name)
	}
	values := make([]string, len(headerKeys))
	for i, key := range headerKeys {
		if len(lines) <= i+1 {
			return Definition{}, "", fmt.Errorf("%s: the header ends before %q", name, key)
		}
		if values[i], ok = strings.CutPrefix(lines[i+1], "-- "+key+": "); !ok || values[i] == "" {
			return Definition{}, "", fmt.Errorf("%s:%d: want -- %s: …", name, i+2, key)
		}
	}
	d := Definition{
		Name: m.name, Title: title, Unit: m.unit, Over: m.over.describe,
		Measures: values[0], Population: values[1], LeavesOut: values[2], Formula: values[3], Empty: values[4], Source: values[5],
		Dimensions: m.divides(), Filters: m.dimensions(), Examples: m.examples(),
		Command: m.finding.command, View: m.finding.view, Starts: m.finding.starts, Alone: m.alone.why,
	}
	return d, strings.TrimSpace(strings.Join(lines[len(headerKeys)+1:], "\n")), nil
}

// divides gives what the metric can be divided by.
func (m *metric) divides() []Dim {
	if m.by != nil {
		return m.by
	}
	return m.dimensions()
}

// dimensions gives what the metric can be filtered by, in the order of Dims.
func (m *metric) dimensions() []Dim {
	fits := []Dim{}
	for _, d := range Dims() {
		if slices.Contains(m.over.dims, d) || slices.Contains(m.more, d) {
			fits = append(fits, d)
		}
	}
	return fits
}

func (m *metric) examples() []string {
	list := []string{"weir report " + m.name}
	switch m.shape {
	case ranked:
		return m.findingExamples()
	case shifted:
		return append(list, "weir report "+m.name+" --from 90d --where project=acme/shop")
	case onThePath:
		return append(list, "weir report "+m.name+" --where project=acme/shop", "weir report "+m.name+" --run 1/4711")
	}
	for _, d := range []Dim{FailureClass, BaseName, Project, Environment} {
		if slices.Contains(m.divides(), d) {
			list = append(list, fmt.Sprintf("weir report %s --by %s", m.name, d))
			break
		}
	}
	if slices.Contains(m.divides(), Week) {
		list = append(list, fmt.Sprintf("weir report %s --by week --from 12w --compare previous", m.name))
	}
	return list
}
