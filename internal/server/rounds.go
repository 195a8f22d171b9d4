package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/control"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/importer"
)

// The engine's side of polling: rounds are imports like any other, but they
// make way for those that a person starts.

// Polls tells how each connection is polled.
func (e *engine) Polls() map[ci.ConnectionID]api.Poll {
	if e.poller == nil {
		return nil
	}
	return e.poller.shown()
}

// Rounds gives the log of rounds; nil when this server does not poll.
func (e *engine) Rounds() *api.RoundLog {
	if e.poller == nil {
		return nil
	}
	return e.poller.rounds
}

// Viewed has the next rounds begin with a project.
func (e *engine) Viewed(project string) {
	if e.poller != nil {
		e.poller.interest.note(project)
	}
}

// connectionsChanged has the poller look at the connections now.
func (e *engine) connectionsChanged() {
	if e.poller != nil {
		nudge(e.poller.changed)
	}
}

// pollable gives the connections that are not disabled.
func (e *engine) pollable(ctx context.Context) ([]control.Connection, error) {
	all, err := e.control.Connections(ctx)
	if err != nil {
		return nil, err
	}
	var enabled []control.Connection
	for _, c := range all {
		if c.DisabledAt == nil {
			enabled = append(enabled, c)
		}
	}
	return enabled, nil
}

func (e *engine) lastRound(ctx context.Context, id ci.ConnectionID) (ci.Sync, error) {
	return e.store.LastRound(ctx, id)
}

func (e *engine) following(ctx context.Context, c control.Connection) (importer.Following, error) {
	if c.Kind != control.KindPipelines {
		return importer.Following{}, nil
	}
	return e.importer.Following(ctx, c.ID, c.InstanceID)
}

// round runs one import for the poller and waits for its end.
func (e *engine) round(ctx context.Context, c control.Connection, seen ci.SyncID, o importer.Options) (ci.Sync, float64, error) {
	j, err := e.prepare(ctx, c, api.SyncRequest{MaxRequestsPerMinute: e.poller.config.MaxRequestsPerMinute}, true)
	if err != nil {
		return ci.Sync{}, 0, err
	}
	// Nobody else can begin one from here on; whoever held the claim before may
	// have made this round.
	last, err := e.store.LastRound(ctx, c.ID)
	if err != nil || last.ID > seen {
		j.release()
		if err == nil {
			err = errMade
		}
		return ci.Sync{}, 0, err
	}
	j.importer = e.polling
	run, err := e.start(ctx, j, o)
	if err != nil {
		return ci.Sync{}, 0, err
	}
	select {
	case <-run.ended:
	case <-ctx.Done():
		run.cancel(context.Cause(ctx))
		<-run.ended
	}
	return run.result, e.poller.config.allowance(j.governors, c.MaxRequestsPerMinute), run.err
}

// makeWay ends the round of a connection, if one runs, for an import that a
// person wants. What it read is stored, and the import goes on there.
func (e *engine) makeWay(ctx context.Context, id ci.ConnectionID) error {
	e.mu.Lock()
	r := e.running[id]
	e.mu.Unlock()
	if r == nil || !r.polled {
		return nil
	}
	r.cancel(errYielded)
	select {
	case <-r.ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// prepareForPerson is prepare for an import that a person wants: it ends a
// round that runs here, also one that is just about to begin.
func (e *engine) prepareForPerson(ctx context.Context, c control.Connection, r api.SyncRequest) (job, error) {
	for try := 0; ; try++ {
		if err := e.makeWay(ctx, c.ID); err != nil {
			return job{}, err
		}
		j, err := e.prepare(ctx, c, r, false)
		if ci.CodeOf(err) != ci.Conflict || e.poller == nil || try == triesToPrepare || e.runsForPerson(c.ID) {
			return j, err
		}
		select {
		case <-time.After(beginning):
		case <-ctx.Done():
			return job{}, context.Cause(ctx)
		}
	}
}

// A round that is about to begin shows itself after a moment.
const (
	beginning      = 50 * time.Millisecond
	triesToPrepare = 40
)

// runsForPerson says whether an import that a person started runs here.
func (e *engine) runsForPerson(id ci.ConnectionID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.running[id]
	return r != nil && !r.polled
}

// allowance is how many requests a minute rounds may take with some credentials
// on average.
func (p Poll) allowance(governors []*gitlab.Governor, ceiling *float64) float64 {
	var all float64
	for _, g := range governors {
		allowed := p.RequestsPerMinute
		if limit := g.State().RateLimit; limit > 0 {
			allowed = limit * pollShare
		}
		if ceiling != nil {
			allowed = min(allowed, *ceiling/2)
		}
		all += allowed
	}
	return all
}

// quieter logs as handler does, but takes what is told of each import for
// details: of a round, the poller tells what is worth a line.
type quieter struct{ slog.Handler }

// Enabled lets Info pass only where Debug does.
func (q quieter) Enabled(ctx context.Context, level slog.Level) bool {
	if level <= slog.LevelInfo {
		level = slog.LevelDebug
	}
	return q.Handler.Enabled(ctx, level)
}

// WithAttrs keeps quiet.
func (q quieter) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quieter{q.Handler.WithAttrs(attrs)}
}

// WithGroup keeps quiet.
func (q quieter) WithGroup(name string) slog.Handler { return quieter{q.Handler.WithGroup(name)} }

var _ polled = (*engine)(nil)
