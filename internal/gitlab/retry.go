package gitlab

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	firstBackoff   = 500 * time.Millisecond
	longestBackoff = 30 * time.Second
	// maxLimited is how often in a row one call takes a 429. The governor makes
	// each attempt wait for as long as GitLab asks, or for minutes, so ten of
	// them outlast every window that GitLab documents.
	maxLimited = 10
)

// do asks until there is an answer, or an error that asking again would not
// mend. Which credential asks is decided anew for each attempt.
func (c *Client) do(ctx context.Context, r request, decode func([]byte) error) (answer, error) {
	var deadline time.Time
	if c.patience > 0 {
		deadline = time.Now().Add(c.patience)
	}
	asked := make(map[*credential]bool, len(c.credentials))
	failures, refusals := 0, 0
	var last *Error
	for {
		a := ask{endpoint: r.key(), caller: c.caller, deadline: deadline, urgent: c.patience > 0, elsewhere: len(c.credentials) > 1}
		cred := c.pick(a, asked)
		ans, err := c.attempt(ctx, cred, r, a, decode)
		if errors.Is(err, errElsewhere) {
			continue
		}
		if err == nil {
			return ans, nil
		}
		var e *Error
		if !errors.As(err, &e) {
			return answer{}, err
		}
		if _, hasty := errors.AsType[*impatient](e.Err); hasty && last != nil {
			return answer{}, last // what GitLab said tells more than that we would not wait
		}
		last = e
		var pause time.Duration
		switch {
		case e.Kind == Unauthorized || e.Kind == Forbidden || e.Kind == InsufficientScope || e.Kind == NotFound:
			// Another credential may see what this one does not.
			asked[cred] = true
			if e.Kind == Unauthorized && !cred.rejected.Swap(true) {
				c.log.Warn("credential rejected", "endpoint", r.endpoint, "message", e.Message)
			}
			if c.pick(a, asked) == nil {
				return answer{}, e
			}
		case !e.transient():
			return answer{}, e
		case e.Kind == RateLimited:
			refusals++
			if refusals > min(maxLimited, c.maxRetries*2) {
				return answer{}, e
			}
		default:
			failures++
			if failures > c.maxRetries || c.breaker.hopeless() {
				return answer{}, e
			}
			pause = backoff(failures)
		}
		if !deadline.IsZero() && time.Now().Add(pause).After(deadline) {
			return answer{}, e
		}
		if err := wait(ctx, pause); err != nil {
			return answer{}, stopped(ctx, r)
		}
		c.shared.retries.Add(1)
		c.log.Debug("retry", "endpoint", r.endpoint, "kind", string(e.Kind), "status", e.Status, "pause", pause)
	}
}

// backoff is how long to wait before the n-th retry: anything up to a bound
// that doubles ("full jitter"), so that many clients do not come back at once.
func backoff(n int) time.Duration {
	bound := longestBackoff
	if n < 7 {
		bound = min(firstBackoff<<(n-1), longestBackoff)
	}
	return rand.N(bound) + time.Millisecond
}

// pick chooses the credential that may ask first, among those not in asked and
// not rejected; the rejected come last. It gives nil when all are in asked.
func (c *Client) pick(a ask, asked map[*credential]bool) *credential {
	var best *credential
	var bestAt time.Time
	var bestLoad float64
	now := time.Now()
	for _, rejected := range []bool{false, true} {
		for _, cred := range c.credentials {
			if asked[cred] || cred.rejected.Load() != rejected {
				continue
			}
			at, load := cred.governor.prospect(a)
			at = later(at, now)
			if best == nil || at.Before(bestAt) || at.Equal(bestAt) && load < bestLoad {
				best, bestAt, bestLoad = cred, at, load
			}
		}
		if best != nil {
			return best
		}
	}
	return nil
}
