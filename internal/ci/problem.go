package ci

import (
	"errors"
	"fmt"
)

// Code names a problem. The same code appears in the CLI, the API, the pages,
// sync_errors and the troubleshooting chapter of the README: people script
// against it.
type Code string

// Problems of a connection (doc/design.md §5).
const (
	InvalidCredentials Code = "invalid_credentials" // 401: the token is wrong, expired or revoked
	InvalidPermissions Code = "invalid_permissions" // the token's scope or role is too small
	NoResources        Code = "no_resources"        // the token reaches no group or no project
	Unreachable        Code = "unreachable"         // no answer from the host
	TLSFailed          Code = "tls_failed"          // the certificate is not trusted, or no TLS there
	NotGitLab          Code = "not_gitlab"          // something else answered
	WrongBaseURL       Code = "wrong_base_url"      // GitLab, but not at this URL
	RateLimited        Code = "rate_limited"        // GitLab refuses for now
	ServerError        Code = "server_error"        // GitLab failed
	UnsupportedVersion Code = "unsupported_version" // GitLab is too old
	GroupNotFound      Code = "group_not_found"     // no such group, or the token cannot see it
)

// Problems that do not stop a connection: stored with it and shown.
const (
	TokenExpiresSoon        Code = "token_expires_soon"
	SharedToken             Code = "shared_token"
	CIDisabledCode          Code = "ci_disabled"
	ClockSkew               Code = "clock_skew"
	MissingGitLabConnection Code = "missing_gitlab_connection"
)

// Problems of a sync, a project or an answer.
const (
	ProjectForbidden Code = "project_forbidden" // 403 on a project that the token can list
	ProjectNotFound  Code = "project_not_found" // 404: deleted, moved away, or no longer shared with the token
	BadAnswer        Code = "bad_answer"        // GitLab answered something that cannot be read
	Interrupted      Code = "interrupted"       // stopped by a person or a crash
	// DeploymentsForbidden: 403 or 404 on a project's deployments alone.
	DeploymentsForbidden Code = "deployments_forbidden"
	PlanFallback         Code = "plan_fallback" // a plan could not be used; another one gave the same rows
	UnknownValue         Code = "unknown_value" // a word that this weir does not know; stored as it came
)

// Problems of weir's own.
const (
	BadRequest          Code = "bad_request"          // a parameter is wrong
	BadSQL              Code = "bad_sql"              // the statement does not parse or run
	ReadOnlySQL         Code = "read_only_sql"        // the statement would write
	QueryTimeout        Code = "query_timeout"        // the statement took too long
	NotFound            Code = "not_found"            // no such connection, sync, table, …
	Conflict            Code = "conflict"             // it exists already, or is busy
	Unauthorized        Code = "unauthorized"         // weir's own API wants a token
	ServerUnreachable   Code = "server_unreachable"   // weir's own server does not answer
	Forbidden           Code = "forbidden"            // weir's own server refuses
	DatabaseLocked      Code = "database_locked"      // another process owns the data directory
	DatabaseNewer       Code = "database_newer"       // written by a newer weir
	DatabaseCorrupt     Code = "database_corrupt"     // not a database of weir's, or damaged
	DatabaseUnreachable Code = "database_unreachable" // no answer from PostgreSQL
	DiskFull            Code = "disk_full"            // no space left
	DataDirUnwritable   Code = "data_dir_unwritable"  // weir cannot write there
	SecretKeyMissing    Code = "secret_key_missing"   // sealed credentials cannot be opened
	Internal            Code = "internal"             // a defect of weir's
)

// Problem is an error that a person can act on: what happened, why, and what
// to do. It never holds a secret.
type Problem struct {
	Code   Code
	Cause  string // one sentence: what is wrong
	Remedy string // one sentence: what to do
	// Request is the failing request ("GET https://…/api/v4/user → 401"), empty if none was made.
	Request string
	// Curl repeats it, with the token left out: --header "PRIVATE-TOKEN: $WEIR_TOKEN".
	Curl string
	Err  error // the underlying error, for logs; may be nil
}

func (p *Problem) Error() string {
	if p.Cause == "" {
		return string(p.Code)
	}
	return fmt.Sprintf("%s: %s", p.Code, p.Cause)
}

func (p *Problem) Unwrap() error { return p.Err }

// CodeOf gives the code of the first Problem in err's chain, Internal for any
// other error, and "" for nil.
func CodeOf(err error) Code {
	var p *Problem
	switch {
	case err == nil:
		return ""
	case errors.As(err, &p):
		return p.Code
	}
	return Internal
}
