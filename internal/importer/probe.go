package importer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/store"
)

// One GraphQL request tells of a hundred projects what changed in them. A round
// asks it of all projects, and visits only those in which something did
// (quiet.go). What a probe cannot tell is asked of the lists, as ever: a probe
// may cost a request more, never a row.

const (
	// probeLookback is how far a probe reaches back before the time up to which a
	// project is complete. That time is a minute late already, for rows of
	// transactions that were open then.
	probeLookback = 10 * time.Minute
	// probeSpread is by how much the times since which the projects of one request
	// are asked about may differ: a page that is full tells nothing.
	probeSpread = 6 * time.Hour
	// probesAtOnce is little: a hundred projects are work for GitLab's database.
	probesAtOnce = 2
	// probeFaultsMost is how many failed probes of a run are tried again in halves.
	probeFaultsMost = 8
)

// probed is what a probe found of a project, and since when it was asked.
type probed struct {
	gitlab.ProbedProject
	after time.Time
}

// prober holds what the probes of a run have said.
type prober struct {
	mu      sync.Mutex
	answers map[ci.ProjectID]probed
	faults  int
	fell    bool // it was told that a probe failed
}

func newProber() *prober { return &prober{answers: make(map[ci.ProjectID]probed)} }

// question asks what happened in a project since a time.
type question struct {
	project ci.ProjectID
	since   time.Time
}

// openBulk makes ready for probes, where GraphQL is to be had.
func (r *run) openBulk() {
	if r.bulkSize != nil {
		r.prober = newProber()
	}
}

// probe asks about the projects that no probe of this run has answered for. One
// that gets no answer keeps its lists.
func (r *run) probe(ctx context.Context, questions []question) error {
	if r.prober == nil {
		return nil
	}
	questions = slices.DeleteFunc(questions, func(q question) bool {
		_, ok := r.prober.answers[q.project]
		return ok
	})
	// Those that were asked at about the same time together: the oldest time of a
	// request holds for all of it, and every row since then is in the answer.
	slices.SortStableFunc(questions, func(a, b question) int {
		return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.project, b.project))
	})
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(probesAtOnce)
	for len(questions) > 0 {
		n := 1
		for n < min(len(questions), perPage) && questions[n].since.Sub(questions[0].since) <= probeSpread {
			n++
		}
		some := questions[:n]
		questions = questions[n:]
		g.Go(func() error { return r.ask(ctx, some) })
	}
	return g.Wait()
}

// ask sends a probe, and halves it when GitLab could not answer all of it. It
// returns an error only when the context has ended.
func (r *run) ask(ctx context.Context, questions []question) error {
	ids := make([]int64, len(questions))
	for i, q := range questions {
		ids[i] = int64(q.project)
	}
	after := questions[0].since
	found, err := r.source.Client.Probe(ctx, gitlab.ProbeQuery{ProjectIDs: ids, UpdatedAfter: after})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	p := r.prober
	p.mu.Lock()
	for _, one := range found {
		p.answers[ci.ProjectID(one.ID)] = probed{one, after}
	}
	again := false
	if err != nil {
		p.faults++
		again = len(questions) > 1 && p.faults <= probeFaultsMost && divisible(err)
	}
	p.mu.Unlock()
	switch {
	case err == nil:
		return nil
	case !again:
		return r.probeFailed(err)
	}
	half := len(questions) / 2
	if err := r.ask(ctx, questions[:half]); err != nil {
		return err
	}
	return r.ask(ctx, questions[half:])
}

// divisible says whether an error may be the matter of a few of the projects, or
// of their number.
func divisible(err error) bool {
	switch gitlab.KindOf(err) {
	case gitlab.Timeout, gitlab.BadAnswer:
		return true
	}
	return false
}

// probeFailed says once a run that the lists were read in a probe's place.
func (r *run) probeFailed(err error) error {
	r.prober.mu.Lock()
	told := r.prober.fell
	r.prober.fell = true
	r.prober.mu.Unlock()
	if told {
		return nil
	}
	return r.committer.apply(store.Batch{SyncErrors: []ci.SyncError{r.syncError(nil, ci.PlanFallback,
		fmt.Sprintf("GraphQL did not tell what changed, so the lists of some projects were read: %s", Explain(err).Cause))}})
}
