package gitlab

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// GovernorConfig sets how much of a GitLab weir takes. The zero value is a
// good guest's.
type GovernorConfig struct {
	// Share is the part of each rate limit that weir uses, above 0 and up to 1;
	// 0: 0.6. What is left is for the people who work there.
	Share float64
	// MaxRequestsPerMinute is a hard ceiling, whatever GitLab allows; fractions
	// are fine (0.5 is one request in two minutes). 0: none.
	MaxRequestsPerMinute float64
	// StartConcurrency and MaxConcurrency bound the requests in flight at the
	// start and ever; 0: 4 and 32.
	StartConcurrency, MaxConcurrency int
	// EndpointLimits are the limits that GitLab does not announce in its
	// headers, by endpoint; nil: EndpointLimits(), empty: none.
	EndpointLimits map[string]EndpointLimit
	Log            *slog.Logger // nil: none
}

// EndpointLimit is a limit of GitLab's on one endpoint, of which the governor
// uses its share. Requests of 0 or less mean no limit.
type EndpointLimit struct {
	Requests int
	Per      time.Duration
}

// EndpointLimits are GitLab's defaults, on gitlab.com and self-managed alike
// (gitlab-api §4.1). They are counted for each user, and their 429 says neither
// when to come back nor, beforehand, how much is left.
func EndpointLimits() map[string]EndpointLimit {
	return map[string]EndpointLimit{
		endpointGroups:        {200, time.Minute},
		endpointGroup:         {400, time.Minute},
		endpointGroupProjects: {600, time.Minute},
		endpointProject:       {400, time.Minute},
		endpointProjectJobs:   {600, time.Minute},
	}
}

const (
	defaultShare            = 0.6
	defaultStartConcurrency = 4
	defaultMaxConcurrency   = 32
	burstSeconds            = 5 // of the allowed rate that may go at once after a pause
	longestBlock            = 24 * time.Hour
)

// Governor decides when a request may go. There is one per credential, shared
// by all that is asked with it: limits are GitLab's limits per user.
//
// Four rules hold at once. The requests in flight stay within a width that
// grows while GitLab answers well and halves when it does not (see width). The
// rate stays at a share of what RateLimit-Limit announces, and stops until
// RateLimit-Reset once that share of the window is used up, by whomever.
// Endpoints with limits of their own have budgets of their own. And what
// GitLab asks for in Retry-After holds for everything.
type Governor struct {
	share float64
	log   *slog.Logger
	turn  chan struct{} // held by the one request that waits for its admission: first come, first served
	wake  chan struct{} // tells it that a place became free

	mu       sync.Mutex
	width    width
	inFlight int
	blocked  time.Time // nothing goes before
	ceiling  pacer
	pace     pacer
	limit    float64 // RateLimit-Limit, requests a minute; 0: never announced
	limited  int     // blocks in a row that came without a time
	lanes    map[string]*lane
	budgets  map[string]EndpointLimit
}

// lane is what a governor knows about one endpoint.
type lane struct {
	turn    chan struct{}
	window  window
	blocked time.Time
	since   time.Time // when it was blocked
	limited int       // blocks in a row
	latency latency
}

// NewGovernor makes a governor; values out of range fall back to the defaults.
func NewGovernor(cfg GovernorConfig) *Governor {
	if cfg.Share <= 0 || cfg.Share > 1 {
		cfg.Share = defaultShare
	}
	if cfg.EndpointLimits == nil {
		cfg.EndpointLimits = EndpointLimits()
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	widest := max(cmp.Or(cfg.MaxConcurrency, defaultMaxConcurrency), 1)
	g := &Governor{
		share:   cfg.Share,
		log:     cfg.Log,
		turn:    make(chan struct{}, 1),
		wake:    make(chan struct{}, 1),
		width:   newWidth(max(cmp.Or(cfg.StartConcurrency, defaultStartConcurrency), 1), widest),
		lanes:   map[string]*lane{},
		budgets: cfg.EndpointLimits,
	}
	g.ceiling.perMinute(cfg.MaxRequestsPerMinute, 0)
	return g
}

// SetMaxRequestsPerMinute moves the hard ceiling, for what is not under way
// yet, what waits already included; 0 lifts it.
func (g *Governor) SetMaxRequestsPerMinute(n float64) {
	g.mu.Lock()
	g.ceiling.perMinute(n, 0)
	// A slow pace may have booked the next request far ahead.
	if soonest := time.Now().Add(g.ceiling.interval); g.ceiling.due.After(soonest) {
		g.ceiling.due = soonest
	}
	g.mu.Unlock()
	g.rouse()
}

// GovernorState is a look at a governor, for status pages.
type GovernorState struct {
	Concurrency  int       // requests that may be in flight now
	InFlight     int       // requests that are
	BlockedUntil time.Time // zero, or past: not blocked
	RateLimit    float64   // GitLab's announced limit, requests a minute; 0: none announced
}

// State gives the governor's present state.
func (g *Governor) State() GovernorState {
	g.mu.Lock()
	defer g.mu.Unlock()
	return GovernorState{Concurrency: g.width.now(), InFlight: g.inFlight, BlockedUntil: g.blocked, RateLimit: g.limit}
}

// impatient ends a wait that would outlast the caller's patience.
type impatient struct {
	wait time.Duration // that it would have taken; 0: not known
}

func (e *impatient) Error() string {
	if e.wait == 0 {
		return "the wait for a place among weir's requests is longer than this call may take"
	}
	return fmt.Sprintf("weir waits %s for GitLab's rate limit, longer than this call may take", e.wait.Round(time.Second))
}

// enter waits until a request to the endpoint may go; the caller must leave
// afterwards. It fails when ctx ends, and with *impatient when the wait would
// go past the deadline (zero: none). held is the time for which a limit held
// back the request that was next in line; waiting behind it, or for a place
// among the requests in flight, is not counted. So a minute's wait of forty
// requests is one minute.
func (g *Governor) enter(ctx context.Context, endpoint string, deadline time.Time) (held time.Duration, err error) {
	if !deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, deadline, &impatient{})
		defer cancel()
	}
	if err = g.enterLane(ctx, g.lane(endpoint), deadline, &held); err == nil {
		err = g.admit(ctx, deadline, &held)
	}
	return held, err
}

// enterLane waits for the endpoint's own budget. While it waits here, a
// request holds up those to its own endpoint only.
func (g *Governor) enterLane(ctx context.Context, l *lane, deadline time.Time, held *time.Duration) error {
	if err := take(ctx, l.turn); err != nil {
		return err
	}
	defer func() { <-l.turn }()
	for {
		g.mu.Lock()
		now := time.Now()
		at := later(l.blocked, l.window.next())
		if !at.After(now) {
			l.window.take(now)
			g.mu.Unlock()
			return nil
		}
		g.mu.Unlock()
		if !deadline.IsZero() && at.After(deadline) {
			return &impatient{at.Sub(now)}
		}
		err := wait(ctx, at.Sub(now), nil)
		*held += time.Since(now)
		if err != nil {
			return err
		}
	}
}

// admit waits for what holds for all endpoints, and takes a place.
func (g *Governor) admit(ctx context.Context, deadline time.Time, held *time.Duration) error {
	if err := take(ctx, g.turn); err != nil {
		return err
	}
	defer func() { <-g.turn }()
	for {
		g.mu.Lock()
		now := time.Now()
		at := later(g.blocked, later(g.ceiling.next(), g.pace.next()))
		full := g.inFlight >= g.width.now()
		if !full && !at.After(now) {
			g.ceiling.take(now)
			g.pace.take(now)
			g.inFlight++
			g.mu.Unlock()
			return nil
		}
		g.mu.Unlock()
		if !deadline.IsZero() && at.After(deadline) {
			return &impatient{at.Sub(now)}
		}
		delay := at.Sub(now)
		limited := delay > 0
		if !limited {
			delay = time.Hour // until a place is free: leave wakes us
		}
		err := wait(ctx, delay, g.wake)
		if limited {
			*held += time.Since(now)
		}
		if err != nil {
			return err
		}
	}
}

// readyAt says when a request to the endpoint could go and how full the
// governor is, to choose between credentials.
func (g *Governor) readyAt(endpoint string) (at time.Time, load float64) {
	l := g.lane(endpoint)
	g.mu.Lock()
	defer g.mu.Unlock()
	at = later(later(g.blocked, l.blocked), later(l.window.next(), later(g.ceiling.next(), g.pace.next())))
	return at, float64(g.inFlight) / float64(g.width.now())
}

func (g *Governor) lane(endpoint string) *lane {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lanes[endpoint]
	if l == nil {
		l = &lane{turn: make(chan struct{}, 1)}
		if b := g.budgets[endpoint]; b.Requests > 0 && b.Per > 0 {
			l.window = window{limit: max(int(float64(b.Requests)*g.share), 1), per: b.Per}
		}
		g.lanes[endpoint] = l
	}
	return l
}

// outcome is what became of a request that entered.
type outcome struct {
	endpoint  string
	operation string // of GraphQL, where one endpoint answers questions of every size; "" elsewhere
	sent      time.Time
	latency   time.Duration // until the headers came
	failed    bool          // no answer, or a part of one; not because the caller gave up
	answer    *limits       // nil: no answer
}

// leave gives the place back and learns from the outcome.
func (g *Governor) leave(o outcome) {
	l := g.lane(o.endpoint)
	timed := &l.latency
	if o.operation != "" {
		timed = &g.lane(o.endpoint + " " + o.operation).latency
	}
	g.mu.Lock()
	now := time.Now()
	full := g.inFlight >= g.width.now()
	g.inFlight--
	switch {
	case o.failed && (o.answer == nil || o.answer.status < 400):
		g.width.halve(o.sent, now)
	case o.answer != nil:
		g.learn(l, timed, o, full, now)
	}
	g.mu.Unlock()
	g.rouse()
}

// rouse lets the request that waits for its admission look again.
func (g *Governor) rouse() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// learn takes an answer's status, latency and headers in.
func (g *Governor) learn(l *lane, timed *latency, o outcome, full bool, now time.Time) {
	a := o.answer
	if a.limit > 0 {
		g.limit = a.limit
		rate := a.limit * g.share
		g.pace.perMinute(rate, burstSeconds*time.Second)
	}
	switch {
	case a.status == 429:
		g.width.halve(o.sent, now)
		g.obey(l, o, now)
		return
	case a.status >= 500:
		g.width.halve(o.sent, now)
		if a.retryAfter > 0 {
			g.block(now.Add(a.retryAfter), "GitLab asks to wait", o.endpoint)
		}
		return
	}
	l.limited, g.limited = 0, 0
	if a.usedUp(g.share) && a.reset > 0 {
		g.block(now.Add(a.reset), "share of the rate limit used up", o.endpoint)
	}
	switch timed.take(o.latency) {
	case steady:
		if full {
			g.width.grow()
		}
	case slow:
		if g.width.halve(o.sent, now) {
			timed.forgive()
		}
	}
}

// obey blocks what a 429 is about. GitLab's general limit says for how long. The
// limits of endpoints say nothing: their windows are a minute or a few long, so
// the n-th refusal in a row waits n minutes (gitlab-api §4.3).
func (g *Governor) obey(l *lane, o outcome, now time.Time) {
	a := o.answer
	jitter := rand.N(time.Second)
	switch {
	case a.retryAfter > 0:
		g.block(now.Add(a.retryAfter+jitter), "rate limit reached", o.endpoint)
	case a.reset > 0:
		g.block(now.Add(a.reset+jitter), "rate limit reached", o.endpoint)
	case o.sent.Before(l.since):
		// In flight when an earlier refusal came: it says nothing new.
	case a.ofEndpoint:
		l.limited++
		l.since = now
		l.blocked = later(l.blocked, now.Add(time.Duration(l.limited)*time.Minute+jitter))
		g.log.Info("endpoint limit reached", "endpoint", o.endpoint, "wait", l.blocked.Sub(now))
	default:
		l.since = now
		g.limited++
		g.block(now.Add(time.Duration(g.limited)*time.Minute+jitter), "rate limit reached", o.endpoint)
	}
}

// block lets nothing go before the given time.
func (g *Governor) block(until time.Time, why, endpoint string) {
	now := time.Now()
	if furthest := now.Add(longestBlock); until.After(furthest) {
		until = furthest
	}
	if until.After(g.blocked) {
		g.blocked = until
		g.log.Info("pause", "reason", why, "endpoint", endpoint, "wait", until.Sub(now))
	}
}

// take waits for the turn, in the order of arrival.
func take(ctx context.Context, turn chan struct{}) error {
	select {
	case turn <- struct{}{}:
		return nil
	default:
	}
	select {
	case turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// wait lets d pass, or returns early when wake tells.
func wait(ctx context.Context, d time.Duration, wake <-chan struct{}) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}
