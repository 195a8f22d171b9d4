package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/ci"
)

// manyRows stores more rows than a page of an export holds.
func manyRows(t *testing.T, s *Store, n int) {
	t.Helper()
	var b Batch
	for i := range n {
		id := int64(i*7919%n) + 1
		b.JobNeeds = append(b.JobNeeds, ci.JobNeed{InstanceID: ci.InstanceID(id % 3), PipelineID: ci.PipelineID(id / 2), JobName: fmt.Sprintf("Job %d", id%5), NeedsName: fmt.Sprintf("é%d", id), SyncedAt: at(0)})
		b.Pipelines = append(b.Pipelines, ci.Pipeline{InstanceID: ci.InstanceID(id%2 + 1), ID: ci.PipelineID(id), ProjectID: 1, Status: "success", RefType: ci.Branch, CreatedAt: new(at(float64(id) / 1000)), TimePrecision: "ms", SyncedAt: at(0)})
	}
	apply(t, s, b)
}

func TestExportRows(t *testing.T) {
	const n = 50_000
	onBoth(t, func(t *testing.T, s *Store) {
		manyRows(t, s, n)
		later := 0
		for table, keys := range map[string][]int{"pipelines": {0, 1}, "pipeline_runs": {19, 0}, "job_needs": {0, 1, 2, 3}} {
			r, err := s.ExportRows(t.Context(), table)
			if err != nil {
				t.Fatal(err)
			}
			// What is written after the export began is not in it.
			later++
			apply(t, s, Batch{Pipelines: []ci.Pipeline{{InstanceID: 1, ID: ci.PipelineID(n + later), ProjectID: 1, Status: "x", RefType: ci.Branch, TimePrecision: "ms", SyncedAt: at(0)}}})
			var before []any
			rows := 0
			for row, err := range r.Rows() {
				if err != nil {
					t.Fatal(err)
				}
				if len(row) != len(r.Columns()) {
					t.Fatalf("%s: %d values for %d columns", table, len(row), len(r.Columns()))
				}
				if before != nil && compareKeys(before, row, keys) >= 0 {
					t.Fatalf("%s: %v before %v", table, before, row)
				}
				before = row
				rows++
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			counted, err := s.Counts(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if table == "pipelines" {
				if all := int(counted["pipelines"]); rows >= all || rows < n {
					t.Errorf("%s: %d rows exported of %d now", table, rows, all)
				}
			} else if rows < n {
				t.Errorf("%s: %d rows", table, rows)
			}
		}
		if _, err := s.ExportRows(t.Context(), "schema_version"); ci.CodeOf(err) != ci.NotFound {
			t.Errorf("an unpublished table: %v", err)
		}
		left, err := s.ExportRows(t.Context(), "pipelines")
		if err != nil {
			t.Fatal(err)
		}
		for range left.Rows() {
			break
		}
		if err := left.Close(); err != nil {
			t.Errorf("left in the middle: %v", err)
		}
		apply(t, s, everyTable())
	})
}

func TestExportParquet(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		apply(t, s, everyTable())
		apply(t, s, Batch{Jobs: []ci.Job{{InstanceID: 1, ID: 2, ProjectID: 1, PipelineID: 1, Status: "running", Name: "größe", StartedAt: new(at(1.000001)), TimePrecision: "ms", SyncedAt: at(0)}}})
		dir := t.TempDir()
		db, err := sql.Open("duckdb", "")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for _, table := range append(Tables(), Views()...) {
			path := filepath.Join(dir, table.Name+".parquet")
			if err := s.ExportParquet(t.Context(), table.Name, path); err != nil {
				t.Errorf("%s: %v", table.Name, err)
				continue
			}
			r, err := s.ExportRows(t.Context(), table.Name)
			if err != nil {
				t.Fatal(err)
			}
			want := collect(t, r)
			for _, row := range want {
				for i := range row {
					if text, ok := row[i].(json.RawMessage); ok {
						row[i] = string(text)
					}
				}
			}
			if diff := cmp.Diff(want, readParquet(t, db, path)); diff != "" {
				t.Errorf("%s (-rows +parquet):\n%s", table.Name, diff)
			}
		}
		if left, err := filepath.Glob(filepath.Join(dir, ".export-*")); len(left) > 0 || err != nil {
			t.Errorf("left behind: %v %v", left, err)
		}
		if err := s.ExportParquet(t.Context(), "jobs", filepath.Join(dir, "nowhere", "x.parquet")); ci.CodeOf(err) != ci.DataDirUnwritable {
			t.Errorf("no such directory: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
		defer cancel()
		path := filepath.Join(dir, "cancelled.parquet")
		if err := s.ExportParquet(ctx, "jobs", path); err == nil {
			t.Error("cancelled, and no error")
		}
		if _, err := os.Stat(path); err == nil {
			t.Error("a cancelled export left a file")
		}
	})
}

func readParquet(t *testing.T, db *sql.DB, path string) [][]any {
	t.Helper()
	rows, err := db.Query("FROM '" + path + "'")
	if err != nil {
		t.Fatal(err)
	}
	cursor, err := newDuckRows(rows)
	if err != nil {
		t.Fatal(err)
	}
	defer cursor.close()
	var all [][]any
	for {
		row, err := cursor.next()
		if err != nil {
			return all
		}
		all = append(all, row)
	}
}
