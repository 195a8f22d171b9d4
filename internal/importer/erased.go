package importer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/store"
)

// Erasing a job's log and artifacts changes nothing of its pipeline, so no list
// and no probe shows it (doc/decisions/0018). GraphQL tells of a hundred
// pipelines a request which of their builds were erased, and nothing else of
// them. What people erase is recent as a rule: pipelines that changed lately are
// looked through each ReconcileEvery. All others are looked through once in
// erasedTurn, evenly, a page at a time. A pipeline with a job that is stored
// otherwise is followed, as one that is open: the visit reads it again by the
// documented plan, which has milliseconds.

const (
	// erasedLately is how long ago a pipeline changed that is looked through each
	// time: it holds a weekend.
	erasedLately = 3 * 24 * time.Hour
	// erasedTurn is in what time all of history is looked through.
	erasedTurn = 30 * 24 * time.Hour
	// sweepsMost bounds the requests of a round; a project that was begun is
	// finished, and the others wait for the next round.
	sweepsMost = 10
)

// swept is how far the builds of a project were looked through, on weir's clock.
type swept struct {
	At   time.Time `json:"at,omitzero"`    // when those of pipelines that changed lately were
	Due  time.Time `json:"due,omitzero"`   // when the next page of history is
	Pass *pass     `json:"pass,omitempty"` // through history, begun and not ended
	// How many pipelines there were of each list.
	Own      int64 `json:"own,omitzero"`
	Children int64 `json:"children,omitzero"`
}

// pass is where a reading of a project's two lists stands; its zero is the top.
type pass struct {
	Own           string `json:"own,omitempty"` // GitLab's cursors
	Children      string `json:"children,omitempty"`
	OwnEnded      bool   `json:"own_ended,omitempty"`
	ChildrenEnded bool   `json:"children_ended,omitempty"`
}

func (p pass) ended() bool { return p.OwnEnded && p.ChildrenEnded }

// pages is how many pages of history there are; a page has a part of both lists.
func (s swept) pages() int64 { return (max(s.Own, s.Children) + perPage - 1) / perPage }

// each is the time between two of them.
func (s swept) each() time.Duration { return erasedTurn / time.Duration(max(s.pages(), 1)) }

// sweep is what is to be looked through of a project.
type sweep struct {
	visit   *visit
	history bool
	since   time.Time // of pipelines: when they last changed
	rows    int64     // pipelines that there will be, of both lists
	most    int64     // pages; 0: to the end
	read    int64     // pages
	at      pass
}

func (w *sweep) over() bool { return w.at.ended() || w.most > 0 && w.read >= w.most }

// lookForErased finds pipelines whose jobs were erased since they were read, in
// those of the projects whose turn it is, and has the visits read them.
func (r *run) lookForErased(ctx context.Context, visits []*visit) error {
	if r.options.Full || len(r.options.Projects) > 0 {
		return nil // they are read anyway, or somebody waits for something else
	}
	sweeps, err := r.sweepsDue(ctx, visits)
	if err != nil {
		return err
	}
	s := &sweeper{run: r, size: newBulkSize()}
	s.size.n.Store(largestPage) // small answers
	for len(sweeps) > 0 && s.asked < sweepsMost {
		some := sweeps[:together(sweeps)]
		sweeps = sweeps[len(some):]
		err := s.readAll(ctx, some)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if gitlab.KindOf(err) != "" {
			for _, one := range some {
				one.failed(r.now().UTC(), err)
			}
			return r.committer.apply(store.Batch{SyncErrors: []ci.SyncError{r.syncError(nil, ci.PlanFallback,
				fmt.Sprintf("GraphQL did not tell which jobs were erased; weir asks again later: %s", Explain(err).Cause))}})
		}
		if err != nil {
			return err
		}
		for _, one := range some {
			one.done(r.now().UTC())
		}
	}
	return nil
}

// sweepsDue gives the sweeps whose time it is, those that have waited longest first.
func (r *run) sweepsDue(ctx context.Context, visits []*visit) ([]*sweep, error) {
	now := r.now().UTC()
	visits = slices.DeleteFunc(slices.Clone(visits), func(v *visit) bool {
		return !v.cursor.Own.read() || !v.cursor.Children.read() || v.prior.LastErrorCode != nil || v.project.CIAccess != ci.CIEnabled
	})
	lately, err := r.sweepsLately(ctx, now, visits)
	if err != nil {
		return nil, err
	}
	var history []*sweep
	for _, v := range visits {
		c := &v.cursor.Erased
		if c.pages() == 0 || c.Due.After(now) {
			continue
		}
		// After a pause no more than a day's worth: what was missed comes later.
		pages := min(int64(now.Sub(c.Due)/c.each())+1, int64(24*time.Hour/c.each())+1)
		one := &sweep{visit: v, history: true, since: v.comparable(), rows: c.Own + c.Children, most: pages}
		if c.Pass != nil {
			one.at = *c.Pass
		}
		history = append(history, one)
	}
	slices.SortStableFunc(history, func(a, b *sweep) int {
		return a.visit.cursor.Erased.Due.Compare(b.visit.cursor.Erased.Due)
	})
	return append(lately, history...), nil
}

// sweepsLately gives the sweeps of pipelines that changed lately. A project that is
// met for the first time was read just now; its history begins to take its turn.
func (r *run) sweepsLately(ctx context.Context, now time.Time, visits []*visit) ([]*sweep, error) {
	var due []*visit
	var ids []ci.ProjectID
	for _, v := range visits {
		if now.Sub(v.cursor.Erased.At) >= r.reconcileEvery {
			due, ids = append(due, v), append(ids, v.project.ID)
		}
	}
	since := now.Add(-erasedLately)
	recent, err := r.store.CountsOf(ctx, r.source.Instance.ID, ids, since)
	if err != nil {
		return nil, err
	}
	all, err := r.store.CountsOf(ctx, r.source.Instance.ID, ids, r.source.Since)
	if err != nil {
		return nil, err
	}
	var sweeps []*sweep
	for _, v := range due {
		c := &v.cursor.Erased
		c.Own, c.Children = all[v.project.ID].Own, all[v.project.ID].Children
		if c.Due.IsZero() {
			c.At, c.Due = now, now.Add(c.each())
			continue
		}
		if latest := now.Add(c.each()); c.Due.After(latest) {
			c.Due = latest // there is more of it than there was
		}
		if n := recent[v.project.ID]; n.Own+n.Children > 0 {
			sweeps = append(sweeps, &sweep{visit: v, since: since, rows: n.Own + n.Children})
		} else {
			c.At = now
		}
	}
	slices.SortStableFunc(sweeps, func(a, b *sweep) int {
		return cmp.Or(a.visit.cursor.Erased.At.Compare(b.visit.cursor.Erased.At), cmp.Compare(a.visit.project.ID, b.visit.project.ID))
	})
	return sweeps, nil
}

// together is how many of the sweeps one request reads: from the top, and a page
// of pipelines in all.
func together(sweeps []*sweep) int {
	n, rows := 1, sweeps[0].rows
	for n < min(len(sweeps), perPage) && sweeps[n-1].at == (pass{}) && sweeps[n].at == (pass{}) && sweeps[n].history == sweeps[0].history {
		if rows += sweeps[n].rows; rows > largestPage {
			break
		}
		n++
	}
	return n
}

// compareErased has the visit read the pipelines of builds that are stored, and
// not as erased when GitLab says.
func (v *visit) compareErased(ctx context.Context, builds []gitlab.ErasedBuild) error {
	ids := make([]ci.JobID, len(builds))
	for i, b := range builds {
		ids[i] = ci.JobID(b.ID)
	}
	stored, err := v.run.store.ErasedAt(ctx, v.project.InstanceID, ids)
	if err != nil {
		return err
	}
	for _, b := range builds {
		was, known := stored[ci.JobID(b.ID)]
		if known && (was == nil || !was.Truncate(time.Second).Equal(b.ErasedAt)) {
			id := ci.PipelineID(b.PipelineID)
			v.cursor.follow(id, true) // until it was read, by whichever sync
			v.erased = append(v.erased, id)
		}
	}
	return nil
}

// done notes what was looked through.
func (w *sweep) done(now time.Time) {
	c := &w.visit.cursor.Erased
	if !w.history {
		c.At = now
		return
	}
	c.Pass, c.Due = &w.at, c.Due.Add(time.Duration(w.read)*c.each())
	if w.at.ended() {
		c.Pass, c.Due = nil, now.Add(c.each())
	} else if c.Due.Before(now) {
		c.Due = now.Add(c.each()) // a day's worth was read
	}
}

// failed puts off what could not be looked through. A cursor that GitLab does
// not take, after an upgrade say, is given up: history begins at its top again.
func (w *sweep) failed(now time.Time, err error) {
	c := &w.visit.cursor.Erased
	if !w.history {
		c.At = now
		return
	}
	c.Due = now.Add(c.each())
	if gitlab.KindOf(err) == gitlab.BadAnswer {
		c.Pass = nil
	}
}
