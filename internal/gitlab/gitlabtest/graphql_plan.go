package gitlabtest

import (
	"maps"

	"github.com/vektah/gqlparser/v2/ast"
)

// graphQLField is a field of a query as it will be answered: fragments laid
// open, what is skipped left out, the same key asked twice merged.
type graphQLField struct {
	key  string // in the answer: the alias, or the name
	on   string // type whose field it is
	name string
	args map[string]any
	sub  []*graphQLField
}

// compile lays a selection open. Every type that is served is concrete, so
// each fragment that fits the schema applies.
func compile(set ast.SelectionSet, vars map[string]any) []*graphQLField {
	var fields []*graphQLField
	byKey := map[string]*graphQLField{}
	var add func(ast.SelectionSet)
	add = func(set ast.SelectionSet) {
		for _, s := range set {
			switch s := s.(type) {
			case *ast.InlineFragment:
				if asked(s.Directives, vars) {
					add(s.SelectionSet)
				}
			case *ast.FragmentSpread:
				if asked(s.Directives, vars) {
					add(s.Definition.SelectionSet)
				}
			case *ast.Field:
				if !asked(s.Directives, vars) {
					continue
				}
				sub := compile(s.SelectionSet, vars)
				if f := byKey[s.Alias]; f != nil {
					f.sub = merge(f.sub, sub)
					continue
				}
				f := &graphQLField{key: s.Alias, on: s.ObjectDefinition.Name, name: s.Name, args: s.ArgumentMap(vars), sub: sub}
				byKey[f.key] = f
				fields = append(fields, f)
			}
		}
	}
	add(set)
	return fields
}

// asked decides @include and @skip.
func asked(directives ast.DirectiveList, vars map[string]any) bool {
	for _, d := range directives {
		on, _ := d.ArgumentMap(vars)["if"].(bool)
		if d.Name == "include" && !on || d.Name == "skip" && on {
			return false
		}
	}
	return true
}

// merge adds fields to others of the same object.
func merge(into, from []*graphQLField) []*graphQLField {
	for _, f := range from {
		known := false
		for _, g := range into {
			if g.key == f.key {
				g.sub = merge(g.sub, f.sub)
				known = true
			}
		}
		if !known {
			into = append(into, f)
		}
	}
	return into
}

// depth is how far the deepest field lies below the query.
func depth(fields []*graphQLField) int {
	deepest := 0
	for _, f := range fields {
		deepest = max(deepest, 1+depth(f.sub))
	}
	return deepest
}

// What weighs more than 1 with its children (gitlab-api §6.3).
var (
	// callsGitaly are the fields for which GitLab asks its git servers.
	callsGitaly = map[string]bool{"Pipeline.beforeSha": true, "Pipeline.commit": true}
	// weighedLists are the connections that a resolver fills. Others, such as
	// Pipeline.downstream and CiJob.artifacts, weigh as much as a plain field.
	weighedLists = map[string]bool{"Query.projects": true, "Group.projects": true, "Project.pipelines": true, "Pipeline.jobs": true}
)

// weigh is GitLab's complexity of a query. A page does not multiply what is on
// it: each row adds one percent.
func weigh(fields []*graphQLField) int {
	sum := 0
	for _, f := range fields {
		c := 1 + weigh(f.sub)
		field := f.on + "." + f.name
		if callsGitaly[field] {
			c++
		}
		if field == "Project.pipelines" {
			for arg := range maps.Keys(f.args) {
				if (arg == "ref" || arg == "sha") && f.args[arg] != nil {
					c += 2
				}
			}
		}
		if weighedLists[field] {
			c += c * pageRows(f) / 100
		}
		sum += c
	}
	return sum
}

// pageRows is how many rows a connection gives at most.
func pageRows(f *graphQLField) int {
	n := maxPerPage
	switch first := f.args["first"].(type) {
	case int64:
		n = int(first)
	case int:
		n = first
	case float64:
		n = int(first)
	}
	return min(max(n, 0), maxPerPage)
}
