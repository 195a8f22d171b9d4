package importer

import (
	"maps"
	"sync"
	"time"

	"github.com/weirhq/weir/internal/store"
)

// progress counts what a run has done and tells whoever watches.
type progress struct {
	tell func(Event)
	fill func(*Event)
	now  func() time.Time

	mu      sync.Mutex
	current Event
	last    time.Time
	counts  map[string]int64
}

// tellEvery bounds how often progress is told.
const tellEvery = 100 * time.Millisecond

func newProgress(tell func(Event), now func() time.Time, fill func(*Event)) *progress {
	if tell == nil {
		tell = func(Event) {}
	}
	return &progress{tell: tell, fill: fill, now: now, counts: make(map[string]int64)}
}

// emit completes an event with the numbers and tells it.
func (p *progress) emit(e Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.emitLocked(e)
}

func (p *progress) emitLocked(e Event) {
	e.At = p.now().UTC()
	e.ProjectsDone, e.ProjectsTotal = p.current.ProjectsDone, p.current.ProjectsTotal
	e.PipelinesDone, e.PipelinesTotal = p.current.PipelinesDone, max(p.current.PipelinesTotal, p.current.PipelinesDone)
	if e.Phase == "" {
		e.Phase = p.current.Phase
	}
	e.Rows = maps.Clone(p.counts)
	p.fill(&e)
	p.tell(e)
}

func (p *progress) phase(name string, projects int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current.Phase, p.current.ProjectsDone, p.current.ProjectsTotal = name, 0, projects
	p.emitLocked(Event{Kind: EventPhase})
}

func (p *progress) projectDone(path string) {
	p.change(path, func(e *Event) { e.ProjectsDone++ })
}

func (p *progress) pipelines(n int) {
	p.change("", func(e *Event) { e.PipelinesDone += int64(n) })
}

func (p *progress) pipelinesExpected(total *int64) {
	if total != nil {
		p.change("", func(e *Event) { e.PipelinesTotal += *total })
	}
}

func (p *progress) change(project string, f func(*Event)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.current)
	if now := p.now(); now.Sub(p.last) >= tellEvery {
		p.last = now
		p.emitLocked(Event{Kind: EventProgress, Project: project})
	}
}

func (p *progress) written(w store.Written) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for table, n := range w {
		p.counts[table] += n
	}
}

func (p *progress) rows() map[string]int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.counts)
}
