package ci

import (
	"slices"
	"time"
)

// PathPiece is a stretch of a run that something may have waited for: an
// attempt of a job, or a bridge with what it started.
type PathPiece struct {
	ID       JobID
	Name     string
	BaseName string
	Stage    string
	Kind     JobKind
	Ready    time.Time // when nothing but a runner was missing
	Started  *time.Time
	Finished time.Time
	Coarse   bool // its times are cut to seconds
}

// Exclusive is the time that the piece adds to a path that it is on.
func (p *PathPiece) Exclusive() time.Duration { return p.Finished.Sub(p.Ready) }

// CriticalPath gives the chain of pieces that a run's end had to wait for, in
// order of time (doc/metrics.md, critical path): from the piece that ended last,
// back to what it waited for, and so on until there is nothing. stages gives
// each stage's smallest job id, by which stages are ordered; needs the names
// that a job needs, for the jobs where that is known. No pieces give no path.
func CriticalPath(pieces []PathPiece, stages map[string]JobID, needs map[string][]string) []PathPiece {
	var path []PathPiece
	on := map[JobID]bool{}
	for last := latest(pieces, func(*PathPiece) bool { return true }); last != nil && !on[last.ID]; {
		path = append(path, *last)
		on[last.ID] = true
		current := last
		last = latest(pieces, func(p *PathPiece) bool { return waitsFor(current, p, stages, needs) })
	}
	slices.Reverse(path)
	return path
}

// latest gives the piece that ended last among those that fit; of several the
// one with the highest id.
func latest(pieces []PathPiece, fits func(*PathPiece) bool) *PathPiece {
	var found *PathPiece
	for i := range pieces {
		p := &pieces[i]
		if found != nil && (p.Finished.Before(found.Finished) || p.Finished.Equal(found.Finished) && p.ID < found.ID) {
			continue
		}
		if fits(p) {
			found = p
		}
	}
	return found
}
