package store

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/weirhq/weir/internal/ci"
)

// A patch writes what it says, keeps what it does not say, and loses against
// what was asked for after the newest time in it.
func TestPatchPipeline(t *testing.T) {
	polled := ci.Pipeline{
		InstanceID: 1, ID: 1, ProjectID: 1, Status: "running", RefType: ci.Branch, CreatedAt: new(at(0.25)), UpdatedAt: new(at(5.5)), StartedAt: new(at(1.5)),
		Coverage: new(80.5), YAMLErrors: new("none"), WebURL: new("https://x"), FailureReason: new("old"), TimePrecision: "ms", SyncedAt: at(6),
	}
	said := []string{"status", "created_at", "finished_at", "duration_seconds"}
	event := ci.Pipeline{
		InstanceID: 1, ID: 1, ProjectID: 1, Status: "success", RefType: ci.Branch, CreatedAt: new(at(0)), FinishedAt: new(at(9)),
		DurationSeconds: new(0.0), TimePrecision: "s", SyncedAt: at(9),
	}
	merged := polled
	merged.Status, merged.UpdatedAt, merged.FinishedAt, merged.DurationSeconds = "success", nil, event.FinishedAt, event.DurationSeconds
	merged.FailureReason, merged.TimePrecision, merged.SyncedAt = nil, "s", at(9)
	change := func(p ci.Pipeline, f func(*ci.Pipeline)) ci.Pipeline { f(&p); return p }
	asked := func(synced float64) ci.Pipeline {
		return change(polled, func(p *ci.Pipeline) { p.SyncedAt = at(synced) })
	}
	earlier := change(event, func(p *ci.Pipeline) { p.Status, p.FinishedAt, p.SyncedAt = "running", nil, at(4) })
	for _, tt := range []struct {
		name  string
		first Batch
		then  Batch
		want  ci.Pipeline
	}{
		{"alone", Batch{}, patchOf(said, event), event},
		{"after a poll", pipelinesOf(polled), patchOf(said, event), merged},
		{"before the poll's answer came", patchOf(said, event), pipelinesOf(polled), event},
		{"a poll asked later", patchOf(said, event), pipelinesOf(asked(10)), asked(10)},
		{"late, after a newer poll", pipelinesOf(asked(10)), patchOf(said, event), asked(10)},
		{"a poll of the same version, asked before", patchAfter(polled, said, event), pipelinesOf(asked(7)), merged},
		{"an earlier event comes later", patchOf(said, event), patchOf(said, earlier), event},
		{
			"a null that is said", pipelinesOf(change(polled, func(p *ci.Pipeline) { p.Status, p.FinishedAt = "success", new(at(3)) })),
			patchOf(said, change(earlier, func(p *ci.Pipeline) { p.SyncedAt = at(20) })),
			change(merged, func(p *ci.Pipeline) {
				p.Status, p.FinishedAt, p.SyncedAt, p.TimePrecision = "running", nil, at(20), "ms"
			}),
		},
		{
			"one second, the status further on wins", patchOf(said, event),
			patchOf(said, change(event, func(p *ci.Pipeline) { p.Status, p.FinishedAt = "running", nil })), event,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, s *Store) {
				apply(t, s, tt.first)
				apply(t, s, tt.then)
				if diff := cmp.Diff([]ci.Pipeline{tt.want}, pipelines(t, s)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				apply(t, s, tt.then) // a duplicate
				if diff := cmp.Diff([]ci.Pipeline{tt.want}, pipelines(t, s)); diff != "" {
					t.Errorf("the second time (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestPatchJob(t *testing.T) {
	said := []string{"name", "status", "started_at", "finished_at"}
	job := func(id ci.JobID, status ci.Status, synced float64, f func(*ci.Job)) ci.Job {
		j := ci.Job{InstanceID: 1, ID: id, ProjectID: 1, PipelineID: 1, Name: "a", Kind: ci.Build, Status: status, TimePrecision: "s", SyncedAt: at(synced)}
		if f != nil {
			f(&j)
		}
		return j
	}
	ended := job(1, "success", 5, func(j *ci.Job) {
		j.StartedAt, j.FinishedAt, j.TimePrecision, j.ArtifactsBytes, j.Coverage = new(at(1.5)), new(at(2.5)), "ms", new(int64(7)), new(50.0)
	})
	onBoth(t, func(t *testing.T, s *Store) {
		apply(t, s, Batch{Jobs: []ci.Job{ended}})
		// A clock that runs ahead: an attempt that has ended does not run again.
		apply(t, s, Batch{Patches: []Patch{{Said: said, Jobs: []ci.Job{job(1, "running", 50, nil)}}}})
		if diff := cmp.Diff([]ci.Job{ended}, jobs(t, s)); diff != "" {
			t.Errorf("an ended attempt ran again (-want +got):\n%s", diff)
		}
		// The same, told again in whole seconds: nothing is less exact, nothing is lost.
		apply(t, s, Batch{Patches: []Patch{{Said: said, Jobs: []ci.Job{job(1, "success", 6, func(j *ci.Job) {
			j.StartedAt, j.FinishedAt, j.Manual = new(at(1)), new(at(2)), new(false)
		})}}}})
		want := ended
		want.SyncedAt, want.Manual = at(6), new(false)
		if diff := cmp.Diff([]ci.Job{want}, jobs(t, s)); diff != "" {
			t.Errorf("told again (-want +got):\n%s", diff)
		}
		// A later attempt supersedes it; whether there is a yet later one nobody said.
		apply(t, s, Batch{Patches: []Patch{{Said: said, Jobs: []ci.Job{job(2, "pending", 8, nil)}}}})
		if got := jobs(t, s); len(got) != 2 || got[0].Retried == nil || !*got[0].Retried || got[1].Retried != nil {
			t.Errorf("attempts: %+v", got)
		}
		// A row of a deleted pipeline that is told of late stays deleted.
		apply(t, s, Batch{Pipelines: []ci.Pipeline{{InstanceID: 1, ID: 1, ProjectID: 1, TimePrecision: "ms", SyncedAt: at(9)}}})
		apply(t, s, Batch{Deleted: []Tombstone{{Table: "pipelines", InstanceID: 1, ID: 1, At: at(20)}}})
		apply(t, s, Batch{Patches: []Patch{{Said: said, Jobs: []ci.Job{job(3, "running", 10, nil)}}}})
		if got := jobs(t, s); got[2].DeletedAt == nil {
			t.Error("a job of a deleted pipeline is alive")
		}
	})
}

// A job that an event wrote has its pipeline read anew; one that lost against an
// answer leaves it as it is, and so do those of deleted and of external pipelines.
func TestPatchedJobUnsettlesItsPipeline(t *testing.T) {
	said := []string{"name", "status"}
	pipeline := func(id ci.PipelineID, source ci.Source) ci.Pipeline {
		return ci.Pipeline{InstanceID: 1, ID: id, ProjectID: 1, Source: &source, UpdatedAt: new(at(3)), TimePrecision: "ms", SyncedAt: at(9)}
	}
	job := func(id ci.JobID, pipeline ci.PipelineID, status ci.Status, synced float64) ci.Job {
		return ci.Job{InstanceID: 1, ID: id, ProjectID: 1, PipelineID: pipeline, Name: "a", Kind: ci.Build, Status: status, TimePrecision: "ms", SyncedAt: at(synced)}
	}
	onBoth(t, func(t *testing.T, s *Store) {
		apply(t, s, Batch{
			Pipelines: []ci.Pipeline{pipeline(1, "push"), pipeline(2, "push"), pipeline(3, "push"), pipeline(4, ci.SourceExternal), pipeline(5, "push")},
			Jobs:      []ci.Job{job(1, 1, "created", 9), job(2, 2, "skipped", 9), job(3, 3, "created", 9), job(4, 4, "created", 9), job(5, 5, "success", 9)},
		})
		apply(t, s, Batch{Deleted: []Tombstone{{Table: "pipelines", InstanceID: 1, ID: 3, At: at(30)}}})
		apply(t, s, Batch{Patches: []Patch{{Said: said, Jobs: []ci.Job{
			job(1, 1, "pending", 20), job(2, 2, "created", 8), job(3, 3, "pending", 20), job(4, 4, "pending", 20), job(5, 5, "running", 20),
		}}}})
		var got []ci.PipelineID
		for _, p := range pipelines(t, s) {
			if p.UpdatedAt == nil {
				got = append(got, p.ID)
			}
		}
		if diff := cmp.Diff([]ci.PipelineID{1}, got); diff != "" {
			t.Errorf("pipelines to be read anew (-want +got):\n%s", diff)
		}
	})
}

// An answer that comes after an event which first told of a job, but was asked
// for before it, loses, and what only answers say of the job stays unknown: so
// the next poll reads the pipeline anew, once.
func TestAnswerAskedBeforeAnEventIsAskedAgain(t *testing.T) {
	answer := func(id int64, synced float64) Batch {
		return Batch{
			Pipelines: []ci.Pipeline{{InstanceID: 1, ID: ci.PipelineID(id), ProjectID: 1, Status: "failed", UpdatedAt: new(at(3)), TimePrecision: "ms", SyncedAt: at(synced)}},
			Jobs: []ci.Job{{
				InstanceID: 1, ID: ci.JobID(id), ProjectID: 1, PipelineID: ci.PipelineID(id), Name: "a", Kind: ci.Build, Status: "skipped",
				Tags: []string{}, WebURL: new("https://x"), TimePrecision: "ms", SyncedAt: at(synced),
			}},
		}
	}
	event := Batch{Patches: []Patch{{Said: []string{"status"}, Jobs: []ci.Job{{
		InstanceID: 1, ID: 1, ProjectID: 1, PipelineID: 1, Name: "a", Kind: ci.Build, Status: "skipped", TimePrecision: "s", SyncedAt: at(10),
	}}}}}
	onBoth(t, func(t *testing.T, s *Store) {
		for _, step := range []struct {
			name  string
			batch Batch
			want  []ci.PipelineID
		}{
			{"an event, and nothing else", event, nil},
			{"an answer asked for before it", answer(1, 9), []ci.PipelineID{1}},
			{"the next", answer(1, 11), nil},
			{"another pipeline", answer(2, 20), nil},
			{"an older answer where a whole one is stored", answer(2, 19), nil},
		} {
			apply(t, s, step.batch)
			var got []ci.PipelineID
			for _, p := range pipelines(t, s) {
				if p.UpdatedAt == nil {
					got = append(got, p.ID)
				}
			}
			if diff := cmp.Diff(step.want, got); diff != "" {
				t.Errorf("%s: pipelines to be read anew (-want +got):\n%s", step.name, diff)
			}
		}
	})
}

// Events of an attempt end at the same row in every order, twice or not.
func TestPatchesInAnyOrder(t *testing.T) {
	said := []string{"status", "started_at", "finished_at"}
	var events []ci.Job
	for i, status := range []ci.Status{"created", "pending", "running", "success"} {
		j := ci.Job{InstanceID: 1, ID: 1, ProjectID: 1, PipelineID: 1, Name: "a", Kind: ci.Build, Status: status, TimePrecision: "s", SyncedAt: at(0)}
		if i >= 2 {
			j.StartedAt, j.SyncedAt = new(at(3)), at(3)
		}
		if i == 3 {
			j.FinishedAt = new(at(3)) // within the second in which it started
		}
		events = append(events, j)
	}
	onBoth(t, func(t *testing.T, s *Store) {
		id := ci.JobID(0)
		rapid.Check(t, func(r *rapid.T) {
			id++
			order := rapid.Permutation(slices.Concat(events, events[:2])).Draw(r, "order")
			for _, e := range order {
				e.ID, e.PipelineID = id, ci.PipelineID(id)
				apply(t, s, Batch{Patches: []Patch{{Said: said, Jobs: []ci.Job{e}}}})
			}
			got := jobs(t, s)[id-1]
			want := events[3]
			want.ID, want.PipelineID = id, ci.PipelineID(id)
			if diff := cmp.Diff(want, got); diff != "" {
				r.Fatalf("(-want +got):\n%s", diff)
			}
		})
	})
}

func patchOf(said []string, p ci.Pipeline) Batch {
	return Batch{Patches: []Patch{{Said: said, Pipelines: []ci.Pipeline{p}}}}
}

func pipelinesOf(p ci.Pipeline) Batch { return Batch{Pipelines: []ci.Pipeline{p}} }

// patchAfter is a poll and an event in one batch.
func patchAfter(p ci.Pipeline, said []string, event ci.Pipeline) Batch {
	b := patchOf(said, event)
	b.Pipelines = []ci.Pipeline{p}
	return b
}
