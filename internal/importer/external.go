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
// that reaches back to then and has no news; such pipelines are followed while
// they run.
func (v *visit) externals(ctx context.Context) error {
	again := v.cursor.External != nil && !v.cursor.External.After(v.since) && !v.run.options.Full
	list, err := v.listExternals(ctx, again)
	if err != nil {
		return err
	}
	began := v.run.now()
	if err := v.stream(ctx, nil, one(list.items), nil); err != nil {
		return err
	}
	v.externalsReadTo(v.since, list.asked)
	if !list.whole {
		return nil
	}
	deleted, err := v.deletedExternals(ctx, list.ids, began)
	if err != nil || len(deleted) == 0 {
		return err
	}
	return v.commit(store.Batch{Deleted: deleted})
}

// externalsReadTo notes how far back the externals are stored, and as of when.
func (v *visit) externalsReadTo(since, asked time.Time) {
	if v.cursor.External == nil || since.Before(*v.cursor.External) {
		v.cursor.External = &since
	}
	if asked.After(v.cursor.ExternalAsked) {
		v.cursor.ExternalAsked = asked
	}
}

// externalList is what the list of external pipelines showed.
type externalList struct {
	items []gitlab.PipelineListItem // those that no other list shows
	ids   map[ci.PipelineID]bool    // all of it, also those that have got an updated_at since
	asked time.Time                 // GitLab's clock when its first page was asked for, less overlap
	whole bool                      // it was read to its end or to the horizon
}

// listExternals reads the list, when again only as far as it has news.
func (v *visit) listExternals(ctx context.Context, again bool) (externalList, error) {
	options := gitlab.PipelineListOptions{OrderBy: "id", Sort: "desc", Source: string(ci.SourceExternal), PerPage: perPage}
	list := externalList{ids: make(map[ci.PipelineID]bool)}
	for page, err := range v.pipelines(ctx, options) {
		if err != nil {
			return externalList{}, err
		}
		if list.asked.IsZero() {
			list.asked = serverNow(page.Date, page.AskedAt)
		}
		var fresh []gitlab.PipelineListItem
		old, reached := false, false
		for _, item := range page.Items {
			if list.ids[ci.PipelineID(item.ID)] {
				continue // shifted here from the page before
			}
			list.ids[ci.PipelineID(item.ID)] = true
			created, ok := item.CreatedAt.Get()
			reached = reached || ok && created.Before(v.cursor.ExternalAsked)
			if _, ok := item.UpdatedAt.Get(); ok {
				continue // in the list by updated_at
			}
			if ok && created.Before(v.since) {
				old = true
				continue
			}
			fresh = append(fresh, item)
		}
		list.items = append(list.items, fresh...)
		if old {
			list.whole = true
			return list, nil
		}
		// Above what the last whole reading showed, a page without news means
		// nothing: it may have dated pipelines only, or what a visit wrote that was
		// stopped before it came to those below.
		if again && reached && !page.Last {
			news, err := v.anyNeeded(ctx, fresh)
			if err != nil || !news {
				return list, err
			}
		}
	}
	list.whole = true
	return list, nil
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
func (v *visit) deletedExternals(ctx context.Context, listed map[ci.PipelineID]bool, at time.Time) ([]store.Tombstone, error) {
	stored, err := v.run.store.UndatedPipelineIDs(ctx, v.project.InstanceID, v.project.ID, v.since)
	if err != nil {
		return nil, err
	}
	var deleted []store.Tombstone
	for _, id := range stored {
		if !listed[id] {
			deleted = append(deleted, v.tombstone(id, at))
		}
	}
	return deleted, nil
}
