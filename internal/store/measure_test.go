package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/ci"
)

// What an import touches is marked and measured, the newest pipelines first, and
// what a later import changes is measured anew. That the rows are those that
// metrics need, package metric tests.
func TestMeasure(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		pipeline := func(id ci.PipelineID, sha string) ci.Pipeline {
			return ci.Pipeline{
				InstanceID: 1, ID: id, ProjectID: 1, Status: ci.Success, Source: new(ci.Source("push")), RefType: ci.Branch, SHA: &sha,
				CreatedAt: new(at(0)), FinishedAt: new(at(900)), TimePrecision: ci.Milliseconds, SyncedAt: at(1),
			}
		}
		job := func(id ci.JobID, of ci.PipelineID, name, stage string, status ci.Status, from, to float64) ci.Job {
			return ci.Job{
				InstanceID: 1, ID: id, ProjectID: 1, PipelineID: of, Name: name, BaseName: name, Stage: &stage, Kind: ci.Build, Status: status,
				CreatedAt: new(at(0)), StartedAt: new(at(from)), FinishedAt: new(at(to)), DurationSeconds: new(to - from), Retried: new(false),
				TimePrecision: ci.Milliseconds, SyncedAt: at(1),
			}
		}
		var measured string // what is kept, a line a row
		look := func(left int64, want ...string) {
			t.Helper()
			pending, err := s.PendingMeasures(t.Context())
			if err != nil || pending != left {
				t.Errorf("%d pending, %v; want %d", pending, err, left)
			}
			err = s.View(t.Context(), func(v *View) error {
				var lines []string
				for _, sql := range []string{
					"SELECT pipeline_id, name, passed, broke, alone FROM measure_attempts ORDER BY pipeline_id, id",
					"SELECT base_name, replace(level, '.0', '') FROM measure_days ORDER BY day, base_name",
					"SELECT pipeline_id, base_name, seconds, gain / 1000000 FROM measure_paths ORDER BY pipeline_id, base_name",
				} {
					_, rows, err := v.Select(t.Context(), sql)
					if err != nil {
						return err
					}
					for _, row := range rows {
						lines = append(lines, strings.Trim(fmt.Sprint(row), "[]"))
					}
				}
				measured = strings.Join(lines, "\n")
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Join(want, "\n"), measured); diff != "" {
				t.Errorf("measured (-want +got):\n%s", diff)
			}
		}
		measure := func(limit int, left int64) {
			t.Helper()
			if n, err := s.Measure(t.Context(), limit); err != nil || n != left {
				t.Fatalf("%d left, %v; want %d", n, err, left)
			}
		}

		measure(10, 0)
		look(0)
		apply(t, s, Batch{
			Pipelines: []ci.Pipeline{pipeline(1, "a"), pipeline(2, "b")},
			Jobs: []ci.Job{
				job(1, 1, "build", "one", ci.Success, 0, 60), job(2, 1, "lint", "one", ci.Success, 0, 30), job(3, 1, "test", "two", ci.Success, 60, 160),
				job(4, 2, "build", "one", ci.Success, 0, 80),
			},
		})
		look(2)
		measure(1, 1)
		// The day is measured as a whole, of all pipelines.
		days := []string{"build 20758 2 70", "lint 20758 1 30", "test 20758 1 100"}
		look(1, "2 build true false true", days[0], days[1], days[2], "2 build 80 80")
		measure(10, 0)
		look(0,
			"1 build true false true", "1 lint true false true", "1 test true false true", "2 build true false true",
			days[0], days[1], days[2],
			"1 build 60 30", "1 lint <nil> <nil>", "1 test 100 100", "2 build 80 80")

		// Another pipeline of the first commit, a retry of a job of the second, a need.
		retried := job(4, 2, "build", "one", ci.Failed, 0, 80)
		retried.Retried, retried.FailureReason, retried.SyncedAt = new(true), new("script_failure"), at(2)
		apply(t, s, Batch{
			Pipelines: []ci.Pipeline{pipeline(3, "a")},
			Jobs:      []ci.Job{retried, job(5, 2, "build", "one", ci.Success, 100, 120)},
			JobNeeds:  []ci.JobNeed{{InstanceID: 1, PipelineID: 1, JobName: "test", NeedsName: "lint", SyncedAt: at(2)}},
		})
		measure(10, 0)
		look(0,
			"1 build true false false", "1 lint true false false", "1 test true false false", "2 build false true false", "2 build true false false",
			"build 20758 2 40", days[1], days[2],
			"1 build <nil> <nil>", "1 lint 30 30", "1 test 100 100", "2 build 100 120")

		// A commit that one pipeline ran on until now is no longer its own, although
		// nothing of that pipeline has changed.
		for _, id := range []ci.PipelineID{8, 9} {
			apply(t, s, Batch{Pipelines: []ci.Pipeline{pipeline(id, "c")}, Jobs: []ci.Job{job(ci.JobID(id), id, "deploy", "one", ci.Failed, 0, 10)}})
			measure(10, 0)
		}
		before := strings.Split(measured, "\n")
		before = slices.Insert(before, 5, "8 deploy false false false", "9 deploy false false false")
		before = append(before, "8 deploy 10 10", "9 deploy 10 10")
		look(0, before...)

		// Writing the same again marks, and measuring it changes nothing.
		apply(t, s, Batch{Pipelines: []ci.Pipeline{pipeline(3, "a")}})
		look(1, before...)
		measure(10, 0)
		look(0, before...)

		// Runs are measured by the day, too; one that moves to another day leaves
		// the first. A child pipeline is no run of its own.
		run := func(id ci.PipelineID, source ci.Source, created, seconds float64) ci.Pipeline {
			p := pipeline(id, "d")
			p.Source, p.CreatedAt, p.DurationSeconds, p.SyncedAt = &source, new(at(created)), &seconds, at(created)
			return p
		}
		const day = 86400
		runs := func(want ...string) {
			t.Helper()
			measure(10, 0)
			if diff := cmp.Diff(want, texts(t, s, "SELECT replace(level, '.0', '') FROM measure_days WHERE base_name IS NULL ORDER BY day")); diff != "" {
				t.Errorf("days of runs (-want +got):\n%s", diff)
			}
		}
		apply(t, s, Batch{Pipelines: []ci.Pipeline{run(20, "push", 0, 300), run(21, "push", 1, 500), run(22, "parent_pipeline", 2, 7)}})
		runs("20758 2 400")
		apply(t, s, Batch{Pipelines: []ci.Pipeline{run(20, "push", 3*day, 300)}})
		runs("20758 1 500", "20761 1 300")
	})
}

// Names cross into Go and back as they are, whatever stands in them.
func TestMeasureNames(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		names := []string{"", " ", "7 ", "b\u00e4u \u2713 1/2", "e\u0301", "\U0001F469\u200D\U0001F680 3"}
		var jobs []ci.Job
		for i, name := range names {
			jobs = append(jobs, ci.Job{
				InstanceID: 1, ID: ci.JobID(i + 1), ProjectID: 1, PipelineID: 1, Name: name, BaseName: name, Stage: &name, Kind: ci.Build, Status: ci.Success,
				CreatedAt: new(at(0)), StartedAt: new(at(float64(i))), FinishedAt: new(at(float64(i + 1))), QueuedSeconds: new(0.25), TimePrecision: ci.Milliseconds, SyncedAt: at(1),
			})
		}
		apply(t, s, Batch{Jobs: jobs})
		if left, err := s.Measure(t.Context(), 10); left != 0 || err != nil {
			t.Fatal(left, err)
		}
		kept := map[string]any{}
		err := s.View(t.Context(), func(v *View) error {
			_, rows, err := v.Select(t.Context(), "SELECT base_name, seconds FROM measure_paths")
			for _, row := range rows {
				kept[row[0].(string)] = row[1]
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]any{}
		for i := range names {
			want[names[i]] = nil
		}
		// Each was ready a quarter of a second before the one before it ended.
		for i := len(names) - 1; i >= 0; i -= 2 {
			want[names[i]] = 1.25
		}
		if diff := cmp.Diff(want, kept); diff != "" {
			t.Errorf("-want +kept:\n%s", diff)
		}
	})
}
