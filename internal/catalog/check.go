package catalog

import (
	"fmt"
	"slices"
	"strings"
)

// Check looks at a whole configuration (merged with what is stored, see
// [Stored.Merge]) for what no single line shows: identifiers that come twice,
// services that are not there, rules that can never win and rules that
// contradict each other or themselves. nil when nothing is wrong.
func (c Config) Check() error {
	k := &checker{services: map[string]place{}}
	for _, s := range c.Services {
		if first, twice := k.services[s.Identifier]; twice && s.Identifier != "" {
			k.wrong(s.at, "Rename one of them, or leave one out.", "The service %s is there already (%s).", s.Identifier, first)
			continue
		}
		k.services[s.Identifier] = s.at
	}
	k.mapping(c)
	k.deploys(c.Deploys)
	return refused(k.findings)
}

func (p place) String() string {
	if p.file == "" {
		return "in what is stored"
	}
	return fmt.Sprintf("%s:%d", p.file, p.line)
}

type checker struct {
	services map[string]place
	findings []Finding
}

func (k *checker) wrong(at place, remedy, cause string, args ...any) {
	if at.file == "" {
		at.file = "(stored)"
	}
	k.findings = append(k.findings, Finding{at.file, at.line, fmt.Sprintf(cause, args...), remedy})
}

// step is one match in the order in which rules are tried.
type step struct {
	match  Match
	yields string
	title  string
	group  int // steps of one group are tried together
	at     place
}

func (k *checker) mapping(c Config) {
	var steps []step
	for i, r := range c.Rules {
		for _, one := range r.Cases {
			for _, s := range one.Services {
				k.known(s, one.at)
			}
			k.sound(one.Match, one.at)
			if !r.Disabled {
				services := slices.Sorted(slices.Values(one.Services))
				steps = append(steps, step{one.Match, strings.Join(services, " and "), ruleTitle("rule", r.Name, i), i, one.at})
			}
		}
	}
	for _, s := range c.Services {
		for j, m := range s.Matches {
			k.sound(m, s.matchAt[j])
			// Several services may name one project for themselves: all own matches are one group.
			steps = append(steps, step{m, s.Identifier, "the match of service " + s.Identifier, len(c.Rules), s.matchAt[j]})
		}
	}
	k.reachable(steps)
}

func (k *checker) deploys(deploys []Deploy) {
	var ofJobs, ofRuns []step
	for i, d := range deploys {
		if d.Service != "" {
			k.known(d.Service, d.at)
		}
		k.sound(d.Match, d.at)
		if d.Disabled {
			continue
		}
		one := step{d.Match, strings.TrimSpace(d.Environment + " " + d.Service), ruleTitle("deploy rule", d.Name, i), i, d.at}
		if wantsJobs(d.Match) {
			ofJobs = append(ofJobs, one)
		} else {
			ofRuns = append(ofRuns, one)
		}
	}
	k.reachable(ofJobs)
	k.reachable(ofRuns)
}

func ruleTitle(kind, name string, index int) string {
	if name != "" {
		return fmt.Sprintf("%s %q", kind, name)
	}
	return fmt.Sprintf("%s %d", kind, index+1)
}

func wantsJobs(m Match) bool {
	return slices.ContainsFunc(fields(), func(f field) bool { return f.job && len(m[f.name]) > 0 })
}

func (k *checker) known(service string, at place) {
	if _, ok := k.services[service]; !ok {
		k.wrong(at, "Add it to services, or correct the identifier.", "There is no service %q.", service)
	}
}

// reachable finds steps that an earlier one always beats: no run can show that
// they are there.
func (k *checker) reachable(steps []step) {
	earlier := map[string]int{}   // by key, for equal matches; covers is for the rest
	ofProject := map[string]int{} // steps that name one project and nothing else
	var broad []int               // all others
	for i, s := range steps {
		key := s.match.key()
		if j, same := earlier[key]; same && steps[j].group != s.group {
			if steps[j].yields == s.yields {
				k.wrong(s.at, "Leave one of them out.", "%s says the same as %s (%s).", upperFirst(s.title), steps[j].title, steps[j].at)
			} else {
				k.wrong(s.at, "Decide for one, or write one rule with both services.",
					"%s contradicts %s (%s): the same match yields %s there and %s here.", upperFirst(s.title), steps[j].title, steps[j].at, steps[j].yields, s.yields)
			}
			continue
		}
		before := broad
		if len(s.match["project"]) > 0 {
			if j, ok := ofProject[s.match["project"][0]]; ok {
				before = append(slices.Clone(broad), j)
			}
		}
		for _, j := range before {
			if steps[j].group != s.group && covers(steps[j].match, s.match) {
				k.wrong(s.at, "Move it before that rule, or narrow that one.",
					"%s can never win: %s (%s) matches all that it matches.", upperFirst(s.title), steps[j].title, steps[j].at)
				break
			}
		}
		if _, ok := earlier[key]; !ok {
			earlier[key] = i
		}
		if !onlyLiteralProject(s.match) {
			broad = append(broad, i)
		} else if _, ok := ofProject[s.match["project"][0]]; !ok {
			ofProject[s.match["project"][0]] = i
		}
	}
}

// onlyLiteralProject says whether a match names one project: two such either
// are equal or do not meet, and ten thousand of them must not be compared pair
// by pair. With more fields than that it is compared.
func onlyLiteralProject(m Match) bool {
	return len(m) == 1 && len(m["project"]) == 1 && isLiteral(m["project"][0])
}

func isLiteral(text string) bool {
	return !strings.ContainsAny(text, "*?") && !strings.HasPrefix(text, "!") && !(len(text) > 1 && text[0] == '/' && text[len(text)-1] == '/')
}

// covers says whether every run (or job) that narrow matches is matched by wide
// too. It errs on the side of no.
func covers(wide, narrow Match) bool {
	for name, patterns := range wide {
		f, _ := fieldByName(name)
		if !coversField(f, patterns, narrow) {
			return false
		}
	}
	return true
}

func coversField(f field, wide []string, narrow Match) bool {
	one, errs := Match{f.name: wide}.compile()
	if len(errs) > 0 {
		return false
	}
	c := slices.Concat(one.run, one.job)[0]
	if f.name == "group" && len(narrow["group"]) == 0 {
		return allLiteral(narrow["project"]) && !slices.ContainsFunc(narrow["project"], func(p string) bool { return !c.holds(ancestors(p)...) })
	}
	theirs := narrow[f.name]
	if len(theirs) == 0 {
		return false
	}
	if allLiteral(theirs) {
		return !slices.ContainsFunc(theirs, func(p string) bool {
			if f.name == "group" || f.name == "topic" {
				return !slices.Contains(wide, p) || hasExceptions(wide)
			}
			return !c.holds(p)
		})
	}
	// Pattern by pattern: each of theirs is one of ours, and exceptions are shared.
	for _, p := range theirs {
		if !strings.HasPrefix(p, "!") && !slices.Contains(wide, p) {
			return false
		}
	}
	for _, p := range wide {
		if strings.HasPrefix(p, "!") && !slices.Contains(theirs, p) {
			return false
		}
	}
	return slices.ContainsFunc(theirs, func(p string) bool { return !strings.HasPrefix(p, "!") }) || !slices.ContainsFunc(wide, func(p string) bool { return !strings.HasPrefix(p, "!") })
}

func hasExceptions(patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return strings.HasPrefix(p, "!") })
}

func allLiteral(patterns []string) bool {
	return len(patterns) > 0 && !slices.ContainsFunc(patterns, func(p string) bool { return !isLiteral(p) })
}

// sound finds matches that contradict themselves.
func (k *checker) sound(m Match, at place) {
	types := m["ref_type"]
	if slices.Equal(m["default_branch"], []string{"true"}) && allLiteral(types) && !slices.Contains(types, "branch") {
		k.wrong(at, "Leave one of the two out.", "No run is on the default branch and has ref_type %s.", strings.Join(types, " or "))
	}
	if g, p := m["group"], m["project"]; allLiteral(g) && allLiteral(p) {
		c, _ := Match{"group": g}.compile()
		if !slices.ContainsFunc(p, func(path string) bool { return c.run[0].holds(ancestors(path)...) }) {
			k.wrong(at, "Leave the group out, or correct it.", "%s does not lie below %s.", strings.Join(p, ", "), strings.Join(g, ", "))
		}
	}
	for name, patterns := range m {
		for _, p := range patterns {
			if slices.Contains(patterns, "!"+p) {
				k.wrong(at, "Leave one of the two out.", "%s wants %s and excepts it.", name, p)
			}
		}
	}
}
