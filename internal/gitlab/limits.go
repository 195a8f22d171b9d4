package gitlab

import (
	"bytes"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// limits is what an answer says about rate limits (gitlab-api §4.3).
type limits struct {
	status     int
	limit      float64       // RateLimit-Limit, requests a minute; 0: not said
	observed   float64       // in this window, by all of this user's clients; -1: not said
	remaining  float64       // in this window; -1: not said
	reset      time.Duration // until the window ends; 0: not said
	retryAfter time.Duration // 0: not said
	ofEndpoint bool          // a 429 of one endpoint's limit, not of all requests'
}

// readLimits reads an answer that came now. The server's own Date turns its
// RateLimit-Reset into a span, so that two clocks need not agree.
func readLimits(status int, h http.Header, body []byte, now time.Time) *limits {
	l := &limits{
		status:    status,
		limit:     max(headerNumber(h, "RateLimit-Limit"), 0),
		observed:  headerNumber(h, "RateLimit-Observed"),
		remaining: headerNumber(h, "RateLimit-Remaining"),
	}
	server := now
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		server = date
	}
	if reset := headerNumber(h, "RateLimit-Reset"); reset > 0 && reset < math.MaxInt32*2 {
		l.reset = max(time.Unix(int64(reset), 0).Sub(server), 0)
	}
	if after := h.Get("Retry-After"); after != "" {
		if seconds, err := strconv.ParseFloat(after, 64); err == nil && seconds >= 0 && seconds < 1e9 {
			l.retryAfter = time.Duration(seconds * float64(time.Second))
		} else if at, err := http.ParseTime(after); err == nil {
			l.retryAfter = max(at.Sub(server), 0)
		}
	}
	// {"message":{"error":"This endpoint has been requested too many times. …"}}
	l.ofEndpoint = status == http.StatusTooManyRequests && bytes.Contains(body, []byte("This endpoint"))
	return l
}

// usedUp says whether the window's share is spent, by whomever.
func (l *limits) usedUp(share float64) bool {
	if l.remaining == 0 {
		return true
	}
	total := l.observed + l.remaining
	return l.observed >= 0 && l.remaining > 0 && l.observed >= share*total
}

// headerNumber gives a header's number, -1 when it is missing or is none.
func headerNumber(h http.Header, key string) float64 {
	v, err := strconv.ParseFloat(strings.TrimSpace(h.Get(key)), 64)
	if err != nil || v < 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return -1
	}
	return v
}
