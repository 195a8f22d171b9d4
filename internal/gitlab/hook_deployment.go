package gitlab

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Events of deployments, and of what becomes of projects.

// DeploymentHook tells the state of a deployment. Its pipeline is not in it.
type DeploymentHook struct {
	ID          int64           `json:"deployment_id"`
	Status      string          `json:"status"`
	ChangedAt   Field[Time]     `json:"status_changed_at,omitzero"`
	JobID       Field[int64]    `json:"deployable_id,omitzero"` // null where it was made by the API
	Environment string          `json:"environment"`
	Tier        Field[string]   `json:"environment_tier,omitzero"`
	Project     HookProject     `json:"project"`
	User        Field[HookUser] `json:"user,omitzero"`
	Ref         Field[string]   `json:"ref,omitzero"`
	ShortSHA    Field[string]   `json:"short_sha,omitzero"`
	CommitURL   Field[string]   `json:"commit_url,omitzero"`
}

// SHA gives the whole sha, which stands in the address of the commit alone; ""
// when it does not.
func (d *DeploymentHook) SHA() string {
	address, ok := d.CommitURL.Get()
	short, named := d.ShortSHA.Get()
	_, sha, _ := cutLast(address, "/")
	whole := len(sha) == 40 || len(sha) == 64
	if !ok || !named || short == "" || !whole || !strings.HasPrefix(sha, short) || strings.Trim(sha, "0123456789abcdef") != "" {
		return ""
	}
	return sha
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// The events of projects that weir reads: their event_name.
const (
	ProjectRenamed     = "project_rename"
	ProjectTransferred = "project_transfer"
	ProjectDestroyed   = "project_destroy"
)

// ProjectHook tells that a project is at another path, or gone. Groups send
// it, and whole instances.
type ProjectHook struct {
	Event     string        `json:"event_name"`
	ProjectID int64         `json:"project_id"`
	Name      Field[string] `json:"name,omitzero"`
	Path      string        `json:"path_with_namespace"`
	OldPath   Field[string] `json:"old_path_with_namespace,omitzero"`
	UpdatedAt Field[Time]   `json:"updated_at,omitzero"` // of a destroyed one, when it was last changed before
}

// parseDeploymentHook reads an event of a deployment. GitLab before 14.6 did not
// say which one it was: such an event is of no use.
func parseDeploymentHook(body []byte) (Hook, error) {
	d := new(DeploymentHook)
	if err := json.Unmarshal(body, d); err != nil {
		return Hook{}, fmt.Errorf("the deployment event cannot be read: %w", err)
	}
	if d.ID == 0 {
		return Hook{Kind: HookOther}, nil
	}
	job, hasJob := d.JobID.Get()
	return Hook{Kind: HookDeployment, Deployment: d}, missing("a deployment event", requiredKey{"deployment_id", d.ID > 0}, requiredKey{"status", d.Status != ""},
		requiredKey{"environment", d.Environment != ""}, requiredKey{"project.id", d.Project.ID > 0}, requiredKey{"deployable_id", !hasJob || job > 0})
}

func parseProjectHook(event string, body []byte) (Hook, error) {
	switch event {
	case ProjectRenamed, ProjectTransferred, ProjectDestroyed:
	default:
		return Hook{Kind: HookOther}, nil
	}
	p := new(ProjectHook)
	if err := json.Unmarshal(body, p); err != nil {
		return Hook{}, fmt.Errorf("the project event cannot be read: %w", err)
	}
	return Hook{Kind: HookProjects, Change: p}, missing("a project event", requiredKey{"project_id", p.ProjectID > 0}, requiredKey{"path_with_namespace", p.Path != ""})
}
