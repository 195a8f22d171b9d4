package server

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
)

// TestBackgroundImportKeepsQuietHours: it asks nothing, says so, and makes way
// when a person asks for an import, which runs.
func TestBackgroundImportKeepsQuietHours(t *testing.T) {
	ctx := t.Context()
	quiet, err := gitlab.ParseQuietHours("00:00-24:00 UTC", 0)
	if err != nil {
		t.Fatal(err)
	}
	gitLab := gitlabtest.NewServer(gitlabtest.Uniform(2, 3, 2))
	s := openWith(t, Config{Quiet: quiet})
	connectTo(t, s, gitLab) // verifying is a person's business, quiet hours or not
	before := gitLab.RequestCount()[""]
	connections, err := s.control.Connections(ctx)
	if err != nil {
		t.Fatal(err)
	}
	j, err := s.engine.prepare(ctx, connections[0], api.SyncRequest{}, true)
	if err != nil {
		t.Fatal(err)
	}
	run, err := s.engine.start(ctx, j, importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	log := s.engine.Events(run.sync)
	awaitEvent(t, log, saying("the import pauses"))
	if n := gitLab.RequestCount()[""]; n != before {
		t.Errorf("%d requests in quiet hours", n-before)
	}
	started, err := s.engine.StartSyncs(ctx, api.SyncRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if done := awaitEvent(t, log, ended); done.Message != string(ci.SyncInterrupted) || !errors.Is(run.err, errYielded) {
		t.Errorf("it ended with %+v, %v", done, run.err)
	}
	theirs := s.engine.Events(started[0].ID)
	awaitEvent(t, theirs, saying("these are quiet hours"))
	if done := awaitEvent(t, theirs, ended); done.Message != string(ci.SyncComplete) {
		t.Errorf("the person's ended with %+v", done)
	}
}

// TestImportEndsWithThePatience: GitLab stays away, and the import ends as a
// failure of GitLab's, with few requests.
func TestImportEndsWithThePatience(t *testing.T) {
	ctx := t.Context()
	s := openWith(t, Config{})
	s.engine.governors.outage = gitlab.BreakerConfig{First: 20 * time.Millisecond, Longest: 100 * time.Millisecond, Patience: time.Second}
	gitLab := gitlabtest.NewServer(gitlabtest.Uniform(12, 3, 2))
	id := connectTo(t, s, gitLab)
	var down atomic.Bool
	gitLab.Fault(func(_ int, r *http.Request) gitlabtest.Fault {
		if strings.HasSuffix(r.URL.Path, "/pipelines") {
			down.Store(true)
		}
		if down.Load() {
			return gitlabtest.Fault{Kind: gitlabtest.Unavailable}
		}
		return gitlabtest.Fault{}
	})
	started, err := s.engine.StartSyncs(ctx, api.SyncRequest{Connections: []ci.ConnectionID{id}, Plan: "documented"})
	if err != nil {
		t.Fatal(err)
	}
	log := s.engine.Events(started[0].ID)
	awaitEvent(t, log, saying("GitLab does not answer"))
	done := awaitEvent(t, log, ended)
	if done.Message != string(ci.SyncFailed) || done.Code != ci.ServerError || !strings.Contains(done.Problem.Problem().Cause, "503") {
		t.Errorf("it ended with %+v, problem %+v", done, done.Problem)
	}
	if done.Requests > 80 { // twelve projects' retries alone would be more
		t.Errorf("%d requests to a GitLab that is down", done.Requests)
	}
}

// TestConnectionsWithOneTokenTakeTurns: a short import of one connection gets
// every second request while a long one of another runs.
func TestConnectionsWithOneTokenTakeTurns(t *testing.T) {
	ctx := t.Context()
	s := openWith(t, Config{})
	gitLab := gitlabtest.NewServer(gitlabtest.Uniform(8, 40, 2))
	long, short := connectTo(t, s, gitLab), connectTo(t, s, gitLab)
	begun, err := s.engine.StartSyncs(ctx, api.SyncRequest{Connections: []ci.ConnectionID{long}, Plan: "documented", MaxRequestsPerMinute: new(3000.)})
	if err != nil {
		t.Fatal(err)
	}
	for gitLab.RequestCount()["GET /projects/:id/pipelines/:id"] < 20 { // it is well under way
		if ctx.Err() != nil {
			t.Fatal(ctx.Err())
		}
	}
	before := gitLab.RequestCount()[""]
	started, err := s.engine.StartSyncs(ctx, api.SyncRequest{Connections: []ci.ConnectionID{short}, Projects: []string{"load/project-000"}, Plan: "documented"})
	if err != nil {
		t.Fatal(err)
	}
	done := awaitEvent(t, s.engine.Events(started[0].ID), ended)
	all := int64(gitLab.RequestCount()[""] - before)
	// The short one is the slower to ask: it waits for answers in between.
	if done.Requests < 20 || all > 5*done.Requests {
		t.Errorf("%d requests while the short import had %d", all, done.Requests)
	}
	if s.engine.Running()[long] != begun[0].ID {
		t.Error("the long import ended first, so this shows nothing")
	}
	s.engine.CancelSync(begun[0].ID)
}

// openWith opens a program of its own directory.
func openWith(t *testing.T, cfg Config) *Server {
	t.Helper()
	cfg.DataDir = filepath.Join(t.TempDir(), "data")
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// connectTo makes a connection to a simulated GitLab.
func connectTo(t *testing.T, s *Server, gitLab *gitlabtest.Server) ci.ConnectionID {
	t.Helper()
	web := httptest.NewServer(gitLab)
	t.Cleanup(web.Close)
	told, err := s.engine.Connect(t.Context(), api.ConnectRequest{Kind: "gitlab-pipelines", BaseURL: web.URL, Token: api.NewSecret(gitLab.DefaultToken())})
	if err != nil {
		t.Fatal(err)
	}
	return told.Connection
}

// awaitEvent waits for an event.
func awaitEvent(t *testing.T, log *api.EventLog, wanted func(api.SyncEvent) bool) api.SyncEvent {
	t.Helper()
	for {
		events, over, more := log.After(0)
		if i := slices.IndexFunc(events, wanted); i >= 0 {
			return events[i]
		}
		if over {
			t.Fatalf("not among the events: %+v", events)
		}
		select {
		case <-more:
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}

func saying(words string) func(api.SyncEvent) bool {
	return func(e api.SyncEvent) bool { return strings.Contains(e.Message, words) }
}

func ended(e api.SyncEvent) bool { return e.Kind == "done" }
