package ci

import "time"

// Ids are GitLab's own, except InstanceID, SyncID and ConnectionID, which weir
// hands out from 1. Two instances may use the same id for different things, so
// a key is always (instance, id).
type (
	InstanceID   int64
	ConnectionID int64
	SyncID       int64
	GroupID      int64
	ProjectID    int64
	PipelineID   int64
	JobID        int64
	UserID       int64
	RunnerID     int64
)

// Instance is a GitLab.
type Instance struct {
	ID        InstanceID `db:"id"`
	BaseURL   string     `db:"base_url"` // scheme://host[:port][/relative root], no trailing slash
	Version   *string    `db:"version"`
	CreatedAt time.Time  `db:"created_at"` // when weir first met it
}

// Group is a group that a connection can see.
type Group struct {
	InstanceID InstanceID `db:"instance_id"`
	ID         GroupID    `db:"id"`
	ParentID   *GroupID   `db:"parent_id"`
	FullPath   string     `db:"full_path"`
	Name       string     `db:"name"`
	Visibility *string    `db:"visibility"`
	WebURL     *string    `db:"web_url"`
	CreatedAt  *time.Time `db:"created_at"`
	DeletedAt  *time.Time `db:"deleted_at"`
	SyncedAt   time.Time  `db:"synced_at"`
}

// CIAccess says whether a project's pipelines can be read.
type CIAccess string

// The values of Project.CIAccess.
const (
	CIEnabled   CIAccess = "enabled"   // pipelines were read, or nothing speaks against it
	CIDisabled  CIAccess = "disabled"  // the project has CI/CD switched off
	CIForbidden CIAccess = "forbidden" // the token may not read its pipelines
)

// Project is a project in the reach of a gitlab-pipelines connection.
type Project struct {
	InstanceID     InstanceID `db:"instance_id"`
	ID             ProjectID  `db:"id"`
	GroupID        *GroupID   `db:"group_id"` // NULL in a personal namespace
	FullPath       string     `db:"full_path"`
	Name           string     `db:"name"`
	DefaultBranch  *string    `db:"default_branch"`
	Archived       *bool      `db:"archived"`
	Visibility     *string    `db:"visibility"`
	Topics         []string   `db:"topics"`
	WebURL         *string    `db:"web_url"`
	CreatedAt      *time.Time `db:"created_at"`
	LastActivityAt *time.Time `db:"last_activity_at"`
	CIAccess       CIAccess   `db:"ci_access"`
	RepositoryID   *ProjectID `db:"repository_id"` // id of its row in repositories, where a gitlab connection brought one
	DeletedAt      *time.Time `db:"deleted_at"`
	SyncedAt       time.Time  `db:"synced_at"`
}

// Repository is a git repository, as the gitlab connection sees it. On GitLab
// every project has one, so its id is the project's.
type Repository struct {
	InstanceID    InstanceID `db:"instance_id"`
	ID            ProjectID  `db:"id"`
	Source        string     `db:"source"`      // "gitlab"
	ExternalID    string     `db:"external_id"` // the id at the source, as text
	Organization  string     `db:"organization"`
	Name          string     `db:"name"`
	FullPath      string     `db:"full_path"`
	DefaultBranch *string    `db:"default_branch"`
	Archived      *bool      `db:"archived"`
	WebURL        *string    `db:"web_url"`
	DeletedAt     *time.Time `db:"deleted_at"`
	SyncedAt      time.Time  `db:"synced_at"`
}

// User is a GitLab user seen on a run.
type User struct {
	InstanceID InstanceID `db:"instance_id"`
	ID         UserID     `db:"id"`
	Username   string     `db:"username"`
	Name       *string    `db:"name"`
	State      *string    `db:"state"`
	Bot        *bool      `db:"bot"`
	WebURL     *string    `db:"web_url"`
	SyncedAt   time.Time  `db:"synced_at"`
}

// TimePrecision says how exact the times of a row are.
type TimePrecision string

// The values of TimePrecision.
const (
	Milliseconds TimePrecision = "ms" // REST
	Seconds      TimePrecision = "s"  // GraphQL and hooks cut the fraction off
)

// Pipeline is one run of a pipeline.
type Pipeline struct {
	InstanceID         InstanceID    `db:"instance_id"`
	ID                 PipelineID    `db:"id"`
	ProjectID          ProjectID     `db:"project_id"`
	IID                *int64        `db:"iid"`
	Name               *string       `db:"name"`
	Status             Status        `db:"status"`
	Source             *Source       `db:"source"`
	Ref                *string       `db:"ref"`
	RefType            RefType       `db:"ref_type"`
	IsDefaultBranch    *bool         `db:"is_default_branch"` // NULL where the project's default branch is unknown
	MergeRequestIID    *int64        `db:"merge_request_iid"`
	SHA                *string       `db:"sha"`
	BeforeSHA          *string       `db:"before_sha"`
	Tag                *bool         `db:"tag"`
	UserID             *UserID       `db:"user_id"`
	ParentPipelineID   *PipelineID   `db:"parent_pipeline_id"`   // same project, source parent_pipeline
	UpstreamPipelineID *PipelineID   `db:"upstream_pipeline_id"` // another project's, source pipeline
	CreatedAt          *time.Time    `db:"created_at"`
	UpdatedAt          *time.Time    `db:"updated_at"`
	StartedAt          *time.Time    `db:"started_at"`
	FinishedAt         *time.Time    `db:"finished_at"`
	CommittedAt        *time.Time    `db:"committed_at"`
	DurationSeconds    *float64      `db:"duration_seconds"`
	QueuedSeconds      *float64      `db:"queued_seconds"`
	Coverage           *float64      `db:"coverage"` // percent
	YAMLErrors         *string       `db:"yaml_errors"`
	FailureReason      *string       `db:"failure_reason"`
	HasWarnings        *bool         `db:"has_warnings"`
	WebURL             *string       `db:"web_url"`
	TimePrecision      TimePrecision `db:"time_precision"`
	DeletedAt          *time.Time    `db:"deleted_at"`
	SyncedAt           time.Time     `db:"synced_at"` // when the answer that this row came from was asked for
}

// JobKind tells the three things that GitLab calls a job apart.
type JobKind string

// The values of Job.Kind.
const (
	Build    JobKind = "build"    // runs on a runner
	Bridge   JobKind = "bridge"   // trigger: starts a downstream pipeline
	External JobKind = "external" // a commit status that another system reported
)

// Job is one attempt of one job; attempts that were retried are rows too.
type Job struct {
	InstanceID           InstanceID    `db:"instance_id"`
	ID                   JobID         `db:"id"`
	ProjectID            ProjectID     `db:"project_id"`
	PipelineID           PipelineID    `db:"pipeline_id"`
	Name                 string        `db:"name"`
	BaseName             string        `db:"base_name"`
	Stage                *string       `db:"stage"`
	Kind                 JobKind       `db:"kind"`
	Status               Status        `db:"status"`
	AllowFailure         *bool         `db:"allow_failure"`
	Retried              *bool         `db:"retried"`
	Manual               *bool         `db:"manual"` // NULL where GitLab does not say (REST says it only by status manual)
	CreatedAt            *time.Time    `db:"created_at"`
	QueuedAt             *time.Time    `db:"queued_at"`
	StartedAt            *time.Time    `db:"started_at"`
	FinishedAt           *time.Time    `db:"finished_at"`
	ErasedAt             *time.Time    `db:"erased_at"`
	DurationSeconds      *float64      `db:"duration_seconds"`
	QueuedSeconds        *float64      `db:"queued_seconds"`
	Coverage             *float64      `db:"coverage"`
	FailureReason        *string       `db:"failure_reason"`
	RunnerID             *RunnerID     `db:"runner_id"`
	UserID               *UserID       `db:"user_id"`
	CommitCommittedAt    *time.Time    `db:"commit_committed_at"`
	Tags                 []string      `db:"tags"` // nil is NULL (unknown), empty is none
	ArtifactsBytes       *int64        `db:"artifacts_bytes"`
	DownstreamPipelineID *PipelineID   `db:"downstream_pipeline_id"` // of a bridge
	WebURL               *string       `db:"web_url"`
	TimePrecision        TimePrecision `db:"time_precision"`
	DeletedAt            *time.Time    `db:"deleted_at"`
	SyncedAt             time.Time     `db:"synced_at"`
}

// DeploymentID is GitLab's id of a deployment; below 0 where a rule found it.
type DeploymentID int64

// Deployment is a deployment, known from GitLab or from a deploy rule.
type Deployment struct {
	InstanceID   InstanceID       `db:"instance_id"`
	ID           DeploymentID     `db:"id"`
	ProjectID    ProjectID        `db:"project_id"`
	RepositoryID *ProjectID       `db:"repository_id"`
	ServiceID    *ServiceID       `db:"service_id"` // rules say it, GitLab does not
	Environment  string           `db:"environment"`
	Tier         *string          `db:"tier"`
	SHA          *string          `db:"sha"`
	PipelineID   *PipelineID      `db:"pipeline_id"`
	JobID        *JobID           `db:"job_id"`
	DeployedAt   *time.Time       `db:"deployed_at"` // NULL until it has succeeded or failed
	Success      *bool            `db:"success"`     // NULL unless it has succeeded or failed
	RuleID       *RuleID          `db:"rule_id"`
	Source       DeploymentSource `db:"source"`
	IID          *int64           `db:"iid"`
	Ref          *string          `db:"ref"`
	Status       *string          `db:"status"` // in GitLab's word
	UserID       *UserID          `db:"user_id"`
	CreatedAt    *time.Time       `db:"created_at"`
	UpdatedAt    *time.Time       `db:"updated_at"`
	DeletedAt    *time.Time       `db:"deleted_at"`
	SyncedAt     time.Time        `db:"synced_at"`
}

// DeploymentSource says who told of a deployment.
type DeploymentSource string

// The values of Deployment.Source.
const (
	DeployedByRule DeploymentSource = "rule"
	FromGitLab     DeploymentSource = "gitlab"
)

// JobNeed is a `needs` edge of a pipeline, where it was fetched.
type JobNeed struct {
	InstanceID InstanceID `db:"instance_id"`
	PipelineID PipelineID `db:"pipeline_id"`
	JobName    string     `db:"job_name"`
	NeedsName  string     `db:"needs_name"`
	SyncedAt   time.Time  `db:"synced_at"`
}

// Runner is a runner seen on a job.
type Runner struct {
	InstanceID  InstanceID `db:"instance_id"`
	ID          RunnerID   `db:"id"`
	Description *string    `db:"description"`
	RunnerType  *string    `db:"runner_type"`
	Tags        []string   `db:"tags"` // nil is NULL: jobs do not say a runner's tags
	Active      *bool      `db:"active"`
	SyncedAt    time.Time  `db:"synced_at"`
}

// ProjectSync says how current a project's data is. It is the importer's
// cursor: it commits in the same transaction as the rows that it follows.
type ProjectSync struct {
	InstanceID     InstanceID `db:"instance_id"`
	ProjectID      ProjectID  `db:"project_id"`
	Cursor         *string    `db:"cursor"`          // where an unfinished walk goes on; private to the importer, NULL when none is open
	SyncedTo       *time.Time `db:"synced_to"`       // everything GitLab changed before this is stored
	BackfilledFrom *time.Time `db:"backfilled_from"` // … and since this
	OpenPipelines  *int64     `db:"open_pipelines"`  // how many still run and are followed
	LastSyncedAt   *time.Time `db:"last_synced_at"`
	LastErrorCode  *string    `db:"last_error_code"` // NULL when the last visit succeeded
	LastErrorAt    *time.Time `db:"last_error_at"`
	Requests       int64      `db:"requests"` // spent on it, all syncs together
}

// SyncState is where a run of the importer stands.
type SyncState string

// The values of Sync.State.
const (
	SyncRunning     SyncState = "running"
	SyncComplete    SyncState = "complete"    // everything in reach is stored
	SyncIncomplete  SyncState = "incomplete"  // ended, but some projects could not be read: see sync_errors
	SyncFailed      SyncState = "failed"      // could not go on: see sync_errors
	SyncPaused      SyncState = "paused"      // what changed was read, and history goes on in the next sync
	SyncInterrupted SyncState = "interrupted" // stopped by a person or a crash; the next sync goes on from there
)

// Sync is one run of the importer.
type Sync struct {
	ID               SyncID           `db:"id"`
	InstanceID       InstanceID       `db:"instance_id"`
	ConnectionID     ConnectionID     `db:"connection_id"`
	Kind             string           `db:"kind"` // "sync" (what changed), "full" (everything again), "open" (only what had not ended)
	State            SyncState        `db:"state"`
	StartedAt        time.Time        `db:"started_at"`
	FinishedAt       *time.Time       `db:"finished_at"`
	Rows             map[string]int64 `db:"rows"` // rows written, by table
	Requests         int64            `db:"requests"`
	RequestsBy       map[string]int64 `db:"requests_by_endpoint"`
	ThrottledSeconds float64          `db:"throttled_seconds"` // for how long limits held requests back
	Plan             string           `db:"plan"`              // that was used; while it runs and has not chosen, that was asked for
	PlanRequests     map[string]int64 `db:"plan_requests"`     // that each plan would have needed; of the one used, that it did need
	Polled           *bool            `db:"polled"`            // nobody asked for it; NULL: not known, stored before weir noted it
}

// SyncError is something that a run of the importer could not do.
type SyncError struct {
	SyncID     SyncID     `db:"sync_id"`
	Seq        int64      `db:"seq"` // order within the run, from 1
	InstanceID InstanceID `db:"instance_id"`
	ProjectID  *ProjectID `db:"project_id"` // NULL: concerns the whole run
	Code       string     `db:"code"`
	Detail     string     `db:"detail"`
	At         time.Time  `db:"at"`
}
