package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirhq/weir/internal/ci"
)

// Problem is an RFC 9457 problem with the members of ci.Problem. It is the
// body of every answer that failed, and the error that handlers return.
type Problem struct {
	Type    string       `json:"type" doc:"always about:blank: code says which problem it is"`
	Title   string       `json:"title" doc:"the status in words"`
	Status  int          `json:"status"`
	Detail  string       `json:"detail" doc:"one sentence: what is wrong"`
	Code    ci.Code      `json:"code" doc:"the problem's name, the same in the CLI, the API and the database"`
	Remedy  string       `json:"remedy,omitempty" doc:"one sentence: what to do"`
	Request string       `json:"request,omitempty" doc:"the request to GitLab that failed"`
	Curl    string       `json:"curl,omitempty" doc:"that request as a command, with the token left out"`
	Errors  []FieldError `json:"errors,omitempty" doc:"what is wrong with the request, by place"`
	Steps   []Step       `json:"steps,omitempty" doc:"the steps of a verification, the failed one last"`
	// Findings is what is wrong with a catalog: all of it.
	Findings []Finding `json:"findings,omitempty" doc:"everything that is wrong with a catalog"`
}

// FieldError says what is wrong with one part of a request. The refused value
// is never repeated: it may be a secret.
type FieldError struct {
	Location string `json:"location" doc:"such as body.base_url"`
	Message  string `json:"message"`
}

// StatusOf maps a problem's code to an HTTP status. An unknown code is 500.
func StatusOf(code ci.Code) int {
	switch code {
	case ci.BadRequest, ci.BadSQL, ci.ReadOnlySQL:
		return http.StatusBadRequest
	case ci.Unauthorized:
		return http.StatusUnauthorized
	case ci.Forbidden:
		return http.StatusForbidden
	case ci.NotFound:
		return http.StatusNotFound
	case ci.Conflict:
		return http.StatusConflict
	case ci.QueryTimeout:
		return http.StatusGatewayTimeout
	// What is wrong lies in what was asked for: the URL, the token, the group.
	case ci.InvalidCredentials, ci.InvalidPermissions, ci.NoResources, ci.NotGitLab, ci.WrongBaseURL,
		ci.UnsupportedVersion, ci.GroupNotFound, ci.ProjectForbidden, ci.ProjectNotFound:
		return http.StatusUnprocessableEntity
	// What is wrong lies on the way to GitLab or behind it.
	case ci.Unreachable, ci.TLSFailed, ci.ServerError, ci.BadAnswer:
		return http.StatusBadGateway
	case ci.RateLimited, ci.DatabaseLocked, ci.DatabaseUnreachable, ci.Interrupted:
		return http.StatusServiceUnavailable
	case ci.DiskFull:
		return http.StatusInsufficientStorage
	}
	return http.StatusInternalServerError
}

// ProblemOf turns any error into the body that tells it. What is not a
// ci.Problem is a defect of ours: its text stays in the log.
func ProblemOf(err error) *Problem {
	var shown *Problem
	if errors.As(err, &shown) {
		return shown
	}
	var p *ci.Problem
	switch {
	case errors.As(err, &p):
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		p = &ci.Problem{
			Code:   ci.Interrupted,
			Cause:  "The request was stopped before it was answered.",
			Remedy: "Repeat it.",
		}
	default:
		p = &ci.Problem{
			Code:   ci.Internal,
			Cause:  "weir met an error that it does not know.",
			Remedy: "Look into weir's log for the request at this time, and report it.",
		}
	}
	status := StatusOf(p.Code)
	return &Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Detail: p.Cause, Code: p.Code, Remedy: p.Remedy, Request: p.Request, Curl: p.Curl,
	}
}

// Problem gives the ci.Problem that the body tells.
func (p *Problem) Problem() *ci.Problem {
	cause := p.Detail
	for i, e := range p.Errors {
		if i == 0 {
			cause = strings.TrimSuffix(cause, ".") + ": "
		} else {
			cause += "; "
		}
		cause += e.Location + ": " + e.Message
	}
	if len(p.Errors) > 0 {
		cause += "."
	}
	return &ci.Problem{Code: p.Code, Cause: cause, Remedy: p.Remedy, Request: p.Request, Curl: p.Curl}
}

func (p *Problem) Error() string { return p.Problem().Error() }

// GetStatus is what huma answers with.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is what RFC 9457 wants.
func (p *Problem) ContentType(string) string { return problemMedia }

const problemMedia = "application/problem+json"

var problemType = reflect.TypeFor[Problem]()

// WriteProblem answers with an error, where no operation does.
func WriteProblem(w http.ResponseWriter, err error) {
	p := ProblemOf(err)
	w.Header().Set("Content-Type", problemMedia)
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // whoever asked may be gone
}

// ownProblems turns huma's own errors (a body that is no JSON, a missing
// parameter) into ours. Their `value`, which repeats what was sent, is left
// out: for POST /connections that is a token.
func ownProblems(_ huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := &Problem{
		Type: "about:blank", Title: http.StatusText(m.Status), Status: m.Status,
		Code: ci.BadRequest, Detail: "The request is not understood.",
		Remedy: "Compare it with the API's description at " + Prefix + "/openapi.yaml.",
	}
	if m.Status >= 500 {
		return ProblemOf(errors.New(m.Detail)), nil
	}
	for _, e := range m.Errors {
		p.Errors = append(p.Errors, FieldError{Location: e.Location, Message: e.Message})
	}
	if len(m.Errors) == 0 {
		p.Detail = "The request is not understood: " + strings.ToLower(m.Detail) + "."
	}
	return p, nil
}
