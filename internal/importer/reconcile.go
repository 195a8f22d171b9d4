package importer

import (
	"context"
	"iter"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/store"
)

// GitLab has no list of what was deleted. But the first page of every list,
// which a visit reads anyway, carries the number of all rows (X-Total): when it
// differs from the number of rows in the store, something was deleted, or lost.
// Only then is the whole list read, 100 rows a request. Beyond 10,000 rows GitLab
// does not count; there GraphQL's count (recount.go) or time has to tell.

const (
	// A list that nobody counts is read whole once in so long.
	uncountedEvery = 24 * time.Hour
	// Up to so many rows, which are ten requests, it is read whole whenever a
	// person asks for a sync.
	uncountedShort = 1_000
)

// compare checks a list that was just caught up with against GitLab's count of
// it; nil where there is none.
func (v *visit) compare(ctx context.Context, l list, c *coverage, total *int64) error {
	stored, err := v.run.store.CountPipelines(ctx, v.project.InstanceID, v.project.ID, c.From, l.child)
	if err != nil {
		return err
	}
	if total == nil {
		if l.still(v.differs) || v.run.now().Sub(c.Counted) >= uncountedEvery || v.run.options.Recount && stored <= uncountedShort {
			return v.reconcile(ctx, l, c)
		}
		return nil
	}
	c.Counted = v.run.now().UTC()
	if stored-*total == c.Settled {
		return nil
	}
	return v.reconcile(ctx, l, c)
}

// reconcile reads all that is covered of a list: it imports what the store does
// not have as it is, and marks as deleted what GitLab no longer lists. A
// pipeline that changes meanwhile jumps above the reader, so the top is read a
// second time before anything counts as missing.
func (v *visit) reconcile(ctx context.Context, l list, c *coverage) error {
	began := v.run.now()
	c.Counted = began.UTC()
	*l.ahead = nil // from the top again
	listed := make(map[ci.PipelineID]bool)
	first := v.walk(l, c.From, time.Time{})
	if err := v.stream(ctx, v.ahead(l), collect(listed, first.since(ctx, c.From)), nil); err != nil {
		return err
	}
	var newest ci.PipelineID
	for id := range listed {
		newest = max(newest, id)
	}
	second := v.walk(l, first.seekFrom(), time.Time{})
	if err := v.stream(ctx, v.ahead(l), collect(listed, second.since(ctx, second.floor)), nil); err != nil {
		return err
	}
	stored, err := v.run.store.PipelineIDs(ctx, v.project.InstanceID, v.project.ID, c.From, l.child)
	if err != nil {
		return err
	}
	var batch store.Batch
	var made int64 // since GitLab counted, when the first reading began
	for _, id := range stored {
		if listed[id] && id > newest {
			made++
		}
		if !listed[id] {
			batch.Deleted = append(batch.Deleted, v.tombstone(id, began))
			v.cursor.follow(id, false)
		}
	}
	c.Settled = 0
	if first.total != nil {
		// With those that were made meanwhile it would hide as many deletions to come.
		c.Settled = int64(len(stored)-len(batch.Deleted)) - made - *first.total
	}
	return v.commit(batch)
}

// collect notes the ids that pass.
func collect(ids map[ci.PipelineID]bool, groups iter.Seq2[[]gitlab.PipelineListItem, error]) iter.Seq2[[]gitlab.PipelineListItem, error] {
	return func(yield func([]gitlab.PipelineListItem, error) bool) {
		for items, err := range groups {
			for _, item := range items {
				ids[ci.PipelineID(item.ID)] = true
			}
			if !yield(items, err) {
				return
			}
		}
	}
}

// tombstone marks a pipeline as deleted, unless it was seen after at.
func (v *visit) tombstone(id ci.PipelineID, at time.Time) store.Tombstone {
	return store.Tombstone{Table: "pipelines", InstanceID: v.project.InstanceID, ID: int64(id), At: at}
}
