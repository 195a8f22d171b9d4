package store

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/ci"
)

// TestPruneRounds: each line is a round, the oldest first; kept is what stands
// there after pruning all but the last two, however often that is done.
func TestPruneRounds(t *testing.T) {
	type round struct {
		what   string
		change func(*ci.Sync)
		errors []ci.SyncError
		kept   bool
	}
	wrote := func(tables ...string) func(*ci.Sync) {
		return func(s *ci.Sync) {
			for _, table := range tables {
				s.Rows[table] = 3
			}
		}
	}
	state := func(state ci.SyncState) func(*ci.Sync) { return func(s *ci.Sync) { s.State = state } }
	fault := func(project int64, code string) []ci.SyncError {
		return []ci.SyncError{{InstanceID: 1, ProjectID: new(ci.ProjectID(project)), Code: code, Detail: "told", At: at(1)}}
	}
	rounds := []round{
		{"the first of all", nil, nil, true},
		{"nothing new", nil, nil, false},
		{"projects were listed as they were", wrote("groups", "projects", "project_syncs"), nil, false},
		{"a pipeline", wrote("pipelines", "jobs"), nil, true},
		{"a job of a pipeline that only hooks tell of", wrote("jobs"), nil, true},
		{"a deployment", wrote("deployments"), nil, true},
		{"nothing new again", nil, nil, false},
		{"asked for", func(s *ci.Sync) { s.Polled = new(false) }, nil, true},
		{"before weir noted who asked", func(s *ci.Sync) { s.Polled = nil }, nil, true},
		{"another plan", func(s *ci.Sync) { s.Plan = "keyset" }, nil, true},
		{"the same plan", func(s *ci.Sync) { s.Plan = "keyset" }, nil, false},
		{"the first plan again", nil, nil, true},
		{"a project begins to refuse", state(ci.SyncIncomplete), fault(7, "project_forbidden"), true},
		{"and goes on to", state(ci.SyncIncomplete), fault(7, "project_forbidden"), false},
		{"another one", state(ci.SyncIncomplete), fault(8, "project_forbidden"), true},
		{"for another reason", state(ci.SyncIncomplete), fault(8, "server_error"), true},
		{"for the same", state(ci.SyncIncomplete), fault(8, "server_error"), false},
		{"two reasons", state(ci.SyncIncomplete), slices.Concat(fault(8, "server_error"), fault(8, "unreachable")), true},
		{"in another order", state(ci.SyncIncomplete), slices.Concat(fault(8, "unreachable"), fault(8, "server_error")), false},
		{"all is well again", nil, nil, true},
		{"and stays so", nil, nil, false},
		{"failed", state(ci.SyncFailed), nil, true},
		{"failed again", state(ci.SyncFailed), nil, true},
		{"cut off", state(ci.SyncInterrupted), nil, true},
		{"killed", state(ci.SyncRunning), nil, true},
		{"of another kind", func(s *ci.Sync) { s.Kind = "open" }, nil, true},
		{"of that kind again", func(s *ci.Sync) { s.Kind = "open" }, nil, false},
		{"after those that failed", nil, nil, true},
		{"of another connection", func(s *ci.Sync) { s.ConnectionID = 2 }, nil, true},
		{"of the same again", func(s *ci.Sync) { s.ConnectionID = 2 }, nil, true},
		{"recent", nil, nil, true},
		{"just now", nil, nil, true},
	}
	onBoth(t, func(t *testing.T, s *Store) {
		var batch Batch
		var kept []string
		var failures int
		for i, r := range rounds {
			row := ci.Sync{
				ID: ci.SyncID(i + 1), InstanceID: 1, ConnectionID: 1, Kind: "sync", State: ci.SyncComplete, StartedAt: at(float64(i)).UTC(),
				Rows: map[string]int64{"project_syncs": 9}, Requests: 5, Plan: "graphql", Polled: new(true),
			}
			if r.change != nil {
				r.change(&row)
			}
			batch.Syncs = append(batch.Syncs, row)
			for n, e := range r.errors {
				e.SyncID, e.Seq = row.ID, int64(n+1)
				batch.SyncErrors = append(batch.SyncErrors, e)
				if r.kept {
					failures++
				}
			}
			if r.kept {
				kept = append(kept, r.what)
			}
		}
		apply(t, s, batch)
		before := at(float64(len(rounds) - 2))
		for time := range 3 {
			n, err := s.PruneRounds(t.Context(), 1, before)
			if want := int64(len(rounds) - len(kept)); err != nil || time == 0 && n != want || time > 0 && n != 0 {
				t.Errorf("turn %d: %d rounds were pruned, %v; want %d at first and then none", time, n, err, want)
			}
		}
		var got []string
		for _, id := range syncIDs(t, s) {
			got = append(got, rounds[id-1].what)
		}
		if diff := cmp.Diff(kept, got); diff != "" {
			t.Errorf("rounds (-want +got):\n%s", diff)
		}
		err := s.each(t.Context(), "SELECT count(*), count(*) FILTER (WHERE sync_id NOT IN (SELECT id FROM syncs)) FROM sync_errors", nil, func(row []any) error {
			if got, want := fmt.Sprint(row), fmt.Sprint([]any{int64(failures), int64(0)}); got != want {
				t.Errorf("sync_errors and those of no sync: %s, want %s", got, want)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// TestPruneRoundByRound: what is kept does not hang on how often one prunes.
func TestPruneRoundByRound(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		for i := range 30 {
			row := ci.Sync{
				ID: ci.SyncID(i + 1), InstanceID: 1, ConnectionID: 1, Kind: "sync", State: ci.SyncComplete, StartedAt: at(float64(i)), Plan: "graphql", Polled: new(true),
			}
			if i/5%2 == 1 {
				row.State = ci.SyncIncomplete
			}
			apply(t, s, Batch{Syncs: []ci.Sync{row}})
			if _, err := s.PruneRounds(t.Context(), 1, at(float64(i)).Add(time.Microsecond)); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff([]int64{1, 6, 11, 16, 21, 26}, syncIDs(t, s)); diff != "" {
			t.Errorf("rounds kept (-want +got):\n%s", diff)
		}
	})
}

func syncIDs(t *testing.T, s *Store) []int64 {
	t.Helper()
	var ids []int64
	err := s.each(t.Context(), "SELECT id FROM syncs ORDER BY id", nil, func(row []any) error {
		ids = append(ids, row[0].(int64))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}
