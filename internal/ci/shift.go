package ci

import (
	"math"
	"slices"
)

// Level is a day of a series: the median of what was measured on it, over N runs.
type Level struct {
	Median float64
	N      int64
}

// Shift is a lasting change of level in a series of days.
type Shift struct {
	At            int     // index of the first day of the new level
	Before, After float64 // medians of the days of the levels on either side
}

// ShiftDays is the length of the shortest series in which there can be a shift.
const ShiftDays = 4

// What counts as a shift. The statistic is that of a difference of means, in
// units of the noise, at the best of all places, so it is asked for more than
// the usual three; tests hold it to false and missed points on made-up series.
const (
	shiftEvidence = 5.5
	shiftLeast    = 0.1 // relative change that is worth telling
	shiftRuns     = 10  // fewer runs are no level
	shiftNoise    = 0.01
)

// Shifts looks for lasting changes of level, in order. Levels must be positive
// (others are left out of the search but keep their index); a series of fewer
// than ShiftDays has none.
//
// The search is binary segmentation on logarithms, so that +20 % weighs the same
// at a minute and at an hour. A day weighs by its runs. The noise is estimated
// from differences of neighbours, which a shift hardly touches, and a day far
// from its neighbours is drawn in to them, so that one odd day is no level.
func Shifts(days []Level) []Shift {
	if len(days) < ShiftDays {
		return nil
	}
	s := series{index: make([]int, 0, len(days)), x: make([]float64, 0, len(days)), w: make([]float64, 0, len(days))}
	for i, d := range days {
		if d.Median > 0 && d.N > 0 {
			s.index = append(s.index, i)
			s.x = append(s.x, math.Log(d.Median))
			s.w = append(s.w, float64(d.N))
		}
	}
	if len(s.x) < ShiftDays {
		return nil
	}
	s.noise = s.estimateNoise()
	s.drawIn()
	cuts := s.split(0, len(s.x))
	slices.Sort(cuts)
	var found []Shift
	edges := slices.Concat([]int{0}, cuts, []int{len(s.x)})
	for k := 1; k < len(edges)-1; k++ {
		before, after := math.Exp(s.level(edges[k-1], edges[k])), math.Exp(s.level(edges[k], edges[k+1]))
		if math.Abs(after/before-1) >= shiftLeast {
			found = append(found, Shift{At: s.index[edges[k]], Before: before, After: after})
		}
	}
	return found
}

// series is what is searched: logarithms x with weights w.
type series struct {
	index []int
	x, w  []float64
	noise float64 // standard deviation of a day of one run
}

func (s *series) estimateNoise() float64 {
	steps := make([]float64, 0, len(s.x))
	for i := 1; i < len(s.x); i++ {
		steps = append(steps, math.Abs(s.x[i]-s.x[i-1])/math.Sqrt(1/s.w[i]+1/s.w[i-1]))
	}
	const ofNormal = 1.4826 // median absolute deviation to standard deviation
	return max(ofNormal*median(steps), shiftNoise)
}

// drawIn bounds a day that is far from the days before and from the days after.
// One at a shift is near to one of the two, and stays.
func (s *series) drawIn() {
	const days = 5
	n := len(s.x)
	upTo := make([]float64, n+days+1) // upTo[i]: the median of the days before i, so many at most
	for i := 1; i < len(upTo); i++ {
		upTo[i] = median(s.x[min(max(0, i-days), n):min(i, n)])
	}
	drawn := slices.Clone(s.x)
	for i := range s.x {
		before, after := i, i+1+days
		if i == 0 {
			before = after
		}
		if i == n-1 {
			after = before
		}
		low, high := upTo[before], upTo[after]
		if low > high {
			low, high = high, low
		}
		reach := 3 * s.noise / math.Sqrt(s.w[i])
		drawn[i] = min(max(s.x[i], low-reach), high+reach)
	}
	s.x = drawn
}

// split finds where [from, to) is best cut in two, and goes on in both halves.
func (s *series) split(from, to int) []int {
	best, at := 0.0, -1
	var total, weight float64
	for i := from; i < to; i++ {
		total += s.w[i] * s.x[i]
		weight += s.w[i]
	}
	var left, leftWeight float64
	for i := from; i < to-1; i++ {
		left += s.w[i] * s.x[i]
		leftWeight += s.w[i]
		rightWeight := weight - leftWeight
		if leftWeight < shiftRuns || rightWeight < shiftRuns {
			continue
		}
		step := math.Abs(left/leftWeight-(total-left)/rightWeight) * math.Sqrt(leftWeight*rightWeight/weight) / s.noise
		if step > best {
			best, at = step, i+1
		}
	}
	if best < shiftEvidence {
		return nil
	}
	return slices.Concat(s.split(from, at), []int{at}, s.split(at, to))
}

// level is the median of the days of [from, to).
func (s *series) level(from, to int) float64 { return median(s.x[from:to]) }

func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	var few [8]float64 // most lists are that short, and there are many
	sorted := append(few[:0], list...)
	slices.Sort(sorted)
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}
