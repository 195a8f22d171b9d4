package server

import (
	"errors"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

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
	s, err := Open(ctx, Config{DataDir: filepath.Join(t.TempDir(), "data"), Quiet: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	gitLab := gitlabtest.NewServer(gitlabtest.Uniform(2, 3, 2))
	web := httptest.NewServer(gitLab)
	t.Cleanup(web.Close)
	if _, err := s.engine.Connect(ctx, api.ConnectRequest{Kind: "gitlab-pipelines", BaseURL: web.URL, Token: api.NewSecret(gitLab.DefaultToken())}); err != nil {
		t.Fatal("verifying is a person's business: ", err)
	}
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
	awaitEvent(t, log, "the import pauses")
	if n := gitLab.RequestCount()[""]; n != before {
		t.Errorf("%d requests in quiet hours", n-before)
	}
	started, err := s.engine.StartSyncs(ctx, api.SyncRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if done := awaitEvent(t, log, string(ci.SyncInterrupted)); done.Kind != "done" || !errors.Is(run.err, errYielded) {
		t.Errorf("it ended with %+v, %v", done, run.err)
	}
	if done := awaitEvent(t, s.engine.Events(started[0].ID), string(ci.SyncComplete)); done.Kind != "done" {
		t.Errorf("the person's ended with %+v", done)
	}
}

// awaitEvent waits for an event whose message has the words.
func awaitEvent(t *testing.T, log *api.EventLog, words string) api.SyncEvent {
	t.Helper()
	for {
		events, ended, more := log.After(0)
		for _, e := range events {
			if strings.Contains(e.Message, words) {
				return e
			}
		}
		if ended {
			t.Fatalf("no event says %q: %+v", words, events)
		}
		select {
		case <-more:
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}
