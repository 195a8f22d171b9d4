package gitlab

// The answers of GitLab's REST API, as far as weir reads them: GitLab's names,
// GitLab's types. Enumerations are strings, so that a word which GitLab adds
// tomorrow survives; keys that are not listed here are passed over. Fields
// that GitLab always sends are plain, the others are a Field.

// User is the answer of /user and the short form inside pipelines and jobs.
type User struct {
	ID       int64         `json:"id"`
	Username string        `json:"username"`
	Name     Field[string] `json:"name"`
	State    Field[string] `json:"state"`
	Bot      Field[bool]   `json:"bot"`
	WebURL   Field[string] `json:"web_url"`
}

// Token is the answer of /personal_access_tokens/self; it also describes group
// and project tokens. The token itself is never in it.
type Token struct {
	ID         int64         `json:"id"`
	Name       Field[string] `json:"name"`
	Revoked    Field[bool]   `json:"revoked"`
	Active     Field[bool]   `json:"active"`
	Scopes     []string      `json:"scopes"`
	UserID     Field[int64]  `json:"user_id"`
	ExpiresAt  Field[string] `json:"expires_at"` // a date, YYYY-MM-DD
	CreatedAt  Field[Time]   `json:"created_at"`
	LastUsedAt Field[Time]   `json:"last_used_at"`
}

// Version is the answer of /version, and the part of /metadata that weir reads.
type Version struct {
	Version    string      `json:"version"`
	Revision   string      `json:"revision"`
	Enterprise Field[bool] `json:"enterprise"` // /metadata only
}

// Group is a group or subgroup.
type Group struct {
	ID         int64         `json:"id"`
	ParentID   Field[int64]  `json:"parent_id"`
	FullPath   string        `json:"full_path"`
	Name       string        `json:"name"`
	Visibility Field[string] `json:"visibility"`
	WebURL     Field[string] `json:"web_url"`
	CreatedAt  Field[Time]   `json:"created_at"`
}

// Project is a project in its full form; with ?simple=true most Fields are absent.
type Project struct {
	ID                  int64           `json:"id"`
	Name                string          `json:"name"`
	PathWithNamespace   string          `json:"path_with_namespace"`
	DefaultBranch       Field[string]   `json:"default_branch"`
	Topics              Field[[]string] `json:"topics"`
	TagList             Field[[]string] `json:"tag_list"` // the old name of topics
	WebURL              Field[string]   `json:"web_url"`
	CreatedAt           Field[Time]     `json:"created_at"`
	LastActivityAt      Field[Time]     `json:"last_activity_at"`
	Archived            Field[bool]     `json:"archived"`
	Visibility          Field[string]   `json:"visibility"`
	BuildsAccessLevel   Field[string]   `json:"builds_access_level"` // disabled, private, enabled
	JobsEnabled         Field[bool]     `json:"jobs_enabled"`
	Namespace           Namespace       `json:"namespace"`
	MarkedForDeletionOn Field[string]   `json:"marked_for_deletion_on"`
}

// Namespace is where a project lives: a group or a user.
type Namespace struct {
	ID       int64         `json:"id"`
	Kind     Field[string] `json:"kind"` // group, user
	FullPath Field[string] `json:"full_path"`
}

// PipelineListItem is a pipeline as lists and embeddings show it.
type PipelineListItem struct {
	ID        int64         `json:"id"`
	IID       Field[int64]  `json:"iid"`
	ProjectID Field[int64]  `json:"project_id"`
	SHA       Field[string] `json:"sha"`
	Ref       Field[string] `json:"ref"`
	Status    string        `json:"status"`
	Source    Field[string] `json:"source"`
	CreatedAt Field[Time]   `json:"created_at"`
	UpdatedAt Field[Time]   `json:"updated_at"` // null on some external pipelines
	WebURL    Field[string] `json:"web_url"`
	Name      Field[string] `json:"name"`
}

// Pipeline is the answer of /projects/:id/pipelines/:pipeline_id.
type Pipeline struct {
	PipelineListItem
	BeforeSHA      Field[string]         `json:"before_sha"`
	Tag            Field[bool]           `json:"tag"`
	YAMLErrors     Field[string]         `json:"yaml_errors"`
	User           Field[User]           `json:"user"`
	StartedAt      Field[Time]           `json:"started_at"`
	FinishedAt     Field[Time]           `json:"finished_at"`
	CommittedAt    Field[Time]           `json:"committed_at"`
	Duration       Field[float64]        `json:"duration"`        // whole seconds
	QueuedDuration Field[float64]        `json:"queued_duration"` // whole seconds; null also when 0
	Coverage       Field[Coverage]       `json:"coverage"`
	DetailedStatus Field[DetailedStatus] `json:"detailed_status"`
}

// DetailedStatus is how GitLab's pages would show a status.
type DetailedStatus struct {
	Group Field[string] `json:"group"` // success-with-warnings, …
}

// Job is a build (/jobs) or, with DownstreamPipeline, a trigger job (/bridges).
type Job struct {
	ID                 int64                   `json:"id"`
	Status             string                  `json:"status"`
	Stage              Field[string]           `json:"stage"`
	Name               string                  `json:"name"`
	Ref                Field[string]           `json:"ref"`
	Tag                Field[bool]             `json:"tag"`
	AllowFailure       Field[bool]             `json:"allow_failure"`
	Coverage           Field[Coverage]         `json:"coverage"`
	CreatedAt          Field[Time]             `json:"created_at"`
	StartedAt          Field[Time]             `json:"started_at"`
	FinishedAt         Field[Time]             `json:"finished_at"`
	ErasedAt           Field[Time]             `json:"erased_at"`
	Duration           Field[float64]          `json:"duration"`        // seconds
	QueuedDuration     Field[float64]          `json:"queued_duration"` // seconds
	User               Field[User]             `json:"user"`
	Commit             Field[Commit]           `json:"commit"` // null when the git object is gone
	Pipeline           Field[PipelineListItem] `json:"pipeline"`
	WebURL             Field[string]           `json:"web_url"`
	FailureReason      Field[string]           `json:"failure_reason"` // only on failed jobs
	Artifacts          Field[[]Artifact]       `json:"artifacts"`
	Runner             Field[Runner]           `json:"runner"`
	TagList            Field[[]string]         `json:"tag_list"`
	DownstreamPipeline Field[PipelineListItem] `json:"downstream_pipeline"` // bridges only; may be of another project
}

// Commit is the commit of a job.
type Commit struct {
	ID            string      `json:"id"`
	CommittedDate Field[Time] `json:"committed_date"` // with its author's offset
}

// Artifact is a file that a job left, its log included.
type Artifact struct {
	FileType string       `json:"file_type"`
	Size     Field[int64] `json:"size"` // bytes
}

// Runner is the runner that took a job.
type Runner struct {
	ID          int64         `json:"id"`
	Description Field[string] `json:"description"`
	RunnerType  Field[string] `json:"runner_type"` // instance_type, group_type, project_type
	Active      Field[bool]   `json:"active"`
}
