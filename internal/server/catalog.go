package server

import (
	"context"
	"time"

	"github.com/weirhq/weir/internal/catalog"
	"github.com/weirhq/weir/internal/store"
)

// mappingPause is how long a change may wait for the catalog's rules while the
// server runs. An import that ends does not wait.
const mappingPause = 15 * time.Second

// mapChanged leads what changed to its services. What fails is tried again by
// the next: the marks stay.
func (e *engine) mapChanged(ctx context.Context) {
	n, err := e.store.MapChanged(ctx, func(rows store.CatalogRows) (store.Mapper, error) {
		return catalog.Stored(rows).Compile()
	})
	switch {
	case err != nil && ctx.Err() == nil:
		e.log.ErrorContext(ctx, "services not mapped", "error", err)
	case n > 0:
		e.log.DebugContext(ctx, "services mapped", "pipelines", n)
	}
}

// keepMapped maps what long imports and hooks bring, until ctx ends.
func (e *engine) keepMapped(ctx context.Context) {
	every(ctx, mappingPause, func() {
		if pending, err := e.store.PendingMappings(ctx); err == nil && pending {
			e.mapChanged(ctx)
		}
	})
}
