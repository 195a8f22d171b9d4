package gitlab

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestCallersTakeTurns: a long import waits with all its requests, and a short
// one gets every second slot, whether they share a rate or places.
func TestCallersTakeTurns(t *testing.T) {
	for name, tt := range map[string]struct {
		config  GovernorConfig
		latency time.Duration
		want    time.Duration // for ten requests of the short one, one after the other
	}{
		"a ceiling":            {GovernorConfig{MaxRequestsPerMinute: 60}, 0, 20 * time.Second},
		"places":               {GovernorConfig{StartConcurrency: 1, MaxConcurrency: 1}, time.Second, 20 * time.Second},
		"an endpoint's budget": {GovernorConfig{Share: 1, EndpointLimits: map[string]EndpointLimit{"GET /x": {1, time.Second}}}, 0, 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := NewGovernor(tt.config)
				ctx, stop := context.WithCancel(t.Context())
				long, short := NewCaller(true), NewCaller(false)
				var all sync.WaitGroup
				for range 50 {
					all.Go(func() {
						for askOnce(ctx, g, ask{endpoint: "GET /x", caller: long}, tt.latency) == nil {
						}
					})
				}
				<-time.After(time.Minute)
				began := time.Now()
				for range 10 {
					if err := askOnce(ctx, g, ask{endpoint: "GET /x", caller: short}, tt.latency); err != nil {
						t.Fatal(err)
					}
				}
				if took := time.Since(began); took > tt.want {
					t.Errorf("ten requests beside a long import took %v, want %v", took, tt.want)
				}
				stop()
				all.Wait()
				if s := g.State(); s.Waiting != 0 || s.InFlight != 0 || len(g.queues) != 0 {
					t.Errorf("left behind: %+v, %d queues", s, len(g.queues))
				}
			})
		})
	}
}

// TestThreeCallersShare: nobody gets more than its turn, however many requests
// it has waiting.
func TestThreeCallersShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGovernor(GovernorConfig{MaxRequestsPerMinute: 600})
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		var all sync.WaitGroup
		var mu sync.Mutex
		went := [3]int{}
		for i, workers := range []int{2, 8, 32} {
			caller := NewCaller(i > 0)
			for range workers {
				all.Go(func() {
					// Each caller asks other endpoints too.
					for n := 0; ; n++ {
						if askOnce(ctx, g, ask{endpoint: []string{"GET /x", "GET /y", "GET /z"}[n%(i+1)], caller: caller}, 0) != nil {
							return
						}
						mu.Lock()
						went[i]++
						mu.Unlock()
					}
				})
			}
		}
		all.Wait()
		for i, n := range went {
			if n < 198 || n > 202 {
				t.Errorf("caller %d had %d of %v requests", i, n, went)
			}
		}
	})
}

// TestUrgentGoesFirst: a person who waits for an answer need not wait for weir's
// own restraint, but for what GitLab asks.
func TestUrgentGoesFirst(t *testing.T) {
	reset := func(now time.Time) http.Header {
		return http.Header{
			"Ratelimit-Limit": {"600"}, "Ratelimit-Observed": {"400"}, "Ratelimit-Remaining": {"200"},
			"Ratelimit-Reset": {strconv.FormatInt(now.Add(40*time.Second).Unix(), 10)},
		}
	}
	for name, tt := range map[string]struct {
		status int
		header http.Header
		urgent bool
		want   time.Duration
	}{
		"the share is used up":                {200, reset(bubbleStart), false, 40 * time.Second},
		"the share is used up, urgent":        {200, reset(bubbleStart), true, 0},
		"GitLab asks to wait":                 {429, http.Header{"Retry-After": {"40"}}, false, 40 * time.Second},
		"GitLab asks to wait, urgent as well": {429, http.Header{"Retry-After": {"40"}}, true, 40 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := NewGovernor(GovernorConfig{})
				passStatus(t, g, "GET /x", tt.status, tt.header, "", 0)
				began := time.Now()
				if err := askOnce(t.Context(), g, ask{endpoint: "GET /x", urgent: tt.urgent}, 0); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took < tt.want || took > tt.want+time.Second {
					t.Errorf("waited %v, want %v", took, tt.want)
				}
			})
		})
	}
}

// TestQuietHoursHoldBackgroundWork: bubbles begin on a Saturday at midnight.
func TestQuietHoursHoldBackgroundWork(t *testing.T) {
	for name, tt := range map[string]struct {
		hours      string
		perMinute  float64
		background bool
		want       time.Duration // until the fifth of five requests went
	}{
		"a pause":               {"00:00-08:00 UTC", 0, true, 8 * time.Hour},
		"for background only":   {"00:00-08:00 UTC", 0, false, 0},
		"a ceiling":             {"00:00-08:00 UTC", 6, true, 40 * time.Second},
		"a ceiling until":       {"00:00-00:01 UTC", 1, true, time.Minute},
		"not now":               {"08:00-18:00 UTC", 0, true, 0},
		"on other days":         {"00:00-08:00 Mon-Fri UTC", 0, true, 0},
		"no quiet hours":        {"", 0, true, 0},
		"a pause in a far zone": {"08:00-18:00 Asia/Tokyo", 0, true, 9 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				quiet, err := ParseQuietHours(tt.hours, tt.perMinute)
				if err != nil {
					t.Fatal(err)
				}
				g := NewGovernor(GovernorConfig{Quiet: quiet})
				caller := NewCaller(tt.background)
				began := time.Now()
				for range 5 {
					if err := askOnce(t.Context(), g, ask{endpoint: "GET /x", caller: caller}, 0); err != nil {
						t.Fatal(err)
					}
				}
				if took := time.Since(began); took != tt.want {
					t.Errorf("five requests took %v, want %v", took, tt.want)
				}
				if s := g.State(); s.Throttled != 0 {
					t.Errorf("quiet hours count as %v of GitLab's limits", s.Throttled)
				}
			})
		})
	}
}

// TestLearntLimitIsForgotten: what refusals taught holds for an hour.
func TestLearntLimitIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGovernor(GovernorConfig{EndpointLimits: map[string]EndpointLimit{"GET /x": {600, time.Minute}}})
		for range 10 {
			pass(t, g, "GET /x", nil, 0)
		}
		passStatus(t, g, "GET /x", 429, nil, `{"message":{"error":"This endpoint has been requested too many times."}}`, 0)
		if got := g.lane("GET /x").window.limit; got != 6 {
			t.Errorf("learnt %d a minute of ten that were granted, want 60 %% of them", got)
		}
		<-time.After(61 * time.Minute)
		pass(t, g, "GET /x", nil, 0)
		if got := g.lane("GET /x").window.limit; got != 360 {
			t.Errorf("%d a minute after an hour, want the documented limit's share", got)
		}
	})
}

// TestAnotherCredentialTakesOver: what waits for one credential when GitLab
// stops it goes with the other.
func TestAnotherCredentialTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGovernor(GovernorConfig{MaxRequestsPerMinute: 1})
		pass(t, g, "GET /x", nil, 0)
		failed := make(chan error, 1)
		go func() {
			_, err := g.enter(t.Context(), ask{endpoint: "GET /x", elsewhere: true})
			failed <- err
		}()
		synctest.Wait()
		began := time.Now()
		g.mu.Lock()
		g.block(began.Add(time.Hour), "rate limit reached", "GET /x")
		g.mu.Unlock()
		if err := <-failed; err != errElsewhere || time.Since(began) > 0 {
			t.Errorf("enter = %v after %v", err, time.Since(began))
		}
	})
}

// bubbleStart is when the clock of a testing/synctest bubble starts.
var bubbleStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// askOnce lets a request through and answers it well after a time.
func askOnce(ctx context.Context, g *Governor, a ask, latency time.Duration) error {
	if _, err := g.enter(ctx, a); err != nil {
		return err
	}
	sent := time.Now()
	<-time.After(latency)
	g.leave(outcome{endpoint: a.endpoint, sent: sent, latency: time.Since(sent), answer: readLimits(200, nil, nil, time.Now())})
	return nil
}
