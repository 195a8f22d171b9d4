package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
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
	code, stdout, stderr := run(interrupted, "sync")
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
