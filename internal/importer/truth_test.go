package importer_test

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/store"
)

// The truth about a world, as the store must hold it: written here from the
// world's own facts, field by field, without the importer's conversion and
// without GitLab's JSON.

// tables is rows by table and key, each a line of text per column.
type tables map[string]map[string]map[string]string

// truth says what the store must hold about a world after a sync of the given
// top-level groups.
func truth(w *gitlabtest.World, in ci.InstanceID, base string) tables {
	want := tables{"groups": {}, "projects": {}, "users": {}, "runners": {}, "pipelines": {}, "jobs": {}, "deployments": {}}
	now := w.Now()
	w.View(func() {
		for _, g := range w.Groups {
			row := ci.Group{
				InstanceID: in, ID: ci.GroupID(g.ID), FullPath: g.FullPath, Name: g.Name, Visibility: &g.Visibility,
				WebURL: new(base + "/groups/" + g.FullPath), CreatedAt: ms(&g.CreatedAt),
			}
			if g.Parent != nil {
				row.ParentID = new(ci.GroupID(g.Parent.ID))
			}
			want.add("groups", g.ID, row)
		}
		for _, p := range w.Projects {
			if p.Group == nil {
				continue // a personal project is in no group's reach
			}
			row := ci.Project{
				InstanceID: in, ID: ci.ProjectID(p.ID), GroupID: new(ci.GroupID(p.Group.ID)), FullPath: p.FullPath, Name: p.Name,
				DefaultBranch: p.DefaultBranch, Archived: &p.Archived, Visibility: &p.Visibility, Topics: list(p.Topics),
				WebURL: new(base + "/" + p.FullPath), CreatedAt: ms(&p.CreatedAt), LastActivityAt: ms(&p.LastActivityAt), CIAccess: ci.CIEnabled,
			}
			switch {
			case p.BuildsAccess == "disabled":
				row.CIAccess = ci.CIDisabled
			case p.Forbidden:
				row.CIAccess = ci.CIForbidden
			}
			want.add("projects", p.ID, row)
			if row.CIAccess == ci.CIEnabled {
				for _, pl := range p.Pipelines {
					want.addPipeline(in, base, w, now, p, pl)
				}
				if !p.DeploymentsForbidden {
					for _, d := range p.Deployments {
						want.addDeployment(in, base, p, d)
					}
				}
			}
		}
	})
	return want
}

func (want tables) addPipeline(in ci.InstanceID, base string, w *gitlabtest.World, now time.Time, p *gitlabtest.Project, pl *gitlabtest.Pipeline) {
	row := ci.Pipeline{
		InstanceID: in, ID: ci.PipelineID(pl.ID), ProjectID: ci.ProjectID(p.ID), IID: &pl.IID, Name: pl.Name,
		Status: ci.Status(pl.Status), Source: new(ci.Source(pl.Source)), Ref: &pl.Ref, SHA: &pl.SHA, BeforeSHA: &pl.BeforeSHA, Tag: &pl.Tag,
		CreatedAt: ms(&pl.CreatedAt), UpdatedAt: ms(pl.UpdatedAt), StartedAt: ms(pl.StartedAt), FinishedAt: ms(pl.FinishedAt),
		CommittedAt: ms(pl.CommittedAt), YAMLErrors: pl.YAMLErrors, HasWarnings: new(false), TimePrecision: "ms",
		WebURL: new(fmt.Sprintf("%s/%s/-/pipelines/%d", base, p.FullPath, pl.ID)),
	}
	parts := strings.Split(pl.Ref, "/")
	mergeRequest := strings.HasPrefix(pl.Ref, "refs/merge-requests/")
	switch {
	case mergeRequest || pl.Source == "merge_request_event":
		row.RefType, row.IsDefaultBranch = "merge_request", new(false)
	case pl.Tag:
		row.RefType, row.IsDefaultBranch = "tag", new(false)
	default:
		row.RefType = "branch"
		if p.DefaultBranch != nil {
			row.IsDefaultBranch = new(pl.Ref == *p.DefaultBranch)
		}
	}
	if mergeRequest {
		if n, err := strconv.ParseInt(parts[2], 10, 64); err == nil {
			row.MergeRequestIID = &n
		}
	}
	if pl.User != nil {
		row.UserID = new(ci.UserID(pl.User.ID))
		want.addUser(in, base, pl.User, false)
	}
	if d := pl.Duration(now); d != nil {
		row.DurationSeconds = new(float64(*d))
	}
	if q := pl.QueuedDuration(); q != nil {
		row.QueuedSeconds = new(float64(*q))
	}
	if c := pl.Coverage(); c != nil {
		percent, _ := strconv.ParseFloat(*c, 64)
		row.Coverage = &percent
	}
	// A parent is known through the bridge that names the child.
	if pl.Parent != nil {
		for _, j := range pl.Parent.Jobs {
			if j.Kind == gitlabtest.Bridge && j.Downstream == pl && readable(w, pl.Parent.ProjectID) {
				if pl.Source == "parent_pipeline" {
					row.ParentPipelineID = new(ci.PipelineID(pl.Parent.ID))
				} else {
					row.UpstreamPipelineID = new(ci.PipelineID(pl.Parent.ID))
				}
			}
		}
	}
	for _, j := range pl.Jobs {
		if j.Kind == gitlabtest.External {
			continue // in no jobs endpoint of REST
		}
		if !j.Retried && j.AllowFailure && (j.Status == "failed" || j.Status == "canceled") {
			row.HasWarnings = new(true)
		}
		want.addJob(in, base, w, now, p, pl, j)
	}
	want.add("pipelines", pl.ID, row)
}

func (want tables) addJob(in ci.InstanceID, base string, w *gitlabtest.World, now time.Time, p *gitlabtest.Project, pl *gitlabtest.Pipeline, j *gitlabtest.Job) {
	row := ci.Job{
		InstanceID: in, ID: ci.JobID(j.ID), ProjectID: ci.ProjectID(p.ID), PipelineID: ci.PipelineID(pl.ID), Name: j.Name,
		BaseName: ci.BaseName(j.Name), Stage: &j.Stage, Kind: ci.JobKind(j.Kind), Status: ci.Status(j.Status), AllowFailure: &j.AllowFailure,
		Retried: &j.Retried, CreatedAt: ms(&j.CreatedAt), StartedAt: ms(j.StartedAt), FinishedAt: ms(j.FinishedAt), ErasedAt: ms(j.ErasedAt),
		DurationSeconds: seconds(j.Duration(now)), QueuedSeconds: seconds(j.QueuedDuration(now)), Coverage: j.Coverage,
		TimePrecision: "ms", WebURL: new(fmt.Sprintf("%s/%s/-/jobs/%d", base, p.FullPath, j.ID)),
	}
	if j.Status == "manual" {
		row.Manual = new(true)
	}
	if j.Status == "failed" {
		row.FailureReason = new("unknown_failure")
		if j.FailureReason != nil {
			row.FailureReason = j.FailureReason
		}
	}
	if j.User != nil {
		row.UserID = new(ci.UserID(j.User.ID))
		want.addUser(in, base, j.User, true)
	}
	if pl.Commit != nil {
		row.CommitCommittedAt = ms(&pl.Commit.CommittedDate)
	}
	if j.Kind == gitlabtest.Bridge {
		if j.Downstream != nil && exists(w, j.Downstream) {
			row.DownstreamPipelineID = new(ci.PipelineID(j.Downstream.ID))
		}
		want.add("jobs", j.ID, row)
		return
	}
	row.Tags = list(j.Tags)
	var bytes int64
	for _, a := range j.Artifacts {
		bytes += a.Size
	}
	row.ArtifactsBytes = &bytes
	if r := j.Runner; r != nil {
		row.RunnerID = new(ci.RunnerID(r.ID))
		want.add("runners", r.ID, ci.Runner{
			InstanceID: in, ID: ci.RunnerID(r.ID), Description: r.Description, RunnerType: &r.Type, Active: &r.Active,
		})
	}
	want.add("jobs", j.ID, row)
}

func (want tables) addDeployment(in ci.InstanceID, base string, p *gitlabtest.Project, d *gitlabtest.Deployment) {
	row := ci.Deployment{
		InstanceID: in, ID: ci.DeploymentID(d.ID), ProjectID: ci.ProjectID(p.ID), Environment: d.Environment.Name, Tier: &d.Environment.Tier,
		SHA: &d.SHA, Source: "gitlab", IID: &d.IID, Ref: &d.Ref, Status: &d.Status, CreatedAt: ms(&d.CreatedAt), UpdatedAt: ms(&d.UpdatedAt),
	}
	if d.Job != nil {
		row.JobID, row.PipelineID = new(ci.JobID(d.Job.ID)), new(ci.PipelineID(d.Job.PipelineID))
	}
	if d.User != nil {
		row.UserID = new(ci.UserID(d.User.ID))
		want.addUser(in, base, d.User, false)
	}
	if d.Status == "success" || d.Status == "failed" {
		row.Success = new(d.Status == "success")
		row.DeployedAt = ms(&d.UpdatedAt)
		if d.Job != nil && d.Job.FinishedAt != nil {
			row.DeployedAt = ms(d.Job.FinishedAt)
		}
	}
	want.add("deployments", d.ID, row)
}

// addUser adds a user. Only the form inside of jobs says who is a bot.
func (want tables) addUser(in ci.InstanceID, base string, u *gitlabtest.User, full bool) {
	row := ci.User{InstanceID: in, ID: ci.UserID(u.ID), Username: u.Username, Name: &u.Name, State: &u.State, WebURL: new(base + "/" + u.Username)}
	if full {
		row.Bot = &u.Bot
	} else if want["users"][fmt.Sprint(u.ID)] != nil {
		return
	}
	want.add("users", u.ID, row)
}

func (want tables) add(table string, id int64, row any) {
	want[table][fmt.Sprint(id)] = columns(row)
}

// readable says whether a project's pipelines are in reach.
func readable(w *gitlabtest.World, project int64) bool {
	for _, p := range w.Projects {
		if p.ID == project {
			return p.Group != nil && !p.Forbidden && p.BuildsAccess != "disabled"
		}
	}
	return false
}

func exists(w *gitlabtest.World, pl *gitlabtest.Pipeline) bool {
	for _, p := range w.Projects {
		for _, other := range p.Pipelines {
			if other == pl {
				return true
			}
		}
	}
	return false
}

// ms cuts a time as GitLab's answers do.
func ms(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	return new(t.UTC().Truncate(time.Millisecond))
}

func seconds(d *time.Duration) *float64 {
	if d == nil {
		return nil
	}
	return new(d.Seconds())
}

func list(l []string) []string {
	if l == nil {
		return []string{}
	}
	return l
}

// unmentioned are the columns that a world says nothing about.
var unmentioned = map[string]bool{"synced_at": true, "deleted_at": true, "repository_id": true, "service_id": true, "rule_id": true}

// columns turns a row's struct into text by column. It reads the same tags as
// the store, which has a test of its own that every field has its column.
func columns(row any) map[string]string {
	v := reflect.ValueOf(row)
	m := make(map[string]string)
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("db")
		if !unmentioned[name] {
			m[name] = text(v.Field(i).Interface())
		}
	}
	return m
}

// text is a value as text; NULL for nil.
func text(value any) string {
	v := reflect.ValueOf(value)
	if !v.IsValid() || (v.Kind() == reflect.Pointer || v.Kind() == reflect.Slice) && v.IsNil() {
		return "NULL"
	}
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if t, ok := v.Interface().(time.Time); ok {
		return t.UTC().Format(time.RFC3339Nano)
	}
	switch v.Kind() {
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', 12, 64) // binary fractions of decimal seconds
	case reflect.Slice:
		var items []string
		for i := range v.Len() {
			items = append(items, fmt.Sprint(v.Index(i).Interface()))
		}
		return fmt.Sprintf("%q", items)
	}
	return fmt.Sprint(v.Interface())
}

// stored reads the same tables from a store. Deleted rows are left out: the
// world does not know them any more.
func stored(ctx context.Context, t *testing.T, s *store.Store) tables {
	t.Helper()
	got := make(tables)
	for _, table := range []string{"groups", "projects", "users", "runners", "pipelines", "jobs", "deployments"} {
		got[table] = make(map[string]map[string]string)
		statement := "SELECT * FROM " + table
		if table != "users" && table != "runners" {
			statement += " WHERE deleted_at IS NULL"
		}
		result, err := s.Query(ctx, store.Query{SQL: statement})
		if err != nil {
			t.Fatal(err)
		}
		names := result.Columns()
		for values, err := range result.Rows() {
			if err != nil {
				t.Fatal(err)
			}
			row := make(map[string]string)
			for i, c := range names {
				if !unmentioned[c.Name] {
					row[c.Name] = text(values[i])
				}
			}
			if got[table][row["id"]] != nil {
				t.Errorf("%s %s is there twice", table, row["id"])
			}
			got[table][row["id"]] = row
		}
		if err := result.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return got
}

// compareTables fails the test unless the store holds the truth, whole tables
// at a time. The store remembers more than GitLab: that a job once waited for a
// person, which REST does not say later; links to pipelines that were deleted
// since; users and runners of deleted runs; and the runs of a project that can
// no longer be read.
func compareTables(t *testing.T, want, got tables) {
	t.Helper()
	for _, table := range []string{"pipelines", "jobs", "deployments"} {
		maps.DeleteFunc(got[table], func(_ string, row map[string]string) bool {
			p := want["projects"][row["project_id"]]
			return p != nil && p["ci_access"] != "enabled"
		})
	}
	for _, table := range []string{"pipelines", "jobs"} {
		for id, row := range got[table] {
			w := want[table][id]
			for _, column := range []string{"manual", "queued_at", "downstream_pipeline_id", "parent_pipeline_id", "upstream_pipeline_id"} {
				remembered := column == "manual" || column == "queued_at" || got["pipelines"][row[column]] == nil && want["pipelines"][row[column]] == nil
				if w != nil && w[column] == "NULL" && remembered {
					row[column] = "NULL"
				}
			}
		}
	}
	for id, row := range got["deployments"] {
		// GitLab forgets with a deleted pipeline which job it was that deployed.
		if w := want["deployments"][id]; w != nil && w["job_id"] == "NULL" {
			w["job_id"], w["pipeline_id"], w["deployed_at"] = row["job_id"], row["pipeline_id"], row["deployed_at"]
		}
	}
	coarsen(want, got)
	for _, table := range []string{"users", "runners"} {
		for id := range got[table] {
			if want[table][id] == nil {
				delete(got[table], id)
			}
		}
	}
	for _, table := range []string{"groups", "projects", "users", "runners", "pipelines", "jobs", "deployments"} {
		if diff := cmp.Diff(want[table], got[table]); diff != "" {
			if len(diff) > 4000 {
				diff = diff[:4000] + "\n…"
			}
			t.Errorf("%s: %d rows stored, %d in GitLab (-GitLab +stored):\n%s", table, len(got[table]), len(want[table]), diff)
		}
	}
}

// traceless leaves out what changes in GitLab without a change of any
// updated_at: a job's erasure, and the queue time of a job that never started,
// which GitLab counts on for ever. A sync that reads everything again finds both.
func traceless(want, got tables) {
	for id, w := range want["jobs"] {
		g := got["jobs"][id]
		if g == nil {
			continue
		}
		if w["erased_at"] != g["erased_at"] && g["erased_at"] == "NULL" {
			g["erased_at"], g["artifacts_bytes"] = w["erased_at"], w["artifacts_bytes"]
		}
		if w["started_at"] == "NULL" && g["queued_seconds"] != "NULL" {
			g["queued_seconds"] = w["queued_seconds"]
		}
	}
}

// coarsen leaves out what the plan graphql cannot say, and what it says and
// REST cannot, in the rows that it brought (time_precision s).
func coarsen(want, got tables) {
	maps.DeleteFunc(got["jobs"], func(_ string, row map[string]string) bool { return row["kind"] == "external" })
	for _, table := range []string{"pipelines", "jobs"} {
		for id, g := range got[table] {
			w := want[table][id]
			if w == nil || g["time_precision"] != "s" {
				continue
			}
			w["time_precision"] = "s"
			for _, column := range []string{"started_at", "finished_at", "erased_at", "committed_at"} {
				w[column], g[column] = seconds19(w[column]), seconds19(g[column])
			}
			for _, column := range []string{"duration_seconds", "queued_seconds"} {
				if near(w[column], g[column]) {
					w[column] = g[column]
				}
			}
			for _, column := range []string{"failure_reason", "queued_at", "manual"} {
				if w[column] == "NULL" {
					w[column] = g[column]
				}
			}
			if table == "jobs" {
				w["created_at"], g["created_at"] = seconds19(w["created_at"]), seconds19(g["created_at"])
				if g["user_id"] == "NULL" {
					w["user_id"] = "NULL"
				}
			}
		}
	}
	for id, g := range got["projects"] { // of a project that was not listed since
		if w := want["projects"][id]; w != nil && seconds19(w["last_activity_at"]) == strings.TrimSuffix(g["last_activity_at"], "Z") {
			w["last_activity_at"] = g["last_activity_at"]
		}
	}
	for id, g := range got["runners"] {
		if w := want["runners"][id]; w != nil && g["active"] == "NULL" {
			w["active"] = "NULL"
		}
	}
	for id, g := range got["users"] {
		if w := want["users"][id]; w != nil && g["bot"] == "NULL" {
			w["bot"] = "NULL"
		}
	}
	maps.DeleteFunc(want["users"], func(id string, _ map[string]string) bool { return got["users"][id] == nil && coarse(got) })
}

// coarse says whether any row came from GraphQL.
func coarse(got tables) bool {
	for _, row := range got["jobs"] {
		if row["time_precision"] == "s" {
			return true
		}
	}
	return false
}

// seconds19 cuts a time to whole seconds.
func seconds19(t string) string {
	if len(t) > 19 && t != "NULL" {
		return t[:19]
	}
	return strings.TrimSuffix(t, "Z")
}

// near says whether two spans are a second apart at most; nothing is near zero.
func near(a, b string) bool {
	x, _ := strconv.ParseFloat(strings.Replace(a, "NULL", "0", 1), 64)
	y, _ := strconv.ParseFloat(strings.Replace(b, "NULL", "0", 1), 64)
	return x-y <= 1 && y-x <= 1
}
