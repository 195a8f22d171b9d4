package gitlab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// BreakerConfig sets when a GitLab counts as down. The zero value suits.
type BreakerConfig struct {
	Failures int           // in a row before it counts as down; 0: 5
	First    time.Duration // pause before the first probe; 0: 1 s. It doubles with each that fails
	Longest  time.Duration // pause between two probes; 0: 1 minute
	Patience time.Duration // how old an outage is when requests no longer wait for its end; 0: 5 minutes
	// Unmet is the patience with a GitLab that has not answered once since this
	// process began: that is a wrong address more often than an outage. 0: 15 s,
	// and never more than Patience.
	Unmet time.Duration
	Log   *slog.Logger // nil: none
}

// Breaker stops asking a GitLab that is down. There is one per GitLab, shared
// by all connections and credentials: who asks does not matter to a server that
// is restarting.
//
// It opens after a run of failures: answers of 5xx and requests without an
// answer, of several projects or endpoints, or connections that cannot be made.
// So one page on which GitLab chokes opens nothing, and an answer of 4xx ends
// the run: whoever refuses is there. While it is open one request at a time
// goes as a probe, after a pause that grows; the first answer closes it. All
// others wait, and fail with what GitLab said last when that takes too long.
type Breaker struct {
	config BreakerConfig

	mu      sync.Mutex
	run     int    // failures in a row
	scope   string // of the first of them
	several bool   // another scope failed too, or no connection was made
	met     bool   // it has answered once
	opened  int    // how often it has opened
	since   time.Time
	closed  time.Time     // when it closed last
	next    time.Time     // no probe before
	pause   time.Duration // the last one, without its jitter
	probing bool
	probes  int // of this outage that failed
	last    Error
	changed chan struct{} // closed when something changes while it is open
}

// NewBreaker makes a breaker, closed.
func NewBreaker(cfg BreakerConfig) *Breaker {
	if cfg.Failures <= 0 {
		cfg.Failures = 5
	}
	if cfg.First <= 0 {
		cfg.First = time.Second
	}
	if cfg.Longest <= 0 {
		cfg.Longest = time.Minute
	}
	if cfg.Patience <= 0 {
		cfg.Patience = 5 * time.Minute
	}
	if cfg.Unmet <= 0 {
		cfg.Unmet = 15 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Breaker{config: cfg}
}

// BreakerState is a look at a breaker.
type BreakerState struct {
	Open      bool
	Since     time.Time     // when it opened; zero: it is closed
	NextProbe time.Time     // not before; zero: it is closed, or a probe is under way
	Patience  time.Duration // see BreakerConfig
	Opened    int           // how often it has opened
	Last      string        // what the last failure was; "" before the first
	// Unreachable says that the last failure was no answer at all.
	Unreachable bool
}

// State gives the present state; of a nil breaker, which never opens, the zero one.
func (b *Breaker) State() BreakerState {
	if b == nil {
		return BreakerState{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := BreakerState{Open: b.open(), Since: b.since, Patience: b.patience(), Opened: b.opened}
	if s.Open && !b.probing {
		s.NextProbe = b.next
	}
	if b.last.Method != "" {
		s.Last, s.Unreachable = b.last.Error(), b.last.Kind == Unreachable
	}
	return s
}

func (b *Breaker) open() bool { return b != nil && !b.since.IsZero() }

// outage is beneath the error of a request that was not sent because GitLab is down.
type outage struct{ since time.Time }

func (o *outage) Error() string {
	return "GitLab has not answered since " + o.since.UTC().Format(time.RFC3339)
}

// enter waits until a request may go. probe says that it goes while the breaker
// is open; it must learn or abandon in any case. An urgent request does not
// wait: whoever asks for it wants to know how GitLab does. The error is the
// context's, or an *Error when the outage outlasts the breaker's patience and
// another probe has failed since the request came.
func (b *Breaker) enter(ctx context.Context, a ask) (probe bool, err error) {
	if b == nil {
		return false, nil
	}
	seen := -1 // failed probes of this outage when the request met it
	for {
		b.mu.Lock()
		now := time.Now()
		if !b.open() {
			b.mu.Unlock()
			return false, nil
		}
		if a.urgent {
			b.mu.Unlock()
			return true, nil
		}
		if seen < 0 {
			seen = b.probes
		}
		if b.spent(now) && b.probes > seen {
			e := b.last
			e.Message = fmt.Sprintf("%s; nothing has been answered since %s", e.Message, b.since.UTC().Format(time.RFC3339))
			e.Err = &outage{b.since}
			b.mu.Unlock()
			return false, &e
		}
		if !b.probing && !b.next.After(now) {
			b.probing = true
			b.mu.Unlock()
			return true, nil
		}
		delay := b.next.Sub(now)
		if b.probing {
			delay = time.Hour // its end tells
		}
		changed := b.changed
		b.mu.Unlock()
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-changed:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return false, context.Cause(ctx)
		}
	}
}

// spent says whether the outage has lasted for longer than patience reaches.
func (b *Breaker) spent(now time.Time) bool {
	return b.open() && now.Sub(b.since) >= b.patience()
}

func (b *Breaker) patience() time.Duration {
	if b.met {
		return b.config.Patience
	}
	return min(b.config.Unmet, b.config.Patience)
}

// hopeless says whether a request that failed is better not repeated.
func (b *Breaker) hopeless() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.spent(time.Now())
}

// stopped says whether a request that was let go must wait again: GitLab went
// down while the request waited for the governor.
func (b *Breaker) stopped(probe bool) bool {
	if b == nil || probe {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open()
}

// abandon gives a probe back that was not sent, or says nothing.
func (b *Breaker) abandon(probe bool) {
	if b == nil || !probe {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
	b.tell()
}

// learn takes in how a request ended: err is nil for an answer of 2xx and 3xx.
func (b *Breaker) learn(probe bool, sent time.Time, r request, err *Error) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if probe {
		b.probing = false
		defer b.tell()
	}
	now := time.Now()
	how, unmade := health(err)
	switch {
	case how == silent, how == alive && sent.Before(b.since):
		return // it says nothing about GitLab, or nothing about GitLab as it is now
	case how == alive:
		b.run, b.met = 0, true
		if b.open() {
			b.config.Log.Info("GitLab answers again", "after", now.Sub(b.since))
			b.since, b.closed = time.Time{}, now
			b.tell()
		}
		return
	}
	b.last = *err
	if b.open() {
		if probe {
			b.probes++
			b.retreat(now)
		}
		return
	}
	b.run++
	switch scope := r.scope(); {
	case b.run == 1:
		b.scope, b.several = scope, unmade
	case unmade || scope != b.scope:
		b.several = true
	}
	if b.run < b.config.Failures || !b.several {
		return
	}
	if now.Sub(b.closed) > b.config.Longest {
		b.pause = 0 // the last outage is over; else it goes on
	}
	b.since, b.changed, b.probes = now, make(chan struct{}), 0
	b.opened++
	b.retreat(now)
	b.config.Log.Warn("GitLab does not answer", "failures", b.run, "last", b.last.Error(), "pause", b.next.Sub(now))
}

// retreat sets the time of the next probe: twice as far away as the last, give
// or take a quarter, so that many weirs do not come back at once.
func (b *Breaker) retreat(now time.Time) {
	b.pause = min(max(2*b.pause, b.config.First), b.config.Longest)
	b.next = now.Add(b.pause*3/4 + rand.N(b.pause/2+1))
}

// tell wakes all who wait.
func (b *Breaker) tell() {
	if b.changed != nil {
		close(b.changed)
		b.changed = make(chan struct{})
	}
}

// sign is what the end of a request says about its GitLab.
type sign int

const (
	silent sign = iota // nothing
	alive
	down
)

// health reads the sign, and says whether not even a connection was made.
func health(e *Error) (s sign, unmade bool) {
	switch {
	case e == nil || e.Status != 0 && e.Status < 500 || e.Status == http.StatusNotImplemented:
		return alive, false
	case e.Kind == Server:
		return down, false
	case e.Kind == Unreachable:
		op, ok := errors.AsType[*net.OpError](e.Err)
		return down, ok && op.Op == "dial"
	}
	return silent, false // a question that was too large, a certificate
}

// scope is what a failure of the request may be about, short of all of GitLab:
// one project or group, or one endpoint.
func (r request) scope() string {
	parts := strings.SplitN(strings.TrimPrefix(r.path, "/"), "/", 3)
	if len(parts) >= 2 && (parts[0] == "projects" || parts[0] == "groups") {
		return parts[0] + "/" + parts[1]
	}
	return r.endpoint
}
