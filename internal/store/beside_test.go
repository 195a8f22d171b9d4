package store

import (
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir/internal/ci"
)

// Who reads and writes at the same time.

// TestReadersBesideWriter: a reader always sees whole batches.
func TestReadersBesideWriter(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		const batches, size = 30, 50
		g, ctx := errgroup.WithContext(t.Context())
		done := make(chan struct{})
		g.Go(func() error {
			defer close(done)
			for i := range batches {
				var b Batch
				for k := range size {
					b.Jobs = append(b.Jobs, ci.Job{InstanceID: 1, ID: ci.JobID(i*size + k), ProjectID: 1, PipelineID: ci.PipelineID(i), Status: "success", SyncedAt: at(float64(i))})
				}
				b.ProjectSyncs = []ci.ProjectSync{{InstanceID: 1, ProjectID: 1, Requests: int64(i + 1)}}
				if _, err := s.Apply(ctx, b); err != nil {
					return err
				}
			}
			return nil
		})
		for range 3 {
			g.Go(func() error {
				for {
					select {
					case <-done:
						return nil
					default:
					}
					rows, err := query(ctx, s, Query{SQL: "SELECT (SELECT count(*) FROM jobs), coalesce((SELECT max(requests) FROM project_syncs), 0)"})
					if err != nil {
						return err
					}
					if got := rows[0]; got[0] != got[1].(int64)*size {
						return fmt.Errorf("%v jobs at batch %v", got[0], got[1])
					}
				}
			})
		}
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// TestManyWriters: batches that overlap in users and runners, written at once.
func TestManyWriters(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		g, ctx := errgroup.WithContext(t.Context())
		for w := range 4 {
			g.Go(func() error {
				for i := range 10 {
					var b Batch
					for k := range 40 {
						id := (k*(w+3) + i) % 40
						b.Users = append(b.Users, ci.User{InstanceID: 1, ID: ci.UserID(id), Username: fmt.Sprint("u", id), SyncedAt: at(float64(i))})
						b.Runners = append(b.Runners, ci.Runner{InstanceID: 1, ID: ci.RunnerID(39 - id), SyncedAt: at(float64(i))})
					}
					if _, err := s.Apply(ctx, b); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		if n := len(stored[ci.User](t, s, "users", "id")); n != 40 {
			t.Errorf("%d users, want 40", n)
		}
	})
}
