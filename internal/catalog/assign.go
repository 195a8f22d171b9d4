package catalog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirhq/weir/internal/ci"
)

// Assignment is a service that a run belongs to, and the rule that says so.
type Assignment struct {
	Service ci.ServiceID
	Rule    ci.RuleID
}

// Assign gives the services of a run with these jobs, by service; none when no
// rule matches. Of two rules of one priority that yield one service the one
// with the lower id is named.
func (c *Catalog) Assign(r ci.RunFacts, jobs []ci.JobFacts) []Assignment {
	var list []Assignment
	held := c.held(jobs)
	var winner int64
	for _, one := range c.Candidates(r) {
		if one.Deploy || one.Condition != 0 && !held[one.Condition] {
			continue
		}
		if len(list) > 0 && one.Position != winner {
			break
		}
		winner = one.Position
		if !slices.ContainsFunc(list, func(a Assignment) bool { return a.Service == one.Service }) {
			list = append(list, Assignment{one.Service, one.Rule})
		}
	}
	slices.SortFunc(list, func(a, b Assignment) int { return int(a.Service - b.Service) })
	return list
}

// held gives the conditions that at least one of the jobs fulfils.
func (c *Catalog) held(jobs []ci.JobFacts) map[int64]bool {
	held := map[int64]bool{}
	for _, j := range jobs {
		for _, id := range c.Conditions(j) {
			held[id] = true
		}
	}
	return held
}

// DeployRule gives the deploy rule that takes this job of the run for a
// deployment, the zero Candidate for none.
func (c *Catalog) DeployRule(r ci.RunFacts, j ci.JobFacts) ci.Candidate {
	conditions := c.Conditions(j)
	for _, one := range c.Candidates(r) {
		if one.Deploy && one.Condition != 0 && slices.Contains(conditions, one.Condition) {
			return one
		}
	}
	return ci.Candidate{}
}

// Verdict is what became of one rule when a run was looked at.
type Verdict struct {
	Rule     ci.RuleID
	Deploy   bool
	Name     string // "" where it has none
	Priority int64
	Service  string // identifier; "" of a deploy rule that takes the run's
	Matched  bool   // all its conditions hold
	Won      bool   // and no rule before it matched
	Why      string // a sentence
}

// Explain gives a verdict on every enabled rule for one run, in the order in
// which rules are tried: service rules, then deploy rules. No rules, no verdicts.
func (c *Catalog) Explain(r ci.RunFacts, jobs []ci.JobFacts) []Verdict {
	held := c.held(jobs)
	taken := make([]bool, len(jobs))
	var winner *rule
	runTaken := false
	var list []Verdict
	for i := range c.rules {
		one := &c.rules[i]
		v := Verdict{
			Rule: one.candidate.Rule, Deploy: one.candidate.Deploy, Name: one.name, Priority: one.priority,
			Service: c.services[one.candidate.Service].Identifier,
		}
		switch failing := one.match.failing(&r); {
		case failing != nil:
			v.Why = failing.sentence(values(failing.field, &r))
		case one.candidate.Condition != 0 && !held[one.candidate.Condition]:
			v.Why = fmt.Sprintf("no job of the run has %s", wanted(one.match.job))
		default:
			v.Matched = true
		}
		switch {
		case !v.Matched:
		case !one.candidate.Deploy:
			v.Won = winner == nil || winner.candidate.Position == one.candidate.Position
			if v.Won {
				winner = one
				v.Why = "the first rule that matches"
			} else {
				v.Why = fmt.Sprintf("it matches too, but rule %d comes first", winner.candidate.Rule)
			}
		case one.candidate.Condition == 0:
			v.Won, runTaken = !runTaken, true
			v.Why = "it takes the run for a deployment, unless a job of it is one to the same environment"
			if !v.Won {
				v.Why = "it matches too, but another rule comes first"
			}
		default:
			v.Won, v.Why = one.takes(c, jobs, taken)
		}
		list = append(list, v)
	}
	return list
}

// takes says which jobs a deploy rule takes that no rule before it took.
func (r *rule) takes(c *Catalog, jobs []ci.JobFacts, taken []bool) (bool, string) {
	var names []string
	for i := range jobs {
		if !taken[i] && slices.Contains(c.Conditions(jobs[i]), r.candidate.Condition) {
			taken[i] = true
			names = append(names, jobs[i].Name)
		}
	}
	if len(names) == 0 {
		return false, "it matches too, but rules before it took its jobs"
	}
	slices.Sort(names)
	return true, "it takes " + strings.Join(slices.Compact(names), ", ")
}

// sentence says why a condition does not hold.
func (c *condition) sentence(values []string) string {
	is := "is unknown"
	if known := slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" }); len(known) > 0 {
		is = "is " + strings.Join(known, ", ")
	}
	return fmt.Sprintf("its %s %s, and the rule wants %s", c.field.name, is, c.text())
}

func (c *condition) text() string {
	var texts []string
	for _, p := range c.patterns {
		texts = append(texts, p.text)
	}
	return strings.Join(texts, " or ")
}

func wanted(conditions []condition) string {
	var texts []string
	for i := range conditions {
		texts = append(texts, conditions[i].field.name+" "+conditions[i].text())
	}
	return strings.Join(texts, " and ")
}
