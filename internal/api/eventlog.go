package api

import "sync"

// EventLog keeps the newest events of one import, so that a reader who lost
// the stream takes it up where it broke. It is bounded: the numbers in events
// are totals, so a reader who was away for long misses steps, never sums. The
// zero EventLog is ready for use, and it is safe for concurrent use.
type EventLog struct {
	mu      sync.Mutex
	events  []SyncEvent // the newest, in order
	last    int64       // id of the newest
	ended   bool
	changed chan struct{} // closed at the next Append; nil: nobody waits
}

// eventsKept bounds a log. Progress comes ten times a second at most, so this
// is more than a minute.
const eventsKept = 1000

// Append adds an event and gives it the next id. The event "done" ends the log:
// what comes after it is dropped.
func (l *EventLog) Append(e SyncEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	l.last++
	e.ID = l.last
	if len(l.events) == eventsKept {
		copy(l.events, l.events[1:])
		l.events = l.events[:eventsKept-1]
	}
	l.events = append(l.events, e)
	l.ended = e.Kind == "done"
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// After gives the events after the one with that id, as far as they are kept;
// whether the last of all is among them or before them; and a channel that is
// closed when there are more.
func (l *EventLog) After(id int64) (events []SyncEvent, ended bool, more <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest := l.last - int64(len(l.events)) // the id before the oldest kept
	if id < l.last {
		events = append(events, l.events[max(id-oldest, 0):]...)
	}
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return events, l.ended, l.changed
}
