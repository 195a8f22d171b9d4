package gitlab

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// GitLab's GraphQL API, as far as weir asks it (gitlab-api §6): a request can
// give a hundred pipelines with a hundred jobs each, and it is one request of
// the same limit. What it lacks against REST: milliseconds, the user and the
// commit of a job, and the word for why a job failed.
//
// GitLab answers 200 whatever happened. Here any entry in "errors" fails the
// whole request: beside it stand rows that are missing, and a short page would
// read as "there is no more".
//
// And where a token may not read a project's pipelines, REST says 403 while
// GraphQL gives an empty list. The documents therefore ask what the token may
// do, and the answer is Forbidden.

//go:embed graphql/*.graphql
var documents embed.FS

const (
	graphQLRoot     = "/api"
	endpointGraphQL = "/graphql"
	// mostRows is GitLab's largest page.
	mostRows = 100
)

// GraphQLLimits is what GitLab's GraphQL API allows this token.
type GraphQLLimits struct {
	Score int // of the smallest question there is, which was asked
	Limit int // the largest score that is answered: 250 with a token
}

// GraphQLLimits asks whether there is a GraphQL API, and what it allows. It
// costs one request.
func (c *Client) GraphQLLimits(ctx context.Context) (GraphQLLimits, error) {
	var found complexity
	r, err := graphQL("Limits", "Limits", nil, "limits")
	if err != nil {
		return GraphQLLimits{}, err
	}
	_, err = c.do(ctx, r, graphQLAnswer(func(s *scanner) error {
		found = complexity{}
		return s.object(func(key []byte) error {
			if string(key) == "queryComplexity" {
				return found.scan(s)
			}
			return s.skip()
		})
	}, func() error {
		if found.Limit == 0 {
			return errors.New("GitLab does not say how complex a query may be")
		}
		return nil
	}))
	return GraphQLLimits(found), err
}

// complexity is the answer to queryComplexity.
type complexity struct{ Score, Limit int }

func (x *complexity) scan(s *scanner) error {
	if isNull, err := s.null(); isNull || err != nil {
		return err
	}
	var score, limit int64
	err := s.object(func(key []byte) error {
		switch string(key) {
		case "score":
			return into(s, &score, s.integer)
		case "limit":
			return into(s, &limit, s.integer)
		}
		return s.skip()
	})
	*x = complexity{int(score), int(limit)}
	return err
}

// graphQL makes a request of a document, which may lie in several files.
// operation is what the governor compares answer times by: what is asked and
// how much of it at once.
func graphQL(name, operation string, variables map[string]any, files ...string) (request, error) {
	var query strings.Builder
	for _, file := range files {
		text, err := documents.ReadFile("graphql/" + file + ".graphql")
		if err != nil {
			return request{}, fmt.Errorf("the GraphQL document %s: %w", file, err)
		}
		query.Write(text)
	}
	body, err := json.Marshal(struct {
		Query     string         `json:"query"`
		Operation string         `json:"operationName"`
		Variables map[string]any `json:"variables,omitempty"`
	}{query.String(), name, variables})
	if err != nil {
		return request{}, fmt.Errorf("the GraphQL variables: %w", err)
	}
	return request{method: http.MethodPost, endpoint: endpointGraphQL, root: graphQLRoot, path: endpointGraphQL, body: body, operation: operation}, nil
}

// sized names an operation that asks for up to so many rows. Sizes within a
// power of two count as one, so that there are answers to compare.
func sized(operation string, rows int) string {
	return operation + " 2^" + strconv.Itoa(bits.Len(uint(rows)))
}

// badQuery is a question that is not asked, for GitLab would not answer it.
func badQuery(format string, args ...any) error {
	return &Error{Kind: BadRequest, Method: http.MethodPost, Endpoint: endpointGraphQL, Message: fmt.Sprintf(format, args...)}
}

// pageSize checks the size of a page; 0 stands for the largest.
func pageSize(name string, n int) (int, error) {
	switch {
	case n == 0:
		return mostRows, nil
	case n < 0 || n > mostRows:
		return 0, badQuery("%s is %d: GitLab's pages have 1 to %d rows", name, n, mostRows)
	}
	return n, nil
}

// instant is a bound of updated_at, null for none.
func instant(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(wireTime)
}

// optional is a text, null when it is empty.
func optional(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// refusal is an answer that arrived whole and says no: the kind is in its
// text, for its status is 200.
type refusal struct {
	kind    Kind
	message string
}

func (r *refusal) Error() string { return r.message }

// graphQLAnswer makes a decoder of a whole answer: data reads the value of
// "data", and then says whether that is what was asked for.
func graphQLAnswer(data func(*scanner) error, then func() error) func([]byte) error {
	return func(b []byte) error {
		s := newScanner(b)
		var said []string
		failed, there := false, false
		var dataErr error
		err := s.object(func(key []byte) error {
			switch string(key) {
			case "errors":
				isNull, err := s.null()
				if isNull || err != nil {
					return err
				}
				return s.array(func() error {
					failed = true
					message, err := s.errorMessage()
					if message != "" && !slices.Contains(said, message) {
						said = append(said, message)
					}
					return err
				})
			case "data":
				isNull, err := s.null()
				if isNull || err != nil {
					return err
				}
				there = true
				// Errors come after the data that they spoilt, so what is wrong
				// with the data is not the first thing to say.
				at, depth := s.at, s.depth
				if dataErr = data(s); dataErr == nil {
					return nil
				}
				s.at, s.depth = at, depth
			}
			return s.skip()
		})
		if err == nil {
			err = s.end()
		}
		switch {
		case err != nil:
			return err
		case failed:
			return sortErrors(said)
		case dataErr != nil:
			return dataErr
		case !there:
			return errors.New("an answer of GraphQL without data and without errors")
		}
		return then()
	}
}

// errorMessage reads one entry of "errors".
func (s *scanner) errorMessage() (message string, err error) {
	if s.peek() != '{' {
		return "an error that is no object", s.skip()
	}
	err = s.object(func(key []byte) error {
		if string(key) == "message" && s.peek() == '"' {
			message, err = s.text()
			return err
		}
		return s.skip()
	})
	if message == "" {
		message = "an error without a message"
	}
	return message, err
}

// sortErrors tells the errors of an answer apart that can be helped by asking
// for less. "Timeout on Pipeline.jobs" is the library's own limit,
// "Request timed out. …" GitLab's (gitlab-api §6).
func sortErrors(said []string) error {
	r := &refusal{kind: BadAnswer}
	var parts []string
	for _, message := range said {
		switch {
		case timedOut(message):
			r.kind = Timeout
		case strings.Contains(message, "exceeds max complexity") && r.kind != Timeout:
			r.kind = TooComplex
		}
		parts = append(parts, message)
	}
	text := []rune(strings.Join(parts, "; "))
	if len(text) > longestMessage {
		text = append(text[:longestMessage], '…')
	}
	r.message = string(text)
	return r
}

func timedOut(message string) bool {
	return strings.HasPrefix(message, "Request timed out") || strings.HasPrefix(message, "Timeout on ")
}

// gaveUp says whether a whole answer is nothing but a time-out.
func gaveUp(body []byte) bool {
	return len(body) < 1000 && bytes.Contains(body, []byte(`"Request timed out`))
}

// soften sorts anew what REST would call the server's trouble, or a broken
// connection: of GraphQL a time-out is the question's size, so asking again
// helps nobody. A proxy's 502 and 503, in HTML, stay what they are.
func (e *Error) soften() {
	switch {
	case e.Status == http.StatusServiceUnavailable && e.Kind == Server && e.Message != http.StatusText(e.Status),
		e.Status == http.StatusGatewayTimeout,
		e.Kind == Unreachable && errors.Is(e.Err, context.DeadlineExceeded) && !dialing(e.Err):
		e.Kind = Timeout
	}
}

// dialing says whether the connection was still being made.
func dialing(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}
