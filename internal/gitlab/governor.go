package gitlab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
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
	// Quiet is when background callers keep to a lower ceiling.
	Quiet QuietHours
	Log   *slog.Logger // nil: none
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
// Five rules hold at once. The requests in flight stay within a width that
// grows while GitLab answers well and halves when it does not (see width). The
// rate stays at a share of what RateLimit-Limit announces, and stops until
// RateLimit-Reset once that share of the window is used up, by whomever.
// Endpoints with limits of their own have budgets of their own. What GitLab
// asks for in Retry-After holds for everything. And those who share a governor
// take turns (see Caller).
type Governor struct {
	share float64
	quiet QuietHours
	log   *slog.Logger

	mu       sync.Mutex
	width    width
	inFlight int
	blocked  time.Time // nothing goes before
	rest     time.Time // nothing that can wait goes before: weir's share of the window is used up
	ceiling  pacer
	pace     pacer
	limit    float64 // RateLimit-Limit, requests a minute; 0: never announced
	limited  int     // blocks in a row that came without a time
	lanes    map[string]*lane
	budgets  map[string]EndpointLimit

	waiting  []*ticket // in the order of their arrival
	queues   map[*Caller]*queue
	admitted uint64
	timer    *time.Timer // calls rouse when the next of them may go

	isQuiet    bool
	quietUntil time.Time // isQuiet is worked out until then
	hush       pacer     // of background requests in quiet hours

	recent    rate // of admissions
	granted   rate // of answers that were no refusal
	refused   int64
	held      time.Duration
	heldSince time.Time
	told      told
}

// lane is what a governor knows about one endpoint.
type lane struct {
	window   window
	narrow   bool // it is known to have a limit that no header tells: see narrowLane
	inFlight int
	blocked  time.Time
	since    time.Time // when it was blocked
	limited  int       // blocks in a row
	granted  rate      // answers that were no refusal
	learnt   time.Time // until when window is what refusals taught
	latency  latency
}

// How many requests to an endpoint with a limit that no header tells are in
// flight at most: so many are refused at once where an administrator has set it
// lower than GitLab does. Once a refusal has told of it there are fewer still.
const (
	narrowLane = 3
	learntLane = 2
)

func (l *lane) full() bool {
	switch {
	case !l.learnt.IsZero():
		return l.inFlight >= learntLane
	case l.narrow:
		return l.inFlight >= narrowLane
	}
	return false
}

// learntFor is how long a limit holds that was learnt from refusals; later it
// may have been raised.
const learntFor = time.Hour

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
		width:   newWidth(max(cmp.Or(cfg.StartConcurrency, defaultStartConcurrency), 1), widest),
		lanes:   map[string]*lane{},
		queues:  map[*Caller]*queue{},
		quiet:   cfg.Quiet,
		budgets: cfg.EndpointLimits,
	}
	g.ceiling.perMinute(cfg.MaxRequestsPerMinute, 0)
	return g
}

// SetMaxRequestsPerMinute moves the hard ceiling, for what is not under way
// yet, what waits already included; 0 lifts it.
func (g *Governor) SetMaxRequestsPerMinute(n float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.ceiling.perMinute(n, 0)
	// A slow pace may have booked the next request far ahead.
	if soonest := now.Add(g.ceiling.interval); g.ceiling.due.After(soonest) {
		g.ceiling.due = soonest
	}
	g.dispatch(now)
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

// errElsewhere sends a request to another credential's governor.
var errElsewhere = errors.New("another credential may go first")

// prospect says when a request to the endpoint could go and how full the
// governor is, to choose between credentials.
func (g *Governor) prospect(a ask) (at time.Time, load float64) {
	l := g.lane(a.endpoint)
	g.mu.Lock()
	defer g.mu.Unlock()
	at = g.ready(time.Now()).at(&ticket{ask: a, lane: l})
	return at, float64(g.inFlight+len(g.waiting)) / float64(g.width.now())
}

func (g *Governor) lane(endpoint string) *lane {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lanes[endpoint]
	if l == nil {
		l = &lane{}
		l.budget(g.budgets[endpoint], g.share)
		g.lanes[endpoint] = l
	}
	return l
}

// budget gives a lane its share of a limit that is known from the start.
func (l *lane) budget(b EndpointLimit, share float64) {
	l.window.reset(0, 0)
	l.narrow = b.Requests > 0 && b.Per > 0
	if l.narrow {
		l.window.reset(max(int(float64(b.Requests)*share), 1), b.Per)
	}
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
	defer g.mu.Unlock()
	now := time.Now()
	full := g.inFlight >= g.width.now()
	g.inFlight--
	l.inFlight--
	switch {
	case o.failed && (o.answer == nil || o.answer.status < 400):
		g.width.halve(o.sent, now)
	case o.answer != nil:
		g.learn(l, timed, o, full, now)
	}
	g.dispatch(now)
}

// rouse looks again whether something may go.
func (g *Governor) rouse() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dispatch(time.Now())
}

// learn takes an answer's status, latency and headers in.
func (g *Governor) learn(l *lane, timed *latency, o outcome, full bool, now time.Time) {
	a := o.answer
	g.told.take(a, now)
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
	l.granted.add(now)
	g.granted.add(now)
	if !l.learnt.IsZero() && now.After(l.learnt) {
		l.learnt = time.Time{}
		l.budget(g.budgets[o.endpoint], g.share)
	}
	if a.usedUp(g.share) && a.reset > 0 {
		g.pauseUntil(&g.rest, now.Add(a.reset), now, "share of the rate limit used up", o.endpoint)
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
// the n-th refusal in a row waits n minutes (gitlab-api §4.3), and what was
// granted in the minute before is taken for the limit from then on.
func (g *Governor) obey(l *lane, o outcome, now time.Time) {
	a := o.answer
	g.refused++
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
		limit := l.learn(g.share, now)
		g.log.Info("endpoint limit reached", "endpoint", o.endpoint, "wait", l.blocked.Sub(now), "requests_per_minute", limit)
	default:
		l.since = now
		g.limited++
		g.block(now.Add(time.Duration(g.limited)*time.Minute+jitter), "rate limit reached", o.endpoint)
		if g.limit == 0 {
			g.pace.perMinute(max(float64(g.granted.sum(now))*g.share, 1), 0)
		}
	}
}

// learn takes what the endpoint granted in the last minute for its limit, and
// gives the lane's share of that, at least half of what was taken for it
// before. When nothing was granted since the last refusal, the window is longer
// than the wait was, and nothing is learnt.
func (l *lane) learn(share float64, now time.Time) int {
	granted := l.granted.sum(now)
	limit := max(int(float64(granted)*share), 1)
	switch {
	case l.learnt.IsZero():
		if l.window.limit > 0 && l.window.per == time.Minute {
			limit = min(limit, l.window.limit)
		}
		l.window.reset(limit, time.Minute)
	case granted > 0:
		if limit = max(limit, l.window.limit/2); limit < l.window.limit {
			l.window.reset(limit, time.Minute)
		}
	}
	l.learnt = now.Add(learntFor)
	return l.window.limit
}

// block lets nothing go before the given time.
func (g *Governor) block(until time.Time, why, endpoint string) {
	g.pauseUntil(&g.blocked, until, time.Now(), why, endpoint)
}

// pauseUntil moves the end of a pause further away, never nearer. What another
// credential could take as well is sent there.
func (g *Governor) pauseUntil(end *time.Time, until, now time.Time, why, endpoint string) {
	if furthest := now.Add(longestBlock); until.After(furthest) {
		until = furthest
	}
	if !until.After(*end) {
		return
	}
	*end = until
	g.log.Info("pause", "reason", why, "endpoint", endpoint, "wait", until.Sub(now))
	g.waiting = slices.DeleteFunc(g.waiting, func(t *ticket) bool {
		if t.elsewhere {
			g.fail(t, errElsewhere, now)
		}
		return t.elsewhere
	})
}

// wait lets d pass.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
