package gitlab

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
)

// TestDocumentsFitGitLab holds every document against GitLab's whole schema,
// and its score against the limit of 250, at the largest pages.
func TestDocumentsFitGitLab(t *testing.T) {
	schema := gitLabSchema(t)
	largest := map[string]any{
		"path": "a/b", "iid": "1", "source": "push", "first": 100, "jobsFirst": 100, "after": "x", "needs": true, "probe": true, "updated": true,
		"updatedAfter": "2026-01-01T00:00:00.000Z", "updatedBefore": "2026-01-02T00:00:00.000Z", "count": true,
		"jobKind": "BRIDGE", "builds": false, "ids": []any{"gid://gitlab/Project/1"},
	}
	for _, tt := range []struct {
		name  string
		files []string
		leave []string // variables that the document does not have
		score int

		instead map[string]any // of the largest
	}{
		{"Limits", []string{"limits"}, slices.Collect(maps.Keys(largest)), 3, nil},
		{"Runs", []string{"runs", "job"}, []string{"iid", "count", "ids"}, 247, nil},
		{"Runs", []string{"runs", "job"}, []string{"iid", "count", "ids"}, 239, map[string]any{"builds": true, "needs": false}},
		{"RunJobs", []string{"run_jobs", "job"}, []string{"source", "first", "probe", "updated", "updatedAfter", "updatedBefore", "count", "jobKind", "builds", "ids"}, 86, nil},
		{"Environments", []string{"environments"}, []string{"path", "iid", "source", "first", "jobsFirst", "after", "needs", "probe", "updated", "updatedAfter", "updatedBefore", "count", "jobKind", "builds"}, 16, nil},
		{"Probe", []string{"probe"}, slices.DeleteFunc(slices.Collect(maps.Keys(largest)), func(v string) bool { return v == "ids" || v == "updatedAfter" }), 126, nil},
		{"Counts", []string{"counts"}, slices.DeleteFunc(slices.Collect(maps.Keys(largest)), func(v string) bool { return v == "ids" || v == "updatedAfter" }), 26, nil},
		{
			"Erased",
			[]string{"erased"},
			slices.DeleteFunc(slices.Collect(maps.Keys(largest)), func(v string) bool { return v == "ids" || v == "updatedAfter" || v == "first" }), 188,
			map[string]any{"own": true, "ownAfter": "x", "children": true, "childrenAfter": "x"},
		},
		{"Changes", []string{"changes"}, []string{"path", "iid", "after", "jobsFirst", "needs", "probe", "updatedBefore", "jobKind", "builds"}, 66, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			variables := maps.Clone(largest)
			for _, name := range tt.leave {
				delete(variables, name)
			}
			maps.Copy(variables, tt.instead)
			r, err := graphQL(tt.name, tt.name, variables, tt.files...)
			if err != nil {
				t.Fatal(err)
			}
			var sent struct{ Query, OperationName string }
			if err := json.Unmarshal(r.body, &sent); err != nil {
				t.Fatal(err)
			}
			if n := utf8.RuneCountInString(sent.Query); n > 10_000 {
				t.Errorf("%d characters, GitLab takes 10,000", n)
			}
			doc, wrong := gqlparser.LoadQueryWithRules(schema, sent.Query, rules.NewDefaultRules())
			if len(wrong) > 0 {
				t.Fatal(wrong)
			}
			op := doc.Operations.ForName(sent.OperationName)
			if op == nil || len(doc.Operations) != 1 {
				t.Fatalf("the document does not hold the one operation %s", sent.OperationName)
			}
			vars, err := validator.VariableValues(schema, op, variables)
			if err != nil {
				t.Fatal(err)
			}
			for name := range variables {
				if op.VariableDefinitions.ForName(name) == nil {
					t.Errorf("variable %s is sent and not declared", name)
				}
			}
			if got := score(op.SelectionSet, vars); got != tt.score || got > 250 {
				t.Errorf("score %d, want %d and at most 250", got, tt.score)
			}
			for _, d := range deprecated(op.SelectionSet) {
				t.Errorf("%s is deprecated", d)
			}
		})
	}
}

// TestScoreOfTable holds the rule of this test against the table of gitlab-api
// §6.4: queries of so many plain fields for a pipeline and a job.
func TestScoreOfTable(t *testing.T) {
	schema := gitLabSchema(t)
	const info = "pageInfo{hasNextPage endCursor}"
	fields := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "f%d:name ", i)
		}
		return b.String()
	}
	jobs := func(n, points int) string {
		if n == 0 {
			return ""
		}
		return fmt.Sprintf("jobs(first:%d){%s nodes{%s}}", n, info, fields(points))
	}
	pipelines := func(n, points int, jobs string) string {
		return fmt.Sprintf("pipelines(first:%d){%s nodes{%s %s}}", n, info, fields(points), jobs)
	}
	one := func(n, jobsFirst, p, j int) string {
		return fmt.Sprintf(`{project(fullPath:"a"){id %s}}`, pipelines(n, p, jobs(jobsFirst, j)))
	}
	many := func(projects, n, p, j int) string {
		return fmt.Sprintf(`{projects(first:%d){%s nodes{id fullPath %s}}}`, projects, info, pipelines(n, p, jobs(100, j)))
	}
	for _, tt := range []struct {
		query string
		all   int
		least int // with the fewest fields; 0: not in the table
		min   string
	}{
		{one(100, 100, 35, 31), 226, 108, one(100, 100, 14, 12)},
		{one(50, 100, 35, 31), 170, 81, one(50, 100, 14, 12)},
		{one(20, 100, 35, 31), 136, 65, one(20, 100, 14, 12)},
		{one(100, 0, 35, 0), 82, 0, ""},
		{many(5, 100, 35, 31), 242, 118, many(5, 100, 14, 12)},
		{many(10, 50, 35, 31), 192, 94, many(10, 50, 14, 12)},
		{many(20, 50, 35, 31), 210, 103, many(20, 50, 14, 12)},
		{many(50, 20, 35, 31), 211, 105, many(50, 20, 14, 12)},
		{many(100, 5, 35, 31), 248, 124, many(100, 5, 14, 12)},
		{many(100, 100, 35, 31), 462, 226, many(100, 100, 14, 12)},
		{`{project(fullPath:"a"){pipeline(iid:"1"){id ` + jobs(100, 31) + `}}}`, 75, 0, ""},
	} {
		for query, want := range map[string]int{tt.query: tt.all, tt.min: tt.least} {
			if query == "" {
				continue
			}
			doc, wrong := gqlparser.LoadQueryWithRules(schema, query, rules.NewDefaultRules())
			if len(wrong) > 0 {
				t.Fatal(wrong)
			}
			if got := score(doc.Operations[0].SelectionSet, nil); got < want-1 || got > want+1 {
				t.Errorf("score %d, the table says %d: %.120s", got, want, query)
			}
		}
	}
}

// TestScoreAsSimulated: the simulator weighs as this test does.
func TestScoreAsSimulated(t *testing.T) {
	w := gitlabtest.NewWorld()
	w.AddProject("acme/shop")
	s := gitlabtest.NewServer(w)
	c, err := New(Config{BaseURL: "https://gitlab.example", Transport: s.Transport(), Credentials: []Credential{{Token: Secret(s.DefaultToken())}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		query RunQuery
		score int
	}{
		{RunQuery{Needs: true}, 247},
		{RunQuery{}, 235},
		{RunQuery{OnlyBridges: true}, 239},
		{RunQuery{First: 20}, 144},
		{RunQuery{First: 20, JobsFirst: 50}, 123},
	} {
		tt.query.ProjectPath, tt.query.Probe = "acme/shop", true
		page, err := c.Runs(t.Context(), tt.query)
		if err != nil || page.Score != tt.score || page.Limit != 250 {
			t.Errorf("%+v: score %d of %d (%v), want %d of 250", tt.query, page.Score, page.Limit, err, tt.score)
		}
	}
	if limits, err := c.GraphQLLimits(t.Context()); err != nil || limits != (GraphQLLimits{Score: 3, Limit: 250}) {
		t.Errorf("limits %+v (%v), want 3 of 250", limits, err)
	}
}

// score is GitLab's complexity of a selection (gitlab-api §6.3), read off the
// schema: a connection is a field whose type ends so, and all but these three
// have a resolver.
func score(set ast.SelectionSet, vars map[string]any) int {
	sum := 0
	for _, s := range set {
		switch s := s.(type) {
		case *ast.FragmentSpread:
			sum += score(s.Definition.SelectionSet, vars)
		case *ast.Field:
			if include := s.Directives.ForName("include"); include != nil && include.ArgumentMap(vars)["if"] != true {
				continue
			}
			c := 1 + score(s.SelectionSet, vars)
			if s.Name == "beforeSha" || s.Name == "commit" {
				c++ // asks Gitaly
			}
			plain := s.Name == "downstream" || s.Name == "artifacts" || s.Name == "needs"
			if strings.HasSuffix(s.Definition.Type.Name(), "Connection") && !plain {
				rows := 100
				if first := s.ArgumentMap(vars)["first"]; first != nil {
					fmt.Sscan(fmt.Sprint(first), &rows)
				}
				c = int(float64(c) + float64(c)*0.01*float64(min(rows, 100)) + 1e-9)
			}
			sum += c
		}
	}
	return sum
}

// deprecated lists the deprecated fields of a selection.
func deprecated(set ast.SelectionSet) (found []string) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.FragmentSpread:
			found = append(found, deprecated(s.Definition.SelectionSet)...)
		case *ast.Field:
			if s.Definition.Directives.ForName("deprecated") != nil {
				found = append(found, s.ObjectDefinition.Name+"."+s.Name)
			}
			found = append(found, deprecated(s.SelectionSet)...)
		}
	}
	return found
}

// gitLabSchema is the schema of gitlab.com, about version 18.5.
func gitLabSchema(t *testing.T) *ast.Schema {
	t.Helper()
	f, err := os.Open(filepath.Join(recordings(t), "..", "graphql", "schema.graphql.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unzip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unzip)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := validator.LoadSchema(&ast.Source{Name: "schema.graphql", Input: string(text)}) // it brings what gqlparser would add
	if err != nil {
		t.Fatal(err)
	}
	return schema
}
