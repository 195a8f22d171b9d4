package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/ci"
)

func TestFail(t *testing.T) {
	problem := &ci.Problem{
		Code: ci.InvalidCredentials, Cause: "GitLab refuses the token", Remedy: "Make a new one.",
		Request: "GET https://gitlab.example/api/v4/user → 401", Curl: `curl --header "PRIVATE-TOKEN: $WEIR_TOKEN" "https://gitlab.example/api/v4/user"`,
		Err: errors.New("cause of the cause"),
	}
	for _, test := range []struct {
		name   string
		err    error
		code   int
		stderr string
	}{
		{"nothing", nil, 0, ""},
		{"told already", fmt.Errorf("wrapped: %w", exit(3)), 3, ""},
		{"problem", fmt.Errorf("connecting: %w", problem), 4, `weir: GitLab refuses the token
  what to do: Make a new one.
  request: GET https://gitlab.example/api/v4/user → 401
  curl: curl --header "PRIVATE-TOKEN: $WEIR_TOKEN" "https://gitlab.example/api/v4/user"
  code: invalid_credentials
`},
		{"problem without words", &ci.Problem{Code: ci.RateLimited}, 5, "weir: rate_limited\n  code: rate_limited\n"},
		{"usage", &usageError{"no such thing", "Do the other."}, 2, "weir: no such thing\n  what to do: Do the other.\n  code: bad_request\n"},
		{"full disk", fmt.Errorf("writing: %w", syscall.ENOSPC), 1, "weir: writing: no space left on device\n  what to do: Free some space, then run the command again: what was stored is whole.\n  code: disk_full\n"},
		{"unknown", errors.New("boom"), 1, "weir: boom\n  what to do: Run it again with --log-level debug, and report it with what that prints.\n  code: internal\n"},
		{"control characters", &ci.Problem{Code: ci.NotFound, Cause: "no project \x1b[2Jx"}, 1, "weir: no project \\x1b[2Jx\n  code: not_found\n"},
		{"two at once", errors.Join(exit(3), errors.New("closing")), 3, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var stderr bytes.Buffer
			p := newProgram(nil, nil, &stderr, lookup())
			if code := p.fail(test.err); code != test.code {
				t.Errorf("exit code = %d, want %d", code, test.code)
			}
			if diff := cmp.Diff(test.stderr, stderr.String()); diff != "" {
				t.Errorf("stderr (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFailAsJSON(t *testing.T) {
	var stderr bytes.Buffer
	p := newProgram(nil, nil, &stderr, lookup())
	p.settings = &settings{values: map[string]settingValue{"output": {value: "json"}}}
	p.fail(&ci.Problem{Code: ci.Unreachable, Cause: "no answer", Remedy: "Look.", Request: "GET x", Curl: "curl x"})
	var got map[string]string
	if err := json.Unmarshal(stderr.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"code": "unreachable", "cause": "no answer", "remedy": "Look.", "request": "GET x", "curl": "curl x"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problem (-want +got):\n%s", diff)
	}
}

// TestExitCode holds the codes that have an exit code of their own; every other
// one that there is ends with 1.
func TestExitCode(t *testing.T) {
	own := map[ci.Code]int{
		ci.BadRequest: exitUsage, ci.Interrupted: exitInterrupted,
		ci.InvalidCredentials: exitCredentials, ci.InvalidPermissions: exitCredentials, ci.NoResources: exitCredentials,
		ci.ProjectForbidden: exitCredentials, ci.Unauthorized: exitCredentials, ci.Forbidden: exitCredentials,
		ci.Unreachable: exitGitLab, ci.TLSFailed: exitGitLab, ci.RateLimited: exitGitLab, ci.ServerError: exitGitLab,
	}
	for _, code := range declaredCodes(t) {
		want, ok := own[code]
		if !ok {
			want = exitFailure
		}
		delete(own, code)
		if got := exitCode(code); got != want {
			t.Errorf("exitCode(%s) = %d, want %d", code, got, want)
		}
	}
	if len(own) > 0 {
		t.Errorf("these codes are not declared any more: %v", own)
	}
}

// declaredCodes reads the codes from their source: Go cannot list constants.
func declaredCodes(t *testing.T) []ci.Code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../internal/ci/problem.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []ci.Code
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Code" {
			for _, v := range spec.Values {
				codes = append(codes, ci.Code(strings.Trim(v.(*ast.BasicLit).Value, `"`)))
			}
		}
		return true
	})
	if len(codes) == 0 {
		t.Fatal("no codes found in internal/ci/problem.go")
	}
	return codes
}
