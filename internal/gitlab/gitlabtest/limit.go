package gitlabtest

import (
	"net/http"
	"strconv"
	"time"
)

// limits holds the two kinds of rate limits that GitLab has (gitlab-api §4).
// Both count in fixed windows that are aligned to the clock, so the whole
// quota returns at once. The Server's lock guards it.
type limits struct {
	general  limit
	headers  bool // on every answer, and not only on 429
	endpoint map[string]limit
	counters map[counterKey]int64
}

type limit struct {
	n      int64 // 0: off
	period time.Duration
}

type counterKey struct {
	endpoint string // empty: the general limit
	user     int64
	window   int64
}

// LimitRequests sets the general limit: n requests a period for each token's
// user. headersAlways says whether every answer carries RateLimit-* headers, as
// on gitlab.com, or only the 429, as on older self-managed servers. n = 0
// switches it off, which is the default. It may change at any time.
func (s *Server) LimitRequests(n int, period time.Duration, headersAlways bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits.general, s.limits.headers = limit{int64(n), period}, headersAlways
}

// LimitEndpoint sets the limit of one endpoint ("GET /projects/:id/jobs"). It
// shows in no header; its 429 has a JSON body and no Retry-After. n = 0
// switches it off, which is the default.
func (s *Server) LimitEndpoint(endpoint string, n int, period time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limits.endpoint == nil {
		s.limits.endpoint = map[string]limit{}
	}
	s.limits.endpoint[endpoint] = limit{int64(n), period}
}

// LimitAsGitLabCom sets all limits that gitlab.com has.
func (s *Server) LimitAsGitLabCom() {
	s.LimitRequests(2000, time.Minute, true)
	s.LimitEndpoint("GET /projects", 2000, 10*time.Minute)
	s.LimitEndpoint("GET /groups/:id/projects", 600, time.Minute)
	s.LimitEndpoint("GET /projects/:id", 400, time.Minute)
	s.LimitEndpoint("GET /groups", 200, time.Minute)
	s.LimitEndpoint("GET /groups/:id", 400, time.Minute)
	s.LimitEndpoint("GET /projects/:id/jobs", 600, time.Minute)
}

// throttle counts a request against the general limit and sets the headers;
// the answer is nil while there is room.
func (s *Server) throttle(c *call) *answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.limits.general
	if l.n == 0 {
		return nil
	}
	observed := s.limits.count("", c, l)
	over := observed > l.n
	if s.limits.headers || over {
		s.limitHeaders(c, l, observed, over)
	}
	if !over {
		return nil
	}
	return &answer{status: http.StatusTooManyRequests, kind: "text/plain", body: []byte("Retry later\n")}
}

// limitHeaders writes RateLimit-*. The limit is scaled to a minute while the
// observed and remaining numbers are raw: with a limit by the hour they do not
// add up, in GitLab as here.
func (s *Server) limitHeaders(c *call, l limit, observed int64, over bool) {
	period := int64(l.period / time.Second)
	now := c.now.Unix()
	wait := period - now%period
	h := c.header
	h.Set("RateLimit-Limit", strconv.FormatInt((l.n*60+period-1)/period, 10))
	h.Set("RateLimit-Observed", strconv.FormatInt(observed, 10))
	h.Set("RateLimit-Remaining", strconv.FormatInt(max(l.n-observed, 0), 10))
	h.Set("RateLimit-Reset", strconv.FormatInt(now+wait, 10))
	h.Set("RateLimit-Name", "throttle_authenticated_api")
	if over {
		h.Set("RateLimit-ResetTime", time.Unix(now+wait, 0).UTC().Format(http.TimeFormat))
		h.Set("Retry-After", strconv.FormatInt(wait, 10))
	}
}

func (s *Server) throttleEndpoint(c *call) *answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.limits.endpoint[c.route.name]
	if l.n == 0 || s.limits.count(c.route.name, c, l) <= l.n {
		return nil
	}
	return tooManyOfEndpoint()
}

func tooManyOfEndpoint() *answer {
	var w jsonWriter
	w.open('{')
	w.object("message")
	w.str("error", "This endpoint has been requested too many times. Try again later.")
	w.close('}')
	w.close('}')
	return &answer{status: http.StatusTooManyRequests, kind: "application/json", body: w.b}
}

func (l *limits) count(endpoint string, c *call, by limit) int64 {
	if l.counters == nil {
		l.counters = map[counterKey]int64{}
	}
	k := counterKey{endpoint: endpoint, window: c.now.Unix() / int64(by.period/time.Second)}
	if c.token != nil {
		k.user = c.token.User.ID
	}
	l.counters[k]++
	return l.counters[k]
}
