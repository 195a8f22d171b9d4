package gitlab_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
)

// TestOutage: two clients of one GitLab import while it is down for a time.
// They stop asking but for single probes, and go on when it is back.
func TestOutage(t *testing.T) {
	for name, tt := range map[string]struct {
		fault  gitlabtest.Fault
		lasts  time.Duration
		asked  int           // requests during the outage, at most
		resume time.Duration // after its end, at most
	}{
		// The 32 in flight when it begins, and probes, the later ones about a minute apart.
		"a restart":        {gitlabtest.Fault{Kind: gitlabtest.BadGateway}, 90 * time.Second, 40, 45 * time.Second},
		"maintenance":      {gitlabtest.Fault{Kind: gitlabtest.Unavailable}, 200 * time.Second, 40, 75 * time.Second},
		"no answer at all": {gitlabtest.Fault{Kind: gitlabtest.Reset}, 200 * time.Second, 40, 75 * time.Second},
		"answers nothing":  {gitlabtest.Fault{Kind: gitlabtest.Hang}, 200 * time.Second, 40, 2*time.Minute + 75*time.Second},
		"a hiccup":         {gitlabtest.Fault{Kind: gitlabtest.ServerError}, 200 * time.Millisecond, 40, 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := gitlabtest.NewServer(gitlabtest.Uniform(4, 2, 1), gitlabtest.WithoutGzip())
				s.Latency("", 50*time.Millisecond)
				breaker := gitlab.NewBreaker(gitlab.BreakerConfig{})
				begins := time.Now().Add(time.Second)
				ends := begins.Add(tt.lasts)
				s.Fault(func(int, *http.Request) gitlabtest.Fault {
					if now := time.Now(); !now.Before(begins) && now.Before(ends) {
						return tt.fault
					}
					return gitlabtest.Fault{}
				})
				var both sync.WaitGroup
				for range 2 {
					c := clientOf(t, "https://gitlab.example.com", func(cfg *gitlab.Config) {
						cfg.Transport, cfg.Breaker = s.Transport(), breaker
						cfg.Credentials = []gitlab.Credential{{Token: gitlab.Secret(s.Token(gitlabtest.TokenSpec{}))}}
					})
					both.Go(func() { work(t, c, s.World(), 2000, func() {}) })
				}
				both.Wait()
				took := time.Since(ends)
				asked := 0
				for _, r := range s.Requests() {
					if !r.At.Before(begins) && r.At.Before(ends) {
						asked++
					}
				}
				t.Logf("%d requests in an outage of %v, all done %v after it", asked, tt.lasts, took)
				if asked > tt.asked {
					t.Errorf("%d requests went to a GitLab that was down, want at most %d", asked, tt.asked)
				}
				if limit := tt.resume + 90*time.Second; took > limit {
					t.Errorf("the import ended %v after the outage, want at most %v", took, limit)
				}
				if state := breaker.State(); state.Open || state.Opened == 0 {
					t.Errorf("after all: %+v", state)
				}
			})
		})
	}
}

// TestNeverMet: of a GitLab that has not answered once nobody waits for minutes.
func TestNeverMet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clientOf(t, "https://gitlab.example.com", func(cfg *gitlab.Config) {
			cfg.Breaker = gitlab.NewBreaker(gitlab.BreakerConfig{})
			cfg.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
				return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
			})
		})
		began := time.Now()
		_, err := c.Project(t.Context(), "1")
		if took := time.Since(began); gitlab.KindOf(err) != gitlab.Unreachable || took > 45*time.Second {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// TestOutageThatLasts: patience ends, and everything fails with what GitLab said.
func TestOutageThatLasts(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for name, tt := range map[string]struct {
		reply reply
		kind  gitlab.Kind
	}{
		"502 in HTML":        {reply{502, http.Header{"Content-Type": {"text/html"}}, "<html>", nil}, gitlab.Server},
		"connection refused": {reply{err: refused}, gitlab.Unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked []time.Time
				var mu sync.Mutex
				c := clientOf(t, "https://gitlab.example.com", func(cfg *gitlab.Config) {
					cfg.Breaker = gitlab.NewBreaker(gitlab.BreakerConfig{})
					cfg.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
						if r.URL.Path == "/api/v4/user" { // it was there before
							return reply{200, nil, `{"id": 1, "username": "bot"}`, nil}.send(r)
						}
						mu.Lock()
						asked = append(asked, time.Now())
						mu.Unlock()
						return tt.reply.send(r)
					})
				})
				if _, err := c.CurrentUser(t.Context()); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				var all sync.WaitGroup
				for n := range 12 {
					all.Go(func() {
						_, err := c.Project(t.Context(), fmt.Sprint(n))
						if gitlab.KindOf(err) != tt.kind {
							t.Errorf("project %d: %v", n, err)
						}
					})
				}
				all.Wait()
				if took := time.Since(began); took < 4*time.Minute || took > 7*time.Minute { // five, and the pause before the last probe
					t.Errorf("gave up after %v", took)
				}
				if n := len(asked); n < 10 || n > 20 {
					t.Errorf("asked %d times", n)
				}
				// The pauses between the last probes, a minute give or take a quarter.
				for i := len(asked) - 2; i < len(asked); i++ {
					if gap := asked[i].Sub(asked[i-1]); gap < 45*time.Second || gap > 76*time.Second {
						t.Errorf("probe %d came after %v", i, gap)
					}
				}
				state := c.Outage()
				if !state.Open || state.Last == "" || state.Since.Sub(began) > time.Minute {
					t.Errorf("state %+v", state)
				}
				// A person need not wait to hear that it is still down.
				asked = nil
				began = time.Now()
				if _, err := c.WithPatience(10*time.Second).Project(t.Context(), "1"); gitlab.KindOf(err) != tt.kind || len(asked) == 0 || time.Since(began) > 10*time.Second {
					t.Errorf("urgent: %v after %v", err, time.Since(began))
				}
			})
		})
	}
}

// TestNoOutage: what fails is not GitLab.
func TestNoOutage(t *testing.T) {
	html := http.Header{"Content-Type": {"text/html"}}
	down := reply{502, html, "<html>", nil}
	for name, tt := range map[string]struct {
		projects int
		ask      func(ctx context.Context, c *gitlab.Client, project string) error
		reply    reply
	}{
		"one project always fails":   {1, project, down},
		"refused everywhere":         {9, project, reply{403, nil, `{"message":"403 Forbidden"}`, nil}},
		"nothing is there":           {9, project, reply{404, nil, `{"message":"404 Project Not Found"}`, nil}},
		"the token is revoked":       {9, project, reply{401, nil, `{}`, nil}},
		"not implemented":            {9, project, reply{501, nil, `{}`, nil}},
		"a page of somebody else's":  {9, project, reply{200, html, "<html>", nil}},
		"the limit is reached":       {9, project, reply{429, http.Header{"Retry-After": {"1"}}, "{}", nil}},
		"a host that does not exist": {1, project, reply{err: &net.DNSError{IsNotFound: true}}},
		"GraphQL asked too much": {9, func(ctx context.Context, c *gitlab.Client, project string) error {
			_, err := c.Runs(ctx, gitlab.RunQuery{ProjectPath: project, First: 100})
			return err
		}, reply{503, nil, timeout, nil}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := clientOf(t, "https://gitlab.example.com", func(cfg *gitlab.Config) {
					cfg.Breaker = gitlab.NewBreaker(gitlab.BreakerConfig{})
					cfg.Transport = roundTrip(tt.reply.send)
				})
				for range 3 {
					for n := range tt.projects {
						if err := tt.ask(t.Context(), c, fmt.Sprint(n)); err == nil {
							t.Fatal("no error")
						}
					}
				}
				if state := c.Outage(); state.Opened > 0 {
					t.Errorf("counts as down: %+v", state)
				}
			})
		})
	}
}

// TestOutageEndsWithContext: no wait outlives its caller, and a probe that was
// not sent is another's to send.
func TestOutageEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		c := clientOf(t, "https://gitlab.example.com", func(cfg *gitlab.Config) {
			cfg.Breaker = gitlab.NewBreaker(gitlab.BreakerConfig{})
			cfg.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				if asked.Add(1) <= 5 {
					return reply{502, nil, "{}", nil}.send(r)
				}
				<-r.Context().Done() // a probe that hangs
				return nil, r.Context().Err()
			})
		})
		ctx, cancel := context.WithTimeoutCause(t.Context(), 30*time.Second, errors.New("supper"))
		defer cancel()
		began := time.Now()
		var all sync.WaitGroup
		for n := range 8 {
			all.Go(func() {
				if _, err := c.Project(ctx, fmt.Sprint(n)); !errors.Is(err, context.DeadlineExceeded) || gitlab.KindOf(err) != "" {
					t.Errorf("project %d: %v", n, err)
				}
			})
		}
		all.Wait()
		if took := time.Since(began); took != 30*time.Second {
			t.Errorf("waited %v", took)
		}
		if state := c.Outage(); !state.Open || state.NextProbe.IsZero() {
			t.Errorf("the probe is still under way: %+v", state)
		}
	})
}

func project(ctx context.Context, c *gitlab.Client, id string) error {
	_, err := c.Project(ctx, id)
	return err
}
