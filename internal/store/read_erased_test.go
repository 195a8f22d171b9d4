package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/ci"
)

// TestErasedAt: when stored jobs were erased, and nothing of others.
func TestErasedAt(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		job := func(id ci.JobID, erased *time.Time) ci.Job {
			return ci.Job{
				InstanceID: 1, ID: id, PipelineID: 7, ProjectID: 10, Name: "build", BaseName: "build", Kind: ci.Build, Status: ci.Success,
				CreatedAt: new(at(100)), ErasedAt: erased, TimePrecision: ci.Milliseconds, SyncedAt: at(200),
			}
		}
		elsewhere := job(5, new(at(150)))
		elsewhere.InstanceID = 2
		apply(t, s, Batch{
			Jobs:    []ci.Job{job(1, nil), job(2, new(at(150))), job(3, new(at(160))), job(4, new(at(170))), elsewhere},
			Deleted: []Tombstone{{Table: "jobs", InstanceID: 1, ID: 4, At: at(300)}},
		})
		got, err := s.ErasedAt(t.Context(), 1, []ci.JobID{1, 2, 4, 5, 6})
		if diff := cmp.Diff(map[ci.JobID]*time.Time{1: nil, 2: new(at(150))}, got); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		if got, err := s.ErasedAt(t.Context(), 1, nil); len(got) != 0 || err != nil {
			t.Errorf("of no jobs: %v, %v", got, err)
		}
	})
}
