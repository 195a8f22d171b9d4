package importer_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
	"github.com/weirhq/weir/internal/store"
)

// TestRecordedProject imports a real project of gitlab.com, from answers that
// were recorded in 2024, completely and exactly.
func TestRecordedProject(t *testing.T) {
	dir := recordings(t)
	s := openDuckDB(t)
	instance, err := s.EnsureInstance(t.Context(), base, today)
	if err != nil {
		t.Fatal(err)
	}
	server, err := gitlabtest.Replay(dir)
	if err != nil {
		t.Fatal(err)
	}
	server.Fault(noGraphQL) // none was recorded
	client, err := gitlab.New(gitlab.Config{
		BaseURL: base, Transport: server.Transport(),
		Credentials: []gitlab.Credential{{Token: gitlab.Secret(server.DefaultToken())}},
	})
	if err != nil {
		t.Fatal(err)
	}
	sync, err := importer.New(importer.Config{Log: slog.New(slog.DiscardHandler), Store: s}).Sync(t.Context(),
		importer.Source{Connection: 1, Instance: instance, Kind: importer.KindPipelines, Client: client}, importer.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if sync.State != ci.SyncComplete || sync.Plan != importer.PlanKeyset {
		t.Errorf("state %s by the plan %s, want complete by keyset", sync.State, sync.Plan)
	}
	got := stored(t.Context(), t, s)
	if n := len(got["pipelines"]); n != 28 {
		t.Errorf("%d pipelines, want all 28", n)
	}
	jobs := 0
	recorded(t, dir, "api/v4/projects/*/pipelines/*/jobs.json", func(raw []map[string]any) {
		for _, j := range raw {
			jobs++
			row := got["jobs"][id(j["id"])]
			same(t, "job "+id(j["id"]), row, j, "name", "status", "stage", "duration:duration_seconds", "queued_duration:queued_seconds",
				"created_at", "started_at", "finished_at", "allow_failure", "web_url")
		}
	})
	if n := len(got["jobs"]); n != jobs || jobs == 0 {
		t.Errorf("%d jobs stored, %d recorded", n, jobs)
	}
	recorded(t, dir, "api/v4/projects/*/pipelines/*.json", func(raw []map[string]any) {
		for _, p := range raw {
			same(t, "pipeline "+id(p["id"]), got["pipelines"][id(p["id"])], p, "iid", "status", "source", "ref", "sha", "before_sha", "tag", "created_at",
				"updated_at", "started_at", "finished_at", "duration:duration_seconds", "queued_duration:queued_seconds", "yaml_errors", "web_url", "name")
		}
	})
	checkDurations(t, s)
}

// checkDurations recomputes each pipeline's duration from its jobs: what
// GitLab says is the running time cut to whole seconds.
func checkDurations(t *testing.T, s *store.Store) {
	t.Helper()
	jobs := make(map[int64][]ci.Job)
	query(t, s, "SELECT pipeline_id, id, name, kind, status, started_at, finished_at FROM jobs", func(row []any) {
		pipeline := row[0].(int64)
		jobs[pipeline] = append(jobs[pipeline], ci.Job{
			ID: ci.JobID(row[1].(int64)), Name: row[2].(string), Kind: ci.JobKind(row[3].(string)), Status: ci.Status(row[4].(string)),
			StartedAt: maybe(row[5]), FinishedAt: maybe(row[6]),
		})
	})
	checked := 0
	query(t, s, "SELECT id, duration_seconds FROM pipelines WHERE duration_seconds IS NOT NULL", func(row []any) {
		pipeline := jobs[row[0].(int64)]
		ci.MarkRetried(pipeline)
		checked++
		if got := ci.RunningTime(pipeline).Truncate(time.Second).Seconds(); got != row[1].(float64) {
			t.Errorf("pipeline %d: its jobs ran for %v s, GitLab says %v", row[0], got, row[1])
		}
	})
	if checked != 26 {
		t.Errorf("%d durations were checked, want 26", checked)
	}
}

func maybe(v any) *time.Time {
	if v == nil {
		return nil
	}
	return new(v.(time.Time))
}

func query(t *testing.T, s *store.Store, sql string, each func([]any)) {
	t.Helper()
	r, err := s.Query(t.Context(), store.Query{SQL: sql})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for row, err := range r.Rows() {
		if err != nil {
			t.Fatal(err)
		}
		each(row)
	}
}

// same compares recorded keys with stored columns ("key" or "key:column").
func same(t *testing.T, what string, row map[string]string, raw map[string]any, keys ...string) {
	t.Helper()
	for _, k := range keys {
		key, column, renamed := strings.Cut(k, ":")
		if !renamed {
			column = key
		}
		want := "NULL"
		switch v := raw[key].(type) {
		case nil:
		case json.Number:
			f, _ := v.Float64()
			want = text(f)
		case string:
			want = v
			if at, err := time.Parse(time.RFC3339, v); err == nil {
				want = text(at)
			}
		default:
			want = fmt.Sprint(v)
		}
		if row[column] != want {
			t.Errorf("%s: %s is %s, GitLab said %s", what, column, row[column], want)
		}
	}
}

func id(v any) string { return fmt.Sprint(v) }

// recorded reads every file that matches; a file holds an object or a list.
func recorded(t *testing.T, dir fs.FS, pattern string, each func([]map[string]any)) {
	t.Helper()
	files, err := fs.Glob(dir, pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%d recordings match %s, error %v", len(files), pattern, err)
	}
	for _, name := range files {
		f, err := dir.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		decoder := json.NewDecoder(f)
		decoder.UseNumber()
		var value any
		err = decoder.Decode(&value)
		_ = f.Close()
		if err != nil {
			t.Fatal(err)
		}
		var list []map[string]any
		switch v := value.(type) {
		case map[string]any:
			list = append(list, v)
		case []any:
			for _, item := range v {
				list = append(list, item.(map[string]any))
			}
		}
		each(list)
	}
}

// recordings gives the folder of a recorded project. It is not part of the
// repository: it lies beside it, or where WEIR_SHARED says.
func recordings(t *testing.T) fs.FS {
	t.Helper()
	dir := os.Getenv("WEIR_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	dir = filepath.Join(dir, "gitlab-contract", "recorded", "gitlab-exporter")
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the recordings are missing: %v", err)
		}
		t.Skipf("the recordings are not here (%v); set WEIR_SHARED to their folder", err)
	}
	return os.DirFS(dir)
}
