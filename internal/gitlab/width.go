package gitlab

import "time"

// width is how many requests may be in flight: additive increase,
// multiplicative decrease, as TCP does it. It doubles a round until the first
// trouble, then grows by one a round.
type width struct {
	size     float64
	widest   float64
	starting bool
	lastCut  time.Time
}

func newWidth(start, widest int) width {
	return width{size: float64(min(start, widest)), widest: float64(widest), starting: true}
}

func (w *width) now() int { return int(w.size) }

// grow takes in an answer that came in good time while all places were taken.
func (w *width) grow() {
	step := 1 / w.size
	if w.starting {
		step = 1
	}
	w.size = min(w.size+step, w.widest)
}

// halve takes trouble in. Requests that were sent before the last cut say
// nothing about the narrower width, so a burst of failures cuts once. It tells
// whether it cut.
func (w *width) halve(sent, now time.Time) bool {
	if sent.Before(w.lastCut) {
		return false
	}
	w.starting = false
	w.lastCut = now
	w.size = max(w.size/2, 1)
	return true
}

// latency compares an endpoint's recent answers with its good ones. Both are
// needed for each endpoint: a page of jobs takes ten times a version.
type latency struct {
	base   float64 // seconds: the best seen, drifting towards the present by 1 % an answer
	recent float64 // seconds: a moving average over some four answers
}

type verdict int

const (
	steady verdict = iota
	hesitant
	slow
)

// take takes an answer's time in and tells how the endpoint does: steady, so
// more may be asked at once; hesitant, so no more; or slow, so less.
// The constants leave room for pages of different lengths.
func (l *latency) take(d time.Duration) verdict {
	s := d.Seconds()
	if l.base == 0 && l.recent == 0 {
		l.base, l.recent = s, s
		return steady
	}
	l.base = min(s, l.base+(s-l.base)*0.01)
	l.recent += (s - l.recent) * 0.25
	switch {
	case l.recent > 4*l.base+0.5:
		return slow
	case l.recent > 2*l.base+0.1:
		return hesitant
	}
	return steady
}

// forgive forgets the recent answers, so that one slow spell cuts once.
func (l *latency) forgive() { l.recent = l.base }
