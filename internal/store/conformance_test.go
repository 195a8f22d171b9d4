package store

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store/pgtest"
)

// One set of behaviours, run on both engines: what holds for one holds for the
// other, or it is a defect.

// update writes the files that these tests compare with.
func update() bool { return flag.Lookup("update").Value.String() == "true" }

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write the generated files")
	if err := flag.Set("rapid.checks", "30"); err != nil { // each is a dozen transactions; -rapid.checks asks for more
		panic(err)
	}
	flag.Parse()
	os.Exit(pgtest.Run(m))
}

// onBoth runs a behaviour on an empty store of each engine.
func onBoth(t *testing.T, f func(t *testing.T, s *Store)) {
	t.Run("duckdb", func(t *testing.T) { f(t, openTest(t, filepath.Join(t.TempDir(), "weir.duckdb"))) })
	t.Run("postgres", func(t *testing.T) { f(t, openTest(t, pgtest.Database(t))) })
}

func openTest(t testing.TB, database string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{Log: slog.New(slog.DiscardHandler), Database: database, MemoryLimit: "256MB", Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	if e, ok := s.engine.(*duckEngine); ok {
		e.insertFrom = 2 // so that both ways into a table are taken by small batches
	}
	return s
}

func at(seconds float64) time.Time {
	return time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(seconds * float64(time.Second)))
}

func apply(t testing.TB, s *Store, b Batch) Written {
	t.Helper()
	w, err := s.Apply(t.Context(), b)
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	return w
}

func pipelines(t testing.TB, s *Store) []ci.Pipeline {
	t.Helper()
	return stored[ci.Pipeline](t, s, "pipelines", "instance_id, id")
}

func jobs(t testing.TB, s *Store) []ci.Job {
	t.Helper()
	return stored[ci.Job](t, s, "jobs", "instance_id, id")
}

func stored[T any](t testing.TB, s *Store, table, order string) []T {
	t.Helper()
	list, err := all[T](context.WithoutCancel(t.Context()), s, table, "ORDER BY "+order)
	if err != nil {
		t.Fatal(err)
	}
	return list
}
