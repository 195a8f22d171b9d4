package importer

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
)

// A pipeline that was deleted shows in no probe. Of a list that is read its
// X-Total tells; where a probe found a list as it is stored, GraphQL counts a
// hundred projects a request, each project once in a while. That goes for quiet
// projects and for those that are visited for what is open in them alone. Where
// the number is another one than the store's, the list is read and finds out.

const (
	// recountsMost bounds the counts of a round: requests of a hundred projects.
	recountsMost = 5
	// uncountedMost is how many projects of a count that failed are visited
	// instead, so that each has its turn even where GraphQL never counts.
	uncountedMost = 5
)

// recount counts the pipelines of projects with a list that is to be left out and
// whose turn it is, those that have waited longest first. A list that differs is
// left out no longer, and its project is not quiet.
func (r *run) recount(ctx context.Context, visits []*visit) error {
	now := r.now()
	var due []*visit
	for _, v := range visits {
		if c := &v.cursor; (v.still.own || v.still.children) && c.Own.read() && c.Children.read() && now.Sub(v.counted()) >= r.countEvery() {
			due = append(due, v)
		}
	}
	slices.SortStableFunc(due, func(a, b *visit) int { return a.counted().Compare(b.counted()) })
	due = due[:min(len(due), recountsMost*perPage)]
	// Those with the same stretch together: the shortest stretch of a request is
	// compared in all of it.
	slices.SortStableFunc(due, func(a, b *visit) int {
		return cmp.Or(a.comparable().Compare(b.comparable()), cmp.Compare(a.project.ID, b.project.ID))
	})
	for some := range slices.Chunk(due, perPage) {
		if err := r.recountSome(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

// countEvery is how long a count is good for: of a sync that somebody asked for
// it is expected that it sees what was deleted a moment ago.
func (r *run) countEvery() time.Duration {
	if r.options.Recount {
		return 0
	}
	return r.reconcileEvery
}

func (r *run) recountSome(ctx context.Context, some []*visit) error {
	from := some[len(some)-1].comparable()
	ids, projects := make([]int64, len(some)), make([]ci.ProjectID, len(some))
	for i, v := range some {
		ids[i], projects[i] = int64(v.project.ID), v.project.ID
	}
	counts, err := r.source.Client.Counts(ctx, gitlab.ProbeQuery{ProjectIDs: ids, UpdatedAfter: from})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		for _, v := range some[:min(len(some), uncountedMost)] {
			v.still = still{}
		}
		return r.probeFailed(err)
	}
	stored, err := r.store.CountsOf(ctx, r.source.Instance.ID, projects, from)
	if err != nil {
		return err
	}
	now := make(map[ci.ProjectID]gitlab.PipelineCounts, len(counts))
	for _, c := range counts {
		now[ci.ProjectID(c.ProjectID)] = c
	}
	for _, v := range some {
		there, ok := now[v.project.ID]
		have := stored[v.project.ID]
		v.differs = still{own: ok && there.Own != have.Own, children: ok && there.Children != have.Children}
		if v.still.own = v.still.own && ok && there.Own == have.Own; v.still.own {
			v.cursor.Own.Counted = r.now().UTC()
		}
		if v.still.children = v.still.children && ok && there.Children == have.Children; v.still.children {
			v.cursor.Children.Counted = r.now().UTC()
		}
	}
	return nil
}

// counted is when the project's lists were last counted, both of them.
func (v *visit) counted() time.Time {
	if own, children := v.cursor.Own.Counted, v.cursor.Children.Counted; own.Before(children) {
		return own
	}
	return v.cursor.Children.Counted
}

// comparable is since when all of both lists is stored.
func (v *visit) comparable() time.Time {
	if own, children := v.cursor.Own.From, v.cursor.Children.From; own.After(children) {
		return own
	}
	return v.cursor.Children.From
}
