package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/weirhq/weir/internal/ci"
)

// Exit codes (doc/design.md §6). Scripts rely on them.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2   // the command line, a setting or a parameter is wrong
	exitIncomplete  = 3   // an import ended without everything; what it read is kept
	exitCredentials = 4   // a token is wrong, or may too little
	exitGitLab      = 5   // GitLab cannot be reached, fails, or refuses for now
	exitThreshold   = 6   // a report breaches what --fail-on asks for
	exitInterrupted = 130 // a signal ended it, as shells say
)

// usageError is a command that was called wrongly.
type usageError struct{ cause, remedy string }

func (e *usageError) Error() string { return e.cause }

// exit ends the program with a code when everything has been said already.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// fail tells an error on stderr, once, and gives the exit code. nil is 0.
func (p *program) fail(err error) int {
	var silent exit
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &silent):
		return int(silent)
	}
	shown := problemOf(err)
	p.tell(shown)
	return exitCode(shown.Code)
}

// tell writes a problem for a person, or with -o json and -o ndjson for a
// program: one JSON object on one line.
func (p *program) tell(shown *ci.Problem) {
	if p.settings != nil {
		switch p.settings.value("output") {
		case "json", "ndjson":
			line, _ := json.Marshal(struct {
				Code    ci.Code `json:"code"`
				Cause   string  `json:"cause"`
				Remedy  string  `json:"remedy"`
				Request string  `json:"request"`
				Curl    string  `json:"curl"`
			}{shown.Code, shown.Cause, shown.Remedy, shown.Request, shown.Curl}) // strings only: cannot fail
			fmt.Fprintf(p.stderr, "%s\n", line)
			return
		}
	}
	cause := shown.Cause
	if cause == "" {
		cause = string(shown.Code)
	}
	fmt.Fprintf(p.stderr, "weir: %s\n", printable(cause))
	for _, line := range []struct{ name, text string }{
		{"what to do", shown.Remedy}, {"request", shown.Request}, {"curl", shown.Curl}, {"code", string(shown.Code)},
	} {
		if line.text != "" {
			fmt.Fprintf(p.stderr, "  %s: %s\n", line.name, printable(line.text))
		}
	}
}

// problemOf finds the problem in an error, or makes one of it. A defect of
// weir's own is told with the error's text: it is the user's own machine.
func problemOf(err error) *ci.Problem {
	var usage *usageError
	var problem *ci.Problem
	switch {
	case errors.As(err, &usage):
		return &ci.Problem{Code: ci.BadRequest, Cause: usage.cause, Remedy: usage.remedy}
	case errors.As(err, &problem):
		return problem
	case errors.Is(err, syscall.ENOSPC):
		return &ci.Problem{Code: ci.DiskFull, Cause: err.Error(), Remedy: "Free some space, then run the command again: what was stored is whole."}
	case errors.Is(err, fs.ErrPermission):
		return &ci.Problem{Code: ci.DataDirUnwritable, Cause: err.Error(), Remedy: "Make it writable for this user, or name another directory."}
	}
	return &ci.Problem{
		Code: ci.Internal, Cause: err.Error(),
		Remedy: "Run it again with --log-level debug, and report it with what that prints.",
	}
}

// exitCode maps a problem to the exit code; any code not named is a failure.
func exitCode(code ci.Code) int {
	switch code {
	case ci.BadRequest:
		return exitUsage
	case ci.InvalidCredentials, ci.InvalidPermissions, ci.NoResources, ci.ProjectForbidden, ci.Unauthorized, ci.Forbidden:
		return exitCredentials
	case ci.Unreachable, ci.TLSFailed, ci.RateLimited, ci.ServerError:
		return exitGitLab
	case ci.Interrupted:
		return exitInterrupted
	}
	return exitFailure
}
