// Package catalog says which run belongs to which service and which job is a
// deployment, and why. It reads nothing but the bytes that it is given.
//
// # Files
//
// [Parse] reads services.yaml (schema.json describes it) and Backstage's
// catalog-info.yaml into a [Config], with everything that is wrong as a list of
// [Finding]: file, line, what, remedy. A configuration with findings is never
// put in force.
//
// # Rules
//
// Service rules are tried in the order of their priority; the first that
// matches wins, with all of its services. Rules of one priority are one rule.
// The matches that services name for themselves come after all others. Deploy
// rules are tried likewise, for each job, and those without a condition on jobs
// for each run.
//
// A [Catalog] answers for values: which rules hold for this project, ref and
// source, which conditions hold for this job name. The store joins the answers
// with a million rows; [Catalog.Assign] gives the same for one run, in Go.
package catalog

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weirhq/weir/internal/ci"
)

// OwnPriority is where the matches begin that services name for themselves;
// rules of a rules section stay below.
const OwnPriority = 1_000_000

// Catalog is rules that can be asked. It does not change and is safe for
// concurrent use.
type Catalog struct {
	services map[ci.ServiceID]ci.Service
	rules    []rule // service rules in order, then deploy rules in order
	jobs     []jobCondition
	byPath   map[string][]int // rules that want one of a few projects, by its lower-case path
	others   []int            // all other rules
	uses     ci.FactsUsed
}

type rule struct {
	candidate ci.Candidate
	name      string
	priority  int64
	match     compiled
	source    Match
}

// jobCondition is the conditions on jobs of one or more rules.
type jobCondition struct {
	id    int64
	match compiled
}

// New makes a catalog of stored rows. Disabled rules take no part. Its errors
// are rows that Parse would not have let through.
func New(services []ci.Service, rules []ci.ServiceRule, deploys []ci.DeployRule) (*Catalog, error) {
	c := &Catalog{services: map[ci.ServiceID]ci.Service{}, byPath: map[string][]int{}}
	for _, s := range services {
		c.services[s.ID] = s
	}
	rules, deploys = slices.Clone(rules), slices.Clone(deploys)
	slices.SortStableFunc(rules, func(a, b ci.ServiceRule) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.ID, b.ID))
	})
	slices.SortStableFunc(deploys, func(a, b ci.DeployRule) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.ID, b.ID))
	})
	conditions := map[string]int64{}
	var errs []error
	for _, r := range rules {
		if r.Enabled {
			errs = append(errs, c.add(conditions, r.Match, r.Name, r.Priority,
				ci.Candidate{Rule: r.ID, Position: r.Priority, Service: r.ServiceID}))
		}
	}
	for i, d := range deploys {
		if !d.Enabled {
			continue
		}
		one := ci.Candidate{Rule: d.ID, Deploy: true, Position: int64(i + 1), Environment: d.Environment}
		if d.ServiceID != nil {
			one.Service = *d.ServiceID
		}
		if d.Tier != nil {
			one.Tier = *d.Tier
		}
		errs = append(errs, c.add(conditions, d.Match, d.Name, d.Priority, one))
	}
	return c, errors.Join(errs...)
}

func (c *Catalog) add(conditions map[string]int64, match Match, name *string, priority int64, one ci.Candidate) error {
	m, errs := match.compile()
	if len(errs) > 0 {
		return fmt.Errorf("rule %d: %w", one.Rule, errors.Join(errs...))
	}
	if len(m.job) > 0 {
		onJobs := Match{}
		for _, part := range m.job {
			onJobs[part.field.name] = match[part.field.name]
		}
		key := onJobs.key()
		if conditions[key] == 0 {
			conditions[key] = int64(len(c.jobs) + 1)
			c.jobs = append(c.jobs, jobCondition{conditions[key], compiled{job: m.job}})
		}
		one.Condition = conditions[key]
	}
	r := rule{candidate: one, priority: priority, match: m, source: match}
	if name != nil {
		r.name = *name
	}
	c.use(&m)
	index := len(c.rules)
	c.rules = append(c.rules, r)
	paths := onlyPaths(&m)
	if paths == nil {
		c.others = append(c.others, index)
	}
	for _, path := range paths {
		c.byPath[path] = append(c.byPath[path], index)
	}
	return nil
}

// onlyPaths gives the projects that a match can be for, in lower case; nil when
// that cannot be listed.
func onlyPaths(m *compiled) []string {
	for i := range m.run {
		if m.run[i].field.name != "project" {
			continue
		}
		var paths []string
		for _, p := range m.run[i].patterns {
			if p.negated {
				continue
			}
			if p.match != nil {
				return nil
			}
			paths = append(paths, p.literal)
		}
		slices.Sort(paths)
		return slices.Compact(paths)
	}
	return nil
}

func (c *Catalog) use(m *compiled) {
	for _, part := range slices.Concat(m.run, m.job) {
		switch part.field.name {
		case "ref":
			c.uses.Ref = true
		case "ref_type":
			c.uses.RefType = true
		case "source":
			c.uses.Source = true
		case "pipeline":
			c.uses.Pipeline = true
		case "default_branch":
			c.uses.DefaultBranch = true
		case "bridge":
			c.uses.Bridge = true
		case "job", "stage":
			c.uses.Jobs = true
		case "environment":
			c.uses.Jobs, c.uses.Environment = true, true
		}
	}
}

// Uses says which facts the rules look at; none without rules.
func (c *Catalog) Uses() ci.FactsUsed { return c.uses }

// Candidates gives the rules whose conditions on the run hold, service rules
// first, each kind in the order in which it is tried.
func (c *Catalog) Candidates(r ci.RunFacts) []ci.Candidate {
	var list []ci.Candidate
	for _, i := range c.order(&r) {
		if c.rules[i].match.fitsRun(&r) {
			list = append(list, c.rules[i].candidate)
		}
	}
	return list
}

// order gives the rules that may hold for the run's project, in order.
func (c *Catalog) order(r *ci.RunFacts) []int {
	special := c.byPath[strings.ToLower(r.Project)]
	if len(special) == 0 {
		return c.others
	}
	merged := slices.Concat(special, c.others)
	slices.Sort(merged)
	return merged
}

// Conditions gives the conditions on jobs that hold for this one, ascending.
func (c *Catalog) Conditions(j ci.JobFacts) []int64 {
	var ids []int64
	for i := range c.jobs {
		if c.jobs[i].match.fitsJob(&j) {
			ids = append(ids, c.jobs[i].id)
		}
	}
	return ids
}
