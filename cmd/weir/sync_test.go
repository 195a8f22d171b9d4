package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/server"
)

// TestInterruptedSync cancels an import in the middle of its requests, as a
// signal does: it ends with 130, nothing is left running, and the next one
// brings everything.
func TestInterruptedSync(t *testing.T) {
	gitlab := gitlabtest.NewServer(smallWorld(false))
	web := httptest.NewServer(gitlab)
	defer web.Close()
	defer web.CloseClientConnections()
	dir := t.TempDir()
	run := func(ctx context.Context, args ...string) (code int, stdout, stderr string) {
		var out, message bytes.Buffer
		p := newProgram(strings.NewReader(""), &out, &message, lookup("WEIR_DATA", dir, "WEIR_TOKEN", gitlab.DefaultToken()))
		code = p.run(ctx, args)
		return code, out.String(), message.String()
	}
	if code, _, stderr := run(t.Context(), "connect", "gitlab-pipelines", "--url", web.URL, "--since", "all"); code != 0 {
		t.Fatalf("connect: exit code %d: %s", code, stderr)
	}
	interrupted, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	gitlab.Fault(func(_ int, r *http.Request) gitlabtest.Fault {
		if strings.HasSuffix(r.URL.Path, "/jobs") {
			interrupt()
			return gitlabtest.Fault{Kind: gitlabtest.Hang}
		}
		return gitlabtest.Fault{}
	})
	code, stdout, stderr := run(interrupted, "sync", "--plan", "documented")
	if code != exitInterrupted {
		t.Errorf("sync: exit code %d, want %d", code, exitInterrupted)
	}
	if !strings.Contains(stdout, "is interrupted") || !strings.Contains(stderr, "the next weir sync goes on from there") {
		t.Errorf("sync does not tell that it was interrupted:\n%s%s", stdout, stderr)
	}
	if _, stdout, _ := run(t.Context(), "query", "-o", "csv", "select state from syncs"); stdout != "state\ninterrupted\n" {
		t.Errorf("syncs after the interruption: %q", stdout)
	}
	gitlab.Fault(nil)
	if code, _, stderr := run(t.Context(), "sync"); code != 0 {
		t.Errorf("next sync: exit code %d: %s", code, stderr)
	}
	if _, stdout, _ := run(t.Context(), "query", "-o", "csv", "select count(*) from jobs"); !strings.HasSuffix(stdout, "\n15\n") {
		t.Errorf("jobs after the next sync: %q, want 15", stdout)
	}
}

// TestLinger lets one command's process do another command's import: it waits
// for the import's end although its own work is done.
func TestLinger(t *testing.T) {
	gitlab := gitlabtest.NewServer(smallWorld(false))
	web := httptest.NewServer(gitlab)
	defer web.Close()
	dir := t.TempDir()
	told := make(chan struct{})
	stderr := &watched{wanted: "waiting for sync 1, which another command started", told: told}
	p := newProgram(strings.NewReader(""), io.Discard, stderr, lookup("WEIR_DATA", dir, "WEIR_TOKEN", gitlab.DefaultToken()))
	if code := p.run(t.Context(), []string{"connect", "gitlab-pipelines", "--url", web.URL, "--since", "all"}); code != 0 {
		t.Fatalf("connect: exit code %d: %s", code, stderr.seen.String())
	}
	gitlab.EachRequest(func(_ int, r *http.Request) { // GitLab answers when the waiting has begun
		select {
		case <-told:
		case <-r.Context().Done():
		}
	})
	err := p.withClient(t.Context(), func(ctx context.Context, _ *api.Client) error {
		other, err := dialed(ctx, t, dir)
		if err != nil {
			return err
		}
		_, err = other.StartSyncs(ctx, api.SyncRequest{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var states []string
	if err := p.withClient(t.Context(), func(ctx context.Context, client *api.Client) error {
		syncs, err := client.Syncs(ctx, 0)
		for _, s := range syncs {
			states = append(states, string(s.State))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"complete"}, states); diff != "" {
		t.Errorf("syncs (-want +got):\n%s", diff)
	}
}

// dialed finds the server as another command does. It announces itself while
// it starts to serve, so it may take a moment to be found.
func dialed(ctx context.Context, t *testing.T, dir string) (*api.Client, error) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		client, err := server.Dial(ctx, dir)
		if !errors.Is(err, server.ErrNotRunning) {
			return client, err
		}
		<-tick.C
	}
	return nil, server.ErrNotRunning
}

// watched tells, once, when a text is written to it.
type watched struct {
	wanted string
	told   chan struct{}
	mu     sync.Mutex
	seen   strings.Builder
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := strings.Contains(w.seen.String(), w.wanted)
	w.seen.Write(b)
	if !before && strings.Contains(w.seen.String(), w.wanted) {
		close(w.told)
	}
	return len(b), nil
}
