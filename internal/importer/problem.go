package importer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
)

// Explain turns an error of the GitLab client into a problem that a person can
// act on, with the failing request and a curl that repeats it. A *ci.Problem
// in err's chain is given back as it is, an ended context is Interrupted, and
// what is none of these is Internal. Nil gives nil.
//
// A 403 or 404 below /projects/:id is about that project (project_forbidden,
// project_not_found); Verify, which asks about the token, says so otherwise.
func Explain(err error) *ci.Problem {
	var p *ci.Problem
	var e *gitlab.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &p):
		return p
	case errors.As(err, &e):
		p = explain(e)
		p.Request, p.Curl, p.Err = requestLine(e), gitlab.Curl(e), err
		return p
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &ci.Problem{
			Code: ci.Interrupted, Cause: "The work was stopped before it was done.",
			Remedy: "Start it again: it goes on where it stopped.", Err: err,
		}
	}
	return &ci.Problem{
		Code: ci.Internal, Cause: "An error that weir did not expect: " + err.Error() + ".",
		Remedy: "Please report it with the log.", Err: err,
	}
}

func explain(e *gitlab.Error) *ci.Problem {
	ofProject := strings.HasPrefix(e.Endpoint, "/projects/:id")
	ofGroup := strings.HasPrefix(e.Endpoint, "/groups/:id")
	said := saying(e.Message)
	switch e.Kind {
	case gitlab.Unauthorized:
		return problem(ci.InvalidCredentials, "GitLab does not accept the token: it is wrong, expired or revoked"+said,
			"Make a new token with the scope read_api and give it to weir.")
	case gitlab.InsufficientScope:
		return problem(ci.InvalidPermissions, "The token's scope is too small"+said,
			"Make a token with the scope read_api; scopes cannot be added to one that exists.")
	case gitlab.Forbidden:
		if ofProject {
			return problem(ci.ProjectForbidden, "GitLab refuses to show the project's pipelines: CI/CD is off there, or the token's role is too small"+said,
				"Give the token's user at least the role Reporter in the project, or leave it as it is if CI/CD is not used there.")
		}
		return problem(ci.InvalidPermissions, "GitLab refuses this to the token"+said,
			"Give the token's user at least the role Reporter, better Developer, in the group.")
	case gitlab.NotFound, gitlab.Gone:
		if ofProject {
			return problem(ci.ProjectNotFound, "The project or what was asked of it is gone: deleted, moved, or no longer shared with the token"+said,
				"Nothing, if that is right; else make the token's user a member of the project's group.")
		}
		if ofGroup {
			return problem(ci.GroupNotFound, "There is no such group, or the token cannot see it"+said,
				"Check the group's full path in its URL, and that the token's user is a member.")
		}
		return problem(ci.NotFound, "GitLab does not know what was asked for"+said, "Check the URL, and that this GitLab is version "+MinVersion+" or newer.")
	case gitlab.BadRequest, gitlab.MethodNotAllowed:
		return problem(ci.UnsupportedVersion, "GitLab refuses a parameter that weir needs"+said,
			"Check that this GitLab is version "+MinVersion+" or newer; if it is, please report this with the request.")
	case gitlab.RateLimited:
		cause := "GitLab's rate limit is reached"
		if e.RetryAfter > 0 {
			cause += fmt.Sprintf("; it asks to wait %s", e.RetryAfter.Round(time.Second))
		}
		return problem(ci.RateLimited, cause+said,
			"Wait and try again; a lower --max-requests-per-minute or a token of weir's own leaves room for others.")
	case gitlab.Server:
		return problem(ci.ServerError, fmt.Sprintf("GitLab failed with status %d", e.Status)+said,
			"Try again later; GitLab's administrators find the request by its id"+named(e.RequestID)+".")
	case gitlab.Unreachable:
		return problem(ci.Unreachable, "No answer from "+hostOf(e.URL)+saying(cmp.Or(e.Message, text(e.Err))),
			"Check the URL, the network and HTTPS_PROXY; the curl shows whether this machine reaches GitLab at all.")
	case gitlab.TLS:
		return problem(ci.TLSFailed, "No trusted TLS connection to "+hostOf(e.URL)+saying(text(e.Err)),
			"If the certificate is of your own authority, give its PEM file with --ca-file; if GitLab speaks plain HTTP, write http:// in the URL.")
	case gitlab.NotGitLab:
		return problem(ci.NotGitLab, "What answers at "+hostOf(e.URL)+" is not GitLab's API"+said,
			"Check the URL; a proxy, a sign-in page or a firewall may answer in GitLab's place.")
	case gitlab.Redirected:
		return problem(ci.WrongBaseURL, "GitLab's address is another one"+said, "Use the URL "+baseOf(e.Location)+".")
	case gitlab.TooLarge:
		return problem(ci.BadAnswer, "GitLab's answer is too large to be read"+saying(text(e.Err)), "Please report this with the request.")
	}
	return problem(ci.BadAnswer, "GitLab's answer cannot be read"+said,
		"Try again; if it stays, look at the answer with the curl and report it.")
}

func problem(code ci.Code, cause, remedy string) *ci.Problem {
	return &ci.Problem{Code: code, Cause: strings.TrimRight(cause, ".") + ".", Remedy: remedy}
}

// requestLine tells the request as "GET URL → 403".
func requestLine(e *gitlab.Error) string {
	line := e.Method + " " + e.URL
	if e.Status != 0 {
		line += fmt.Sprintf(" → %d", e.Status)
	}
	return line
}

// saying appends a text to a sentence, nothing when it is empty.
func saying(message string) string {
	if message == "" {
		return ""
	}
	return " (" + message + ")"
}

func named(requestID string) string {
	if requestID == "" {
		return ""
	}
	return " " + requestID
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// hostOf cuts a URL down to its scheme, host and port.
func hostOf(u string) string {
	scheme, rest, ok := strings.Cut(u, "://")
	if !ok {
		return u
	}
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}

// baseOf cuts the API's part off a URL, or the page that GitLab sends those to
// who ask for something else without having signed in.
func baseOf(u string) string {
	base, _, _ := strings.Cut(u, "/api/v4")
	base, _, _ = strings.Cut(base, "/users/sign_in")
	return strings.TrimRight(base, "/")
}
