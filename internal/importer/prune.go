package importer

import (
	"context"
	"sync"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// A poller makes a round a minute, for ever, and most of them find nothing. Their
// rows are of use for some days, to see that weir looked and what it asked; after
// that store.PruneRounds keeps those that say something.

const (
	// idleKept is for how long every round has its row.
	idleKept = 7 * 24 * time.Hour
	// pruneEvery is far more rarely than rounds are made, and often enough that
	// few rows are in excess.
	pruneEvery = time.Hour
)

// pruned is when the rounds of each connection were last pruned by this process.
type pruned struct {
	mu sync.Mutex
	at map[ci.ConnectionID]time.Time
}

// due says whether a connection's turn has come, and takes it.
func (p *pruned) due(connection ci.ConnectionID, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last, ok := p.at[connection]; ok && now.Sub(last) < pruneEvery {
		return false
	}
	if p.at == nil {
		p.at = make(map[ci.ConnectionID]time.Time)
	}
	p.at[connection] = now
	return true
}

// pruneIdle removes the rows of the connection's old rounds that say nothing.
// That fails no import: the next round tries again.
func (r *run) pruneIdle(ctx context.Context) {
	now := r.now()
	if !r.pruned.due(r.source.Connection, now) {
		return
	}
	n, err := r.store.PruneRounds(ctx, r.source.Connection, now.Add(-idleKept))
	if err != nil {
		r.log.Warn("old rounds not pruned", "connection", r.source.Connection, "error", err)
		return
	}
	r.log.Debug("old rounds pruned", "connection", r.source.Connection, "rounds", n)
}
