package ci

import "time"

// ReadyAt gives when a stretch of a run was ready to go (doc/metrics.md,
// critical path): a bridge when its downstream pipeline was created, an attempt
// when it was queued, else waited seconds before its start, else at its start.
// It is false for what is no piece of a path: a bridge that started nothing, an
// attempt that never started, and jobs of other kinds.
func ReadyAt(kind JobKind, queued *time.Time, waited *float64, started, downstream *time.Time) (time.Time, bool) {
	switch {
	case kind == Bridge && downstream != nil:
		return *downstream, true
	case kind != Build || started == nil:
		return time.Time{}, false
	case queued != nil:
		return *queued, true
	case waited != nil:
		return started.Add(-time.Duration(*waited * float64(time.Second))), true
	}
	return *started, true
}
