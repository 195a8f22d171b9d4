package gitlab

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// What GitLab sends by web hook (gitlab-api §7), as far as weir reads it. The
// structs hold no name but a user's, no e-mail address, no variable and no
// commit message: marshalled again they are what may be kept of an event, and
// absent, null and zero stay apart.

// LargestHook is how many bytes GitLab sends at most.
const LargestHook = 25 << 20

// HookKind is what an event is about.
type HookKind string

// The kinds that weir reads; HookOther is any other.
const (
	HookPipeline   HookKind = "pipeline"
	HookJob        HookKind = "build"
	HookDeployment HookKind = "deployment"
	HookProjects   HookKind = "project"
	HookOther      HookKind = "other"
)

// Hook is one event. Of the others the one of its kind is set.
type Hook struct {
	Kind       HookKind
	Pipeline   *PipelineHook
	Job        *JobHook
	Deployment *DeploymentHook
	Change     *ProjectHook
}

// PipelineHook tells the state of a pipeline and of the latest attempt of each
// of its builds. Bridges and retried attempts are not in it, nor what a
// pipeline was updated, started or covered at.
type PipelineHook struct {
	Attributes     HookPipelineAttributes  `json:"object_attributes"`
	MergeRequest   Field[HookMergeRequest] `json:"merge_request,omitzero"`
	User           Field[HookUser]         `json:"user,omitzero"`
	Project        HookProject             `json:"project"`
	SourcePipeline Field[HookSource]       `json:"source_pipeline,omitzero"` // of child and downstream pipelines
	Builds         Field[[]HookBuild]      `json:"builds,omitzero"`
}

// HookPipelineAttributes is the pipeline itself.
type HookPipelineAttributes struct {
	ID             int64          `json:"id"`
	IID            Field[int64]   `json:"iid,omitzero"`
	Name           Field[string]  `json:"name,omitzero"`
	Ref            Field[string]  `json:"ref,omitzero"` // of a merge request's pipeline the source branch, unlike in the API
	Tag            Field[bool]    `json:"tag,omitzero"`
	SHA            Field[string]  `json:"sha,omitzero"`
	BeforeSHA      Field[string]  `json:"before_sha,omitzero"`
	Source         Field[string]  `json:"source,omitzero"`
	Status         string         `json:"status"`
	DetailedStatus Field[string]  `json:"detailed_status,omitzero"` // a label: "passed with warnings"
	CreatedAt      Field[Time]    `json:"created_at,omitzero"`
	FinishedAt     Field[Time]    `json:"finished_at,omitzero"`
	Duration       Field[float64] `json:"duration,omitzero"`        // seconds
	QueuedDuration Field[float64] `json:"queued_duration,omitzero"` // seconds
	URL            Field[string]  `json:"url,omitzero"`
}

// HookMergeRequest is the merge request that a pipeline runs for.
type HookMergeRequest struct {
	IID int64 `json:"iid"`
}

// HookUser is a user; older GitLabs leave the id out, job events the username.
type HookUser struct {
	ID       Field[int64]  `json:"id,omitzero"`
	Username Field[string] `json:"username,omitzero"`
	Name     Field[string] `json:"name,omitzero"`
}

// HookProject is the project of an event.
type HookProject struct {
	ID                int64         `json:"id"`
	PathWithNamespace Field[string] `json:"path_with_namespace,omitzero"`
	DefaultBranch     Field[string] `json:"default_branch,omitzero"`
}

// HookSource is the pipeline that started another.
type HookSource struct {
	PipelineID int64 `json:"pipeline_id"`
	JobID      int64 `json:"job_id"`
	Project    struct {
		ID int64 `json:"id"`
	} `json:"project"`
}

// HookBuild is the latest attempt of a build.
type HookBuild struct {
	ID             int64             `json:"id"`
	Stage          Field[string]     `json:"stage,omitzero"`
	Name           string            `json:"name"`
	Status         string            `json:"status"`
	CreatedAt      Field[Time]       `json:"created_at,omitzero"`
	StartedAt      Field[Time]       `json:"started_at,omitzero"`
	FinishedAt     Field[Time]       `json:"finished_at,omitzero"`
	Duration       Field[float64]    `json:"duration,omitzero"`        // seconds
	QueuedDuration Field[float64]    `json:"queued_duration,omitzero"` // seconds
	FailureReason  Field[string]     `json:"failure_reason,omitzero"`
	Manual         Field[bool]       `json:"manual,omitzero"`
	AllowFailure   Field[bool]       `json:"allow_failure,omitzero"`
	User           Field[HookUser]   `json:"user,omitzero"`
	Runner         Field[HookRunner] `json:"runner,omitzero"`
}

// HookRunner is the runner that took a build, with its own tags.
type HookRunner struct {
	ID          int64           `json:"id"`
	Description Field[string]   `json:"description,omitzero"`
	RunnerType  Field[string]   `json:"runner_type,omitzero"`
	Active      Field[bool]     `json:"active,omitzero"`
	Tags        Field[[]string] `json:"tags,omitzero"`
}

// JobHook tells the state of one attempt of a build; GitLab sends none for
// bridges.
type JobHook struct {
	ID             int64                 `json:"build_id"`
	Name           string                `json:"build_name"`
	Stage          Field[string]         `json:"build_stage,omitzero"`
	Status         string                `json:"build_status"`
	CreatedAt      Field[Time]           `json:"build_created_at,omitzero"`
	StartedAt      Field[Time]           `json:"build_started_at,omitzero"`
	FinishedAt     Field[Time]           `json:"build_finished_at,omitzero"`
	Duration       Field[float64]        `json:"build_duration,omitzero"`        // seconds
	QueuedDuration Field[float64]        `json:"build_queued_duration,omitzero"` // seconds
	AllowFailure   Field[bool]           `json:"build_allow_failure,omitzero"`
	FailureReason  Field[string]         `json:"build_failure_reason,omitzero"` // unknown_failure on jobs that did not fail
	PipelineID     int64                 `json:"pipeline_id"`
	ProjectID      int64                 `json:"project_id"`
	User           Field[HookUser]       `json:"user,omitzero"`
	Runner         Field[HookRunner]     `json:"runner,omitzero"`
	Project        Field[HookJobProject] `json:"project,omitzero"`
	Pipeline       Field[HookCommit]     `json:"commit,omitzero"`
}

// HookJobProject is the project of a job event, which older GitLabs leave out.
type HookJobProject struct {
	PathWithNamespace Field[string] `json:"path_with_namespace,omitzero"`
}

// HookCommit is what a job event calls its commit: the pipeline.
type HookCommit struct {
	ID         int64       `json:"id"`
	StartedAt  Field[Time] `json:"started_at,omitzero"`
	FinishedAt Field[Time] `json:"finished_at,omitzero"`
}

// ParseHook reads the body of an event. One of a kind that weir does not read
// is HookOther, whatever else is in it. A body that is not a JSON object, or an
// event that lacks what GitLab always sends, is an error.
func ParseHook(body []byte) (Hook, error) {
	var head struct {
		Kind  string `json:"object_kind"`
		Event string `json:"event_name"` // of system hooks
	}
	if err := json.Unmarshal(body, &head); err != nil {
		return Hook{}, fmt.Errorf("the event is not a JSON object: %w", err)
	}
	if head.Kind == "" && head.Event == "" {
		return Hook{}, errors.New("the event has no object_kind")
	}
	hook := Hook{Kind: HookKind(head.Kind)}
	switch hook.Kind {
	case HookPipeline:
		hook.Pipeline = new(PipelineHook)
		if err := json.Unmarshal(body, hook.Pipeline); err != nil {
			return Hook{}, fmt.Errorf("the pipeline event cannot be read: %w", err)
		}
		return hook, hook.Pipeline.check()
	case HookJob:
		hook.Job = new(JobHook)
		if err := json.Unmarshal(body, hook.Job); err != nil {
			return Hook{}, fmt.Errorf("the job event cannot be read: %w", err)
		}
		hook.Job.mend()
		return hook, hook.Job.check()
	case HookDeployment:
		return parseDeploymentHook(body)
	case "":
		return parseProjectHook(head.Event, body)
	}
	return Hook{Kind: HookOther}, nil
}

// Reduced gives the event as JSON with what weir reads of it and nothing else,
// in a form that ParseHook takes; nil for HookOther.
func (h Hook) Reduced() []byte {
	var event any
	switch h.Kind {
	case HookPipeline:
		event = struct {
			Kind HookKind `json:"object_kind"`
			*PipelineHook
		}{h.Kind, h.Pipeline}
	case HookJob:
		event = struct {
			Kind HookKind `json:"object_kind"`
			*JobHook
		}{h.Kind, h.Job}
	case HookDeployment:
		event = struct {
			Kind HookKind `json:"object_kind"`
			*DeploymentHook
		}{h.Kind, h.Deployment}
	case HookProjects:
		event = h.Change
	default:
		return nil
	}
	b, err := json.Marshal(event)
	if err != nil {
		panic(err) // what was read from JSON can be written as JSON
	}
	return b
}

// ProjectID gives the project that the event is about, 0 for HookOther.
func (h Hook) ProjectID() int64 {
	switch h.Kind {
	case HookPipeline:
		return h.Pipeline.Project.ID
	case HookJob:
		return h.Job.ProjectID
	case HookDeployment:
		return h.Deployment.Project.ID
	case HookProjects:
		return h.Change.ProjectID
	}
	return 0
}

// Newest gives the newest time in the event. Its truth is no older; how much
// newer it is nobody says. False when there is no time at all.
func (h Hook) Newest() (time.Time, bool) {
	var all []Field[Time]
	switch h.Kind {
	case HookPipeline:
		all = append(all, h.Pipeline.Attributes.CreatedAt, h.Pipeline.Attributes.FinishedAt)
		for _, b := range h.Pipeline.Builds.Or(nil) {
			all = append(all, b.CreatedAt, b.StartedAt, b.FinishedAt)
		}
	case HookJob:
		all = append(all, h.Job.CreatedAt, h.Job.StartedAt, h.Job.FinishedAt)
		if p, ok := h.Job.Pipeline.Get(); ok {
			all = append(all, p.StartedAt, p.FinishedAt)
		}
	case HookDeployment:
		all = append(all, h.Deployment.ChangedAt)
	case HookProjects:
		all = append(all, h.Change.UpdatedAt)
	}
	var newest time.Time
	for _, f := range all {
		if t, ok := f.Get(); ok && t.After(newest) {
			newest = t.Time
		}
	}
	return newest, !newest.IsZero()
}

// mend fills in what old GitLabs leave out: there the pipeline's id stood only
// in what the event calls its commit.
func (j *JobHook) mend() {
	if p, ok := j.Pipeline.Get(); ok && j.PipelineID == 0 {
		j.PipelineID = p.ID
	}
}

func (p *PipelineHook) check() error {
	if err := missing("a pipeline event", requiredKey{"object_attributes.id", p.Attributes.ID > 0},
		requiredKey{"object_attributes.status", p.Attributes.Status != ""}, requiredKey{"project.id", p.Project.ID > 0}); err != nil {
		return err
	}
	builds := p.Builds.Or(nil)
	if i := slices.IndexFunc(builds, func(b HookBuild) bool { return b.ID <= 0 || b.Name == "" || b.Status == "" }); i >= 0 {
		return fmt.Errorf("a pipeline event whose build %d has no id, name or status", i+1)
	}
	return nil
}

func (j *JobHook) check() error {
	return missing("a job event", requiredKey{"build_id", j.ID > 0}, requiredKey{"build_name", j.Name != ""},
		requiredKey{"build_status", j.Status != ""}, requiredKey{"pipeline_id", j.PipelineID > 0}, requiredKey{"project_id", j.ProjectID > 0})
}
