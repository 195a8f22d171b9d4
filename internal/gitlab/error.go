package gitlab

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind sorts what can go wrong with a request into what one does about it.
type Kind string

// The kinds of an Error.
const (
	Unauthorized      Kind = "unauthorized"       // 401: the token is wrong, expired or revoked
	Forbidden         Kind = "forbidden"          // 403: the token's role is too small, or CI is off
	InsufficientScope Kind = "insufficient_scope" // 403: the token lacks a scope
	NotFound          Kind = "not_found"          // 404: not there, or not for this token
	Gone              Kind = "gone"               // 410
	BadRequest        Kind = "bad_request"        // 400, 414, 422: GitLab refuses a parameter
	MethodNotAllowed  Kind = "method_not_allowed" // 405: also an offset or a keyset that GitLab refuses
	RateLimited       Kind = "rate_limited"       // 429, after the retries
	Server            Kind = "server"             // 5xx, after the retries
	Unreachable       Kind = "unreachable"        // no connection, or it broke, after the retries
	TLS               Kind = "tls"                // no trusted TLS
	NotGitLab         Kind = "not_gitlab"         // HTML or another content that GitLab's API does not send
	Redirected        Kind = "redirected"         // to another host or scheme; not followed
	BadAnswer         Kind = "bad_answer"         // JSON that cannot be read, or not what was asked for
	TooLarge          Kind = "too_large"          // more bytes than Config.MaxBody
	Timeout           Kind = "timeout"            // GraphQL: GitLab gave up on the question; ask for less
	TooComplex        Kind = "too_complex"        // GraphQL: GitLab does not begin on the question; ask for less
)

// Error is a request that failed for good. It never holds a token.
type Error struct {
	Kind       Kind
	Method     string
	Endpoint   string        // "/projects/:id/pipelines": the path with its ids left open
	URL        string        // the whole URL that was asked last
	Status     int           // of the answer; 0 when there was none
	Message    string        // GitLab's words, or ours about its answer
	RequestID  string        // X-Request-Id, for GitLab's administrators
	RetryAfter time.Duration // how long GitLab asked to wait; 0 when it did not say
	Location   string        // where a redirect leads to
	Body       string        // the JSON that was sent with it; "" for none
	Err        error         // what lies beneath; may be nil
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: ", e.Method, e.Endpoint)
	if e.Status != 0 {
		fmt.Fprintf(&b, "%d: ", e.Status)
	}
	switch {
	case e.Message != "":
		b.WriteString(e.Message)
	case e.Err != nil:
		b.WriteString(e.Err.Error())
	default:
		b.WriteString(string(e.Kind))
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (request %s)", e.RequestID)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf gives the kind of the first Error in err's chain, "" when there is none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return ""
}

// Curl gives a command that repeats the failing request, with the token left
// to the environment variable WEIR_TOKEN; "" when err is no request of ours.
func Curl(err error) string {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.URL == "" {
		return ""
	}
	command := CurlFor(e.Method, e.URL)
	if e.Body == "" {
		return command
	}
	// Between single quotes only the single quote means something to a shell.
	return command + ` --header "Content-Type: application/json" --data '` + strings.ReplaceAll(e.Body, "'", `'\''`) + "'"
}

// CurlFor gives a command for a request, as Curl does. An empty method is GET.
func CurlFor(method, url string) string {
	var b strings.Builder
	b.WriteString("curl ")
	if m := cmp.Or(method, "GET"); m != "GET" {
		b.WriteString("--request " + m + " ")
	}
	// Between double quotes these four still mean something to a shell.
	quoted := strings.NewReplacer("`", "%60", "$", "%24", `"`, "%22", `\`, "%5C").Replace(url)
	fmt.Fprintf(&b, `--header "PRIVATE-TOKEN: $WEIR_TOKEN" "%s"`, quoted)
	return b.String()
}
