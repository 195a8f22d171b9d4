package ci

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// planted makes a series: each day the median of its runs, whose durations
// scatter by noise around level(day).
func planted(random *rand.Rand, days, runs int, noise float64, level func(day int) float64) []Level {
	series := make([]Level, days)
	for day := range series {
		n := 1 + random.IntN(2*runs-1) // runs on average
		values := make([]float64, n)
		for i := range values {
			values[i] = level(day) * math.Exp(noise*random.NormFloat64())
		}
		series[day] = Level{Median: median(values), N: int64(n)}
	}
	return series
}

func flat(int) float64 { return 300 }

// At most one false point in 100 flat series of 90 days.
func TestShiftsOfFlatSeries(t *testing.T) {
	for _, noise := range []float64{0, 0.02, 0.1, 0.3} {
		for _, runs := range []int{1, 4, 20} {
			t.Run(fmt.Sprintf("noise %g, %d runs", noise, runs), func(t *testing.T) {
				random := rand.New(rand.NewPCG(7, uint64(runs)))
				false100 := 0
				for range 100 {
					false100 += len(Shifts(planted(random, 90, runs, noise, flat)))
				}
				if false100 > 1 {
					t.Errorf("%d false points in 100 series", false100)
				}
			})
		}
	}
}

// Odd days are no levels, unless several of the four happen to be neighbours.
func TestShiftsOfOutliers(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 9))
	found := 0
	for range 100 {
		series := planted(random, 90, 2, 0.1, flat)
		for range 4 {
			series[random.IntN(90)].Median *= 5
		}
		found += len(Shifts(series))
	}
	if found > 3 {
		t.Errorf("%d points in 100 series with odd days", found)
	}
}

// A shift of at least 20 % in at least 30 runs is found within a day, with the
// right sign and its size within a third.
func TestShiftsOfPlantedSeries(t *testing.T) {
	for _, factor := range []float64{1.2, 1.5, 3, 0.8, 0.5} {
		for _, runs := range []int{2, 5, 20} {
			t.Run(fmt.Sprintf("factor %g, %d runs", factor, runs), func(t *testing.T) {
				random := rand.New(rand.NewPCG(11, uint64(runs)))
				missed := 0
				for range 50 {
					at := 30 + random.IntN(30)
					found := Shifts(planted(random, 90, runs, 0.08, func(day int) float64 {
						if day >= at {
							return 300 * factor
						}
						return 300
					}))
					if !slices.ContainsFunc(found, func(s Shift) bool {
						size, want := s.After/s.Before-1, factor-1
						return s.At >= at-1 && s.At <= at+1 && size*want > 0 && math.Abs(size-want) <= math.Abs(want)/3
					}) || len(found) != 1 {
						missed++
						t.Log(at, found)
					}
				}
				if missed > 1 {
					t.Errorf("%d of 50 missed", missed)
				}
			})
		}
	}
}

// Up and down again are two.
func TestShiftsOfTwoSteps(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	var at []int
	for _, s := range Shifts(planted(random, 90, 6, 0.05, func(day int) float64 {
		if day >= 30 && day < 60 {
			return 450
		}
		return 300
	})) {
		at = append(at, s.At)
	}
	if diff := cmp.Diff([]int{30, 60}, at); diff != "" {
		t.Errorf("days (-want +got):\n%s", diff)
	}
}

func TestShiftsOfNextToNothing(t *testing.T) {
	for _, days := range [][]Level{nil, {{300, 50}}, {{300, 50}, {600, 50}, {600, 50}}, make([]Level, 90)} {
		if found := Shifts(days); len(found) != 0 {
			t.Errorf("%v: %v", days, found)
		}
	}
}
