package gitlab_test

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
)

// fewRefusals is how many requests a GitLab that says its limit, or whose
// limits are documented, may have to refuse in a whole import.
const fewRefusals = 5

// widest is how many requests may be in flight: so many are refused at once
// when a limit is met of which nothing was known. Only the first time.
const widest = 32

// TestGoodGuest imports, or nearly so, from GitLabs with limits of all kinds,
// in virtual time: the import ends, GitLab refuses next to nothing, and the
// share of the limit is used.
func TestGoodGuest(t *testing.T) {
	const details = "GET /projects/:id/pipelines/:id"
	for _, tt := range []struct {
		name     string
		limit    func(s *gitlabtest.Server)
		midway   func(s *gitlabtest.Server) // after half of the requests
		neighbor float64                    // requests a minute of somebody else with the same user
		calls    int
		ideal    float64 // minutes at the share of 60 %
		slower   float64 // than ideal, at most
		refused  int
	}{
		{"600 a minute", general(600, time.Minute), nil, 0, 1800, 1800 / 360., 1.05, 0},
		{"120 a minute", general(120, time.Minute), nil, 0, 600, 600 / 72., 1.05, 0},
		{"2000 a minute", general(2000, time.Minute), nil, 0, 3600, 3600 / 1200., 1.05, 0},
		{"7200 an hour", general(7200, time.Hour), nil, 0, 2160, 2160 / 72., 1.05, 0},
		{"300 an hour", general(300, time.Hour), nil, 0, 720, 240, 1.1, 0},
		{"50 an hour", general(50, time.Hour), nil, 0, 120, 240, 1.1, 0},
		{"2000 in ten minutes", general(2000, 10*time.Minute), nil, 0, 3600, 30, 1.05, 0},
		{"lowered from 600 to 120", general(600, time.Minute), general(120, time.Minute), 0, 1200, 600/360. + 600/72., 1.2, 1},
		{"raised from 120 to 600", general(120, time.Minute), general(600, time.Minute), 0, 1200, 600/72. + 600/360., 1.1, 0},
		// What somebody else takes counts against the share: 11 requests a second
		// use up 60 % of the window within 33 s, and 6 of each 11 are ours.
		{"half burnt by somebody else", general(600, time.Minute), nil, 300, 1800, 1800 / 196., 1.15, 0},
		{"nearly all burnt by somebody else", general(600, time.Minute), nil, 570, 900, 900 / 185., 1.15, fewRefusals},
		// The limit shows on a refusal only, as on older self-managed servers.
		{"600 a minute, unannounced", silent(600, time.Minute), nil, 0, 1800, 1800 / 360., 1.1, widest},
		{"1200 an hour, unannounced", silent(1200, time.Hour), nil, 0, 1500, 60 + 300/12., 1.1, widest},
		// Limits of endpoints, which no header tells.
		{"a documented endpoint limit", endpoint("GET /projects/:id/jobs", 600, time.Minute), nil, 0, 4 * 1200, 1200 / 360., 1.2, 0},
		{"a documented one, lowered to 100", endpoint("GET /projects/:id/jobs", 100, time.Minute), nil, 0, 4 * 300, 300 / 60., 1.3, fewRefusals},
		{"lowered to 100 midway", endpoint("GET /projects/:id/jobs", 600, time.Minute), endpoint("GET /projects/:id/jobs", 100, time.Minute), 0, 4 * 600, 300/360. + 300/60., 1.3, fewRefusals},
		{"an endpoint limit nobody knew", endpoint(details, 300, time.Minute), nil, 0, 4 * 900, 900 / 180., 1.3, widest + fewRefusals},
		{"an unknown one of ten minutes", endpoint(details, 500, 10*time.Minute), nil, 0, 4 * 750, 15, 3, widest + fewRefusals},
		// Two clocks that do not agree.
		{"our clock is 20 minutes behind", skewed(20*time.Minute, general(600, time.Minute)), nil, 300, 1200, 1200 / 196., 1.2, 0},
		{"our clock is 20 minutes ahead", skewed(-20*time.Minute, general(600, time.Minute)), nil, 300, 1200, 1200 / 196., 1.2, 0},
		{"unannounced, and behind", skewed(45*time.Minute, silent(600, time.Minute)), nil, 0, 1800, 1800 / 360., 1.2, widest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := gitlabtest.NewServer(gitlabtest.Uniform(4, 2, 1), gitlabtest.WithoutGzip())
				tt.limit(s)
				s.Latency("", 50*time.Millisecond)
				c := clientOf(t, "https://gitlab.example.com", func(cfg *gitlab.Config) {
					cfg.Transport, cfg.Credentials = s.Transport(), []gitlab.Credential{{Token: gitlab.Secret(s.DefaultToken())}}
				})
				stop := neighbor(t, s, tt.neighbor)
				began := time.Now()
				work(t, c, s.World(), tt.calls, func() {
					if tt.midway != nil {
						tt.midway(s)
					}
				})
				took := time.Since(began)
				stop()
				refused := 0
				for _, r := range s.Requests() {
					if r.Status == http.StatusTooManyRequests && r.Endpoint != "GET /version" {
						refused++
					}
				}
				ratio := took.Minutes() / tt.ideal
				t.Logf("%d calls in %v, %.2f times the ideal %.1f minutes; %d refused", tt.calls, took.Round(time.Second), ratio, tt.ideal, refused)
				if refused > tt.refused {
					t.Errorf("GitLab refused %d of %d requests, want at most %d", refused, tt.calls, tt.refused)
				}
				if ratio > tt.slower {
					t.Errorf("took %v, %.2f times the %.1f minutes in which the share of the limit allows it, want at most %.2f", took, ratio, tt.ideal, tt.slower)
				}
			})
		})
	}
}

// TestCredentialsShareTheWork: two tokens of two users carry twice the share of
// one, also when GitLab has shut one of them out for an hour.
func TestCredentialsShareTheWork(t *testing.T) {
	for name, tt := range map[string]struct {
		shutOut bool
		ideal   float64 // minutes
	}{
		"both":            {false, 600 / 144.},
		"one is shut out": {true, 600 / 72.},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := gitlabtest.NewServer(gitlabtest.Uniform(4, 2, 1), gitlabtest.WithoutGzip())
				s.LimitRequests(120, time.Minute, true)
				s.Latency("", 50*time.Millisecond)
				tokens := []string{s.Token(gitlabtest.TokenSpec{}), s.Token(gitlabtest.TokenSpec{})}
				refused := 0
				s.Fault(func(n int, r *http.Request) gitlabtest.Fault {
					if tt.shutOut && n > 20 && r.Header.Get("PRIVATE-TOKEN") == tokens[0] {
						refused++
						return gitlabtest.Fault{Kind: gitlabtest.TooManyRequests, RetryAfter: time.Hour}
					}
					return gitlabtest.Fault{}
				})
				c := clientOf(t, "https://gitlab.example.com", func(cfg *gitlab.Config) {
					cfg.Transport = s.Transport()
					cfg.Credentials = []gitlab.Credential{{Token: gitlab.Secret(tokens[0])}, {Token: gitlab.Secret(tokens[1])}}
				})
				began := time.Now()
				work(t, c, s.World(), 600, func() {})
				ratio := time.Since(began).Minutes() / tt.ideal
				t.Logf("%.2f times the ideal %.1f minutes; %d refused", ratio, tt.ideal, refused)
				if ratio > 1.2 || refused > fewRefusals {
					t.Errorf("took %.2f times the ideal, %d refused", ratio, refused)
				}
			})
		})
	}
}

func general(n int, per time.Duration) func(*gitlabtest.Server) {
	return func(s *gitlabtest.Server) { s.LimitRequests(n, per, true) }
}

func silent(n int, per time.Duration) func(*gitlabtest.Server) {
	return func(s *gitlabtest.Server) { s.LimitRequests(n, per, false) }
}

func endpoint(name string, n int, per time.Duration) func(*gitlabtest.Server) {
	return func(s *gitlabtest.Server) { s.LimitEndpoint(name, n, per) }
}

// skewed sets GitLab's clock ahead of ours.
func skewed(by time.Duration, limit func(*gitlabtest.Server)) func(*gitlabtest.Server) {
	return func(s *gitlabtest.Server) {
		s.Advance(by)
		limit(s)
	}
}

// work makes calls as an import does, to several endpoints from many
// goroutines; every one has to succeed. midway is called when half are begun.
func work(t *testing.T, c *gitlab.Client, world *gitlabtest.World, calls int, midway func()) {
	t.Helper()
	ask := []func(context.Context, int64, int64) error{
		func(ctx context.Context, project, pipeline int64) error {
			_, err := c.Pipeline(ctx, project, pipeline)
			return err
		},
		func(ctx context.Context, project, _ int64) error {
			return drain(c.Pipelines(ctx, project, gitlab.PipelineListOptions{}))
		},
		func(ctx context.Context, project, pipeline int64) error {
			return drain(c.PipelineJobs(ctx, project, pipeline))
		},
		func(ctx context.Context, project, _ int64) error {
			return drain(c.ProjectJobs(ctx, project, ""))
		},
	}
	var begun atomic.Int64
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			for {
				n := begun.Add(1)
				if n > int64(calls) {
					return
				}
				if n == int64(calls)/2 {
					midway()
				}
				p := world.Projects[n/4%int64(len(world.Projects))]
				if err := ask[n%int64(len(ask))](t.Context(), p.ID, p.Pipelines[0].ID); err != nil {
					t.Errorf("call %d: %v", n, err)
					return
				}
			}
		})
	}
	all.Wait()
}

// neighbor is somebody else with the same user, who asks for the version at an
// even pace and does not care about refusals, until stop.
func neighbor(t *testing.T, s *gitlabtest.Server, perMinute float64) (stop func()) {
	t.Helper()
	if perMinute == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	ended.Go(func() {
		tick := time.NewTicker(time.Duration(float64(time.Minute) / perMinute))
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://gitlab.example.com/api/v4/version", nil)
			if err != nil {
				t.Error(err)
				return
			}
			r.Header.Set("PRIVATE-TOKEN", s.DefaultToken())
			if resp, err := s.Transport().RoundTrip(r); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		}
	})
	return func() { cancel(); ended.Wait() }
}
