package server

import (
	"log/slog"
	"sync"

	"github.com/weirhq/weir/internal/gitlab"
)

// governors hands out one governor a token and one breaker a GitLab, whichever
// connections and imports use them: GitLab's limits are for whoever asks, not
// for what is asked, and a GitLab that is down is so for everybody.
type governors struct {
	log    *slog.Logger
	quiet  gitlab.QuietHours
	outage gitlab.BreakerConfig

	mu       sync.Mutex
	byToken  map[string]*governed       // by control.Control.Fingerprint
	byStored map[int64]*gitlab.Governor // by id of a stored credential
	byGitLab map[string]*gitlab.Breaker
}

// governed is a governor and the ceilings that its present users want.
type governed struct {
	governor *gitlab.Governor
	ceilings map[*float64]float64 // by user; the lowest holds
}

// take gives the governor of a token, under a ceiling of requests a minute (0:
// none) until release, which may be called twice.
func (g *governors) take(fingerprint string, ceiling float64) (_ *gitlab.Governor, release func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.byToken == nil {
		g.byToken = map[string]*governed{}
	}
	held := g.byToken[fingerprint]
	if held == nil {
		held = &governed{gitlab.NewGovernor(gitlab.GovernorConfig{Quiet: g.quiet, Log: g.log}), map[*float64]float64{}}
		g.byToken[fingerprint] = held
	}
	if ceiling <= 0 {
		return held.governor, func() {}
	}
	user := &ceiling
	held.ceilings[user] = ceiling
	held.governor.SetMaxRequestsPerMinute(held.lowest())
	return held.governor, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(held.ceilings, user)
		held.governor.SetMaxRequestsPerMinute(held.lowest())
	}
}

// stored notes which stored credential a governor is for.
func (g *governors) stored(credential int64, governor *gitlab.Governor) {
	if credential == 0 {
		return // a token that is not stored, or not yet
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.byStored == nil {
		g.byStored = map[int64]*gitlab.Governor{}
	}
	g.byStored[credential] = governor
}

// used gives the governor of a stored credential, nil when nothing was asked
// with it in this process.
func (g *governors) used(credential int64) *gitlab.Governor {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.byStored[credential]
}

// breaker gives the breaker of the GitLab at a base URL.
func (g *governors) breaker(baseURL string) *gitlab.Breaker {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.byGitLab == nil {
		g.byGitLab = map[string]*gitlab.Breaker{}
	}
	b := g.byGitLab[baseURL]
	if b == nil {
		cfg := g.outage
		cfg.Log = g.log.With("base_url", baseURL)
		b = gitlab.NewBreaker(cfg)
		g.byGitLab[baseURL] = b
	}
	return b
}

// lowest is the ceiling that all users agree to; 0 for none.
func (h *governed) lowest() float64 {
	var lowest float64
	for _, c := range h.ceilings {
		if lowest == 0 || c < lowest {
			lowest = c
		}
	}
	return lowest
}
