package main

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
)

// progress shows how imports go: bars on a terminal, a line every ten seconds
// elsewhere, and with -o json or ndjson every event as a line on stdout.
type progress struct {
	p     *program
	names map[ci.ConnectionID]string

	mu   sync.Mutex
	bars *mpb.Progress // nil without a terminal
	bar  map[ci.SyncID]*syncBar
	told map[ci.SyncID]time.Time // when the last line was written
}

// syncBar is the bar of one import with the event that it shows.
type syncBar struct {
	bar  *mpb.Bar
	last api.SyncEvent
	mu   sync.Mutex // mpb's own goroutine reads last
}

// lineEvery is how often progress is told where no bar can move.
const lineEvery = 10 * time.Second

func (p *program) newProgress(names map[ci.ConnectionID]string) *progress {
	v := &progress{p: p, names: names, bar: map[ci.SyncID]*syncBar{}, told: map[ci.SyncID]time.Time{}}
	if p.format() != asJSON && p.format() != asNDJSON && p.movable(p.stderr) {
		v.bars = mpb.New(mpb.WithOutput(p.stderr), mpb.WithWidth(24))
	}
	return v
}

// event shows one event.
func (v *progress) event(s api.StartedSync, e api.SyncEvent) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if f := v.p.format(); f == asJSON || f == asNDJSON {
		_ = writeDocument(v.p.stdout, asNDJSON, e) // a reader that is gone is met by the summary's write
		return
	}
	if e.Kind == "warning" {
		v.write(fmt.Sprintf("%s: warning: %s%s", v.names[s.ConnectionID], inProject(e.Project), printable(e.Message)))
		return
	}
	if v.bars != nil {
		v.move(s, e)
		return
	}
	if e.Kind == "started" {
		v.told[s.ID] = e.At
	}
	if e.Kind != "done" && e.At.Sub(v.told[s.ID]) >= lineEvery {
		v.told[s.ID] = e.At
		v.write(v.names[s.ConnectionID] + ": " + stand(e))
	}
}

func inProject(path string) string {
	if path == "" {
		return ""
	}
	return printable(path) + ": "
}

// stand is where an import stands, in one line. An import without projects (of
// a gitlab connection) tells its requests only.
func stand(e api.SyncEvent) string {
	var parts []string
	if e.ProjectsTotal > 0 {
		parts = append(parts, fmt.Sprintf("%s of %s", thousands(e.ProjectsDone), count(e.ProjectsTotal, "project")))
	}
	if e.PipelinesDone > 0 {
		parts = append(parts, count(e.PipelinesDone, "pipeline"))
	}
	parts = append(parts, count(e.Requests, "request"))
	if e.ThrottledSeconds >= 1 {
		parts = append(parts, "waited "+spanText(e.ThrottledSeconds)+" for GitLab's limits")
	}
	line := strings.Join(parts, ", ")
	if e.Phase != "" {
		line += " (" + printable(e.Phase) + ")"
	}
	return line
}

func (v *progress) move(s api.StartedSync, e api.SyncEvent) {
	b := v.bar[s.ID]
	if b == nil {
		b = &syncBar{}
		b.bar = v.bars.AddBar(0,
			mpb.PrependDecorators(decor.Name(v.names[s.ConnectionID]+" ")),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string {
				b.mu.Lock()
				defer b.mu.Unlock()
				return stand(b.last)
			})),
		)
		v.bar[s.ID] = b
	}
	b.mu.Lock()
	b.last = e
	b.mu.Unlock()
	done, total := e.ProjectsDone, e.ProjectsTotal
	if e.PipelinesTotal > 0 {
		done, total = e.PipelinesDone, e.PipelinesTotal
	}
	b.bar.SetTotal(total, false)
	b.bar.SetCurrent(done)
	if e.Kind == "done" {
		b.bar.Abort(false) // stays as it stands: an import need not end at its total
	}
}

// note tells a person something without breaking a bar.
func (v *progress) note(line string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.write(line)
}

func (v *progress) write(line string) {
	if v.bars != nil {
		_, _ = fmt.Fprintln(v.bars, line)
		return
	}
	v.p.message("%s", line)
}

// end leaves the bars as they stand.
func (v *progress) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.bars == nil {
		return
	}
	for _, b := range v.bar {
		b.bar.Abort(false)
	}
	v.bars.Wait()
	v.bars = nil
}
