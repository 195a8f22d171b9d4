package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/weirhq/weir/internal/ci"
)

func TestApplyTwiceChangesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		b := everyTable()
		first := apply(t, s, b)
		want := dump(t, s)
		for table := range first {
			if first[table] != 1 {
				t.Errorf("%s: %d rows written, want 1", table, first[table])
			}
		}
		if len(first) != 12 {
			t.Errorf("written %v, want 12 tables", first)
		}
		apply(t, s, b)
		if diff := cmp.Diff(want, dump(t, s)); diff != "" {
			t.Errorf("the second time changed rows (-first +second):\n%s", diff)
		}
	})
}

func TestApplyEmptyBatch(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		if w := apply(t, s, Batch{}); len(w) != 0 {
			t.Errorf("written %v", w)
		}
	})
}

// TestRoundTrip writes every column of every row with its extremes and with
// NULL, and reads back the same.
func TestRoundTrip(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		roundTrip[ci.Instance](t, s, "instances", func(b *Batch, r []ci.Instance) { b.Instances = r })
		roundTrip[ci.Group](t, s, "groups", func(b *Batch, r []ci.Group) { b.Groups = r })
		roundTrip[ci.Project](t, s, "projects", func(b *Batch, r []ci.Project) { b.Projects = r })
		roundTrip[ci.Repository](t, s, "repositories", func(b *Batch, r []ci.Repository) { b.Repositories = r })
		roundTrip[ci.User](t, s, "users", func(b *Batch, r []ci.User) { b.Users = r })
		roundTrip[ci.Runner](t, s, "runners", func(b *Batch, r []ci.Runner) { b.Runners = r })
		roundTrip[ci.Pipeline](t, s, "pipelines", func(b *Batch, r []ci.Pipeline) { b.Pipelines = r })
		roundTrip[ci.Job](t, s, "jobs", func(b *Batch, r []ci.Job) { b.Jobs = r })
		roundTrip[ci.JobNeed](t, s, "job_needs", func(b *Batch, r []ci.JobNeed) { b.JobNeeds = r })
		roundTrip[ci.ProjectSync](t, s, "project_syncs", func(b *Batch, r []ci.ProjectSync) { b.ProjectSyncs = r })
		roundTrip[ci.Sync](t, s, "syncs", func(b *Batch, r []ci.Sync) { b.Syncs = r })
		roundTrip[ci.SyncError](t, s, "sync_errors", func(b *Batch, r []ci.SyncError) { b.SyncErrors = r })
	})
}

func roundTrip[T any](t *testing.T, s *Store, table string, put func(*Batch, []T)) {
	t.Helper()
	var rows []T
	for variant := range 4 {
		rows = append(rows, filled[T](t, variant))
	}
	var b Batch
	put(&b, rows)
	if n := apply(t, s, b)[table]; n != int64(len(rows)) {
		t.Errorf("%s: %d rows written, want %d", table, n, len(rows))
	}
	described, _ := TableByName(table)
	got := stored[T](t, s, table, quoteName(described.Keys()[0])+", "+quoteName(described.Keys()[len(described.Keys())-1]))
	if diff := cmp.Diff(rows, got); diff != "" {
		t.Errorf("%s (-written +read):\n%.3000s", table, diff)
	}
}

// filled gives a row: variant 0 has NULL wherever it may, 1 usual values, 2
// empty and zero ones, 3 extremes.
func filled[T any](t *testing.T, variant int) T {
	t.Helper()
	var row T
	v := reflect.ValueOf(&row).Elem()
	described := map[string]bool{"id": true, "seq": true, "sync_id": true, "instance_id": true, "project_id": true, "pipeline_id": true, "needs_name": true, "job_name": true}
	for i := range v.NumField() {
		column := v.Type().Field(i).Tag.Get("db")
		f := v.Field(i)
		if f.Kind() == reflect.Pointer {
			if variant == 0 {
				continue
			}
			f.Set(reflect.New(f.Type().Elem()))
			f = f.Elem()
		}
		if described[column] && f.Kind() == reflect.Int64 {
			f.SetInt([]int64{1, 2, 3, math.MaxInt64}[variant])
			continue
		}
		if described[column] {
			f.SetString([]string{"a", "b", "c", "ü"}[variant])
			continue
		}
		switch value := f.Addr().Interface().(type) {
		case *time.Time:
			*value = []time.Time{at(0), at(1.25), time.Unix(0, 0).UTC(), time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)}[variant]
		case *[]string:
			*value = [][]string{nil, {"docker", "größe, {x} \"y\" NULL"}, {}, {"", "NULL", `\`, "a\nb"}}[variant]
		case *map[string]int64:
			*value = []map[string]int64{nil, {"jobs": 3}, {}, {`GET /projects/:id "x"`: 1 << 50}}[variant]
		default:
			switch f.Kind() {
			case reflect.Int64:
				f.SetInt([]int64{0, 12, 0, math.MaxInt64}[variant])
			case reflect.Float64:
				f.SetFloat([]float64{0, 17.123, 0, math.MaxFloat64}[variant])
			case reflect.Bool:
				f.SetBool(variant != 2)
			case reflect.String:
				f.SetString([]string{"x", "völlig 🚀 NULL \\N \t\n '\"; --", "", strings.Repeat("äé🚀", 120_000)}[variant])
			default:
				t.Fatalf("no value for %s", f.Type())
			}
		}
	}
	return row
}

func TestUnstorableText(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		name := "a\x00b\xffc"
		apply(t, s, Batch{Users: []ci.User{{InstanceID: 1, ID: 1, Username: name, SyncedAt: at(0)}}})
		if got := stored[ci.User](t, s, "users", "id")[0].Username; got != "a\uFFFDb\uFFFDc" {
			t.Errorf("got %q", got)
		}
	})
}

// TestNewestWins applies what was seen of one pipeline and one job in any order
// and any batches, and must always end with the newest.
func TestNewestWins(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		var instance atomic.Int64
		ctx := t.Context()
		rapid.Check(t, func(t *rapid.T) {
			inst := ci.InstanceID(instance.Add(1))
			n := rapid.IntRange(1, 6).Draw(t, "seen")
			dated := rapid.Bool().Draw(t, "dated")
			var seenPipelines []ci.Pipeline
			var seenJobs []ci.Job
			updated := rapid.Permutation(indexes(n)).Draw(t, "updated")
			for i := range n {
				status := ci.Status(fmt.Sprintf("status%d", i))
				p := ci.Pipeline{InstanceID: inst, ID: 1, ProjectID: 1, Status: status, RefType: ci.Branch, TimePrecision: ci.Milliseconds, SyncedAt: at(float64(i))}
				if dated {
					// Fewer moments than rows: some are equal.
					p.UpdatedAt = new(at(float64(updated[i]/2) / 1000))
				}
				seenPipelines = append(seenPipelines, p)
				job := ci.Job{
					InstanceID: inst, ID: 1, ProjectID: 1, PipelineID: 1, Name: "j", BaseName: "j", Kind: ci.Build, Status: status,
					TimePrecision: ci.Milliseconds, SyncedAt: at(float64(i)), Tags: []string{fmt.Sprint(i)},
				}
				if rapid.Bool().Draw(t, "says manual") {
					job.Manual = new(true)
				}
				seenJobs = append(seenJobs, job)
			}
			order := rapid.Permutation(indexes(n)).Draw(t, "order")
			repeat := rapid.SliceOfN(rapid.IntRange(0, n-1), 0, 3).Draw(t, "again")
			var b Batch
			flush := func() {
				if _, err := s.Apply(ctx, b); err != nil {
					t.Fatal(err)
				}
				b = Batch{}
			}
			for _, i := range append(order, repeat...) {
				b.Pipelines = append(b.Pipelines, seenPipelines[i])
				b.Jobs = append(b.Jobs, seenJobs[i])
				if rapid.Bool().Draw(t, "commit") {
					flush()
				}
			}
			flush()

			wantPipeline, wantJob := seenPipelines[0], seenJobs[n-1]
			for _, p := range seenPipelines {
				if !dated || !p.UpdatedAt.Before(*wantPipeline.UpdatedAt) {
					wantPipeline = p // later in the slice is asked for later
				}
			}
			for _, j := range seenJobs {
				if j.Manual != nil {
					wantJob.Manual = j.Manual
				}
			}
			gotPipelines, err := all[ci.Pipeline](ctx, s, "pipelines", "WHERE instance_id = $1", int64(inst))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]ci.Pipeline{wantPipeline}, gotPipelines); diff != "" {
				t.Fatalf("pipeline (-want +got):\n%s", diff)
			}
			gotJobs, err := all[ci.Job](ctx, s, "jobs", "WHERE instance_id = $1", int64(inst))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]ci.Job{wantJob}, gotJobs); diff != "" {
				t.Fatalf("job (-want +got):\n%s", diff)
			}
		})
	})
}

// TestWholeSeconds: a pipeline that ended in the second in which it was read
// must not stay running because the later answer cuts its times.
func TestWholeSeconds(t *testing.T) {
	row := func(status ci.Status, updated, synced float64, p ci.TimePrecision) ci.Pipeline {
		return ci.Pipeline{InstanceID: 1, ID: 1, ProjectID: 1, Status: status, RefType: ci.Branch, UpdatedAt: new(at(updated)), TimePrecision: p, SyncedAt: at(synced)}
	}
	tests := []struct {
		name          string
		first, second ci.Pipeline
		want          ci.Status
	}{
		{"cut after exact, asked later", row("running", 5.2, 6, "ms"), row("success", 5, 7, "s"), "success"},
		{"cut after exact, asked before", row("success", 5.2, 7, "ms"), row("running", 5, 6, "s"), "success"},
		{"exact after cut, asked later", row("running", 5, 6, "s"), row("success", 5.9, 7, "ms"), "success"},
		{"exact after cut, asked before", row("success", 5, 7, "s"), row("running", 5.9, 6, "ms"), "success"},
		{"a second later", row("success", 6, 6, "s"), row("running", 5.9, 7, "ms"), "success"},
		{"both exact", row("success", 5.3, 6, "ms"), row("running", 5.2, 7, "ms"), "success"},
	}
	onBoth(t, func(t *testing.T, s *Store) {
		for i, tt := range tests {
			tt.first.ID, tt.second.ID = ci.PipelineID(i+1), ci.PipelineID(i+1)
			apply(t, s, Batch{Pipelines: []ci.Pipeline{tt.first}})
			apply(t, s, Batch{Pipelines: []ci.Pipeline{tt.second}})
			if got := pipelines(t, s)[i].Status; got != tt.want {
				t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
			}
		}
	})
}

// TestKeep: what a newer answer does not say stays, as long as it is still true.
func TestKeep(t *testing.T) {
	job := func(synced float64, f func(*ci.Job)) ci.Job {
		j := ci.Job{
			InstanceID: 1, ID: 1, ProjectID: 1, PipelineID: 1, Name: "j", BaseName: "j", Kind: ci.Build, Status: "running",
			TimePrecision: "ms", StartedAt: new(at(1)), SyncedAt: at(synced),
		}
		f(&j)
		return j
	}
	tests := []struct {
		name        string
		first, then ci.Job
		want        func(ci.Job) bool
	}{
		{"manual stays", job(1, func(j *ci.Job) { j.Manual = new(true) }), job(2, func(*ci.Job) {}), func(j ci.Job) bool { return j.Manual != nil && *j.Manual }},
		{"manual is corrected", job(1, func(j *ci.Job) { j.Manual = new(true) }), job(2, func(j *ci.Job) { j.Manual = new(false) }), func(j ci.Job) bool { return !*j.Manual }},
		{"queued_at stays while started_at does", job(1, func(j *ci.Job) { j.QueuedAt = new(at(0)) }), job(2, func(j *ci.Job) { j.Status = "success" }), func(j ci.Job) bool { return j.QueuedAt != nil }},
		{"queued_at goes when it may have moved", job(1, func(j *ci.Job) { j.QueuedAt, j.StartedAt = new(at(0)), nil }), job(2, func(j *ci.Job) {}), func(j ci.Job) bool { return j.QueuedAt == nil }},
		{"user_id stays before the start", job(1, func(j *ci.Job) { j.UserID, j.StartedAt, j.Status = new(ci.UserID(4)), nil, "skipped" }), job(2, func(j *ci.Job) { j.StartedAt, j.Status = nil, "skipped" }), func(j ci.Job) bool { return j.UserID != nil }},
		{"user_id goes when it was played", job(1, func(j *ci.Job) { j.UserID, j.StartedAt, j.Status = new(ci.UserID(4)), nil, "manual" }), job(2, func(j *ci.Job) {}), func(j ci.Job) bool { return j.UserID == nil }},
		{"failure_reason stays with the failure", job(1, func(j *ci.Job) { j.Status, j.FailureReason = "failed", new("script_failure") }), job(2, func(j *ci.Job) { j.Status = "failed" }), func(j ci.Job) bool { return j.FailureReason != nil }},
		{"failure_reason goes with it", job(1, func(j *ci.Job) { j.Status, j.FailureReason = "failed", new("script_failure") }), job(2, func(j *ci.Job) { j.Status = "success" }), func(j ci.Job) bool { return j.FailureReason == nil }},
		{"the older one may come later", job(2, func(*ci.Job) {}), job(1, func(j *ci.Job) { j.Manual, j.Status = new(true), "pending" }), func(j ci.Job) bool { return j.Manual != nil && j.Status == "running" }},
		{"the older one's other columns stay away", job(2, func(*ci.Job) {}), job(1, func(j *ci.Job) { j.RunnerID = new(ci.RunnerID(1)) }), func(j ci.Job) bool { return j.RunnerID == nil }},
	}
	onBoth(t, func(t *testing.T, s *Store) {
		for i, tt := range tests {
			tt.first.ID, tt.then.ID = ci.JobID(i+1), ci.JobID(i+1)
			apply(t, s, Batch{Jobs: []ci.Job{tt.first}})
			apply(t, s, Batch{Jobs: []ci.Job{tt.then}})
			if got := jobs(t, s)[i]; !tt.want(got) {
				t.Errorf("%s: got %+v", tt.name, got)
			}
		}
	})
}

func TestKeepPipelineFailureReason(t *testing.T) {
	row := func(synced, updated float64, status ci.Status, reason *string) ci.Pipeline {
		return ci.Pipeline{InstanceID: 1, ID: 1, ProjectID: 1, Status: status, RefType: ci.Branch, UpdatedAt: new(at(updated)), FailureReason: reason, TimePrecision: "s", SyncedAt: at(synced)}
	}
	onBoth(t, func(t *testing.T, s *Store) {
		reason := func() *string { return pipelines(t, s)[0].FailureReason }
		apply(t, s, Batch{Pipelines: []ci.Pipeline{row(1, 1, "failed", new("config_error"))}})
		exact := row(2, 1.5, "failed", nil)
		exact.TimePrecision = "ms"
		apply(t, s, Batch{Pipelines: []ci.Pipeline{exact}})
		if reason() == nil {
			t.Error("the same version: the reason is lost")
		}
		apply(t, s, Batch{Pipelines: []ci.Pipeline{row(3, 9, "failed", nil)}})
		if reason() != nil {
			t.Error("another version: the old reason was kept")
		}
	})
}

// TestDuplicatesInBatch: one user comes with each of a thousand jobs.
func TestDuplicatesInBatch(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		var b Batch
		for i := range 1000 {
			b.Users = append(b.Users, ci.User{InstanceID: 1, ID: 1, Username: "ada", SyncedAt: at(float64(i % 7))})
		}
		b.Users = append(b.Users, ci.User{InstanceID: 1, ID: 1, Username: "old name", Bot: new(true), SyncedAt: at(3)})
		b.ProjectSyncs = []ci.ProjectSync{{InstanceID: 1, ProjectID: 1, Requests: 1}, {InstanceID: 1, ProjectID: 1, Requests: 2}}
		apply(t, s, b)
		want := []ci.User{{InstanceID: 1, ID: 1, Username: "ada", Bot: new(true), SyncedAt: at(6)}}
		if diff := cmp.Diff(want, stored[ci.User](t, s, "users", "id")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if got := stored[ci.ProjectSync](t, s, "project_syncs", "project_id"); len(got) != 1 || got[0].Requests != 2 {
			t.Errorf("cursor %+v, want the last", got)
		}
	})
}

// TestAllOrNothing lets the last statement of a batch fail.
func TestAllOrNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		apply(t, s, everyTable())
		before := dump(t, s)
		failed := errors.New("failed on purpose")
		err := s.engine.write(t.Context(), func(w writer) error {
			b := Batch{Jobs: []ci.Job{{InstanceID: 1, ID: 99, ProjectID: 1, PipelineID: 1, Status: "running", SyncedAt: at(9)}}}
			loads, err := b.loads()
			if err != nil {
				return err
			}
			if n, err := writeTable(t.Context(), w, &loads[0]); err != nil || n != 1 {
				return fmt.Errorf("%d rows, %v", n, err)
			}
			return failed
		})
		if !errors.Is(err, failed) {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, dump(t, s)); diff != "" {
			t.Errorf("a failed batch left something:\n%s", diff)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Apply(ctx, Batch{Users: []ci.User{{InstanceID: 1, ID: 5, Username: "x", SyncedAt: at(0)}}}); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		if diff := cmp.Diff(before, dump(t, s)); diff != "" {
			t.Errorf("a cancelled batch left something:\n%s", diff)
		}
		apply(t, s, everyTable()) // the store goes on
	})
}

func TestTombstones(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		p := func(id ci.PipelineID, synced float64) ci.Pipeline {
			return ci.Pipeline{InstanceID: 1, ID: id, ProjectID: 1, Status: "success", SHA: new("abc"), RefType: ci.Branch, TimePrecision: "ms", SyncedAt: at(synced)}
		}
		j := func(id ci.JobID, pipeline ci.PipelineID, synced float64) ci.Job {
			return ci.Job{InstanceID: 1, ID: id, ProjectID: 1, PipelineID: pipeline, Status: "success", Tags: []string{"a"}, TimePrecision: "ms", SyncedAt: at(synced)}
		}
		apply(t, s, Batch{
			Projects:  []ci.Project{{InstanceID: 1, ID: 1, FullPath: "a/b", Topics: []string{"x"}, SyncedAt: at(0)}},
			Pipelines: []ci.Pipeline{p(1, 1), p(2, 1), p(3, 20)},
			Jobs:      []ci.Job{j(1, 1, 1), j(2, 1, 20), j(3, 2, 1)},
		})
		apply(t, s, Batch{Deleted: []Tombstone{{Table: "pipelines", InstanceID: 1, ID: 1, At: at(10)}, {Table: "pipelines", InstanceID: 1, ID: 77, At: at(10)}}})
		checkDeleted(t, s, "pipeline 1", map[string]bool{"p1": true, "j1": true})
		if got := pipelines(t, s)[0]; got.SHA == nil || !got.DeletedAt.Equal(at(10)) {
			t.Errorf("the deleted row lost its data: %+v", got)
		}
		apply(t, s, Batch{Deleted: []Tombstone{{Table: "pipelines", InstanceID: 1, ID: 1, At: at(12)}}})
		if got := pipelines(t, s)[0]; !got.DeletedAt.Equal(at(10)) {
			t.Errorf("deleted twice: %v, want the first moment", got.DeletedAt)
		}
		apply(t, s, Batch{Pipelines: []ci.Pipeline{p(1, 5)}, Jobs: []ci.Job{j(4, 1, 5)}})
		checkDeleted(t, s, "asked for before, arrived after", map[string]bool{"p1": true, "j1": true, "j4": true})
		apply(t, s, Batch{Pipelines: []ci.Pipeline{p(1, 11)}, Jobs: []ci.Job{j(1, 1, 11)}})
		checkDeleted(t, s, "seen again", map[string]bool{"j4": true})
		apply(t, s, Batch{Deleted: []Tombstone{{Table: "projects", InstanceID: 1, ID: 1, At: at(15)}}})
		checkDeleted(t, s, "project", map[string]bool{"project": true, "p1": true, "p2": true, "j1": true, "j3": true, "j4": true})
		apply(t, s, Batch{Pipelines: []ci.Pipeline{p(4, 14), p(5, 16)}, Projects: []ci.Project{{InstanceID: 1, ID: 1, FullPath: "a/b", SyncedAt: at(14)}}})
		checkDeleted(t, s, "late below the project", map[string]bool{"project": true, "p1": true, "p2": true, "p4": true, "j1": true, "j3": true, "j4": true})
		if _, err := s.Apply(t.Context(), Batch{Deleted: []Tombstone{{Table: "users", InstanceID: 1, ID: 1, At: at(1)}}}); err == nil {
			t.Error("a tombstone for a table without deleted_at was taken")
		}
	})
}

func checkDeleted(t *testing.T, s *Store, step string, want map[string]bool) {
	t.Helper()
	got := map[string]bool{}
	for _, p := range stored[ci.Project](t, s, "projects", "id") {
		if p.DeletedAt != nil {
			got["project"] = true
		}
	}
	for _, p := range pipelines(t, s) {
		if p.DeletedAt != nil {
			got[fmt.Sprint("p", p.ID)] = true
		}
	}
	for _, j := range jobs(t, s) {
		if j.DeletedAt != nil {
			got[fmt.Sprint("j", j.ID)] = true
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: deleted (-want +got):\n%s", step, diff)
	}
}

// TestOlderVersionSeenLater: an answer with an older version, asked for after
// the deletion, proves that the pipeline lives, and changes nothing else.
func TestOlderVersionSeenLater(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		row := func(status ci.Status, updated, synced float64) Batch {
			return Batch{Pipelines: []ci.Pipeline{{InstanceID: 1, ID: 1, ProjectID: 1, Status: status, RefType: ci.Branch, UpdatedAt: new(at(updated)), TimePrecision: "ms", SyncedAt: at(synced)}}}
		}
		apply(t, s, row("success", 20, 21))
		apply(t, s, Batch{Deleted: []Tombstone{{Table: "pipelines", InstanceID: 1, ID: 1, At: at(30)}}})
		apply(t, s, row("running", 19, 40))
		if got := pipelines(t, s)[0]; got.DeletedAt != nil || got.Status != "success" {
			t.Errorf("got %+v", got)
		}
	})
}

func TestLinks(t *testing.T) {
	pipeline := func(id ci.PipelineID, source ci.Source) ci.Pipeline {
		return ci.Pipeline{InstanceID: 1, ID: id, ProjectID: 1, Status: "success", Source: &source, RefType: ci.Branch, TimePrecision: "ms", SyncedAt: at(1)}
	}
	bridge := func(id ci.JobID, from, to ci.PipelineID) ci.Job {
		return ci.Job{InstanceID: 1, ID: id, ProjectID: 1, PipelineID: from, Kind: ci.Bridge, Status: "success", DownstreamPipelineID: &to, TimePrecision: "ms", SyncedAt: at(1)}
	}
	parent := Batch{Pipelines: []ci.Pipeline{pipeline(1, "push")}, Jobs: []ci.Job{bridge(1, 1, 2), bridge(2, 1, 3)}}
	children := Batch{Pipelines: []ci.Pipeline{pipeline(2, "parent_pipeline"), pipeline(3, "pipeline"), pipeline(4, "parent_pipeline")}}
	other := Batch{Pipelines: []ci.Pipeline{func() ci.Pipeline { p := pipeline(2, "parent_pipeline"); p.InstanceID = 2; return p }()}}
	for name, order := range map[string][]Batch{
		"bridge first":   {parent, other, children},
		"pipeline first": {other, children, parent},
		"together":       {other, {Pipelines: append(children.Pipelines, parent.Pipelines...), Jobs: parent.Jobs}},
		"again":          {other, parent, children, children, parent},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, s *Store) {
				for _, b := range order {
					apply(t, s, b)
				}
				type link struct {
					ID               string
					Parent, Upstream ci.PipelineID
				}
				var got []link
				for _, p := range pipelines(t, s) {
					l := link{ID: fmt.Sprint(p.InstanceID, "/", p.ID)}
					if p.ParentPipelineID != nil {
						l.Parent = *p.ParentPipelineID
					}
					if p.UpstreamPipelineID != nil {
						l.Upstream = *p.UpstreamPipelineID
					}
					got = append(got, l)
				}
				want := []link{{"1/1", 0, 0}, {"1/2", 1, 0}, {"1/3", 0, 1}, {"1/4", 0, 0}, {"2/2", 0, 0}}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestIDsAreHandedOutOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ids := make([]ci.SyncID, 12)
		instances := make([]ci.InstanceID, len(ids))
		g, ctx := errgroup.WithContext(t.Context())
		for i := range ids {
			g.Go(func() (err error) {
				if ids[i], err = s.BeginSync(ctx, ci.Sync{ID: 4711, State: ci.SyncRunning, StartedAt: at(0)}); err != nil {
					return err
				}
				inst, err := s.EnsureInstance(ctx, fmt.Sprintf("https://%d.example", i%2), at(0))
				instances[i] = inst.ID
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		seen := map[ci.SyncID]bool{}
		for i := range ids {
			if seen[ids[i]] || ids[i] < 1 || ids[i] > 12 {
				t.Errorf("sync ids %v", ids)
			}
			seen[ids[i]] = true
			if instances[i] != instances[i%2] || instances[i] < 1 || instances[i] > 2 {
				t.Errorf("instance ids %v", instances)
			}
		}
		list, err := s.Syncs(t.Context(), 3)
		if err != nil || len(list) != 3 || list[0].ID != 12 || list[2].ID != 10 {
			t.Errorf("last syncs %v, %v", list, err)
		}
	})
}

func TestImporterReads(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		row := func(id ci.PipelineID, project ci.ProjectID, source *ci.Source, updated *time.Time) ci.Pipeline {
			return ci.Pipeline{InstanceID: 1, ID: id, ProjectID: project, Status: "success", Source: source, UpdatedAt: updated, RefType: ci.Branch, TimePrecision: "ms", SyncedAt: at(1)}
		}
		child, push := ci.SourceParent, ci.Source("push")
		apply(t, s, Batch{Pipelines: []ci.Pipeline{
			row(1, 1, &push, new(at(10))), row(2, 1, nil, new(at(20))), row(3, 1, &child, new(at(20))), row(4, 1, &push, nil), row(5, 2, &push, new(at(20))), row(6, 1, &push, new(at(30))),
		}})
		apply(t, s, Batch{Deleted: []Tombstone{{Table: "pipelines", InstanceID: 1, ID: 6, At: at(40)}}})
		for _, tt := range []struct {
			from  float64
			child bool
			want  []ci.PipelineID
		}{{0, false, []ci.PipelineID{1, 2}}, {20, false, []ci.PipelineID{2}}, {0, true, []ci.PipelineID{3}}, {21, true, nil}} {
			got, err := s.PipelineIDs(t.Context(), 1, 1, at(tt.from), tt.child)
			n, errCount := s.CountPipelines(t.Context(), 1, 1, at(tt.from), tt.child)
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil || errCount != nil || n != int64(len(tt.want)) {
				t.Errorf("from %v, child %v: %v %v %v %v", tt.from, tt.child, got, n, err, errCount)
			}
		}
		got, err := s.Versions(t.Context(), 1, 1, []ci.PipelineID{1, 4, 5, 6, 99})
		want := map[ci.PipelineID]Version{1: {UpdatedAt: new(at(10)), Status: "success"}, 4: {Status: "success"}, 6: {UpdatedAt: new(at(30)), Status: "success", DeletedAt: new(at(40))}}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("versions: %v\n%s", err, diff)
		}
		if got, err := s.Versions(t.Context(), 1, 1, nil); len(got) != 0 || err != nil {
			t.Errorf("no ids: %v %v", got, err)
		}
		if _, err := s.Sync(t.Context(), 9); ci.CodeOf(err) != ci.NotFound {
			t.Errorf("no sync: %v", err)
		}
		counts, err := s.Counts(t.Context())
		if err != nil || counts["pipelines"] != 6 || counts["jobs"] != 0 || len(counts) != len(Tables()) {
			t.Errorf("counts %v, %v", counts, err)
		}
	})
}

// everyTable is a batch with a row of each table.
func everyTable() Batch {
	return Batch{
		Instances:    []ci.Instance{{ID: 1, BaseURL: "https://gitlab.example", CreatedAt: at(0)}},
		Groups:       []ci.Group{{InstanceID: 1, ID: 1, FullPath: "acme", SyncedAt: at(0)}},
		Projects:     []ci.Project{{InstanceID: 1, ID: 1, FullPath: "acme/shop", Topics: []string{"go"}, CIAccess: ci.CIEnabled, SyncedAt: at(0)}},
		Repositories: []ci.Repository{{InstanceID: 1, ID: 1, Source: "gitlab", FullPath: "acme/shop", SyncedAt: at(0)}},
		Users:        []ci.User{{InstanceID: 1, ID: 1, Username: "ada", SyncedAt: at(0)}},
		Runners:      []ci.Runner{{InstanceID: 1, ID: 1, Tags: []string{}, SyncedAt: at(0)}},
		Pipelines:    []ci.Pipeline{{InstanceID: 1, ID: 1, ProjectID: 1, Status: "success", RefType: ci.Branch, TimePrecision: "ms", SyncedAt: at(0)}},
		Jobs:         []ci.Job{{InstanceID: 1, ID: 1, ProjectID: 1, PipelineID: 1, Status: "success", Tags: []string{"a"}, TimePrecision: "ms", SyncedAt: at(0)}},
		JobNeeds:     []ci.JobNeed{{InstanceID: 1, PipelineID: 1, JobName: "test", NeedsName: "build", SyncedAt: at(0)}},
		ProjectSyncs: []ci.ProjectSync{{InstanceID: 1, ProjectID: 1, Requests: 3}},
		Syncs:        []ci.Sync{{ID: 1, InstanceID: 1, State: ci.SyncRunning, StartedAt: at(0), Rows: map[string]int64{"jobs": 1}}},
		SyncErrors:   []ci.SyncError{{SyncID: 1, Seq: 1, InstanceID: 1, Code: "project_forbidden", At: at(0)}},
	}
}

// dump gives all rows of all tables.
func dump(t testing.TB, s *Store) map[string][][]any {
	t.Helper()
	rows := map[string][][]any{}
	for _, table := range Tables() {
		r, err := s.ExportRows(t.Context(), table.Name)
		if err != nil {
			t.Fatal(err)
		}
		rows[table.Name] = collect(t, r)
	}
	return rows
}

func collect(t testing.TB, r *Result) [][]any {
	t.Helper()
	var rows [][]any
	for row, err := range r.Rows() {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return rows
}

func query(ctx context.Context, s *Store, q Query) ([][]any, error) {
	r, err := s.Query(ctx, q)
	if err != nil {
		return nil, err
	}
	var rows [][]any
	for row, err := range r.Rows() {
		if err != nil {
			return nil, errors.Join(err, r.Close())
		}
		rows = append(rows, row)
	}
	return rows, r.Close()
}

func indexes(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}
