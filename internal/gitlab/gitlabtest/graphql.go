package gitlabtest

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"unicode/utf8"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// POST /api/graphql (gitlab-api §6): GitLab's own schema, cut down to CI, over
// the same World. Queries are parsed, checked against the schema and weighed as
// GitLab weighs them before a row is read. Not served: mutations,
// introspection, several queries in one request.
//
// Where this differs from REST, it differs as GitLab does: times are cut to
// seconds, words of enumerations are in upper case, a project whose pipelines
// may not be read has an empty list of them, a pipeline without updated_at
// spoils its answer with an error, and external statuses are jobs.

//go:embed graphql/gitlab.graphql
var graphQLSchema string

const (
	maxQueryText  = 10_000 // characters
	maxQueryDepth = 20
	maxScore      = 250 // with a token
	maxScoreAnon  = 200
	tooSlow       = "Request timed out. Please try a less complex query or a smaller set of records."
)

// GraphQLBudget makes a query time out that would give more than so many rows
// (projects, pipelines, jobs). GitLab answers 503 then; versions before 15
// answer 200 with the same error. 0 is no bound, which is the default.
func (s *Server) GraphQLBudget(rows int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.graphQL.budget = rows
}

// GraphQLHidesRunners makes the runners of jobs null, as for a token that may
// not read them.
func (s *Server) GraphQLHidesRunners(hidden bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.graphQL.hideRunners = hidden
}

// graphQLSettings are guarded by the Server's lock.
type graphQLSettings struct {
	budget      int
	hideRunners bool
}

// graphQLRoute is beside those of REST: another root, another body of errors.
func graphQLRoute() *route {
	return &route{
		name: "POST /graphql", pattern: []string{"graphql"}, scopes: []string{"read_api", "api"},
		public: true, graphQL: true, handle: answerGraphQL,
	}
}

// graphQLQuestion is what a request holds.
type graphQLQuestion struct {
	Query     string         `json:"query"`
	Operation string         `json:"operationName"`
	Variables map[string]any `json:"variables"`
}

func answerGraphQL(c *call) *answer {
	body, err := io.ReadAll(io.LimitReader(c.r.Body, 1<<20))
	var q graphQLQuestion
	if err == nil {
		err = json.Unmarshal(body, &q)
	}
	switch {
	case err != nil:
		return refuseGraphQL(http.StatusBadRequest, "There was a problem in the JSON you submitted")
	case utf8.RuneCountInString(q.Query) > maxQueryText:
		return refuseGraphQL(http.StatusUnprocessableEntity, "Query too large")
	case q.Query == "":
		return refuseGraphQL(http.StatusOK, "No query string was present")
	}
	schema, err := c.server.schema()
	if err != nil {
		panic(err) // the schema is a part of the program, and tested
	}
	doc, wrong := gqlparser.LoadQueryWithRules(schema, q.Query, rules.NewDefaultRules())
	if len(wrong) > 0 {
		return refuseQuery(wrong)
	}
	op := doc.Operations.ForName(q.Operation)
	if op == nil {
		return refuseGraphQL(http.StatusOK, "An operation name is required")
	}
	if op.Operation != ast.Query {
		return refuseGraphQL(http.StatusOK, "Schema is not configured for mutations")
	}
	c.operation = op.Name
	vars, err := validator.VariableValues(schema, op, q.Variables)
	if err != nil {
		return refuseGraphQL(http.StatusOK, err.Error())
	}
	return c.run(compile(op.SelectionSet, vars))
}

// run answers a query that is well formed.
func (c *call) run(fields []*graphQLField) *answer {
	if d := depth(fields); d > maxQueryDepth {
		return refuseGraphQL(http.StatusOK, fmt.Sprintf("Query has depth of %d, which exceeds max depth of %d", d, maxQueryDepth))
	}
	limit := maxScore
	if c.token == nil {
		limit = maxScoreAnon
	}
	score := weigh(fields)
	if score > limit {
		return refuseGraphQL(http.StatusOK, fmt.Sprintf("Query has complexity of %d, which exceeds max complexity of %d", score, limit))
	}
	c.server.mu.Lock()
	set := c.server.graphQL
	c.server.mu.Unlock()
	x := &graphQLRun{call: c, r: c.render(), set: set, score: score, limit: limit, w: &jsonWriter{b: make([]byte, 0, 1<<16)}}
	x.w.open('{')
	x.w.object("data")
	x.query(fields)
	x.w.close('}')
	switch {
	case x.spent && x.r.version.atLeast(15, 0):
		return refuseGraphQL(http.StatusServiceUnavailable, tooSlow)
	case x.spent:
		return refuseGraphQL(http.StatusOK, tooSlow)
	}
	if len(x.failures) > 0 {
		x.w.array("errors")
		for _, f := range x.failures {
			x.w.open('{')
			x.w.str("message", f.message)
			x.w.array("path")
			for _, part := range f.path {
				x.w.sep()
				switch part := part.(type) {
				case string:
					x.w.b = appendString(x.w.b, part)
				case int:
					x.w.b = fmt.Append(x.w.b, part)
				}
			}
			x.w.close(']')
			x.w.close('}')
		}
		x.w.close(']')
	}
	x.w.close('}')
	return &answer{status: http.StatusOK, kind: "application/json", body: x.w.b}
}

// refuseGraphQL is an error in GraphQL's form.
func refuseGraphQL(status int, messages ...string) *answer {
	var w jsonWriter
	w.open('{')
	w.array("errors")
	for _, message := range messages {
		w.open('{')
		w.str("message", message)
		w.close('}')
	}
	w.close(']')
	w.close('}')
	return &answer{status: status, kind: "application/json", body: w.b}
}

// unknownField is the parser's text for what GitLab says in other words.
var unknownField = regexp.MustCompile(`^Cannot query field "([^"]+)" on type "([^"]+)"`)

// refuseQuery is the answer to a query that cannot be read, or does not fit
// the schema.
func refuseQuery(wrong gqlerror.List) *answer {
	messages := make([]string, len(wrong))
	for i, err := range wrong {
		messages[i] = err.Message
		if m := unknownField.FindStringSubmatch(err.Message); m != nil {
			messages[i] = "Field '" + m[1] + "' doesn't exist on type '" + m[2] + "'"
		}
	}
	return refuseGraphQL(http.StatusOK, messages...)
}

// schema gives the schema that is served, which is read once, when first asked.
func (s *Server) schema() (*ast.Schema, error) { return s.parsed() }

func readSchema() (*ast.Schema, error) {
	return gqlparser.LoadSchema(&ast.Source{Name: "gitlab.graphql", Input: graphQLSchema})
}
