package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/control"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/pgtest"
)

// TestHookIsVisibleWithinASecond: of all that weir waits for between an event's
// arrival and its row, clocks, polls, others that write, at most a second goes by;
// time in a bubble stands still while anybody works. Nothing is asked of GitLab
// for it, and an import that is under way neither waits nor keeps it waiting.
func TestHookIsVisibleWithinASecond(t *testing.T) {
	for _, engine := range []string{"duckdb", "postgres"} {
		for _, importing := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s importing=%t", engine, importing), func(t *testing.T) {
				t.Parallel()
				database := ""
				if engine == "postgres" {
					database = pgtest.Database(t)
				}
				synctest.Test(t, func(t *testing.T) { testVisible(t, database, importing) })
			})
		}
	}
}

func testVisible(t *testing.T, database string, importing bool) {
	w := newHookedWorld(t, database)
	project := w.world.Projects[0]
	if err := w.sync(t); err != nil {
		t.Fatal(err)
	}
	var running errgroup.Group
	var ended atomic.Bool
	if importing {
		w.gitLab.Latency("", time.Hour)
		running.Go(func() error {
			defer ended.Store(true)
			return w.sync(t)
		})
		synctest.Wait() // until it waits for GitLab
	}
	requests := w.gitLab.RequestCount()[""]
	events := w.gitLab.Hooks(hookedGitLab)
	pl := w.world.StartPipeline(project, gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "build"}}})
	for _, step := range []struct {
		status string
		move   func() error
	}{
		{"pending", func() error { return nil }},
		{"running", func() error { return w.world.StartJob(pl, pl.Jobs[0], nil) }},
		{"success", func() error { return w.world.FinishJob(pl, pl.Jobs[0], "success") }},
	} {
		if err := step.move(); err != nil {
			t.Fatal(err)
		}
		for _, d := range events.Take() {
			w.deliver(t, d)
		}
		time.Sleep(time.Second)
		if pipeline, job := w.status(t, "pipelines", pl.ID), w.status(t, "jobs", pl.Jobs[0].ID); pipeline != step.status || job != step.status {
			t.Errorf("a second after its event the pipeline is stored as %q and its job as %q, want %s", pipeline, job, step.status)
		}
		time.Sleep(time.Minute) // GitLab's clock, by which events are ordered, goes in seconds
	}
	if got := w.gitLab.RequestCount()[""]; got != requests {
		t.Errorf("GitLab was asked %d times for the events", got-requests)
	}
	if importing && ended.Load() {
		t.Error("the import ended before the events had come")
	}
	w.gitLab.Latency("", 0)
	if err := running.Wait(); err != nil {
		t.Error(err)
	}
	if got := w.status(t, "pipelines", pl.ID); got != "success" {
		t.Errorf("when all is over the pipeline is stored as %q", got)
	}
}

// hookedWorld is a GitLab, and what takes its events in, with nothing that polls.
type hookedWorld struct {
	world      *gitlabtest.World
	gitLab     *gitlabtest.Server
	store      *store.Store
	importer   *importer.Importer
	source     importer.Source
	mux        *http.ServeMux
	connection ci.ConnectionID
	secret     gitlab.Secret
}

const hookedGitLab = "https://gitlab.example.com"

func newHookedWorld(t *testing.T, database string) *hookedWorld {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(slog.DiscardHandler)
	dir := t.TempDir()
	w := &hookedWorld{world: gitlabtest.NewWorld(), secret: gitlab.NewHookSecret(), mux: http.NewServeMux()}
	w.world.SetClock(time.Now)
	w.world.AddPipeline(w.world.AddProject("acme/shop"), gitlabtest.PipelineSpec{At: time.Now().Add(-time.Hour), Jobs: []gitlabtest.JobSpec{{Name: "build"}}})
	w.gitLab = gitlabtest.NewServer(w.world, gitlabtest.ExternalURL(hookedGitLab))
	file := database
	if file == "" {
		file = filepath.Join(dir, "weir.duckdb")
	}
	var err error
	w.store, err = store.Open(t.Context(), store.Config{Log: log, Database: file})
	must(err)
	t.Cleanup(func() { must(w.store.Close()) })
	private, err := control.Open(t.Context(), control.Config{Log: log, Database: database, DataDir: dir})
	must(err)
	t.Cleanup(func() { must(private.Close()) })
	instance, err := w.store.EnsureInstance(t.Context(), hookedGitLab, time.Now())
	must(err)
	connected, err := private.AddConnection(t.Context(),
		control.Connection{Kind: control.KindPipelines, InstanceID: instance.ID, BaseURL: hookedGitLab, Since: "all"},
		control.NewCredential{Token: control.NewSecret(w.gitLab.DefaultToken())})
	must(err)
	must(private.SetHookSecret(t.Context(), connected.ID, control.NewSecret(w.secret.Reveal()), false))
	client, err := gitlab.New(gitlab.Config{
		BaseURL: hookedGitLab, Transport: w.gitLab.Transport(), Credentials: []gitlab.Credential{{Token: gitlab.Secret(w.gitLab.DefaultToken())}},
		Timeout: 10 * time.Hour,
	})
	must(err)
	w.connection, w.importer = connected.ID, importer.New(importer.Config{Log: log, Store: w.store})
	w.source = importer.Source{Connection: connected.ID, Instance: instance, Kind: importer.KindPipelines, Client: client}
	h := openHooks(t.Context(), &hooks{log: log, store: w.store, control: private, importer: w.importer, now: time.Now})
	t.Cleanup(func() { must(h.close()) })
	w.mux.Handle("POST "+hookPath+"{connection}", h)
	return w
}

func (w *hookedWorld) sync(t *testing.T) error {
	_, err := w.importer.Sync(t.Context(), w.source, importer.Options{}, nil)
	return err
}

func (w *hookedWorld) deliver(t *testing.T, d gitlabtest.Delivery) {
	t.Helper()
	request, err := d.Request(t.Context(), fmt.Sprintf("http://weir.test%s%d", hookPath, w.connection), w.secret.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	w.mux.ServeHTTP(answer, request)
	if answer.Code != http.StatusOK {
		t.Errorf("%s was answered %d: %s", d.Event, answer.Code, answer.Body)
	}
}

// status is that of a row, "" where there is none.
func (w *hookedWorld) status(t *testing.T, table string, id int64) string {
	t.Helper()
	rows, err := w.store.Query(t.Context(), store.Query{SQL: fmt.Sprintf("SELECT status FROM %s WHERE id = %d", table, id)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for row, err := range rows.Rows() {
		if err != nil {
			t.Fatal(err)
		}
		return row[0].(string)
	}
	return ""
}
