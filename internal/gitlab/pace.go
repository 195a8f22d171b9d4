package gitlab

import "time"

// pacer spaces requests evenly, with a burst allowed after a pause (the
// generic cell rate algorithm). The zero pacer never holds anything back.
type pacer struct {
	interval time.Duration // between two requests; 0: no limit
	burst    time.Duration // how far ahead of an even pace one may be
	due      time.Time     // when an even pace would want the next request
}

// perMinute sets the pace; n may be a fraction. Zero or less lifts it.
func (p *pacer) perMinute(n float64, burst time.Duration) {
	if n <= 0 {
		p.interval, p.burst = 0, 0
		return
	}
	p.interval, p.burst = time.Duration(float64(time.Minute)/n), burst
}

// rate gives the pace in requests a minute; 0: no limit.
func (p *pacer) rate() float64 {
	if p.interval == 0 {
		return 0
	}
	return float64(time.Minute) / float64(p.interval)
}

// next says when the next request may go; it may be past.
func (p *pacer) next() time.Time {
	if p.interval == 0 {
		return time.Time{}
	}
	return p.due.Add(-p.burst)
}

// take notes a request that goes now.
func (p *pacer) take(now time.Time) {
	if p.interval > 0 {
		p.due = later(p.due, now).Add(p.interval)
	}
}

// window lets through at most limit requests in any span of its length, however
// GitLab's own windows lie on the clock. The zero window lets everything through.
type window struct {
	limit int
	per   time.Duration
	taken []time.Time // the last limit requests, a ring
	head  int         // the oldest of them, once the ring is full
}

// reset sets another limit, and counts from zero; a limit of 0 is none.
func (w *window) reset(limit int, per time.Duration) { *w = window{limit: limit, per: per} }

// next says when the next request may go; it may be past.
func (w *window) next() time.Time {
	if w.limit == 0 || len(w.taken) < w.limit {
		return time.Time{}
	}
	return w.taken[w.head].Add(w.per)
}

// take notes a request that goes now.
func (w *window) take(now time.Time) {
	switch {
	case w.limit == 0:
	case len(w.taken) < w.limit:
		w.taken = append(w.taken, now)
	default:
		w.taken[w.head] = now
		w.head = (w.head + 1) % w.limit
	}
}

// rate counts what happened in the last minute, by the second.
type rate struct {
	counts [60]int32
	last   int64 // the second counted last, since 1970
}

// add counts something that happens now.
func (r *rate) add(now time.Time) {
	r.forget(now)
	r.counts[r.last%60]++
}

// sum gives the count of the last minute.
func (r *rate) sum(now time.Time) int {
	r.forget(now)
	total := 0
	for _, n := range r.counts {
		total += int(n)
	}
	return total
}

// forget lets go of what is older than a minute.
func (r *rate) forget(now time.Time) {
	second := now.Unix()
	for s := max(r.last+1, second-59); s <= second; s++ {
		r.counts[s%60] = 0
	}
	r.last = max(r.last, second)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
