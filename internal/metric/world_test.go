package metric

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store"
)

// world is what a database holds, made up.
type world struct {
	Instances    []ci.Instance
	Groups       []ci.Group
	Projects     []ci.Project
	Repositories []ci.Repository
	Users        []ci.User
	Runners      []ci.Runner
	Pipelines    []ci.Pipeline
	Jobs         []ci.Job
	Needs        []ci.JobNeed
	Services     []serviceRow
	Mapped       []mappedRow
	Deployments  []deploymentRow
}

// Rows of the catalog, which package ci has no structs for.
type (
	serviceRow struct {
		ID         int64   `db:"id"`
		Identifier string  `db:"identifier"`
		Owner      *string `db:"owner"`
		Source     string  `db:"source"`
	}
	mappedRow struct {
		InstanceID ci.InstanceID `db:"instance_id"`
		PipelineID ci.PipelineID `db:"pipeline_id"`
		ServiceID  int64         `db:"service_id"`
	}
	deploymentRow struct {
		InstanceID  ci.InstanceID `db:"instance_id"`
		ID          int64         `db:"id"`
		ProjectID   ci.ProjectID  `db:"project_id"`
		ServiceID   *int64        `db:"service_id"`
		Environment string        `db:"environment"`
		Tier        *string       `db:"tier"`
		SHA         *string       `db:"sha"`
		JobID       *ci.JobID     `db:"job_id"`
		DeployedAt  *time.Time    `db:"deployed_at"`
		Success     *bool         `db:"success"`
		Source      string        `db:"source"`
		SyncedAt    time.Time     `db:"synced_at"`
	}
)

func (w *world) load(t *testing.T, s *store.Store) {
	t.Helper()
	for table, rows := range map[string]any{
		"instances": w.Instances, "groups": w.Groups, "projects": w.Projects, "repositories": w.Repositories, "users": w.Users,
		"runners": w.Runners, "pipelines": w.Pipelines, "jobs": w.Jobs, "job_needs": w.Needs, "services": w.Services,
		"pipeline_services": w.Mapped, "deployments": w.Deployments,
	} {
		if err := s.Load(t.Context(), table, rowsOf(t, table, rows)); err != nil {
			t.Fatalf("%s: %v", table, err)
		}
	}
}

// rowsOf lays structs out in the order of a table's columns; a column without a
// field is NULL.
func rowsOf(t *testing.T, table string, structs any) [][]any {
	described, _ := store.TableByName(table)
	list := reflect.ValueOf(structs)
	var rows [][]any
	for i := range list.Len() {
		fields := map[string]reflect.Value{}
		for j := range list.Index(i).NumField() {
			fields[list.Index(i).Type().Field(j).Tag.Get("db")] = list.Index(i).Field(j)
		}
		row := make([]any, len(described.Columns))
		for j, c := range described.Columns {
			if f, ok := fields[c.Name]; ok {
				row[j] = plainField(f)
			} else if !c.Nullable {
				t.Fatalf("%s.%s has no value", table, c.Name)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func plainField(f reflect.Value) any {
	if f.Kind() == reflect.Pointer || f.Kind() == reflect.Slice {
		if f.IsNil() {
			return nil
		}
		if f.Kind() == reflect.Pointer {
			f = f.Elem()
		}
	}
	switch f.Kind() {
	case reflect.Int64:
		return f.Int()
	case reflect.String:
		return f.String()
	case reflect.Bool:
		return f.Bool()
	}
	return f.Interface()
}

var worldNow = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// drawWorld makes up a world: two GitLabs with the same ids, few values, many
// ties, NULLs wherever they may be, and days on which clocks are set back.
func drawWorld(t *rapid.T) *world {
	d := drawer{t}
	w := &world{}
	for i := range ci.InstanceID(2) {
		w.Instances = append(w.Instances, ci.Instance{ID: i + 1, BaseURL: fmt.Sprintf("https://gitlab%d.example.com", i+1), CreatedAt: worldNow})
		w.Groups = append(
			w.Groups,
			ci.Group{InstanceID: i + 1, ID: 10, FullPath: "acme", Name: "a", SyncedAt: worldNow},
			ci.Group{InstanceID: i + 1, ID: 11, ParentID: new(ci.GroupID(10)), FullPath: "acme/web", Name: "w", SyncedAt: worldNow},
		)
		for id, path := range []string{"ann/dots", "acme/shop", "acme/web/api"} {
			p := ci.Project{InstanceID: i + 1, ID: ci.ProjectID(id + 1), FullPath: path, Name: path, CIAccess: ci.CIEnabled, SyncedAt: worldNow}
			if id > 0 {
				p.GroupID, p.RepositoryID = new(ci.GroupID(id+9)), new(ci.ProjectID(id+1))
				w.Repositories = append(w.Repositories, ci.Repository{
					InstanceID: i + 1, ID: p.ID, Source: "gitlab", ExternalID: "x", Organization: "o", Name: "n", FullPath: "repo/" + path, SyncedAt: worldNow,
				})
			}
			w.Projects = append(w.Projects, p)
		}
		w.Users = append(w.Users, ci.User{InstanceID: i + 1, ID: 1, Username: "ann", SyncedAt: worldNow})
		w.Runners = append(
			w.Runners,
			ci.Runner{InstanceID: i + 1, ID: 7, RunnerType: new("group_type"), SyncedAt: worldNow},
			ci.Runner{InstanceID: i + 1, ID: 8, SyncedAt: worldNow},
		)
		d.drawRuns(w, i+1)
		d.drawDeployments(w, i+1)
	}
	w.Services = []serviceRow{{1, "shop", new("ann"), "file"}, {2, "cart", new("ann"), "file"}, {3, "bare", nil, "file"}}
	return w
}

type drawer struct{ t *rapid.T }

func pick[T any](d drawer, name string, of ...T) T { return rapid.SampledFrom(of).Draw(d.t, name) }

func (d drawer) chance(name string, percent int) bool {
	return rapid.IntRange(1, 100).Draw(d.t, name) <= percent
}

// moment is a time between 10 October and 22 November, often one that came up before.
func (d drawer) moment(name string) time.Time {
	base := pick(
		d, name,
		time.Date(2026, 10, 10, 0, 0, 0, 0, time.UTC), time.Date(2026, 10, 24, 22, 0, 0, 0, time.UTC), time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC),
		time.Date(2026, 11, 1, 5, 30, 0, 0, time.UTC), time.Date(2026, 11, 1, 6, 30, 0, 0, time.UTC), time.Date(2026, 11, 16, 0, 0, 0, 0, time.UTC),
		time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC),
	)
	return base.Add(time.Duration(rapid.IntRange(0, 40).Draw(d.t, name)) * 1001 * time.Second)
}

func (d drawer) seconds(name string) time.Duration {
	return time.Duration(rapid.IntRange(0, 40).Draw(d.t, name)) * 250500 * time.Millisecond
}

func (d drawer) precision(name string) ci.TimePrecision {
	return pick(d, name, ci.Milliseconds, ci.Milliseconds, ci.Milliseconds, ci.Seconds)
}

func maybe[T any](d drawer, name string, percent int, v T) *T {
	if d.chance(name, percent) {
		return &v
	}
	return nil
}

func (d drawer) drawRuns(w *world, instance ci.InstanceID) {
	for id := range ci.PipelineID(rapid.IntRange(4, 16).Draw(d.t, "pipelines")) {
		created := d.moment("created")
		p := ci.Pipeline{
			InstanceID: instance, ID: id + 1, ProjectID: pick[ci.ProjectID](d, "project", 1, 2, 3, 9),
			Status:    pick(d, "status", ci.Success, ci.Success, ci.Failed, ci.Failed, ci.Canceled, ci.Skipped, ci.Running, "thinking"),
			Source:    maybe(d, "has source", 95, pick[ci.Source](d, "source", "push", "push", "push", "web", "parent_pipeline")),
			Ref:       maybe(d, "has ref", 95, pick(d, "ref", "main", "main", "dev")),
			RefType:   pick(d, "ref_type", ci.Branch, ci.Branch, ci.MergeRequest),
			SHA:       maybe(d, "has sha", 95, pick(d, "sha", "a", "b", "c")),
			UserID:    maybe(d, "has user", 80, pick[ci.UserID](d, "user", 1, 2)),
			CreatedAt: maybe(d, "has created", 97, created), SyncedAt: worldNow, TimePrecision: d.precision("precision"),
			IsDefaultBranch: maybe(d, "knows default", 90, d.chance("default", 75)),
			FailureReason:   maybe(d, "has reason", 20, "external_validation_failure"), YAMLErrors: maybe(d, "has errors", 20, "bad"),
			DurationSeconds: maybe(d, "has duration", 90, float64(rapid.IntRange(0, 50).Draw(d.t, "duration"))),
			StartedAt:       maybe(d, "has started", 85, created.Add(d.seconds("queue"))), FinishedAt: maybe(d, "has finished", 85, created.Add(d.seconds("wall"))),
			DeletedAt: maybe(d, "deleted", 10, worldNow),
		}
		w.Pipelines = append(w.Pipelines, p)
		for service := range int64(3) {
			if d.chance("mapped", 25) {
				w.Mapped = append(w.Mapped, mappedRow{instance, p.ID, service + 1})
			}
		}
		first := len(w.Jobs)
		for range rapid.IntRange(0, 5).Draw(d.t, "jobs") {
			d.drawJob(w, &p, created)
		}
		ci.MarkRetried(w.Jobs[first:])
		if d.chance("knows needs", 30) {
			w.Needs = append(w.Needs, ci.JobNeed{InstanceID: instance, PipelineID: p.ID, JobName: "test 1/2", NeedsName: "build", SyncedAt: worldNow})
		}
	}
}

func (d drawer) drawJob(w *world, p *ci.Pipeline, created time.Time) {
	name := pick(d, "name", "build", "test 1/2", "test 2/2", "deploy")
	at := pick(d, "job created", created, d.moment("job moment"))
	started := at.Add(d.seconds("job queue"))
	j := ci.Job{
		InstanceID: p.InstanceID, ID: ci.JobID(len(w.Jobs) + 1), ProjectID: p.ProjectID, PipelineID: p.ID, Name: name, BaseName: ci.BaseName(name),
		Stage: maybe(d, "has stage", 90, pick(d, "stage", "one", "two")), Kind: pick(d, "kind", ci.Build, ci.Build, ci.Build, ci.Build, ci.Bridge),
		Status:       pick(d, "job status", ci.Success, ci.Success, ci.Failed, ci.Failed, ci.Canceled, ci.Running, "thinking"),
		AllowFailure: new(d.chance("allow", 30)), CreatedAt: maybe(d, "job has created", 97, at), SyncedAt: worldNow, TimePrecision: d.precision("job precision"),
		StartedAt: maybe(d, "job has started", 85, started), FinishedAt: maybe(d, "job has finished", 85, started.Add(d.seconds("took"))),
		QueuedSeconds:   maybe(d, "has queued", 80, float64(rapid.IntRange(0, 2000).Draw(d.t, "queued"))/4),
		QueuedAt:        maybe(d, "has queued_at", 20, at),
		DurationSeconds: maybe(d, "job has duration", 90, float64(rapid.IntRange(0, 2000).Draw(d.t, "job duration"))/8),
		FailureReason:   maybe(d, "job has reason", 80, pick(d, "reason", "script_failure", "job_execution_timeout", "runner_system_failure", "ci_quota_exceeded", "gremlins")),
		RunnerID:        maybe(d, "has runner", 80, pick[ci.RunnerID](d, "runner", 7, 8, 9)), UserID: maybe(d, "job has user", 70, ci.UserID(1)),
		CommitCommittedAt: maybe(d, "has committed", 60, at.Add(-d.seconds("age"))),
		DeletedAt:         maybe(d, "job deleted", 10, worldNow),
	}
	if d.chance("has tags", 70) {
		j.Tags = pick(d, "tags", []string{}, []string{"linux"}, []string{"linux", "gpu"}, []string{"gpu", "gpu"})
	}
	if j.Kind == ci.Bridge {
		j.DownstreamPipelineID = maybe(d, "has downstream", 60, ci.PipelineID(rapid.IntRange(1, 10).Draw(d.t, "downstream")))
	}
	w.Jobs = append(w.Jobs, j)
}

func (d drawer) drawDeployments(w *world, instance ci.InstanceID) {
	for id := range int64(rapid.IntRange(0, 12).Draw(d.t, "deployments")) {
		at := d.moment("deployed")
		r := deploymentRow{
			InstanceID: instance, ID: id + 1, ProjectID: pick[ci.ProjectID](d, "deployed project", 1, 2), Environment: pick(d, "environment", "prod", "eu"),
			ServiceID: maybe(d, "deployed service", 50, pick[int64](d, "service", 1, 3)), Tier: maybe(d, "has tier", 90, pick(d, "tier", "production", "production", "production", "testing")),
			SHA: maybe(d, "deployed has sha", 90, pick(d, "deployed sha", "a", "b", "c")), JobID: maybe(d, "has job", 60, ci.JobID(rapid.IntRange(1, 8).Draw(d.t, "job"))),
			DeployedAt: &at, Success: new(d.chance("success", 70)), Source: pick(d, "deployment source", "gitlab", "gitlab", "rule"), SyncedAt: worldNow,
		}
		if d.chance("under way", 10) {
			r.DeployedAt, r.Success = nil, nil
		}
		w.Deployments = append(w.Deployments, r)
	}
}
