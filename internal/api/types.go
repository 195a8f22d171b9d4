package api

import (
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// The bodies of requests and answers. A pointer is a value that may be null,
// which means "not known" or "not yet"; a list is never null.

// Health says that the process answers.
type Health struct {
	Status  string `json:"status" enum:"ok" doc:"always ok: a process that cannot serve does not answer"`
	Version string `json:"version"`
	PID     int    `json:"pid" doc:"process id of the server"`
}

// Version says what is running.
type Version struct {
	Version       string `json:"version" doc:"module version, or devel"`
	Commit        string `json:"commit" doc:"git commit of the build, empty if unknown"`
	Go            string `json:"go"`
	Engine        string `json:"engine" enum:"duckdb,postgres"`
	EngineVersion string `json:"engine_version"`
	SchemaVersion int64  `json:"schema_version"`
}

// Connection is a way into a GitLab, without its secrets.
type Connection struct {
	ID                   ci.ConnectionID `json:"id"`
	Kind                 string          `json:"kind" enum:"gitlab,gitlab-pipelines"`
	Name                 string          `json:"name"`
	InstanceID           ci.InstanceID   `json:"instance_id"`
	BaseURL              string          `json:"base_url"`
	Groups               []string        `json:"groups" nullable:"false" doc:"full paths or ids; empty: every group that the token is a member of"`
	Since                string          `json:"since" doc:"how far back history is imported: 90d, a date, or all"`
	CAFile               string          `json:"ca_file" doc:"PEM file with further root certificates, on weir's machine; empty: the system's"`
	MaxRequestsPerMinute *float64        `json:"max_requests_per_minute" doc:"hard ceiling a credential; null: only GitLab's own limits"`
	State                string          `json:"state" enum:"verified,failing"`
	DisabledAt           *time.Time      `json:"disabled_at" doc:"since when weir leaves it alone; null: it does not"`
	Warnings             []Warning       `json:"warnings" nullable:"false"`
	Credentials          []Credential    `json:"credentials" nullable:"false"`
	CreatedAt            time.Time       `json:"created_at"`
	UpdatedAt            time.Time       `json:"updated_at"`
	LastCheckedAt        *time.Time      `json:"last_checked_at"`
	LastErrorCode        *ci.Code        `json:"last_error_code" doc:"null when the last check succeeded"`
}

// Credential is a token of a connection, as far as it may be shown.
type Credential struct {
	ID         int64      `json:"id"`
	Label      string     `json:"label"`
	Last4      string     `json:"last4" doc:"the token's last four characters; empty for a short token"`
	Username   string     `json:"username" doc:"whose token it is, in GitLab's word"`
	Scopes     []string   `json:"scopes" nullable:"false" doc:"empty where GitLab does not say"`
	ExpiresAt  *time.Time `json:"expires_at" doc:"null: never, or GitLab does not say"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
}

// Warning is a problem that does not stop a connection.
type Warning struct {
	Code   ci.Code `json:"code"`
	Cause  string  `json:"cause"`
	Remedy string  `json:"remedy"`
}

// Step is one step of the verification of a credential.
type Step struct {
	Name        string  `json:"name" doc:"url, version, user, token, groups, projects, pipelines, jobs"`
	OK          bool    `json:"ok"`
	Detail      string  `json:"detail"`
	TookSeconds float64 `json:"took_seconds"`
	Request     string  `json:"request" doc:"the request that it made, without token"`
}

// ConnectRequest asks for a new connection.
type ConnectRequest struct {
	Kind                 string   `json:"kind" enum:"gitlab,gitlab-pipelines"`
	Name                 string   `json:"name,omitempty" maxLength:"200" doc:"default: the host's name"`
	BaseURL              string   `json:"base_url" minLength:"1" doc:"https://gitlab.com or your own"`
	Token                Secret   `json:"token"`
	Label                string   `json:"label,omitempty" maxLength:"200" doc:"a name for the credential"`
	Groups               []string `json:"groups,omitempty" nullable:"false"`
	Since                string   `json:"since,omitempty" doc:"90d (default), a date, or all"`
	CAFile               string   `json:"ca_file,omitempty"`
	MaxRequestsPerMinute *float64 `json:"max_requests_per_minute,omitempty" exclusiveMinimum:"0"`
}

// CredentialRequest asks for one more credential of a connection.
type CredentialRequest struct {
	Token Secret `json:"token"`
	Label string `json:"label,omitempty" maxLength:"200"`
}

// Verified is the answer of everything that verifies a credential. When the
// verification failed, the client fills Steps alone, from the problem.
type Verified struct {
	Connection Connection `json:"connection"`
	// CredentialID is the credential that was verified; of a check, the first one.
	CredentialID int64  `json:"credential_id"`
	Version      string `json:"version" doc:"GitLab's version; empty if it does not say"`
	Steps        []Step `json:"steps" nullable:"false"`
}

// Connections is a list of connections, by id.
type Connections struct {
	Connections []Connection `json:"connections" nullable:"false"`
}

// SyncRequest asks for imports, one a connection.
type SyncRequest struct {
	Connections          []ci.ConnectionID `json:"connections,omitempty" nullable:"false" doc:"empty: every connection"`
	Projects             []string          `json:"projects,omitempty" nullable:"false" doc:"full paths or ids; empty: all"`
	Since                string            `json:"since,omitempty" doc:"for this run only: 90d, a date, or all; empty: the connection's"`
	Full                 bool              `json:"full,omitempty" doc:"ask for everything again"`
	Plan                 string            `json:"plan,omitempty" enum:"auto,documented,keyset,graphql" doc:"default auto"`
	MaxRequestsPerMinute *float64          `json:"max_requests_per_minute,omitempty" exclusiveMinimum:"0" doc:"for this run only"`
}

// StartedSync names an import that was started.
type StartedSync struct {
	ID           ci.SyncID       `json:"id"`
	ConnectionID ci.ConnectionID `json:"connection_id"`
}

// StartedSyncs is the answer of POST /syncs, in the order of the connections.
type StartedSyncs struct {
	Syncs []StartedSync `json:"syncs" nullable:"false"`
}

// Sync is one run of the importer.
type Sync struct {
	ID                 ci.SyncID        `json:"id"`
	InstanceID         ci.InstanceID    `json:"instance_id"`
	ConnectionID       ci.ConnectionID  `json:"connection_id"`
	Kind               string           `json:"kind" doc:"sync (what changed), full (everything again) or open (only what had not ended)"`
	State              ci.SyncState     `json:"state" enum:"running,complete,incomplete,paused,failed,interrupted"`
	StartedAt          time.Time        `json:"started_at"`
	FinishedAt         *time.Time       `json:"finished_at"`
	Rows               map[string]int64 `json:"rows" doc:"rows written, by table"`
	Requests           int64            `json:"requests"`
	RequestsByEndpoint map[string]int64 `json:"requests_by_endpoint"`
	PlanRequests       map[string]int64 `json:"plan_requests" doc:"requests that each plan would have needed for what was read; of the plan that was used, those that it made; null where none was chosen"`
	ThrottledSeconds   float64          `json:"throttled_seconds" doc:"time spent waiting for GitLab's limits, summed over requests"`
	Plan               string           `json:"plan"`
	Errors             []SyncError      `json:"errors" nullable:"false"`
}

// SyncError is something that an import could not do.
type SyncError struct {
	Seq       int64         `json:"seq"`
	ProjectID *ci.ProjectID `json:"project_id" doc:"null: concerns the whole run"`
	Project   string        `json:"project" doc:"full path, empty if unknown"`
	Code      string        `json:"code"`
	Detail    string        `json:"detail"`
	At        time.Time     `json:"at"`
}

// Syncs is a list of imports, newest first.
type Syncs struct {
	Syncs []Sync `json:"syncs" nullable:"false"`
}

// SyncEvent is one step of a running import, as told by the event stream.
type SyncEvent struct {
	ID               int64            `json:"id" doc:"order within the sync, from 1"`
	SyncID           ci.SyncID        `json:"sync_id"`
	Kind             string           `json:"kind" enum:"started,phase,project,progress,warning,done"`
	Project          string           `json:"project,omitempty"`
	Phase            string           `json:"phase,omitempty"`
	ProjectsDone     int64            `json:"projects_done"`
	ProjectsTotal    int64            `json:"projects_total"`
	PipelinesDone    int64            `json:"pipelines_done"`
	PipelinesTotal   int64            `json:"pipelines_total"`
	Rows             map[string]int64 `json:"rows,omitempty" doc:"rows written so far, by table"`
	Requests         int64            `json:"requests"`
	ThrottledSeconds float64          `json:"throttled_seconds"`
	Message          string           `json:"message,omitempty"`
	Code             ci.Code          `json:"code,omitempty"`
	At               time.Time        `json:"at"`
	// Sync is the summary, on the last event ("done") only.
	Sync *Sync `json:"sync,omitempty" doc:"the summary, on the event done only"`
	// Problem says why a run failed as a whole, on the event "done" only.
	Problem *Problem `json:"problem,omitempty" doc:"why the run failed as a whole, on the event done only"`
}

// Status says what is current, what failed, and what it cost.
type Status struct {
	Engine      string             `json:"engine" enum:"duckdb,postgres"`
	Bytes       int64              `json:"bytes" doc:"size of the database"`
	Connections []ConnectionStatus `json:"connections" nullable:"false"`
	Projects    []ProjectStatus    `json:"projects" nullable:"false"`
	// CompleteTo is the smallest synced_to of all projects with CI.
	CompleteTo *time.Time       `json:"complete_to" doc:"everything that GitLab changed before this is stored, in every project with CI; null while one was never read"`
	Rows       map[string]int64 `json:"rows" doc:"rows stored, by table"`
	Syncs      []Sync           `json:"syncs" nullable:"false" doc:"the last ten, newest first"`
	Refused    []RefusedFile    `json:"refused" nullable:"false" doc:"configuration that was given since the process started and is wrong; what held before is in force"`
}

// ConnectionStatus is a connection and its imports.
type ConnectionStatus struct {
	Connection Connection `json:"connection"`
	Running    *ci.SyncID `json:"running" doc:"the import that runs now, null if none"`
	LastSync   *Sync      `json:"last_sync" doc:"the newest import, null if none"`
	GitLab     *Standing  `json:"gitlab" doc:"limits, waits and outages as the answering process knows them; null: it has asked nothing yet"`
	Poll       *Poll      `json:"poll" doc:"how this server polls it; null: it does not"`
	// Hooks says what web hooks bring.
	Hooks *HookStatus `json:"hooks" doc:"what web hooks bring; null: there is no secret for any"`
}

// ProjectStatus says how current a project's data is.
type ProjectStatus struct {
	InstanceID     ci.InstanceID `json:"instance_id"`
	ID             ci.ProjectID  `json:"id"`
	FullPath       string        `json:"full_path"`
	CIAccess       ci.CIAccess   `json:"ci_access"`
	DeletedAt      *time.Time    `json:"deleted_at"`
	SyncedTo       *time.Time    `json:"synced_to" doc:"everything that GitLab changed before this is stored"`
	BackfilledFrom *time.Time    `json:"backfilled_from" doc:"and since this"`
	OpenPipelines  *int64        `json:"open_pipelines" doc:"how many still run and are followed"`
	LastSyncedAt   *time.Time    `json:"last_synced_at"`
	LastErrorCode  *string       `json:"last_error_code"`
	LastErrorAt    *time.Time    `json:"last_error_at"`
	Requests       int64         `json:"requests"`
}

// QueryRequest asks for the rows of a statement that only reads.
type QueryRequest struct {
	SQL            string            `json:"sql" minLength:"1"`
	Variables      map[string]string `json:"variables,omitempty" doc:"values of :name in the statement"`
	MaxRows        int               `json:"max_rows,omitempty" minimum:"0" doc:"0: no limit"`
	TimeoutSeconds float64           `json:"timeout_seconds,omitempty" minimum:"0" doc:"0: the default, 60"`
}

// Column is a column of a query's answer.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type" doc:"the engine's word"`
}

// QuerySummary is the last line of a query's answer.
type QuerySummary struct {
	Rows        int64   `json:"rows"`
	Truncated   bool    `json:"truncated" doc:"there were more rows than max_rows"`
	TookSeconds float64 `json:"took_seconds"`
}

// Schema is the data dictionary: the published tables, then the views.
type Schema struct {
	Tables []Table `json:"tables" nullable:"false"`
}

// Table is a published table or view.
type Table struct {
	Name    string        `json:"name"`
	Kind    string        `json:"kind" enum:"table,view"`
	Meaning string        `json:"meaning"`
	Rows    *int64        `json:"rows" doc:"null for views"`
	Columns []TableColumn `json:"columns" nullable:"false"`
}

// TableColumn is a column of a published table.
type TableColumn struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	Nullable   bool   `json:"nullable"`
	Key        bool   `json:"key"`
	Meaning    string `json:"meaning"`
	References string `json:"references" doc:"the table whose key it holds, empty if none"`
}

// Doctor is a list of checks.
type Doctor struct {
	OK     bool    `json:"ok" doc:"every check passed"`
	Checks []Check `json:"checks" nullable:"false"`
}

// Check is one thing that was looked at.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy" doc:"what to do, empty when ok"`
}
