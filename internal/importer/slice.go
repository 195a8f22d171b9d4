package importer

import (
	"context"
	"iter"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
)

// A sync may be a slice: what changed, whole, and then history for so long as
// Options.History allows. Whoever polls asks for slices, so that the history of
// a fresh connection, which may take days, does not keep it from what happens
// now. The cursor stands where the slice ended; the next sync goes on there.

// changes brings all projects up to date before any gets more of its history,
// and starts the time that there is for that.
func (r *run) changes(ctx context.Context, visits []*visit) ([]*visit, error) {
	r.progress.phase("changes", int64(len(visits)))
	nothing := r.now().AddDate(1, 0, 0) // no history lies above
	rest, last, err := r.round(ctx, visits, func(v *visit, ctx context.Context) error { return v.advance(ctx, nothing) })
	if err == nil && len(rest) == 0 && len(visits) > 0 && outage(last) {
		err = last
	}
	r.historyEnds = r.now().Add(r.options.History)
	return rest, err
}

// late says whether this sync's time for history is over, and remembers that
// it was asked: what asked has more to read. Until some history was gained it is
// not over, so that slices come to an end however short they are.
func (r *run) late() bool {
	if r.historyEnds.IsZero() || !r.historyMoved.Load() || r.now().Before(r.historyEnds) {
		return false
	}
	r.cut.Store(true)
	return true
}

// slice gives the groups for so long as there is time, and sets cut when it
// ran out before them. A group that reaches no lower than the last slice did is
// the millisecond in which that one ended, read again: it gains nothing.
func (r *run) slice(groups iter.Seq2[[]gitlab.PipelineListItem, error], from time.Time, cut *bool) iter.Seq2[[]gitlab.PipelineListItem, error] {
	return func(yield func([]gitlab.PipelineListItem, error) bool) {
		if *cut = r.late(); *cut {
			return
		}
		for items, err := range groups {
			if !yield(items, err) {
				return
			}
			if reachesBelow(items, from) {
				r.historyMoved.Store(true)
			}
			if *cut = r.late(); *cut {
				return
			}
		}
	}
}

// reachesBelow says whether the last of the items, newest first, lies below the
// bottom of what is covered.
func reachesBelow(items []gitlab.PipelineListItem, from time.Time) bool {
	return len(items) > 0 && bottom(items[len(items)-1]).Before(from)
}

// bottom is down to where a list is covered once an item of it is stored:
// others of the same millisecond may still be to come.
func bottom(item gitlab.PipelineListItem) time.Time {
	return item.UpdatedAt.Or(gitlab.Time{}).Add(time.Millisecond)
}

// Following is what is asked for again because it had not ended.
type Following struct {
	Pipelines int       // how many
	Youngest  time.Time // when the youngest was created; zero when there is none
}

// Following tells of the open pipelines of all projects that a connection saw
// when it last looked at everything. It asks GitLab nothing. A pipeline of
// which nothing is stored yet counts, and has no age.
func (i *Importer) Following(ctx context.Context, connection ci.ConnectionID, instance ci.InstanceID) (Following, error) {
	var f Following
	seen, err := i.store.Reach(ctx, connection)
	if err != nil {
		return f, err
	}
	known, err := i.store.ProjectSyncs(ctx, instance)
	if err != nil {
		return f, err
	}
	var ids []ci.PipelineID
	for _, project := range seen.Projects {
		c, err := parseCursor(known[project].Cursor)
		if err != nil {
			return f, err
		}
		ids = append(ids, c.Open...)
	}
	created, err := i.store.PipelinesCreated(ctx, instance, ids)
	if err != nil {
		return f, err
	}
	f.Pipelines = len(ids)
	for _, at := range created {
		if at.After(f.Youngest) {
			f.Youngest = at
		}
	}
	return f, nil
}

// youngEnough gives those of the open pipelines that this sync asks for.
func (v *visit) youngEnough(ctx context.Context) ([]ci.PipelineID, error) {
	since := v.run.options.OpenSince
	if since.IsZero() || len(v.cursor.Open) == 0 {
		return v.cursor.Open, nil
	}
	created, err := v.run.store.PipelinesCreated(ctx, v.project.InstanceID, v.cursor.Open)
	if err != nil {
		return nil, err
	}
	var young []ci.PipelineID
	for _, id := range v.cursor.Open {
		if at, known := created[id]; !known || !at.Before(since) {
			young = append(young, id)
		}
	}
	return young, nil
}
