package metric

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/weirhq/weir/internal/ci"
)

// Costs are prices of minutes on runners, as costs.yaml names them:
//
//	currency: EUR
//	rules:                        # the first that fits an attempt prices it
//	  - match: {runner_tag: [gpu, cuda], group: acme/ml}
//	    per_minute: 0.04
//	  - match: {runner_type: instance_type}
//	    per_minute: 0.008
//	  - match: {runner: 17}       # a runner that costs nothing
//	    per_minute: 0
//
// Every condition of a match has to hold; of a list, one element. A rule
// without match fits everything. What no rule fits has no price, which is not
// the same as a price of 0.
type Costs struct {
	Currency string     `yaml:"currency"` // one for all rules: EUR, USD, …
	Rules    []CostRule `yaml:"rules"`
}

// CostRule is a price and what it is asked for.
type CostRule struct {
	Match     CostMatch `yaml:"match"`
	PerMinute *float64  `yaml:"per_minute"`

	line int // of the file
}

// CostMatch is what an attempt must have; an empty list asks for nothing.
type CostMatch struct {
	Instance   words `yaml:"instance"`    // base URL of the GitLab, or weir's number of it
	Group      words `yaml:"group"`       // full path; groups below it are meant too
	Project    words `yaml:"project"`     // full path
	Runner     words `yaml:"runner"`      // GitLab's id
	RunnerType words `yaml:"runner_type"` // instance_type, group_type or project_type
	RunnerTag  words `yaml:"runner_tag"`  // a tag that the job asks for
}

// words is a list of texts, or one of them.
type words []string

// UnmarshalYAML reads both forms.
func (w *words) UnmarshalYAML(node *yaml.Node) error {
	nodes := []*yaml.Node{node}
	if node.Kind == yaml.SequenceNode {
		nodes = node.Content
	}
	for _, n := range nodes {
		if n.Kind != yaml.ScalarNode || n.Value == "" || strings.ContainsRune(n.Value, 0) {
			return fmt.Errorf("line %d: want a text, or a list of texts", n.Line)
		}
		*w = append(*w, n.Value)
	}
	return nil
}

// ReadCosts reads a costs.yaml. An empty one prices nothing. Errors are
// bad_request and name the line or the rule.
func ReadCosts(text []byte) (*Costs, error) {
	var c Costs
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		text := strings.TrimPrefix(err.Error(), "yaml: ")
		var several *yaml.TypeError
		if errors.As(err, &several) {
			for i, one := range several.Errors {
				several.Errors[i] = unknownKey(one)
			}
			text = strings.Join(several.Errors, "; ")
		}
		return nil, badCosts(text, err)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, badCosts("it holds more than one document", err)
	}
	c.place(text)
	if c.Currency == "" && len(c.Rules) > 0 {
		return nil, badCosts("line 1: currency is missing", nil)
	}
	for i, r := range c.Rules {
		switch {
		case r.PerMinute == nil:
			return nil, badCosts(fmt.Sprintf("line %d: rule %d has no per_minute", r.line, i+1), nil)
		case *r.PerMinute < 0 || math.IsNaN(*r.PerMinute) || math.IsInf(*r.PerMinute, 0):
			return nil, badCosts(fmt.Sprintf("line %d: per_minute of rule %d is %v", r.line, i+1, *r.PerMinute), nil)
		}
		for _, id := range r.Match.Runner {
			if _, err := strconv.ParseInt(id, 10, 64); err != nil {
				return nil, badCosts(fmt.Sprintf("line %d: runner of rule %d is %q, which is no id", r.line, i+1, id), nil)
			}
		}
	}
	return &c, nil
}

// unknownKey says in the file's words what the reader says in Go's: line 3:
// field per_hour not found in type metric.CostRule.
func unknownKey(text string) string {
	line, rest, ok := strings.Cut(text, ": field ")
	if key, _, found := strings.Cut(rest, " not found in type "); ok && found {
		return line + ": there is no key " + key
	}
	return text
}

// place notes the line of each rule, for messages.
func (c *Costs) place(text []byte) {
	var file struct {
		Rules []yaml.Node `yaml:"rules"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return // it has been read already, so this cannot be
	}
	for i := range min(len(c.Rules), len(file.Rules)) {
		c.Rules[i].line = file.Rules[i].Line
	}
}

func badCosts(what string, err error) *ci.Problem {
	return &ci.Problem{
		Code: ci.BadRequest, Cause: "costs.yaml cannot be used: " + what + ".", Err: err,
		Remedy: "Write currency, and rules with match (instance, group, project, runner, runner_type, runner_tag) and per_minute.",
	}
}

// price is the SQL of an attempt's price a minute, NULL where it has none.
func (s *statement) price(q *question) string {
	return s.firstRule(q, "CAST(NULL AS double precision)", func(_ int, r *CostRule) string { return double(*r.PerMinute) })
}

// priceRule is the SQL of the number, from 1 in file order, of the rule that
// prices an attempt, NULL where none does.
func (s *statement) priceRule(q *question) string {
	return s.firstRule(q, "CAST(NULL AS bigint)", func(i int, _ *CostRule) string { return fmt.Sprintf("CAST(%d AS bigint)", i+1) })
}

func (s *statement) firstRule(q *question, none string, then func(int, *CostRule) string) string {
	if q.costs == nil || len(q.costs.Rules) == 0 {
		return none
	}
	var b strings.Builder
	b.WriteString("CASE")
	for i := range q.costs.Rules {
		r := &q.costs.Rules[i]
		fmt.Fprintf(&b, "\n    WHEN %s THEN %s", s.costCondition(r.Match), then(i, r))
	}
	return b.String() + " END"
}

// priceRows gives the rules as rows of VALUES: number, match, price a minute.
// Where there are none it gives one row of NULLs, which no attempt has.
func (s *statement) priceRows(q *question) string {
	if q.costs == nil || len(q.costs.Rules) == 0 {
		return "(CAST(NULL AS bigint), CAST(NULL AS text), CAST(NULL AS double precision))"
	}
	rows := make([]string, len(q.costs.Rules))
	for i, r := range q.costs.Rules {
		rows[i] = fmt.Sprintf("(CAST(%d AS bigint), %s, %s)", i+1, s.token(quote(r.Match.String())), double(*r.PerMinute))
	}
	return strings.Join(rows, ", ")
}

func double(x float64) string {
	return "CAST(" + strconv.FormatFloat(x, 'g', -1, 64) + " AS double precision)"
}

// String writes a match as the file has it: runner_tag gpu or cuda, group
// acme/ml; everything where it asks for nothing.
func (m CostMatch) String() string {
	var parts []string
	for _, field := range []struct {
		name   string
		values words
	}{
		{"instance", m.Instance},
		{"group", m.Group},
		{"project", m.Project},
		{"runner", m.Runner},
		{"runner_type", m.RunnerType},
		{"runner_tag", m.RunnerTag},
	} {
		if len(field.values) > 0 {
			parts = append(parts, field.name+" "+strings.Join(field.values, " or "))
		}
	}
	if len(parts) == 0 {
		return "everything"
	}
	return strings.Join(parts, ", ")
}

func (s *statement) costCondition(m CostMatch) string {
	all := []string{}
	list := func(values []string) string {
		tokens := make([]string, len(values))
		for i, v := range values {
			tokens[i] = s.token(quote(v))
		}
		return strings.Join(tokens, ", ")
	}
	if len(m.Instance) > 0 {
		all = append(all, "instance_id IN (SELECT id FROM instances WHERE base_url IN ("+list(m.Instance)+") OR CAST(id AS text) IN ("+list(m.Instance)+"))")
	}
	if len(m.Group) > 0 {
		all = append(all, "(instance_id, project_id) IN (SELECT r.instance_id, r.id FROM projects r JOIN "+above+
			" a ON a.instance_id = r.instance_id AND a.group_id = r.group_id WHERE a.full_path IN ("+list(m.Group)+"))")
	}
	if len(m.Project) > 0 {
		all = append(all, "(instance_id, project_id) IN (SELECT instance_id, id FROM projects WHERE full_path IN ("+list(m.Project)+"))")
	}
	if len(m.Runner) > 0 {
		all = append(all, "runner_id IN ("+strings.Join(m.Runner, ", ")+")")
	}
	if len(m.RunnerType) > 0 {
		all = append(all, "(instance_id, runner_id) IN (SELECT instance_id, id FROM runners WHERE runner_type IN ("+list(m.RunnerType)+"))")
	}
	if len(m.RunnerTag) > 0 {
		var any []string
		for tag := range slices.Values(m.RunnerTag) {
			any = append(any, s.token(quote(tag))+" = ANY(tags)")
		}
		all = append(all, "("+strings.Join(any, " OR ")+")")
	}
	if len(all) == 0 {
		return "true"
	}
	return strings.Join(all, " AND ")
}
