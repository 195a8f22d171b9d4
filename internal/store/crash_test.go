package store

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

const crashJobs = 400

// TestCrash kills a process with SIGKILL in the middle of its writing, several
// times over one file. Every batch that Apply has acknowledged must be there,
// each batch whole or not at all, its cursor with it, and no key twice.
func TestCrash(t *testing.T) {
	if database := os.Getenv(child); database != "" {
		writeUntilKilled(t, database)
		return
	}
	path := filepath.Join(t.TempDir(), "weir.duckdb")
	acknowledged := int64(0)
	for round := range 4 {
		acknowledged = max(acknowledged, killWriter(t, path, 2+3*round))
		s, err := open(t, path)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		rows, err := query(t.Context(), s, Query{SQL: `SELECT count(*), count(DISTINCT id), count(DISTINCT pipeline_id),
			coalesce((SELECT max(requests) FROM project_syncs), 0), coalesce(min(n), 0), coalesce(max(n), 0)
			FROM (SELECT *, count(*) OVER (PARTITION BY pipeline_id) AS n FROM jobs)`})
		if err != nil {
			t.Fatal(err)
		}
		jobs, ids, batches, cursor := rows[0][0].(int64), rows[0][1].(int64), rows[0][2].(int64), rows[0][3].(int64)
		smallest, largest := rows[0][4].(int64), rows[0][5].(int64)
		if cursor < acknowledged || batches != cursor || jobs != ids || jobs != cursor*crashJobs || smallest != crashJobs || largest != crashJobs {
			t.Errorf("round %d: acknowledged %d; found cursor %d, %d batches of %d to %d, %d jobs, %d ids", round, acknowledged, cursor, batches, smallest, largest, jobs, ids)
		}
		acknowledged = cursor
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killWriter lets a process acknowledge n batches and kills it in one of the
// next; it gives the last acknowledged number.
func killWriter(t *testing.T, path string, n int) int64 {
	t.Helper()
	cmd := second(t.Context(), "TestCrash", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last := int64(0)
	lines := bufio.NewScanner(out)
	for seen := 0; lines.Scan(); {
		number, ok := strings.CutPrefix(lines.Text(), "done ")
		if !ok {
			continue
		}
		if last, err = strconv.ParseInt(number, 10, 64); err != nil {
			t.Fatal(err)
		}
		if seen++; seen == n {
			// A moment later, each round another one, so that the kill falls into
			// the load, the upsert or the commit.
			time.AfterFunc(time.Duration(n)*1700*time.Microsecond, func() { cmd.Process.Kill() })
		}
	}
	if err := cmd.Wait(); err == nil || last == 0 {
		t.Fatalf("the writer was not killed: %v, last batch %d", err, last)
	}
	return last
}

// writeUntilKilled writes batches of jobs, each with the cursor that counts
// them, rewrites one of the batches before, and says when each is done.
func writeUntilKilled(t *testing.T, database string) {
	s, err := open(t, database)
	if err != nil {
		t.Fatal(err)
	}
	cursors, err := s.ProjectSyncs(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for batch := cursors[1].Requests + 1; ; batch++ {
		b := Batch{ProjectSyncs: []ci.ProjectSync{{InstanceID: 1, ProjectID: 1, Requests: batch}}}
		for _, of := range []int64{batch, max(1, batch-3)} {
			for k := range int64(crashJobs) {
				b.Jobs = append(b.Jobs, ci.Job{
					InstanceID: 1, ID: ci.JobID(of*crashJobs + k), ProjectID: 1, PipelineID: ci.PipelineID(of),
					Name: "job", BaseName: "job", Kind: ci.Build, Status: "success", Tags: []string{"docker"}, TimePrecision: "ms", SyncedAt: at(float64(batch)),
				})
			}
		}
		if _, err := s.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("done %d\n", batch)
	}
}
