package importer

import (
	"context"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/store"
)

// Pipelines that an external system reported (source external) may have no
// updated_at at all, and then every list that is filtered by it leaves them
// out. They have a list of their own, newest first by id: one request a visit.

// externals imports the external pipelines without updated_at that were created
// since the horizon. When the list was read before, it stops at the first page
// that has no news; such pipelines are followed while they run.
func (v *visit) externals(ctx context.Context) error {
	again := v.cursor.External != nil && !v.cursor.External.After(v.since) && !v.run.options.Full
	items, whole, err := v.listExternals(ctx, again)
	if err != nil {
		return err
	}
	began := v.run.now()
	if err := v.stream(ctx, nil, one(items), nil); err != nil {
		return err
	}
	v.externalsReadTo(v.since)
	if !whole {
		return nil
	}
	deleted, err := v.deletedExternals(ctx, items, began)
	if err != nil || len(deleted) == 0 {
		return err
	}
	return v.commit(store.Batch{Deleted: deleted})
}

// externalsReadTo notes how far back the externals are stored.
func (v *visit) externalsReadTo(since time.Time) {
	if v.cursor.External == nil || since.Before(*v.cursor.External) {
		v.cursor.External = &since
	}
}

// listExternals gives the pipelines of the list that no other list shows, and
// whether it was read to its end or to the horizon.
func (v *visit) listExternals(ctx context.Context, again bool) (items []gitlab.PipelineListItem, whole bool, err error) {
	options := gitlab.PipelineListOptions{OrderBy: "id", Sort: "desc", Source: string(ci.SourceExternal), PerPage: perPage}
	ids := make(map[int64]bool)
	for page, err := range v.pipelines(ctx, options) {
		if err != nil {
			return nil, false, err
		}
		var fresh []gitlab.PipelineListItem
		old := false
		for _, item := range page.Items {
			if _, ok := item.UpdatedAt.Get(); ok || ids[item.ID] {
				continue // in the list by updated_at, or shifted here from the page before
			}
			ids[item.ID] = true
			if created, ok := item.CreatedAt.Get(); ok && created.Before(v.since) {
				old = true
				continue
			}
			fresh = append(fresh, item)
		}
		items = append(items, fresh...)
		if old {
			return items, true, nil
		}
		if again && !page.Last {
			news, err := v.anyNeeded(ctx, fresh)
			if err != nil || !news {
				return items, false, err
			}
		}
	}
	return items, true, nil
}

func (v *visit) anyNeeded(ctx context.Context, items []gitlab.PipelineListItem) (bool, error) {
	known, err := v.versions(ctx, items)
	if err != nil {
		return false, err
	}
	for _, item := range items {
		if v.needs(item, known) {
			return true, nil
		}
	}
	return false, nil
}

// deletedExternals marks those that the store has and a list that was read
// whole does not.
func (v *visit) deletedExternals(ctx context.Context, listed []gitlab.PipelineListItem, at time.Time) ([]store.Tombstone, error) {
	stored, err := v.run.store.UndatedPipelineIDs(ctx, v.project.InstanceID, v.project.ID, v.since)
	if err != nil {
		return nil, err
	}
	there := make(map[ci.PipelineID]bool, len(listed))
	for _, item := range listed {
		there[ci.PipelineID(item.ID)] = true
	}
	var deleted []store.Tombstone
	for _, id := range stored {
		if !there[id] {
			deleted = append(deleted, v.tombstone(id, at))
		}
	}
	return deleted, nil
}
