package server

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/metric"
	"github.com/weirhq/weir/internal/store"
)

// costsFile names the prices of minutes, in the data directory. Where there is
// none, nothing has a price.
const costsFile = "costs.yaml"

// pricesPause is how long a changed file may wait until a running server sees
// it.
const pricesPause = 15 * time.Second

// costsKind is the kind of refused prices.
const costsKind = "costs"

// prices are the prices in force, and what the file held when it was last looked at.
type prices struct {
	path     string
	engine   *metric.Engine
	refusals *api.Refusals
	now      func() time.Time

	mu   sync.Mutex // one look at a time
	seen string     // what the file held, or why it could not be read
}

// openMetrics makes the engine of metrics. When the program starts, a costs.yaml
// that is wrong is an error: there are no prices before it that could stay in
// force, and money that is counted by half of somebody's prices would be a lie.
func openMetrics(dataDir string, s *store.Store, now func() time.Time, refusals *api.Refusals) (*prices, error) {
	p := &prices{path: filepath.Join(dataDir, costsFile), refusals: refusals, now: now}
	costs, seen, err := p.read()
	if err != nil {
		return nil, err
	}
	p.seen = seen
	p.engine, err = metric.New(metric.Config{Store: s, Now: now, Costs: costs})
	return p, err
}

// read gives the prices of the file, nil where there is none. seen differs
// when the outcome may.
func (p *prices) read() (costs *metric.Costs, seen string, err error) {
	text, err := os.ReadFile(p.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, "", nil
	case err != nil:
		return nil, "unreadable: " + err.Error(), &ci.Problem{
			Code: ci.BadRequest, Cause: costsFile + " cannot be read: " + err.Error() + ".",
			Remedy: "Make it readable for this user, or move it away.", Err: err,
		}
	}
	costs, err = metric.ReadCosts(text)
	return costs, "text: " + string(text), err
}

// look puts the file in force if it has changed. If it is wrong, the prices
// before it stay, and the refusal is told once, and shown until it is mended.
func (p *prices) look(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	costs, seen, err := p.read()
	if seen == p.seen {
		return
	}
	p.seen = seen
	if err != nil {
		shown := api.ProblemOf(err)
		p.refusals.Refused(ctx, api.RefusedFile{
			Kind: costsKind, Files: []string{costsFile}, At: p.now().UTC(),
			Findings: []api.Finding{{Place: p.path, Cause: shown.Detail, Remedy: shown.Remedy}},
		})
		return
	}
	p.engine.SetCosts(costs)
	p.refusals.Taken(costsKind)
}

// keep looks at the file now and then until ctx ends.
func (p *prices) keep(ctx context.Context) {
	every(ctx, pricesPause, func() { p.look(ctx) })
}

// Reload looks at costs.yaml at once, which a server that serves does by itself
// every fifteen seconds. What is wrong with it stands in the log and in the
// status; the prices before it stay in force.
func (s *Server) Reload(ctx context.Context) { s.prices.look(ctx) }
