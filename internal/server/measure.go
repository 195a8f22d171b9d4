package server

import (
	"context"
	"time"
)

// measuringPause is how often the server looks for pipelines whose measures are
// out of date. A question does not wait for it: it measures a few itself, or is
// answered from published tables.
const measuringPause = 10 * time.Second

// measureStep is how many pipelines are measured in one transaction: on DuckDB
// it keeps an import from writing for about half a second.
const measureStep = 2000

// keepMeasured measures what imports and hooks bring, until ctx ends: step by
// step, and one step a pause while an import is running.
func (e *engine) keepMeasured(ctx context.Context) {
	every(ctx, measuringPause, func() {
		for left := int64(1); left > 0 && ctx.Err() == nil; {
			var err error
			if left, err = e.store.Measure(ctx, measureStep); err != nil {
				if ctx.Err() == nil {
					e.log.ErrorContext(ctx, "not measured", "error", err) // the marks stay
				}
				break
			}
			if left > 0 && e.importing() {
				break
			}
		}
	})
}

// importing says whether an import is running.
func (e *engine) importing() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.running) > 0
}
