package gitlab

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestCeilingSpacesRequests(t *testing.T) {
	for _, tt := range []struct {
		perMinute float64
		requests  int
		want      time.Duration // until the last of them went
	}{
		{60, 4, 3 * time.Second},
		{0.5, 3, 4 * time.Minute},
		{0, 100, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := NewGovernor(GovernorConfig{MaxRequestsPerMinute: tt.perMinute, EndpointLimits: map[string]EndpointLimit{}})
			began := time.Now()
			for range tt.requests {
				pass(t, g, "GET /x", nil, 0)
			}
			if got := time.Since(began); got.Round(time.Millisecond) != tt.want {
				t.Errorf("%v a minute: %d requests took %v, want %v", tt.perMinute, tt.requests, got, tt.want)
			}
		})
	}
}

// Held is what limits cost, once: not the wait of each request behind the one
// that they hold, nor the wait for a place.
func TestHeldCountsLimitsOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		config GovernorConfig
		want   time.Duration
	}{
		"a ceiling": {GovernorConfig{MaxRequestsPerMinute: 60}, 9 * time.Second},
		"places":    {GovernorConfig{StartConcurrency: 1, MaxConcurrency: 1}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := NewGovernor(tt.config)
			var mu sync.Mutex
			var total time.Duration
			var all sync.WaitGroup
			for range 10 {
				all.Go(func() {
					held, err := g.enter(t.Context(), ask{endpoint: "GET /x"})
					if err != nil {
						t.Error(err)
						return
					}
					<-time.After(time.Millisecond)
					g.leave(outcome{endpoint: "GET /x"})
					mu.Lock()
					total += held
					mu.Unlock()
				})
			}
			all.Wait()
			if total.Round(10*time.Millisecond) != tt.want {
				t.Errorf("%s: ten requests were held for %v, want %v", name, total, tt.want)
			}
		})
	}
}

func TestCeilingCanBeLifted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGovernor(GovernorConfig{MaxRequestsPerMinute: 0.1})
		pass(t, g, "GET /x", nil, 0)
		began := time.Now()
		go func() {
			<-time.After(time.Second)
			g.SetMaxRequestsPerMinute(0)
		}()
		pass(t, g, "GET /x", nil, 0)
		if got := time.Since(began); got != time.Second {
			t.Errorf("waited %v after the ceiling was lifted at 1s", got)
		}
	})
}

func TestAnnouncedLimitSetsThePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGovernor(GovernorConfig{})
		// 600 a minute, of which 60 % are ours: 6 a second, 30 of them at once.
		h := http.Header{"Ratelimit-Limit": {"600"}}
		began := time.Now()
		for range 30 + 6*60 {
			pass(t, g, "GET /x", h, 0)
		}
		if got := time.Since(began); got < 59*time.Second || got > 61*time.Second {
			t.Errorf("a minute's share took %v", got)
		}
	})
}

func TestShareOfTheWindowStopsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGovernor(GovernorConfig{Share: 0.5})
		reset := time.Now().Add(20 * time.Second)
		header := func(observed int) http.Header {
			return http.Header{
				"Ratelimit-Observed": {strconv.Itoa(observed)}, "Ratelimit-Remaining": {strconv.Itoa(1000 - observed)},
				"Ratelimit-Reset": {strconv.FormatInt(reset.Unix(), 10)},
			}
		}
		pass(t, g, "GET /x", header(499), 0)
		pass(t, g, "GET /x", header(500), 0)
		if now := time.Now(); !now.Before(reset) {
			t.Fatalf("stopped before the share was used up")
		}
		pass(t, g, "GET /y", nil, 0)
		if now := time.Now(); now.Before(reset) {
			t.Errorf("another endpoint went %v before the window's end", reset.Sub(now))
		}
	})
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name        string
		status      int
		header      http.Header
		body        string
		same, other time.Duration // least wait on the same and on another endpoint
	}{
		{"general limit", 429, http.Header{"Retry-After": {"30"}}, "Retry later\n", 30 * time.Second, 30 * time.Second},
		{"without Retry-After", 429, http.Header{"Date": {"Tue, 05 Jan 2021 10:59:20 GMT"}, "Ratelimit-Reset": {"1609844400"}}, "", 40 * time.Second, 40 * time.Second},
		{"date as Retry-After", 429, http.Header{"Date": {"Tue, 05 Jan 2021 10:59:20 GMT"}, "Retry-After": {"Tue, 05 Jan 2021 11:00:00 GMT"}}, "", 40 * time.Second, 40 * time.Second},
		{"endpoint limit", 429, nil, `{"message":{"error":"This endpoint has been requested too many times. Try again later."}}`, time.Minute, 0},
		{"nothing said", 429, nil, "<html>", time.Minute, time.Minute},
		{"maintenance", 503, http.Header{"Retry-After": {"120"}}, "", 2 * time.Minute, 2 * time.Minute},
		{"failure", 500, nil, "", 0, 0},
	} {
		for _, endpoint := range []string{"GET /same", "GET /other"} {
			least := map[string]time.Duration{"GET /same": tt.same, "GET /other": tt.other}[endpoint]
			t.Run(tt.name+" "+endpoint, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					g := NewGovernor(GovernorConfig{})
					passStatus(t, g, "GET /same", tt.status, tt.header, tt.body, 0)
					began := time.Now()
					pass(t, g, endpoint, nil, 0)
					if got := time.Since(began); got < least || got > least+2*time.Second {
						t.Errorf("waited %v, want %v and a little", got, least)
					}
				})
			})
		}
	}
}

func TestEndpointRefusalsWaitLongerEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGovernor(GovernorConfig{StartConcurrency: 32}) // halved with each burst
		body := `{"message":{"error":"This endpoint has been requested too many times."}}`
		for n := 1; n <= 3; n++ {
			// A burst of refusals counts as one, and teaches to go one by one.
			passTogether(t, g, max(6-3*n, 1), "GET /same", 429, body)
			began := time.Now()
			pass(t, g, "GET /other", nil, 0)
			if time.Since(began) > 0 {
				t.Fatal("another endpoint waited")
			}
			if _, err := g.enter(t.Context(), ask{endpoint: "GET /same", deadline: time.Now().Add(time.Duration(n)*time.Minute - time.Second)}); err == nil {
				t.Fatalf("refusal %d blocked for less than %d minutes", n, n)
			}
			if _, err := g.enter(t.Context(), ask{endpoint: "GET /same", deadline: time.Now().Add(time.Duration(n)*time.Minute + 2*time.Second)}); err != nil {
				t.Fatalf("refusal %d: %v", n, err)
			}
			g.leave(outcome{endpoint: "GET /same"})
		}
	})
}

func TestConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGovernor(GovernorConfig{StartConcurrency: 4, MaxConcurrency: 16})
		if got := most(t, g, 4, 50*time.Millisecond); got != 4 {
			t.Errorf("%d requests in flight at the start, want 4", got)
		}
		if got := most(t, g, 200, 50*time.Millisecond); got != 16 {
			t.Errorf("%d requests in flight at steady latency, want 16", got)
		}
		passStatus(t, g, "GET /x", 502, nil, "", 0)
		if got := g.State().Concurrency; got != 8 {
			t.Errorf("%d after a 502, want 8", got)
		}
		<-time.After(time.Second)
		most(t, g, 60, 2*time.Second)
		if got := g.State().Concurrency; got >= 8 {
			t.Errorf("%d after answers that took 40 times as long", got)
		}
		if got := g.State(); got.InFlight != 0 {
			t.Errorf("%d in flight when all are done", got.InFlight)
		}
	})
}

func TestBurstOfFailuresCutsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGovernor(GovernorConfig{StartConcurrency: 16})
		passTogether(t, g, 16, "GET /x", 503, "")
		if got := g.State().Concurrency; got != 8 {
			t.Errorf("%d after one burst of failures, want 8", got)
		}
	})
}

func TestWaitEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGovernor(GovernorConfig{MaxConcurrency: 1})
		passStatus(t, g, "GET /x", 429, http.Header{"Retry-After": {"3600"}}, "", 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				if _, err := g.enter(ctx, ask{endpoint: "GET /x"}); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("enter = %v", err)
				}
			})
		}
		group.Wait()
		if got := g.State().InFlight; got != 0 {
			t.Errorf("%d in flight after waits that ended", got)
		}
		var hasty *impatient
		if _, err := g.enter(t.Context(), ask{endpoint: "GET /x", deadline: time.Now().Add(time.Minute)}); !errors.As(err, &hasty) || hasty.wait < 50*time.Minute {
			t.Errorf("enter with a minute's patience = %v", err)
		}
	})
}

func TestWindowNeverExceeded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := window{limit: rapid.IntRange(1, 8).Draw(t, "limit"), per: time.Minute}
		now := time.Unix(0, 0)
		var went []time.Time
		for range rapid.IntRange(1, 60).Draw(t, "requests") {
			now = now.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "pause")) * time.Second)
			if at := w.next(); at.After(now) {
				if n := len(went); n < w.limit || went[n-w.limit].Add(w.per) != at {
					t.Fatalf("held back until %v, after requests at %v", at, went)
				}
				now = at
			}
			w.take(now)
			went = append(went, now)
		}
		for i := w.limit; i < len(went); i++ {
			if span := went[i].Sub(went[i-w.limit]); span < w.per {
				t.Fatalf("%d requests within %v", w.limit+1, span)
			}
		}
	})
}

func TestEndpointBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGovernor(GovernorConfig{Share: 0.5, EndpointLimits: map[string]EndpointLimit{"GET /x": {10, time.Minute}}})
		began := time.Now()
		for range 5 {
			pass(t, g, "GET /x", nil, 0)
		}
		if got := time.Since(began); got != 0 {
			t.Errorf("the budget's first half took %v", got)
		}
		pass(t, g, "GET /y", nil, 0)
		if got := time.Since(began); got != 0 {
			t.Errorf("another endpoint waited %v", got)
		}
		pass(t, g, "GET /x", nil, 0)
		if got := time.Since(began); got != time.Minute {
			t.Errorf("the sixth of five a minute went after %v", got)
		}
	})
}

// pass lets a request through and answers it with 200 after a time.
func pass(t *testing.T, g *Governor, endpoint string, h http.Header, latency time.Duration) {
	t.Helper()
	passStatus(t, g, endpoint, 200, h, "", latency)
}

func passStatus(t *testing.T, g *Governor, endpoint string, status int, h http.Header, body string, latency time.Duration) {
	t.Helper()
	if _, err := g.enter(t.Context(), ask{endpoint: endpoint}); err != nil {
		t.Fatal(err)
	}
	sent := time.Now()
	<-time.After(latency)
	g.leave(outcome{endpoint: endpoint, sent: sent, latency: time.Since(sent), answer: readLimits(status, h, []byte(body), time.Now())})
}

// passTogether has n requests in flight before the first is answered.
func passTogether(t *testing.T, g *Governor, n int, endpoint string, status int, body string) {
	t.Helper()
	sent := time.Now()
	for range n {
		if _, err := g.enter(t.Context(), ask{endpoint: endpoint}); err != nil {
			t.Fatal(err)
		}
	}
	for range n {
		<-time.After(time.Millisecond)
		g.leave(outcome{endpoint: endpoint, sent: sent, answer: readLimits(status, nil, []byte(body), time.Now())})
	}
}

// most lets n requests through at once and tells how many were in flight.
func most(t *testing.T, g *Governor, n int, latency time.Duration) int {
	t.Helper()
	var group sync.WaitGroup
	var mu sync.Mutex
	highest := 0
	for range n {
		group.Go(func() {
			if _, err := g.enter(t.Context(), ask{endpoint: "GET /x"}); err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			highest = max(highest, g.State().InFlight)
			mu.Unlock()
			sent := time.Now()
			<-time.After(latency)
			g.leave(outcome{endpoint: "GET /x", sent: sent, latency: time.Since(sent), answer: readLimits(200, nil, nil, time.Now())})
		})
	}
	group.Wait()
	return highest
}
