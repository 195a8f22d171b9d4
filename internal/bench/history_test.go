package bench

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/duckdb/duckdb-go/v2"
	"github.com/jackc/pgx/v5"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store"
)

// history is a year of a large GitLab, made up: always the same for the same
// numbers.
type history struct {
	projects, pipelines, jobsEach int
	days                          int
	until                         time.Time
}

// tenMillion is what people are promised answers over.
var tenMillion = history{projects: 300, pipelines: 1_000_000, jobsEach: 10, days: 365, until: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}

// lastMonth is as busy as the last month of tenMillion, without the years before:
// what PostgreSQL is asked, which would take an hour to write the whole.
var lastMonth = history{projects: 300, pipelines: 100_000, jobsEach: 10, days: 36, until: tenMillion.until}

// open opens the database that holds the history, and makes it first where it
// is not there yet, which takes minutes.
func (h history) open(b *testing.B, file string) *store.Store {
	b.Helper()
	if _, err := os.Stat(file); err != nil {
		b.Logf("writing %d jobs to %s", h.pipelines*h.jobsEach, file)
		partial := file + ".partial"
		s := openStore(b, partial)
		if err := h.write(b.Context(), s); err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		if err := h.append(b.Context(), partial); err != nil {
			b.Fatal(err)
		}
		if err := os.Rename(partial, file); err != nil {
			b.Fatal(err)
		}
	}
	s := openStore(b, file)
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	measureAll(b, s)
	return s
}

// measureAll waits for what is kept for metrics, as a server's users do after
// their first import.
func measureAll(b *testing.B, s *store.Store) {
	b.Helper()
	for left := int64(1); left > 0; {
		var err error
		if left, err = s.Measure(b.Context(), 50_000); err != nil {
			b.Fatal(err)
		}
	}
}

func openStore(b *testing.B, file string) *store.Store {
	b.Helper()
	s, err := store.Open(b.Context(), store.Config{Log: slog.New(slog.DiscardHandler), Database: file})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// write makes what the pipelines belong to.
func (h history) write(ctx context.Context, s *store.Store) error {
	batch := store.Batch{Instances: []ci.Instance{{ID: 1, BaseURL: "https://gitlab.example.com", CreatedAt: h.until}}}
	for g := range 30 {
		batch.Groups = append(batch.Groups, ci.Group{InstanceID: 1, ID: ci.GroupID(g + 1), FullPath: fmt.Sprintf("acme/team%02d", g), Name: "team", SyncedAt: h.until})
	}
	for p := range h.projects {
		batch.Projects = append(batch.Projects, ci.Project{
			InstanceID: 1, ID: ci.ProjectID(p + 1), GroupID: new(ci.GroupID(p%30 + 1)), FullPath: fmt.Sprintf("acme/team%02d/p%03d", p%30, p),
			Name: "p", DefaultBranch: new("main"), CIAccess: ci.CIEnabled, SyncedAt: h.until,
		})
		batch.ProjectSyncs = append(batch.ProjectSyncs, ci.ProjectSync{
			InstanceID: 1, ProjectID: ci.ProjectID(p + 1), SyncedTo: &h.until, BackfilledFrom: new(h.until.AddDate(0, 0, -h.days)),
		})
	}
	for r := range 50 {
		batch.Runners = append(batch.Runners, ci.Runner{InstanceID: 1, ID: ci.RunnerID(r + 1), RunnerType: new("instance_type"), SyncedAt: h.until})
	}
	_, err := s.Apply(ctx, batch)
	return err
}

// append writes the pipelines and jobs, oldest first, straight into their
// tables: ten million rows through upserts would take a quarter of an hour.
func (h history) append(ctx context.Context, file string) error {
	connector, err := duckdb.NewConnector(file, nil)
	if err != nil {
		return err
	}
	defer connector.Close()
	conn, err := connector.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	pipelines, err := newAppended(conn, "pipelines")
	if err != nil {
		return err
	}
	jobs, err := newAppended(conn, "jobs")
	if err != nil {
		return err
	}
	dirty, err := duckdb.NewAppenderFromConn(conn, "", "measure_dirty") // written past those who mark
	if err != nil {
		return err
	}
	if err := h.runs(pipelines, jobs); err != nil {
		return err
	}
	for i := range h.pipelines {
		if err := dirty.AppendRow(int64(1), int64(i+1)); err != nil {
			return err
		}
	}
	return errors.Join(pipelines.Close(), jobs.Close(), dirty.Close())
}

// copyTo does the same in PostgreSQL.
func (h history) copyTo(ctx context.Context, database string) error {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	pipelines, jobs := newCopied(ctx, conn, "pipelines"), newCopied(ctx, conn, "jobs")
	if err := errors.Join(h.runs(pipelines, jobs), pipelines.flush(), jobs.flush()); err != nil {
		return err
	}
	for _, statement := range []string{"INSERT INTO weir.measure_dirty SELECT instance_id, id FROM weir.pipelines", "ANALYZE"} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// rows takes the rows of a table.
type rows interface {
	add(values map[string]any) error
}

func (h history) runs(pipelines, jobs rows) error {
	random := rand.New(rand.NewPCG(1, 2))
	job := int64(0)
	for i := range h.pipelines {
		var err error
		if job, err = h.run(random, int64(i+1), job, pipelines, jobs); err != nil {
			return err
		}
	}
	return nil
}

// run makes one pipeline with its jobs and gives the last job's id.
func (h history) run(random *rand.Rand, id, job int64, pipelines, jobs rows) (int64, error) {
	age := time.Duration(float64(h.days) * 24 * float64(time.Hour) * (1 - float64(id)/float64(h.pipelines)))
	created := h.until.Add(-age).Truncate(time.Millisecond)
	project := int64(math.Pow(random.Float64(), 2)*float64(h.projects)) + 1 // a few are busy
	sha := fmt.Sprintf("%040x", id-int64(random.IntN(2)))
	p := map[string]any{
		"instance_id": int64(1), "id": id, "project_id": project, "iid": id, "status": "success", "source": "push", "ref": "main", "ref_type": "branch",
		"is_default_branch": true, "sha": sha, "tag": false, "created_at": created, "updated_at": created, "started_at": created.Add(5 * time.Second),
		"has_warnings": false, "time_precision": "ms", "synced_at": h.until, "web_url": fmt.Sprintf("https://gitlab.example.com/p/-/pipelines/%d", id),
	}
	switch kind := random.IntN(100); {
	case kind < 55:
		p["source"], p["ref_type"], p["ref"], p["is_default_branch"] = "merge_request_event", "merge_request", fmt.Sprintf("refs/merge-requests/%d/head", id/4), false
	case kind < 60:
		p["source"] = "parent_pipeline"
	case kind < 70:
		p["ref"], p["is_default_branch"] = fmt.Sprintf("feature-%d", id%50), false
	}
	var running float64
	stage := created.Add(5 * time.Second)
	for n := range h.jobsEach {
		job++
		took := math.Exp(random.NormFloat64()*0.6) * float64(20+n*12)
		if n%4 == 0 {
			stage = stage.Add(time.Duration(running * float64(time.Second)))
			running = 0
		}
		queue := math.Exp(random.NormFloat64()) * 8
		started := stage.Add(time.Duration(queue * float64(time.Second))).Truncate(time.Millisecond)
		running = max(running, took+queue)
		finished := started.Add(time.Duration(took * float64(time.Second))).Truncate(time.Millisecond)
		j := map[string]any{
			"instance_id": int64(1), "id": job, "project_id": project, "pipeline_id": id, "name": fmt.Sprintf("job-%02d", n), "base_name": fmt.Sprintf("job-%02d", n),
			"stage": fmt.Sprintf("stage-%d", n/4), "kind": "build", "status": "success", "allow_failure": n == 9, "retried": false, "created_at": created,
			"started_at": started, "finished_at": finished, "duration_seconds": finished.Sub(started).Seconds(), "queued_seconds": queue,
			"runner_id": int64(random.IntN(50) + 1), "time_precision": "ms", "synced_at": h.until,
			"web_url": fmt.Sprintf("https://gitlab.example.com/p/-/jobs/%d", job), "commit_committed_at": created.Add(-time.Hour),
		}
		switch luck := random.IntN(1000); {
		case luck < 15:
			j["status"], j["failure_reason"] = "failed", "script_failure"
			p["status"] = "failed"
		case luck < 18:
			j["status"], j["failure_reason"] = "failed", "runner_system_failure"
			p["status"] = "failed"
		case luck < 40 && n < h.jobsEach-1: // an attempt of the next job, which was retried
			name := fmt.Sprintf("job-%02d", n+1)
			j["status"], j["failure_reason"], j["name"], j["base_name"], j["retried"] = "failed", "script_failure", name, name, true
		}
		if err := jobs.add(j); err != nil {
			return 0, err
		}
	}
	finished := stage.Add(time.Duration(running * float64(time.Second)))
	p["finished_at"], p["duration_seconds"], p["queued_seconds"] = finished, math.Floor(finished.Sub(created).Seconds()), 5.0
	if random.IntN(50) == 0 {
		p["status"] = "canceled"
	}
	return job, pipelines.add(p)
}

// appended is a table that rows are appended to.
type appended struct {
	*duckdb.Appender
	columns []string
	row     []driver.Value
}

func newAppended(conn driver.Conn, table string) (*appended, error) {
	a, err := duckdb.NewAppenderFromConn(conn, "", table)
	if err != nil {
		return nil, err
	}
	t, _ := store.TableByName(table)
	return &appended{a, t.ColumnNames(), make([]driver.Value, len(t.Columns))}, nil
}

func (a *appended) add(values map[string]any) error {
	for i, c := range a.columns {
		a.row[i] = values[c]
	}
	return a.AppendRow(a.row...)
}

// copied is a table that rows are copied to, many at once.
type copied struct {
	ctx     context.Context // of the one copying that it is made for
	conn    *pgx.Conn
	table   string
	columns []string
	waiting [][]any
}

func newCopied(ctx context.Context, conn *pgx.Conn, table string) *copied {
	t, _ := store.TableByName(table)
	return &copied{ctx: ctx, conn: conn, table: table, columns: t.ColumnNames()}
}

func (c *copied) add(values map[string]any) error {
	row := make([]any, len(c.columns))
	for i, name := range c.columns {
		row[i] = values[name]
	}
	if c.waiting = append(c.waiting, row); len(c.waiting) < 20_000 {
		return nil
	}
	return c.flush()
}

func (c *copied) flush() error {
	_, err := c.conn.CopyFrom(c.ctx, pgx.Identifier{"weir", c.table}, c.columns, pgx.CopyFromRows(c.waiting))
	c.waiting = c.waiting[:0]
	return err
}

// historyFile is where the database is kept from one run to the next.
func historyFile(b *testing.B) string {
	b.Helper()
	file := os.Getenv("WEIR_BENCH_FILE")
	if file == "" {
		b.Skip("WEIR_BENCH_FILE names no file for ten million jobs; make bench-query does")
	}
	absolute, err := filepath.Abs(file)
	if err != nil {
		b.Fatal(err)
	}
	return absolute
}
