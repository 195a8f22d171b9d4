package gitlab

import (
	"context"
	"slices"
	"time"
)

// Caller is on whose behalf requests are made: an import, say. A governor that
// several callers share serves them in turn, so that a long import of one does
// not hold up a short one of another.
type Caller struct{ background bool }

// NewCaller makes a caller. A background one is weir itself, which nobody waits
// for: it keeps the quiet hours (GovernorConfig.Quiet).
func NewCaller(background bool) *Caller { return &Caller{background} }

// Background says whether the caller keeps the quiet hours.
func (c *Caller) Background() bool { return c != nil && c.background }

// ask is a request that wants to go.
type ask struct {
	endpoint string
	caller   *Caller   // nil: nobody in particular
	deadline time.Time // see enter; zero: none
	// urgent goes before all others, and may use what weir's share leaves of a
	// limit: a person waits for it.
	urgent bool
	// elsewhere is a request that another governor could take as well: rather
	// than wait for a pause to end it fails with errElsewhere.
	elsewhere bool
}

// ticket is a request that waits for its admission.
type ticket struct {
	ask
	lane  *lane
	queue *queue
	held  time.Duration
	err   error
	done  chan struct{} // closed when it may go, or has failed with err
}

// queue is a caller's place in a governor, for as long as it has requests
// waiting there.
type queue struct {
	waiting int
	served  uint64 // when it was served last, on the governor's count of admissions
	// since is from when on a limit holds it back; zero: none does. held is how
	// long one did until then, not yet given to a request of its.
	since time.Time
	held  time.Duration
}

// enter waits until a request may go; the caller must leave afterwards. It
// fails when ctx ends, with *impatient when the wait would go past the deadline
// (zero: none), and with errElsewhere. held is the time for which a limit held
// back the requests of this caller since the last of them entered; waiting
// behind others, or for a place among the requests in flight, is not counted.
// So a minute's wait of forty requests is one minute.
func (g *Governor) enter(ctx context.Context, a ask) (held time.Duration, err error) {
	if err := ctx.Err(); err != nil {
		return 0, context.Cause(ctx)
	}
	if !a.deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, a.deadline, &impatient{})
		defer cancel()
	}
	t := &ticket{ask: a, lane: g.lane(a.endpoint), done: make(chan struct{})}
	g.mu.Lock()
	now := time.Now()
	if at := g.ready(now).at(t); !a.deadline.IsZero() && at.After(a.deadline) {
		g.mu.Unlock()
		return 0, &impatient{at.Sub(now)}
	}
	g.join(t)
	g.dispatch(now)
	g.mu.Unlock()
	select {
	case <-t.done:
		return t.held, t.err
	default:
	}
	select {
	case <-t.done:
		return t.held, t.err
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-t.done:
		if t.err != nil {
			return t.held, t.err
		}
		g.inFlight-- // admitted in the same moment
		t.lane.inFlight--
	default:
		g.part(t, time.Now())
		g.waiting = slices.DeleteFunc(g.waiting, func(other *ticket) bool { return other == t })
	}
	g.dispatch(time.Now())
	return t.held, context.Cause(ctx)
}

// join puts a request at the end of the line.
func (g *Governor) join(t *ticket) {
	q := g.queues[t.caller]
	if q == nil {
		// Whoever comes anew is served next: it has had nothing lately.
		q = &queue{}
		g.queues[t.caller] = q
	}
	q.waiting++
	t.queue = q
	g.waiting = append(g.waiting, t)
}

// part takes a request out of its caller's queue and gives it the time that
// limits cost; the line itself is the caller's matter.
func (g *Governor) part(t *ticket, now time.Time) {
	q := t.queue
	q.settle(now)
	t.held, q.held = q.held, 0
	if q.waiting--; q.waiting == 0 {
		delete(g.queues, t.caller)
	}
}

// settle counts the time since limits began to hold the queue back.
func (q *queue) settle(now time.Time) {
	if !q.since.IsZero() {
		q.held += now.Sub(q.since)
		q.since = now
	}
}

// dispatch lets go what may, and has itself called when something else may. It
// is called whenever anything has changed that admissions depend on.
func (g *Governor) dispatch(now time.Time) {
	g.settle(now)
	var again time.Time
	for len(g.waiting) > 0 && g.inFlight < g.width.now() {
		var next int
		if next, again = g.choose(now); next < 0 {
			break
		}
		g.admit(next, now)
	}
	if g.inFlight >= g.width.now() {
		again = time.Time{} // a place that becomes free tells
	}
	g.markHeld(now)
	if g.timer != nil {
		g.timer.Stop()
		g.timer = nil
	}
	if !again.IsZero() {
		g.timer = time.AfterFunc(again.Sub(now), g.rouse)
	}
}

// choose gives the place in the line of the request that may go next: an urgent
// one before others, then one of the caller that was served longest ago, then
// the one that has waited longest. It is -1 when none may go; again is when one
// may then, zero: when something changes. Whoever would have to wait past its
// deadline fails.
func (g *Governor) choose(now time.Time) (next int, again time.Time) {
	next = -1
	ready, hasty := g.ready(now), false
	for i, t := range g.waiting {
		at := ready.at(t)
		switch {
		case !at.After(now):
			if !t.lane.full() && (next < 0 || before(t, g.waiting[next])) {
				next = i
			}
		case !t.deadline.IsZero() && at.After(t.deadline):
			g.fail(t, &impatient{at.Sub(now)}, now)
			hasty = true
		case again.IsZero() || at.Before(again):
			again = at
		}
	}
	if hasty {
		var chosen *ticket
		if next >= 0 {
			chosen = g.waiting[next]
		}
		g.waiting = slices.DeleteFunc(g.waiting, func(t *ticket) bool { return t.err != nil })
		next = slices.Index(g.waiting, chosen)
	}
	return next, again
}

// before says whether a goes before b, which stands before it in the line.
func before(a, b *ticket) bool {
	if a.urgent != b.urgent {
		return a.urgent
	}
	return a.queue.served < b.queue.served
}

// admit lets the request at a place in the line go.
func (g *Governor) admit(i int, now time.Time) {
	t := g.waiting[i]
	g.waiting = slices.Delete(g.waiting, i, i+1)
	g.ceiling.take(now)
	g.pace.take(now)
	t.lane.window.take(now)
	if t.caller.Background() && g.quietAt(now) {
		g.hush.take(now)
	}
	g.inFlight++
	t.lane.inFlight++
	g.admitted++
	t.queue.served = g.admitted
	g.recent.add(now)
	g.part(t, now)
	close(t.done)
}

// fail ends a request's wait; the line itself is the caller's matter.
func (g *Governor) fail(t *ticket, err error, now time.Time) {
	t.err = err
	g.part(t, now)
	close(t.done)
}

// markHeld notes whom limits hold back from now on: nobody, while there is no
// place anyway.
func (g *Governor) markHeld(now time.Time) {
	g.heldSince = time.Time{}
	for _, q := range g.queues {
		q.settle(now)
		q.since = time.Time{}
	}
	if g.inFlight >= g.width.now() {
		return
	}
	ready := g.ready(now)
	for _, t := range g.waiting {
		if t.queue.since.IsZero() && ready.limit(t).After(now) {
			t.queue.since, g.heldSince = now, now
		}
	}
}

// settle counts the time since limits began to hold anybody back.
func (g *Governor) settle(now time.Time) {
	if !g.heldSince.IsZero() {
		g.held += now.Sub(g.heldSince)
		g.heldSince = now
	}
}

// readiness is from when on requests may go, as far as their endpoint does not
// matter.
type readiness struct {
	urgent, other time.Time
	quiet         time.Time // for background callers; zero: no quiet hours now
}

func (g *Governor) ready(now time.Time) readiness {
	r := readiness{urgent: later(g.blocked, g.ceiling.next())}
	r.other = later(later(r.urgent, g.rest), g.pace.next())
	if g.quietAt(now) {
		r.quiet = g.quietUntil
		if g.quiet.PerMinute > 0 {
			r.quiet = g.hush.next()
		}
	}
	return r
}

// at says when a request may go, if there is a place; it may be past.
func (r readiness) at(t *ticket) time.Time {
	if t.caller.Background() {
		return later(r.limit(t), r.quiet)
	}
	return r.limit(t)
}

// limit is the part of it that is for GitLab's limits and the ceiling: quiet
// hours are not counted as a wait for those.
func (r readiness) limit(t *ticket) time.Time {
	if t.urgent {
		return later(r.urgent, t.lane.blocked)
	}
	return later(later(r.other, t.lane.blocked), t.lane.window.next())
}

// quietAt says whether it is a quiet hour, and sees to the ceiling that holds
// in it.
func (g *Governor) quietAt(now time.Time) bool {
	if len(g.quiet.spans) == 0 {
		return false
	}
	if now.Before(g.quietUntil) {
		return g.isQuiet
	}
	g.isQuiet, g.quietUntil = g.quiet.At(now)
	if g.quietUntil.IsZero() {
		g.quietUntil = now.Add(24 * time.Hour) // it never changes
	}
	g.hush.perMinute(g.quiet.PerMinute, 0)
	return g.isQuiet
}
