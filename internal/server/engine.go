package server

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/control"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/importer"
	"github.com/weirhq/weir/internal/store"
)

// engine is the part of the program that talks to GitLab: it opens sealed
// credentials, verifies them, and runs imports. It is the api.Engine.
type engine struct {
	log       *slog.Logger
	store     *store.Store
	control   *control.Control
	importer  *importer.Importer
	governors *governors
	userAgent string
	now       func() time.Time
	dataDir   string
	hooks     *hooks             // hears when a sync has ended
	poller    *poller            // nil: imports only when asked to
	polling   *importer.Importer // for the poller's rounds: it logs less

	group errgroup.Group // of running imports

	mu      sync.Mutex
	closed  bool
	running map[ci.ConnectionID]*running
	logs    map[ci.SyncID]*api.EventLog
}

// running is an import under way.
type running struct {
	sync   ci.SyncID // 0: not begun yet
	polled bool      // the poller's: it makes way for a person's
	cancel context.CancelCauseFunc
	ended  chan struct{} // closed when the next two are there
	result ci.Sync
	err    error
}

// logsKept bounds the event logs: those of the newest imports.
const logsKept = 50

// opened is a client of a connection's GitLab, with what to give back.
type opened struct {
	client    *gitlab.Client
	governors []*gitlab.Governor
	release   func()
}

// open makes a client with the given tokens. Each keeps to its governor and to
// the lowest of the ceilings that are named.
func (e *engine) open(c control.Connection, tokens []control.Opened, ceiling *float64) (opened, error) {
	limit := lowest(c.MaxRequestsPerMinute, ceiling)
	var credentials []gitlab.Credential
	var used []*gitlab.Governor
	var releases []func()
	release := func() {
		for _, r := range releases {
			r()
		}
	}
	for _, t := range tokens {
		governor, r := e.governors.take(t.Fingerprint, limit)
		e.governors.stored(t.ID, governor)
		releases, used = append(releases, r), append(used, governor)
		credentials = append(credentials, gitlab.Credential{Token: gitlab.Secret(t.Token.Reveal()), Governor: governor})
	}
	client, err := gitlab.New(gitlab.Config{
		BaseURL: c.BaseURL, Credentials: credentials, Breaker: e.governors.breaker(c.BaseURL),
		CAFile: c.CAFile, UserAgent: e.userAgent, Log: e.log,
	})
	if err != nil {
		release()
		return opened{}, &ci.Problem{
			Code:   ci.BadRequest,
			Cause:  "The connection cannot be used: " + err.Error() + ".",
			Remedy: "Check its URL and its CA file.",
			Err:    err,
		}
	}
	return opened{client, used, release}, nil
}

// lowest is the lower of two ceilings; 0 when neither is named.
func lowest(a, b *float64) float64 {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return *b
	case b == nil:
		return *a
	}
	return min(*a, *b)
}

// Running gives the imports that run now.
func (e *engine) Running() map[ci.ConnectionID]ci.SyncID {
	e.mu.Lock()
	defer e.mu.Unlock()
	ids := map[ci.ConnectionID]ci.SyncID{}
	for connection, r := range e.running {
		if r.sync != 0 {
			ids[connection] = r.sync
		}
	}
	return ids
}

// Events gives the log of an import that runs or ran not long ago.
func (e *engine) Events(id ci.SyncID) *api.EventLog {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.logs[id]
}

// keepLog remembers the log of an import and forgets the oldest.
func (e *engine) keepLog(id ci.SyncID, log *api.EventLog) {
	e.logs[id] = log
	if len(e.logs) <= logsKept {
		return
	}
	var oldest ci.SyncID
	for other := range e.logs {
		if oldest == 0 || cmp.Less(other, oldest) {
			oldest = other
		}
	}
	if !slices.ContainsFunc(runningSyncs(e.running), func(id ci.SyncID) bool { return id == oldest }) {
		delete(e.logs, oldest)
	}
}

func runningSyncs(by map[ci.ConnectionID]*running) (ids []ci.SyncID) {
	for _, r := range by {
		ids = append(ids, r.sync)
	}
	return ids
}

// CancelSync asks an import to stop.
func (e *engine) CancelSync(id ci.SyncID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.running {
		if r.sync == id {
			r.cancel(context.Canceled)
		}
	}
}

// Disconnect stops the import of a connection, waits for its end, and removes
// the connection.
func (e *engine) Disconnect(ctx context.Context, id ci.ConnectionID) error {
	if err := e.stop(ctx, id); err != nil {
		return err
	}
	defer e.connectionsChanged()
	return e.control.RemoveConnection(ctx, id)
}

// SetDisabled notes that a connection is to be left alone, then stops its
// import and waits for its end; or that it is not.
func (e *engine) SetDisabled(ctx context.Context, id ci.ConnectionID, disabled bool) error {
	err := e.control.SetDisabled(ctx, id, disabled)
	e.connectionsChanged()
	if err != nil || !disabled {
		return err
	}
	return e.stop(ctx, id)
}

// stop ends the import of a connection, if one runs here, and waits for it.
func (e *engine) stop(ctx context.Context, id ci.ConnectionID) error {
	e.mu.Lock()
	r := e.running[id]
	e.mu.Unlock()
	if r == nil {
		return nil
	}
	r.cancel(context.Canceled)
	select {
	case <-r.ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// close stops all imports and waits until each has stored its end. None is
// started from then on.
func (e *engine) close() error {
	e.mu.Lock()
	e.closed = true
	for _, r := range e.running {
		r.cancel(context.Canceled)
	}
	e.mu.Unlock()
	return e.group.Wait()
}
