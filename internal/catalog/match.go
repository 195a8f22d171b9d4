package catalog

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/weirhq/weir/internal/ci"
)

// Match is what a rule wants: for each field, patterns of which one must fit
// and those after ! must not. All fields must hold. None matches every run.
type Match map[string][]string

// field is something that a rule can look at.
type field struct {
	name  string
	job   bool     // of a job, not of the run
	path  bool     // a * stops at slashes and letter case does not count
	words []string // the only values there are; nil for any
}

// fields are all of them, in the order in which a reader meets them.
func fields() []field {
	return []field{
		{name: "instance"},
		{name: "project", path: true},
		{name: "group", path: true},
		{name: "topic"},
		{name: "ref"},
		{name: "ref_type", words: []string{string(ci.Branch), string(ci.Tag), string(ci.MergeRequest)}},
		{name: "default_branch", words: []string{"true", "false"}},
		{name: "source"},
		{name: "pipeline"},
		{name: "bridge"},
		{name: "job", job: true},
		{name: "stage", job: true},
		{name: "environment", job: true},
	}
}

func fieldByName(name string) (field, bool) {
	for _, f := range fields() {
		if f.name == name {
			return f, true
		}
	}
	return field{}, false
}

func fieldNames() []string {
	var names []string
	for _, f := range fields() {
		names = append(names, f.name)
	}
	return names
}

// key writes a match in one way, so that equal ones have equal keys.
func (m Match) key() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m)) {
		patterns := slices.Sorted(slices.Values(m[name]))
		fmt.Fprintf(&b, "%s=%q;", name, slices.Compact(patterns))
	}
	return b.String()
}

// compiled is a match that can be asked.
type compiled struct {
	run, job []condition
}

// compile reads every pattern; the errors name field and pattern.
func (m Match) compile() (compiled, []error) {
	var c compiled
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(m)) {
		f, ok := fieldByName(name)
		if !ok {
			errs = append(errs, fmt.Errorf("there is no field %q", name))
			continue
		}
		one := condition{field: f}
		for _, text := range m[name] {
			p, err := parsePattern(f, text)
			if err == nil && f.words != nil && !slices.Contains(f.words, strings.TrimPrefix(text, "!")) {
				err = fmt.Errorf("%q is none of %s", text, strings.Join(f.words, ", "))
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("in %s, %w", name, err))
				continue
			}
			one.patterns = append(one.patterns, p)
		}
		if f.job {
			c.job = append(c.job, one)
		} else {
			c.run = append(c.run, one)
		}
	}
	return c, errs
}

// values gives a run's values of a field; none where GitLab did not say.
func values(f field, r *ci.RunFacts) []string {
	switch f.name {
	case "instance":
		return []string{r.Instance}
	case "project":
		return []string{r.Project}
	case "group":
		return ancestors(r.Project)
	case "topic":
		return r.Topics
	case "ref":
		return []string{r.Ref}
	case "ref_type":
		return []string{string(r.RefType)}
	case "default_branch":
		if r.DefaultBranch == nil {
			return nil
		}
		return []string{strconv.FormatBool(*r.DefaultBranch)}
	case "source":
		return []string{string(r.Source)}
	case "pipeline":
		return []string{r.Pipeline}
	case "bridge":
		return []string{r.Bridge}
	}
	return nil
}

// ancestors gives the groups above a project: a/b/c lies below a and a/b.
func ancestors(path string) []string {
	var list []string
	for i, c := range path {
		if c == '/' {
			list = append(list, path[:i])
		}
	}
	return list
}

// fitsRun says whether the conditions on the run hold.
func (c *compiled) fitsRun(r *ci.RunFacts) bool { return c.failing(r) == nil }

// failing gives the first condition on the run that does not hold, nil for none.
func (c *compiled) failing(r *ci.RunFacts) *condition {
	for i := range c.run {
		if !c.run[i].holds(values(c.run[i].field, r)...) {
			return &c.run[i]
		}
	}
	return nil
}

// fitsJob says whether the conditions on jobs hold for this one.
func (c *compiled) fitsJob(j *ci.JobFacts) bool {
	for i := range c.job {
		one := &c.job[i]
		var held bool
		switch one.field.name {
		case "job":
			// "rspec" means every part of it, and so does its full name.
			held = one.holds(j.Name, ci.BaseName(j.Name))
		case "stage":
			held = one.holds(j.Stage)
		case "environment":
			held = one.holds(j.Environment)
		}
		if !held {
			return false
		}
	}
	return true
}
