package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/control"
	"github.com/weirhq/weir/internal/importer"
)

// Polling keeps every connection current by itself: a goroutine a connection,
// which runs a round, learns from it when the next one is due (pace.go), and
// waits. Between two rounds it asks about pipelines that had not ended. The
// history of a fresh connection comes in slices, one a round, so that nothing
// waits for it. Connections come and go without a restart.
//
// Several processes may poll one PostgreSQL. Who claims a connection makes its
// round; the others see it in syncs when theirs is due, and count from it.

// Poll says how a server polls.
type Poll struct {
	// Min and Max bound the pause between two rounds of a connection; 0: 30 s
	// and 15 min. A round that takes many requests is followed by a longer one.
	Min, Max time.Duration
	// RequestsPerMinute is what the rounds of a credential may take on average
	// where GitLab announces no limit; 0: 120. Where it does, it is a quarter.
	RequestsPerMinute float64
	Plan              string // as api.SyncRequest.Plan
	// MaxRequestsPerMinute is a hard ceiling a credential; nil: the connection's.
	MaxRequestsPerMinute *float64
	Connections          []ci.ConnectionID // empty: all that are not disabled
}

const (
	// Connections are looked at so often, because other processes may change
	// them; what this one changes is heard at once.
	connectionsEvery = 10 * time.Second
	// busyPause is until the next try while somebody else imports a connection.
	busyPause = 5 * time.Second
	// sliceOfHistory is how long a round may go on with history.
	sliceOfHistory = 2 * time.Minute
	// Pipelines that have been open for longer are asked about once an hour.
	longOpen     = 24 * time.Hour
	longOpenEach = time.Hour
	// So many rounds in a row that find nothing are told in one line.
	idleRoundsALine = 20
)

// polled is what a poller works with: the engine, or a test's.
type polled interface {
	// pollable gives the connections there are, without disabled ones.
	pollable(context.Context) ([]control.Connection, error)
	// lastRound gives the newest import of everything that has ended, whoever
	// made it; a zero ID: there is none.
	lastRound(context.Context, ci.ConnectionID) (ci.Sync, error)
	// round imports and returns at its end, with how many requests a minute
	// rounds may take. Its error is errMade when somebody has made a round after
	// the one with the id seen, conflict when somebody makes one now, and wraps
	// errYielded when it had to make way for a person.
	round(ctx context.Context, c control.Connection, seen ci.SyncID, o importer.Options) (s ci.Sync, allowed float64, err error)
	// following tells of the pipelines that had not ended.
	following(context.Context, control.Connection) (importer.Following, error)
}

var (
	errMade    = errors.New("another round was made meanwhile")
	errYielded = errors.New("makes way for an import that a person started")
)

// poller polls.
type poller struct {
	log      *slog.Logger
	config   Poll
	polled   polled
	now      func() time.Time
	interest *interest
	rounds   *api.RoundLog
	changed  chan struct{} // this process has changed a connection

	mu    sync.Mutex
	lines map[ci.ConnectionID]*line
}

// line is one connection's polling. Its own goroutine alone changes pace and
// what follows; mu guards what others read.
type line struct {
	wake chan struct{}
	stop context.CancelFunc

	mu         sync.Mutex
	connection control.Connection
	shown      api.Poll

	pace     pace
	seen     ci.SyncID // the newest round that is known
	next     time.Time // of rounds
	nextOpen time.Time // of looks at what had not ended; zero: none
	allOpen  time.Time // when those were asked about that have been open for long
	idle     int       // rounds in a row that found nothing and were not told
}

// newPoller makes a poller; run starts it.
func newPoller(log *slog.Logger, config Poll, p polled, now func() time.Time) *poller {
	if config.Min <= 0 {
		config.Min = defaultPollMin
	}
	if config.Max <= 0 {
		config.Max = defaultPollMax
	}
	config.Max = max(config.Max, config.Min)
	if config.RequestsPerMinute <= 0 {
		config.RequestsPerMinute = requestsAMinute
	}
	return &poller{
		log: log, config: config, polled: p, now: now, interest: &interest{now: now}, rounds: &api.RoundLog{},
		changed: make(chan struct{}, 1), lines: map[ci.ConnectionID]*line{},
	}
}

// run polls until ctx ends, and returns when no round runs any more.
func (p *poller) run(ctx context.Context) error {
	var group errgroup.Group
	tick := time.NewTicker(connectionsEvery)
	defer tick.Stop()
	defer p.rounds.Close()
	for {
		connections, err := p.polled.pollable(ctx)
		switch {
		case err == nil:
			p.adjust(ctx, &group, connections)
		case ctx.Err() == nil:
			p.log.Warn("connections not read", "error", err)
		}
		select {
		case <-ctx.Done():
			return group.Wait()
		case <-p.changed:
		case <-tick.C:
		}
	}
}

// adjust starts polling what is new, ends it for what is gone, and tells the
// others what their connection is now.
func (p *poller) adjust(ctx context.Context, group *errgroup.Group, connections []control.Connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if wanted := p.config.Connections; len(wanted) > 0 {
		connections = slices.DeleteFunc(connections, func(c control.Connection) bool { return !slices.Contains(wanted, c.ID) })
	}
	for id, l := range p.lines {
		if !slices.ContainsFunc(connections, func(c control.Connection) bool { return c.ID == id }) {
			l.stop()
			delete(p.lines, id)
		}
	}
	for _, c := range connections {
		if l := p.lines[c.ID]; l != nil {
			if l.changed(c) {
				nudge(l.wake)
			}
			continue
		}
		following, stop := context.WithCancel(ctx)
		l := &line{wake: make(chan struct{}, 1), stop: stop, connection: c, pace: newPace(p.config.Min, p.config.Max)}
		p.lines[c.ID] = l
		group.Go(func() error {
			defer stop()
			p.follow(following, l)
			return nil
		})
	}
}

// changed takes in what the connection is now, and says whether that may mend
// what went wrong: it was verified, or has other tokens.
func (l *line) changed(c control.Connection) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.connection
	l.connection = c
	return was.State == control.Failing && c.State == control.Verified ||
		!slices.EqualFunc(was.Credentials, c.Credentials, func(a, b control.Credential) bool { return a.ID == b.ID })
}

func (l *line) now() control.Connection {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.connection
}

// follow polls one connection until ctx ends.
func (p *poller) follow(ctx context.Context, l *line) {
	p.takeUp(ctx, l)
	for ctx.Err() == nil {
		due := l.next
		if !l.nextOpen.IsZero() && l.nextOpen.Before(due) {
			due = l.nextOpen
		}
		timer := time.NewTimer(due.Sub(p.now()))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-l.wake:
			timer.Stop()
			l.pace.failures = 0
			l.next = p.now()
		case <-timer.C:
		}
		p.turn(ctx, l)
	}
}

// takeUp finds out when the first round is due: a pause after the last one, so
// that a program that is restarted again and again asks no more than one that
// runs. One that was cut off goes on at once.
func (p *poller) takeUp(ctx context.Context, l *line) {
	l.next = p.now()
	last, err := p.polled.lastRound(ctx, l.now().ID)
	if err == nil && last.ID > 0 {
		l.seen = last.ID
		if last.FinishedAt != nil && (last.State == ci.SyncComplete || last.State == ci.SyncIncomplete) {
			l.next = last.FinishedAt.Add(l.pace.interval)
		}
	}
	l.show(func(s *api.Poll) {
		s.State, s.NextAt, s.IntervalSeconds = api.PollWaiting, new(l.next), l.pace.interval.Seconds()
	})
	p.plan(ctx, l, outcome{})
}

// turn does what is due.
func (p *poller) turn(ctx context.Context, l *line) {
	c := l.now()
	last, err := p.polled.lastRound(ctx, c.ID)
	if err != nil {
		p.postpone(ctx, l, err)
		return
	}
	if last.ID > l.seen {
		p.learn(ctx, l, last, 0, nil, true)
	}
	now := p.now()
	o := importer.Options{Plan: p.config.Plan, Polled: true, OpenSince: now.Add(-longOpen)}
	switch {
	case !now.Before(l.next):
		o.History, o.First = sliceOfHistory, p.interest.first()
		if now.Sub(l.allOpen) >= longOpenEach {
			o.OpenSince = time.Time{}
		}
	case !l.nextOpen.IsZero() && !now.Before(l.nextOpen):
		o.Only = importer.ScopeOpen
	default:
		return // somebody else was quicker
	}
	l.show(func(s *api.Poll) { s.State = api.PollRunning })
	s, allowed, err := p.polled.round(ctx, c, l.seen, o)
	if o.OpenSince.IsZero() && err == nil {
		l.allOpen = now
	}
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, errMade): // learnt at the next turn, which is now
		l.show(func(s *api.Poll) { s.State = api.PollWaiting })
	case ci.CodeOf(err) == ci.Conflict, errors.Is(err, errYielded), s.ID == 0 && !refused(ci.CodeOf(err)):
		p.postpone(ctx, l, err)
	default:
		p.learn(ctx, l, s, allowed, err, false)
	}
}

// postpone tries again soon.
func (p *poller) postpone(ctx context.Context, l *line, err error) {
	if ctx.Err() != nil {
		return
	}
	if ci.CodeOf(err) != ci.Conflict && !errors.Is(err, errYielded) {
		p.log.Warn("round put off", "connection", l.now().ID, "error", err)
	}
	soon := p.now().Add(busyPause)
	if !l.nextOpen.IsZero() && l.nextOpen.Before(soon) {
		l.nextOpen = soon
	}
	if l.next.Before(soon) {
		l.next = soon
	}
	l.show(func(s *api.Poll) { s.State, s.NextAt = api.PollWaiting, new(l.next) })
}

// learn takes in how a round went, whoever made it, and says when the next one
// is due. err is why it failed as a whole.
func (p *poller) learn(ctx context.Context, l *line, s ci.Sync, allowed float64, err error, shared bool) {
	if ci.CodeOf(err) == ci.Interrupted {
		err = nil // a person stopped it: that is no failure
	}
	o := outcome{
		changed: s.Rows["pipelines"]+s.Rows["jobs"]+s.Rows["deployments"] > 0, paused: s.State == ci.SyncPaused,
		requests: s.Requests, code: ci.CodeOf(err), allowed: allowed,
	}
	if err == nil && s.State == ci.SyncFailed { // another process knows why
		o.code = ci.Internal
		if code := l.now().LastErrorCode; code != nil {
			o.code = *code
		}
	}
	ended := p.now()
	if s.ID == 0 {
		s.StartedAt, s.State = ended, ci.SyncFailed // it could not even begin
	}
	if s.FinishedAt != nil && s.FinishedAt.Before(ended) {
		ended = *s.FinishedAt
	}
	round := api.Round{
		ConnectionID: l.now().ID, SyncID: s.ID, Kind: api.RoundAll, State: s.State, Shared: shared, Changed: o.changed,
		StartedAt: s.StartedAt, FinishedAt: ended, Pipelines: s.Rows["pipelines"], Jobs: s.Rows["jobs"],
		Requests: s.Requests, ThrottledSeconds: s.ThrottledSeconds, Plan: s.Plan,
	}
	if err != nil {
		round.Problem = api.ProblemOf(err)
	}
	switch {
	case s.Kind == importer.KindOpen && o.code == "":
		round.Kind = api.RoundOpen
	default:
		if s.Kind == importer.KindOpen {
			round.Kind = api.RoundOpen
		} else {
			l.seen = max(l.seen, s.ID)
		}
		l.next = ended.Add(jittered(l.pace.next(o)))
	}
	p.plan(ctx, l, o)
	state := api.PollWaiting
	if l.pace.failures > 0 {
		state = api.PollFailing
	}
	l.show(func(shown *api.Poll) {
		shown.State, shown.NextAt, shown.IntervalSeconds = state, new(l.next), l.pace.interval.Seconds()
		if round.Kind == api.RoundAll {
			shown.Backfilling = o.paused
		}
		round.NextAt, round.Following, round.Backfilling = l.next, shown.Following, shown.Backfilling
		shown.LastRound = new(p.rounds.Append(round))
	})
	p.tell(l, round)
}

// plan works out when what had not ended is asked about next.
func (p *poller) plan(ctx context.Context, l *line, last outcome) {
	l.nextOpen = time.Time{}
	f, err := p.polled.following(ctx, l.now())
	if err != nil {
		if ctx.Err() == nil {
			p.log.Warn("open pipelines not counted", "connection", l.now().ID, "error", err)
		}
		return
	}
	l.show(func(s *api.Poll) { s.Following = int64(f.Pipelines) })
	now := p.now()
	if pause := l.pace.open(f, now, last); pause > 0 && l.pace.failures == 0 && now.Add(pause).Before(l.next) {
		l.nextOpen = now.Add(jittered(pause))
	}
}

// tell logs a round; many that find nothing are one line.
func (p *poller) tell(l *line, r api.Round) {
	attributes := []any{
		"connection", r.ConnectionID, "sync", r.SyncID, "kind", r.Kind, "state", r.State, "pipelines", r.Pipelines, "jobs", r.Jobs,
		"requests", r.Requests, "took", r.FinishedAt.Sub(r.StartedAt).Round(time.Millisecond), "next_at", r.NextAt.Round(time.Second),
	}
	switch {
	case r.Problem != nil:
		p.log.Warn("round failed", append(attributes, "code", r.Problem.Code, "cause", r.Problem.Detail)...)
	case r.Changed || r.Backfilling:
		l.idle = 0
		p.log.Info("round", attributes...)
	default:
		p.log.Debug("round", attributes...)
		if l.idle++; l.idle == idleRoundsALine {
			l.idle = 0
			p.log.Info(fmt.Sprintf("%d rounds without a change", idleRoundsALine), "connection", r.ConnectionID, "next_at", r.NextAt.Round(time.Second))
		}
	}
}

func (l *line) show(change func(*api.Poll)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.shown)
}

// shown tells how each connection is polled.
func (p *poller) shown() map[ci.ConnectionID]api.Poll {
	p.mu.Lock()
	defer p.mu.Unlock()
	shown := make(map[ci.ConnectionID]api.Poll, len(p.lines))
	for id, l := range p.lines {
		l.mu.Lock()
		shown[id] = l.shown
		l.mu.Unlock()
	}
	return shown
}

// jittered is a pause give or take a tenth, so that many weirs do not ask at
// the same moment.
func jittered(d time.Duration) time.Duration {
	return d + time.Duration((rand.Float64()-0.5)*0.2*float64(d))
}
