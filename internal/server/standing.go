package server

import (
	"time"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/gitlab"
)

// Standing says how this process stands with the GitLab of a connection; nil
// when it has not asked it anything with a stored credential, and there are no
// quiet hours to tell of.
func (e *engine) Standing(baseURL string, credentials []int64) *api.Standing {
	s := &api.Standing{Credentials: []api.CredentialStanding{}}
	for _, id := range credentials {
		if g := e.governors.used(id); g != nil {
			s.Credentials = append(s.Credentials, credentialStanding(id, g.State()))
		}
	}
	quiet := e.governors.quiet
	if len(s.Credentials) == 0 && quiet.String() == "" {
		return nil
	}
	if quiet.String() != "" {
		var until time.Time
		s.QuietHours, s.QuietCeiling = new(quiet.String()), new(quiet.PerMinute)
		if s.QuietNow, until = quiet.At(time.Now()); s.QuietNow {
			s.QuietUntil = known(until)
		}
	}
	down := e.governors.breaker(baseURL).State()
	s.DownSince, s.NextProbeAt, s.TimesDown = known(down.Since), known(down.NextProbe), int64(down.Opened)
	if down.Last != "" {
		s.LastFailure = new(down.Last)
	}
	return s
}

func credentialStanding(id int64, g gitlab.GovernorState) api.CredentialStanding {
	s := api.CredentialStanding{
		ID: id, Concurrency: int64(g.Concurrency), InFlight: int64(g.InFlight), Waiting: int64(g.Waiting),
		RequestsLastMinute: int64(g.LastMinute), Share: g.Share, ThrottledSeconds: g.Throttled.Seconds(), Refused: g.Refused,
		WindowEndsAt: known(g.WindowEnds), ToldAt: known(g.ToldAt), BlockedUntil: known(g.BlockedUntil), RestingUntil: known(g.RestingUntil),
	}
	if g.Ceiling > 0 {
		s.MaxRequestsPerMinute = &g.Ceiling
	}
	if g.RateLimit > 0 {
		s.RateLimit = &g.RateLimit
	}
	if g.Remaining >= 0 {
		s.Remaining = &g.Remaining
	}
	return s
}

// known gives a time in UTC, nil for the zero one.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(t.UTC())
}
