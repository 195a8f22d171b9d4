package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/ci"
)

// Every code that an answer can have maps to a status on purpose.
func TestStatusOf(t *testing.T) {
	ours := map[ci.Code]bool{ // what only weir itself can mend is its own failure: 500
		ci.Internal: true, ci.DatabaseCorrupt: true, ci.DatabaseNewer: true, ci.DataDirUnwritable: true, ci.SecretKeyMissing: true,
		// Never an answer: warnings, and what only the client says.
		ci.TokenExpiresSoon: true, ci.SharedToken: true, ci.CIDisabledCode: true, ci.ClockSkew: true,
		ci.MissingGitLabConnection: true, ci.UnknownValue: true, ci.PlanFallback: true, ci.DeploymentsForbidden: true, ci.ServerUnreachable: true,
	}
	codes := constants(t, "../ci/problem.go", "Code")
	if len(codes) < 30 {
		t.Fatalf("only %d codes found", len(codes))
	}
	for _, code := range codes {
		if got := StatusOf(ci.Code(code)); (got == http.StatusInternalServerError) != ours[ci.Code(code)] {
			t.Errorf("%s is %d", code, got)
		}
	}
}

// constants gives the values of a file's string constants of a type.
func constants(t *testing.T, file, typeName string) (values []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); ok && name.Name == typeName {
			for _, v := range spec.Values {
				if lit, ok := v.(*ast.BasicLit); ok {
					value, err := strconv.Unquote(lit.Value)
					if err != nil {
						t.Fatal(err)
					}
					values = append(values, value)
				}
			}
		}
		return true
	})
	return values
}

// A problem crosses the wire unchanged, but for its cause, which stays at home.
func TestProblemRoundTrip(t *testing.T) {
	for _, want := range []*ci.Problem{
		{Code: ci.InvalidCredentials, Cause: "The token is revoked.", Remedy: "Make a new one.", Request: "GET https://x/api/v4/user → 401", Curl: `curl --header "PRIVATE-TOKEN: $WEIR_TOKEN" "https://x/api/v4/user"`},
		{Code: ci.NotFound, Cause: "There is no sync 7.", Remedy: "Look."},
		{Code: "a_code_of_tomorrow", Cause: "Something new."},
	} {
		sent := *want
		sent.Err = errors.New("secret internals")
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			WriteProblem(w, fmt.Errorf("wrapped: %w", &sent))
		}))
		_, err := NewClient(web.URL, Secret{}, nil).Status(t.Context())
		web.Close()
		var got *ci.Problem
		if !errors.As(err, &got) {
			t.Fatalf("%v is no problem", err)
		}
		if diff := cmp.Diff(*want, *got); diff != "" {
			t.Errorf("(-sent +got):\n%s", diff)
		}
	}
}

func TestProblemOfUnknownErrorsTellsNothing(t *testing.T) {
	for _, c := range []struct {
		err  error
		code ci.Code
	}{
		{errors.New("pq: password=hunter2"), ci.Internal},
		{fmt.Errorf("x: %w", context.Canceled), ci.Interrupted},
	} {
		b, err := json.Marshal(ProblemOf(c.err))
		if err != nil || strings.Contains(string(b), "hunter2") || !strings.Contains(string(b), `"`+string(c.code)+`"`) {
			t.Errorf("%v: %s", c.err, b)
		}
	}
}

func TestClientTellsWhatIsNoWeir(t *testing.T) {
	html := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) }))
	defer html.Close()
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"engine":"duck`))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer cut.Close()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name string
		ctx  context.Context
		url  string
		want ci.Code
	}{
		{"another program", t.Context(), html.URL, ci.Internal},
		{"nobody", t.Context(), "http://127.0.0.1:1", ci.ServerUnreachable},
		{"half an answer", t.Context(), cut.URL, ci.Interrupted},
		{"no URL", t.Context(), "http://[", ci.BadRequest},
	} {
		_, err := NewClient(c.url, NewSecret("local"), nil).Status(c.ctx)
		if ci.CodeOf(err) != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := NewClient(html.URL, Secret{}, nil).Status(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v", err)
	}
}
