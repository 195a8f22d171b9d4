package metric

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/weirhq/weir/internal/store"
)

// A finding is an answer that is no number but a list of things to look at, the
// worst first: jobs that hold people up, clusters of failures, red periods. It
// is asked, filtered, shown and documented as a metric is, and differs in that
//
//   - its rows stand in the order of its statement, and are bounded (:limit);
//   - its columns say their unit by their names (_seconds, _minutes, …);
//   - of nothing it has no rows;
//   - it starts out divided by what its line says;
//   - a command of the command line shows it, several being views of one.

// finding is what a line of findings says beside a metric's.
type finding struct {
	command string // that shows it: slow
	view    string // its name among the findings of that command; the first listed is shown unless another is asked for
	starts  []Dim  // what it is divided by where nothing is asked
	// same are the columns that say what a row is about where nothing is divided:
	// beside its like of the previous period they are the same.
	same []string
	// unsaid are the counts that are not 0 because the previous period does not
	// list a row: it leaves out more than what there was none of.
	unsaid []string
	// then goes on in Go over the rows of the statement; nil: nothing is left to do.
	then func(*Engine, context.Context, *store.View, *question, *result) error
}

// listUnit is the unit of findings: each column has its own.
const listUnit = "list"

// The rows of a finding where no limit is asked for, and at most.
const (
	fewRows  = 20
	mostRows = 10_000
)

// Findings gives what every finding means, in the order in which a reader meets
// them. The slice is the caller's.
func (e *Engine) Findings() []Definition {
	return e.definitions(func(m *defined) bool { return m.shape == ranked })
}

func (e *Engine) definitions(wanted func(*defined) bool) []Definition {
	all := []Definition{}
	for i := range e.metrics {
		if wanted(&e.metrics[i]) {
			all = append(all, e.metrics[i].definition)
		}
	}
	return all
}

// settleFinding looks at what a finding asks for beside the rest.
func (q *question) settleFinding(query Query) error {
	q.limit = query.Limit
	switch {
	case query.Limit < 0 || query.Limit > mostRows:
		return badRequest(fmt.Sprintf("%d rows cannot be listed.", query.Limit), fmt.Sprintf("Ask for 1 to %d.", mostRows))
	case query.Limit == 0:
		q.limit = fewRows
	}
	if len(query.By) == 0 {
		for _, name := range q.metric.finding.starts {
			d, ok := lookUp(name)
			if !ok {
				return fmt.Errorf("metric %s: nobody knows the dimension %s", q.metric.name, name)
			}
			q.by = append(q.by, d)
		}
	}
	return nil
}

// find answers with a finding.
func (e *Engine) find(ctx context.Context, v *store.View, q *question) (result, error) {
	r, err := e.answer(ctx, v, q)
	if err == nil && q.metric.finding.then != nil {
		err = q.metric.finding.then(e, ctx, v, q, &r)
	}
	return r, err
}

var answerMark = regexp.MustCompile(`/\*answer ([a-z_]+)\*/`)

// answers puts the statements of metrics into their places. They are whole and
// hold what people have typed, so they go in as tokens.
func (s *statement) answers(q *question) string {
	return answerMark.ReplaceAllStringFunc(q.text, func(mark string) string {
		m, err := q.others(answerMark.FindStringSubmatch(mark)[1])
		if err != nil {
			s.failed = err
			return ""
		}
		other := *q
		other.metric, other.text = m.metric, m.text
		sql, err := other.render(s.files)
		if err != nil {
			s.failed = err
		}
		return s.token(sql)
	})
}

// findingUnit gives the unit of a column by its name.
func findingUnit(name string) string {
	for suffix, unit := range map[string]string{"_seconds": "s", "_minutes": "min", "_rate": "rate", "_share": "rate"} {
		if strings.HasSuffix(name, suffix) {
			return unit
		}
	}
	switch name {
	case "n", "open", "failed", "passed", "flaky", "runs", "runners", "projects", "concurrency":
		return "count"
	case "minutes":
		return "min"
	case "rate", "saturation", "busy", "waiting", "change":
		return "rate"
	case "value", "per_minute":
		return "money"
	case "per_day":
		return "1/day"
	}
	return ""
}

func (m *metric) findingExamples() []string {
	command := "weir " + m.finding.command
	var list []string
	show := ""
	if i := slices.IndexFunc(findings(), func(f metric) bool { return f.finding.command == m.finding.command }); findings()[i].name != m.name {
		show = " --show " + m.finding.view
	}
	list = append(list, command+show)
	for _, d := range []Dim{FailureClass, Service, RunnerTag, Environment} {
		if slices.Contains(m.divides(), d) && !slices.Contains(m.finding.starts, d) {
			list = append(list, fmt.Sprintf("%s%s --by %s --compare previous", command, show, d))
			break
		}
	}
	if slices.Contains(m.dimensions(), Project) {
		list = append(list, command+show+" --from 14d --where project=acme/shop")
	}
	return list
}
