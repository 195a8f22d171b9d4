package metric

import (
	"fmt"
	"strings"
)

// Markdown gives what every metric means as a chapter for people, which is
// committed as doc/metrics.md.
func (e *Engine) Markdown() string {
	var b strings.Builder
	b.WriteString(`# Metrics

Written from the headers in internal/metric/sql by ` + "`go test ./internal/metric -run TestDocumentation -update`" + `; do not edit.

A **run** is a pipeline that is no child pipeline; a **finished run** has status success (with warnings too) or failed. An **attempt** is a job
that runs on a runner, retried ones too; the **effective** one of its name in a pipeline is the last. Windows are [from, to) on the row's own
creation (deployments: on their end). Rates are fractions from 0 to 1, spans are seconds, and nothing is rounded. Of nothing, counts and sums
are 0; percentiles, averages, rates and shares are null. What GitLab has deleted has run, and counts.

| metric | unit | over | measures |
| --- | --- | --- | --- |
`)
	cell := func(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
	for _, d := range e.Definitions() {
		measures, _, _ := strings.Cut(d.Measures, ";")
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s | %s |\n", d.Name, d.Name, d.Unit, d.Over, cell(measures))
	}
	for _, d := range e.Definitions() {
		describe(&b, &d)
	}
	b.WriteString(`
# Findings

A **finding** is a list of things to look at, the worst first: the jobs that hold people up, the runs that broke a branch. Each has a command of
its own, is filtered as metrics are, and is bounded by ` + "`--limit` (20)" + `. What a column is counted in, its name says: _seconds, _minutes, _at (a time).

| finding | command | measures |
| --- | --- | --- |
`)
	for _, d := range e.Findings() {
		measures, _, _ := strings.Cut(d.Measures, ":")
		fmt.Fprintf(&b, "| [%s](#%s) | `%s` | %s |\n", d.Name, d.Name, d.Examples[0], cell(measures))
	}
	for _, d := range e.Findings() {
		describe(&b, &d)
	}
	b.WriteString("\n## Dimensions\n\n| dimension | its values |\n| --- | --- |\n")
	for _, d := range append(Dims(), Deleted) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", d, cell(d.Meaning()))
	}
	b.WriteString(`
A row may have several groups, services, owners and runner tags: it counts under each, rows do not add up, and the answer says "overlap": true.

## Prices

` + "`cost` reads `costs.yaml` in the data directory. A running server sees within fifteen seconds that it has changed, or at once on a SIGHUP; one that is wrong is told by `weir status` and in the log, and the prices before it stay in force" + `. The first rule that fits an attempt prices it; every condition of a match has to
hold, and of a list one element.

` + "```yaml" + `
currency: EUR
rules:
  - match: {runner_tag: [gpu, cuda], group: acme/ml}  # instance, group, project, runner, runner_type, runner_tag
    per_minute: 0.04
  - match: {runner_type: instance_type}
    per_minute: 0.008
  - match: {runner: 17}  # costs nothing, which is not the same as no price
    per_minute: 0
` + "```\n")
	return b.String()
}

// describe writes the section of a metric or a finding.
func describe(b *strings.Builder, d *Definition) {
	fmt.Fprintf(b, "\n## %s\n\n%s: %s.\n\n", d.Name, d.Title, d.Measures)
	for _, line := range [][2]string{
		{"Formula", d.Formula},
		{"Population", d.Population},
		{"Leaves out", d.LeavesOut},
		{"Of nothing", d.Empty},
		{"Unit", d.Unit},
		{"Source", d.Source},
		{"Divided by", dimensionList(d.Dimensions)},
		{"Divided, where nothing is asked, by", dimensionList(d.Starts)},
		{"Filtered by", dimensionList(d.Filters)},
		{"Not compared", d.Alone},
	} {
		switch {
		case line[0] == "Unit" && d.Unit == listUnit,
			strings.HasPrefix(line[0], "Divided, ") && len(d.Starts) == 0,
			line[0] == "Not compared" && d.Alone == "",
			line[0] == "Filtered by" && line[1] == dimensionList(d.Dimensions):
			continue
		}
		fmt.Fprintf(b, "- **%s**: %s\n", line[0], line[1])
	}
	fmt.Fprintf(b, "\n```sh\n%s\n```\n", strings.Join(d.Examples, "\n"))
}

func dimensionList(dims []Dim) string {
	if len(dims) == 0 {
		return "nothing"
	}
	names := make([]string, len(dims))
	for i, d := range dims {
		names[i] = string(d)
	}
	return strings.Join(names, ", ")
}
