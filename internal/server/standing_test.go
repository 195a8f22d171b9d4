package server_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/server"
)

// TestStandingIsShown: what the governor knows after an import, and nothing
// before it.
func TestStandingIsShown(t *testing.T) {
	p := start(t, smallWorld())
	p.connect(t, "gitlab-pipelines")
	standing := func() *api.Standing {
		t.Helper()
		status, err := p.client.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return status.Connections[0].GitLab
	}
	if got := standing(); got != nil {
		t.Errorf("before anything was asked with the stored token: %+v", got)
	}
	p.gitLab.LimitRequests(6000, time.Minute, true)
	p.importAll(t)
	got := standing()
	if got == nil || len(got.Credentials) != 1 {
		t.Fatalf("after an import: %+v", got)
	}
	c := got.Credentials[0]
	if c.RateLimit == nil || *c.RateLimit != 6000 || c.Remaining == nil || *c.Remaining >= 6000 || c.ToldAt == nil ||
		c.WindowEndsAt == nil || c.WindowEndsAt.After(c.ToldAt.Add(time.Minute+time.Second)) || c.Share != 0.6 {
		t.Errorf("the limit as GitLab told it: %+v", c)
	}
	if c.RequestsLastMinute < 5 || c.Concurrency < 1 || c.InFlight != 0 || c.Waiting != 0 || c.Refused != 0 || c.BlockedUntil != nil || c.MaxRequestsPerMinute != nil {
		t.Errorf("the governor: %+v", c)
	}
	if got.DownSince != nil || got.LastFailure != nil || got.TimesDown != 0 || got.QuietHours != nil || got.QuietNow {
		t.Errorf("nothing is wrong, and there are no quiet hours: %+v", got)
	}
}

// TestImportWaitsForGitLab: an import pauses while GitLab is down, says so,
// and ends complete.
func TestImportWaitsForGitLab(t *testing.T) {
	p := start(t, gitlabtest.Uniform(6, 3, 2))
	connection := p.connect(t, "gitlab-pipelines").Connection.ID
	var first, down atomic.Int64 // nanoseconds: when it went down; whether it may
	p.gitLab.Fault(func(_ int, r *http.Request) gitlabtest.Fault {
		if down.Load() == 0 || !strings.HasSuffix(r.URL.Path, "/jobs") && first.Load() == 0 {
			return gitlabtest.Fault{}
		}
		first.CompareAndSwap(0, time.Now().UnixNano())
		if time.Since(time.Unix(0, first.Load())) < 1500*time.Millisecond {
			return gitlabtest.Fault{Kind: gitlabtest.BadGateway}
		}
		return gitlabtest.Fault{}
	})
	down.Store(1)
	started, err := p.client.StartSyncs(t.Context(), api.SyncRequest{Connections: []ci.ConnectionID{connection}, Plan: "documented"})
	if err != nil {
		t.Fatal(err)
	}
	events := p.follow(t, started[0].ID, 0)
	var told []string
	for _, e := range events {
		if e.Kind == "warning" {
			told = append(told, string(e.Code)+": "+e.Message)
		}
	}
	if len(told) < 2 || !strings.HasPrefix(told[0], "server_error: GitLab does not answer (GET /projects/:id/") || !strings.Contains(told[1], "GitLab answers again") {
		t.Errorf("told: %q", told)
	}
	if last := events[len(events)-1]; last.Sync == nil || last.Sync.State != ci.SyncComplete {
		t.Errorf("it ended %+v", last)
	}
	status, err := p.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s := status.Connections[0].GitLab; s == nil || s.TimesDown != 1 || s.DownSince != nil || s.LastFailure == nil || !strings.Contains(*s.LastFailure, "502") {
		t.Errorf("status: %+v", s)
	}
}

// TestPersonsImportsIgnoreQuietHours, and say that they do.
func TestPersonsImportsIgnoreQuietHours(t *testing.T) {
	p := start(t, smallWorld(), alwaysQuiet(t))
	p.connect(t, "gitlab-pipelines")
	status, err := p.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s := status.Connections[0].GitLab; s == nil || !s.QuietNow || s.QuietHours == nil || s.QuietCeiling == nil || *s.QuietCeiling != 0 || s.QuietUntil != nil {
		t.Errorf("in quiet hours: %+v", s)
	}
	started, err := p.client.StartSyncs(t.Context(), api.SyncRequest{})
	if err != nil {
		t.Fatal(err)
	}
	events := p.follow(t, started[0].ID, 0)
	if last := events[len(events)-1]; last.Sync == nil || last.Sync.State != ci.SyncComplete {
		t.Errorf("it ended %+v", last)
	}
	for _, e := range events {
		if strings.Contains(e.Message, "these are quiet hours") {
			return
		}
	}
	t.Errorf("no event says that quiet hours do not hold: %+v", events)
}

func alwaysQuiet(t *testing.T) func(*server.Config) {
	quiet, err := gitlab.ParseQuietHours("00:00-24:00 UTC", 0)
	if err != nil {
		t.Fatal(err)
	}
	return func(c *server.Config) { c.Quiet = quiet }
}
