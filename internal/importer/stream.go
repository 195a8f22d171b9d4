package importer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/store"
)

// A stream takes listed pipelines to the store: launch starts their fetches,
// many at a time, land writes them in the order in which they were listed, so
// that a cursor can follow.

const (
	// pipelinesInFlight bounds how many of one project's pipelines are fetched
	// or wait to be written: memory, not load, which is the governor's matter.
	pipelinesInFlight = 64
	// A commit is worth its cost from here on; a slow GitLab gets one a second.
	pipelinesACommit = 400
	jobsACommit      = 4_000
	commitEvery      = time.Second
	// faultsInARow is how many pipelines of a project may fail one after the
	// other before the project is given up until the next sync.
	faultsInARow = 3
)

// one is a sequence of a single group.
func one(items []gitlab.PipelineListItem) iter.Seq2[[]gitlab.PipelineListItem, error] {
	return func(yield func([]gitlab.PipelineListItem, error) bool) { yield(items, nil) }
}

// slot is a pipeline on its way from the list to the store.
type slot struct {
	item   gitlab.PipelineListItem
	bundle bundle
	ready  chan struct{}
	err    error // of the list: nothing comes after it
}

// stream fetches the pipelines of the groups that need it, many at a time, and
// writes them in the order in which they came. passed is called for each one
// that is stored for good, fetched or not, in that order, just before its
// commit: it moves the cursor. ahead, when not nil, has many of them in one
// answer. When ctx ends, what was fetched is still kept.
func (v *visit) stream(ctx context.Context, ahead readAhead, groups iter.Seq2[[]gitlab.PipelineListItem, error], passed func(gitlab.PipelineListItem)) error {
	g, ctx := errgroup.WithContext(ctx)
	slots := make(chan *slot, pipelinesInFlight)
	g.Go(func() error {
		defer close(slots)
		return v.launch(ctx, g, ahead, groups, slots)
	})
	g.Go(func() error { return v.land(ctx, slots, passed) })
	return g.Wait()
}

// launch starts the fetches. Its own errors travel as a slot, behind the
// pipelines that were listed before.
func (v *visit) launch(ctx context.Context, g *errgroup.Group, ahead readAhead, groups iter.Seq2[[]gitlab.PipelineListItem, error], slots chan<- *slot) error {
	for items, err := range groups {
		var needed []bool
		if err == nil {
			needed, err = v.needed(ctx, items)
		}
		if err != nil {
			s := &slot{err: err, ready: make(chan struct{})}
			close(s.ready)
			select {
			case slots <- s:
			case <-ctx.Done():
			}
			return nil
		}
		list := make([]*slot, len(items))
		var missing []*slot
		for i, item := range items {
			list[i] = &slot{item: item, ready: make(chan struct{})}
			if needed[i] {
				missing = append(missing, list[i])
			} else {
				close(list[i].ready)
			}
		}
		if ahead != nil && len(missing) > 0 {
			g.Go(func() error { return v.fetchAhead(ctx, g, ahead, missing) })
		}
		for i, s := range list {
			select {
			case slots <- s: // full while the store lags behind
			case <-ctx.Done():
				return nil
			}
			if ahead == nil && needed[i] {
				g.Go(func() error { return v.fetchOne(ctx, s) })
			}
		}
	}
	return nil
}

// fetchOne reads one pipeline by the documented plan.
func (v *visit) fetchOne(ctx context.Context, s *slot) error {
	defer close(s.ready)
	s.bundle = fetchDocumented(ctx, v.client, v.project, ci.PipelineID(s.item.ID), nil)
	return nil
}

// fetchAhead gives the slots what the bulk has of them, and reads the others by
// the documented plan.
func (v *visit) fetchAhead(ctx context.Context, g *errgroup.Group, ahead readAhead, slots []*slot) error {
	items := make([]gitlab.PipelineListItem, len(slots))
	for i, s := range slots {
		items[i] = s.item
	}
	bundles := ahead.fetch(ctx, items)
	for _, s := range slots {
		if made, ok := bundles[s.item.ID]; ok {
			s.bundle = made
			close(s.ready)
			continue
		}
		g.Go(func() error { return v.fetchOne(ctx, s) })
	}
	return nil
}

// needed says which listed pipelines the store does not have as they are.
func (v *visit) needed(ctx context.Context, items []gitlab.PipelineListItem) ([]bool, error) {
	known, err := v.versions(ctx, items)
	if err != nil {
		return nil, err
	}
	needed := make([]bool, len(items))
	for i, item := range items {
		if needed[i] = v.needs(item, known); needed[i] {
			v.fetched[ci.PipelineID(item.ID)] = true
		}
	}
	return needed, nil
}

func (v *visit) versions(ctx context.Context, items []gitlab.PipelineListItem) (map[ci.PipelineID]store.Version, error) {
	if v.first {
		return nil, nil
	}
	ids := make([]ci.PipelineID, len(items))
	for i, item := range items {
		ids[i] = ci.PipelineID(item.ID)
	}
	return v.run.store.Versions(ctx, v.project.InstanceID, v.project.ID, ids)
}

func (v *visit) needs(item gitlab.PipelineListItem, known map[ci.PipelineID]store.Version) bool {
	id := ci.PipelineID(item.ID)
	if v.fetched[id] {
		return false
	}
	was, ok := known[id]
	return !ok || v.run.options.Full || v.followed[id] || was.DeletedAt != nil ||
		string(was.Status) != item.Status || !sameTime(was.UpdatedAt, at(item.UpdatedAt))
}

func sameTime(a, b *time.Time) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}

// land writes the fetched pipelines in their order.
func (v *visit) land(ctx context.Context, slots <-chan *slot, passed func(gitlab.PipelineListItem)) error {
	var batch store.Batch
	var skipped int
	last := time.Now()
	flush := func() error {
		var err error
		if len(batch.Pipelines)+len(batch.Deleted)+len(batch.SyncErrors) > 0 {
			err = v.commit(batch) // what was merely passed is written with the turn's end
		}
		v.run.progress.pipelines(len(batch.Pipelines) + skipped)
		clear(batch.Jobs) // on disk: the next ones take their room
		batch, skipped, last = store.Batch{Jobs: batch.Jobs[:0]}, 0, time.Now()
		return err
	}
	for s := range slots {
		select {
		case <-s.ready:
		default:
			if len(batch.Pipelines) > 0 && time.Since(last) > commitEvery {
				if err := flush(); err != nil {
					return err
				}
			}
			<-s.ready // a fetch ends with its context
		}
		if err := v.accept(ctx, &batch, s); err != nil {
			return errors.Join(err, flush())
		}
		if s.bundle.pipeline == nil {
			skipped++
		}
		if passed != nil {
			passed(s.item)
		}
		if len(batch.Pipelines) >= pipelinesACommit || len(batch.Jobs) >= jobsACommit {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return errors.Join(ctx.Err(), flush())
}

// accept adds a pipeline to the batch, or says why its project cannot go on.
func (v *visit) accept(ctx context.Context, batch *store.Batch, s *slot) error {
	switch err := s.bundle.err; {
	case s.err != nil:
		return s.err
	case err == nil, s.bundle.gone:
		v.faults = 0
		v.add(batch, s.bundle)
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case !single(err):
		return err
	default:
		if v.faults++; v.faults == faultsInARow {
			return err
		}
		v.note(batch, s.bundle, err)
		return nil
	}
}

func (v *visit) add(batch *store.Batch, b bundle) {
	switch {
	case b.gone:
		batch.Deleted = append(batch.Deleted, v.tombstone(b.id, v.run.now()))
		v.cursor.follow(b.id, false)
	case b.pipeline != nil:
		v.run.tally.read(v.project.ID, b)
		batch.Pipelines = append(batch.Pipelines, *b.pipeline)
		batch.Jobs = append(batch.Jobs, b.jobs...)
		v.run.people.add(batch, b)
		v.cursor.follow(b.id, b.open)
		v.cursor.Deployed.stored(*b.pipeline, b.open)
		v.run.unknownWords(batch, *b.pipeline, b.jobs)
	}
}

// single says whether an error may be the matter of one pipeline alone, so that
// its project can go on without it.
func single(err error) bool {
	switch gitlab.KindOf(err) {
	case gitlab.Server, gitlab.BadAnswer, gitlab.TooLarge, gitlab.BadRequest, gitlab.Gone:
		return true
	}
	return false
}

// note records a pipeline that could not be read. It is followed from now on,
// so that every sync tries it again until it can be.
func (v *visit) note(batch *store.Batch, b bundle, err error) {
	problem := Explain(err)
	batch.SyncErrors = append(batch.SyncErrors, v.run.syncError(&v.project.ID, problem.Code,
		fmt.Sprintf("pipeline %d: %s", b.id, problem.Cause)))
	v.cursor.follow(b.id, true)
	v.blame(problem.Code)
}
