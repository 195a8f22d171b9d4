package server

import (
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/importer"
)

// How long to wait between two looks at a GitLab. Somebody who pushes wants to
// see it soon; a GitLab at night wants to be left alone. So the pause shrinks
// while rounds find something and grows while they do not, within two bounds
// and never so short that rounds take more than a share of what GitLab allows.

const (
	// defaultPollMin and defaultPollMax bound the pause unless Poll says otherwise.
	defaultPollMin = 30 * time.Second
	defaultPollMax = 15 * time.Minute
	// A poller begins with this pause, within the bounds.
	firstPause = time.Minute
	// pollShare is the part of GitLab's announced limit that rounds may take on
	// average, the catching up with history aside: more than half of it is left
	// to people in any case (see gitlab.GovernorConfig.Share).
	pollShare = 0.25
	// requestsAMinute is what rounds may take where GitLab announces no limit
	// and nobody says otherwise.
	requestsAMinute = 120
	// refusedPause is for a connection that only a person can mend: GitLab
	// refuses its token. Mending it ends the pause at once.
	refusedPause = time.Hour
	// slicePause is between two slices of history.
	slicePause = time.Second
)

// outcome is how a round went, as far as the pace is concerned.
type outcome struct {
	changed  bool  // it wrote pipelines or jobs
	paused   bool  // there is history left
	requests int64 // what it took
	code     ci.Code
	// allowed is how many requests a minute rounds may take on average.
	allowed float64
}

// pace works out the pauses of one connection.
type pace struct {
	min, max time.Duration
	interval time.Duration // of rounds that go well
	failures int           // in a row
}

func newPace(low, high time.Duration) pace {
	return pace{min: low, max: high, interval: min(max(firstPause, low), high)}
}

// next takes in how a round went and gives the pause until the next one.
func (p *pace) next(o outcome) time.Duration {
	switch {
	case refused(o.code):
		p.failures++
		return max(refusedPause, p.max)
	case o.code != "":
		p.failures++
		return min(max(p.interval, p.min)<<min(p.failures-1, 16), p.max)
	}
	p.failures = 0
	switch {
	case o.paused:
		return slicePause
	case o.changed:
		p.interval = max(p.interval/2, p.min)
	default:
		p.interval = min(p.interval*3/2, p.max)
	}
	return max(p.interval, cost(o))
}

// cost is the shortest pause after which a round's requests are within what
// rounds may take.
func cost(o outcome) time.Duration {
	if o.allowed <= 0 {
		return 0
	}
	return time.Duration(float64(o.requests) / o.allowed * float64(time.Minute))
}

// open gives the pause until the next look at pipelines that had not ended:
// half the shortest one, and never less than a tenth of the age of the
// youngest, so that what has been open for long is asked about more and more
// rarely. Zero: there is nothing to follow.
func (p *pace) open(f importer.Following, now time.Time, last outcome) time.Duration {
	if f.Pipelines == 0 {
		return 0
	}
	age := now.Sub(f.Youngest)
	if f.Youngest.IsZero() || age < 0 {
		age = 0
	}
	return max(p.min/2, age/10, cost(last))
}

// refused says whether only a person can mend what went wrong.
func refused(code ci.Code) bool {
	switch code {
	case ci.InvalidCredentials, ci.InvalidPermissions, ci.TLSFailed, ci.NotGitLab, ci.WrongBaseURL, ci.NoResources, ci.GroupNotFound,
		ci.UnsupportedVersion, ci.SecretKeyMissing:
		return true
	}
	return false
}
