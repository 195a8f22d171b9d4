package gitlab

import "time"

// told is what GitLab said last about its general limit.
type told struct {
	at        time.Time // zero: nothing yet
	limit     float64   // requests a minute; 0: not said
	remaining float64   // -1: not said
	ends      time.Time // of the window; zero: not said
}

// take takes an answer's headers in; one without any says nothing.
func (s *told) take(l *limits, now time.Time) {
	if l.limit <= 0 && l.remaining < 0 {
		return
	}
	*s = told{at: now, limit: l.limit, remaining: l.remaining}
	if l.reset > 0 {
		s.ends = now.Add(l.reset)
	}
}

// GovernorState is a look at a governor, for status pages.
type GovernorState struct {
	Concurrency int           // requests that may be in flight now
	InFlight    int           // requests that are
	Waiting     int           // requests that wait to be
	LastMinute  int           // requests that went in the last minute
	Share       float64       // of each limit that weir uses
	Ceiling     float64       // the hard ceiling, requests a minute; 0: none
	Throttled   time.Duration // for how long limits and the ceiling have held requests back
	Refused     int64         // answers of 429

	BlockedUntil time.Time // for which GitLab asked, or that weir took for one; zero: not blocked
	RestingUntil time.Time // the share of the window is used up; zero: it is not

	// What GitLab's headers said last; ToldAt is zero when they said nothing.
	RateLimit  float64 // requests a minute; 0: not said
	Remaining  float64 // in the window, for all who use the token's user; -1: not said
	WindowEnds time.Time
	ToldAt     time.Time

	// Quiet hours now, for background callers.
	Quiet          bool
	QuietUntil     time.Time // zero: they never end
	QuietPerMinute float64
}

// State gives the governor's present state.
func (g *Governor) State() GovernorState {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.settle(now)
	s := GovernorState{
		Concurrency: g.width.now(), InFlight: g.inFlight, Waiting: len(g.waiting), LastMinute: g.recent.sum(now),
		Share: g.share, Ceiling: g.ceiling.rate(), Throttled: g.held, Refused: g.refused,
		BlockedUntil: ahead(g.blocked, now), RestingUntil: ahead(g.rest, now),
		RateLimit: g.told.limit, Remaining: g.told.remaining, WindowEnds: g.told.ends, ToldAt: g.told.at,
	}
	if s.ToldAt.IsZero() {
		s.Remaining = -1
	}
	if s.Quiet, s.QuietUntil = g.quiet.At(now); s.Quiet {
		s.QuietPerMinute = g.quiet.PerMinute
	} else {
		s.QuietUntil = time.Time{}
	}
	return s
}

// ahead gives a time that is still to come, zero for any other.
func ahead(t, now time.Time) time.Time {
	if t.After(now) {
		return t
	}
	return time.Time{}
}
