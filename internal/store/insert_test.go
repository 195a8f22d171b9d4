package store

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/ci"
)

// A batch of new and known rows: the new ones are all there, and of the known
// ones the newer truth stays, on whichever way they came in.
func TestNewAndKnownRowsTogether(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		job := func(id int, status ci.Status, asked float64) ci.Job {
			return ci.Job{
				InstanceID: ci.InstanceID(1 + id%2), ID: ci.JobID(id), ProjectID: 1, PipelineID: 1, Name: "build", BaseName: "build",
				Kind: ci.Build, Status: status, Tags: []string{"docker", "it's \"quoted\""}, TimePrecision: "ms", SyncedAt: at(asked),
			}
		}
		apply(t, s, Batch{Jobs: []ci.Job{job(1, "success", 9), job(2, "running", 1), job(3, "running", 1), job(4, "success", 9)}})
		written := apply(t, s, Batch{Jobs: []ci.Job{
			job(1, "stale", 5), job(2, "success", 5), job(5, "success", 5), job(3, "success", 5), job(4, "stale", 5), job(6, "failed", 5), job(5, "success", 6),
		}})
		if got := written["jobs"]; got != 4 {
			t.Errorf("wrote %d jobs, want the 2 new ones and the 2 that changed", got)
		}
		got, err := query(t.Context(), s, Query{SQL: "SELECT instance_id, id, status, tags FROM jobs ORDER BY id"})
		if err != nil {
			t.Fatal(err)
		}
		var want [][]any
		for id, status := range []string{"success", "success", "success", "success", "success", "failed"} {
			want = append(want, []any{int64(1 + (id+1)%2), int64(id + 1), status, []any{"docker", "it's \"quoted\""}})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("jobs (-want +got):\n%s", diff)
		}
	})
}
