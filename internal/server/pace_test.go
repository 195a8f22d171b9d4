package server

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/importer"
)

func TestPace(t *testing.T) {
	change, idle := outcome{changed: true}, outcome{}
	down := outcome{code: ci.ServerError}
	for _, c := range []struct {
		name   string
		rounds []outcome
		want   []time.Duration
	}{
		{"finds something", []outcome{change, change, change}, []time.Duration{30 * time.Second, 20 * time.Second, 20 * time.Second}},
		{"finds nothing", []outcome{idle, idle, idle, idle, idle}, []time.Duration{
			90 * time.Second, 135 * time.Second, 202500 * time.Millisecond, 5 * time.Minute, 5 * time.Minute,
		}},
		{"finds something again", []outcome{idle, change}, []time.Duration{90 * time.Second, 45 * time.Second}},
		{"has history left", []outcome{{paused: true, changed: true, requests: 1e6, allowed: 1}, change}, []time.Duration{time.Second, 30 * time.Second}},
		{"takes many requests", []outcome{{changed: true, requests: 300, allowed: 30}, change}, []time.Duration{10 * time.Minute, 20 * time.Second}},
		{"takes more than the longest pause allows", []outcome{{requests: 3000, allowed: 30}}, []time.Duration{100 * time.Minute}},
		{"GitLab is down", []outcome{down, down, down, down, change}, []time.Duration{
			time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute, 30 * time.Second,
		}},
		{"the token is refused", []outcome{{code: ci.InvalidCredentials}, {code: ci.InvalidCredentials}, idle}, []time.Duration{
			time.Hour, time.Hour, 90 * time.Second,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPace(20*time.Second, 5*time.Minute)
			for i, o := range c.rounds {
				if got := p.next(o); got != c.want[i] {
					t.Errorf("after round %d: %v, want %v", i+1, got, c.want[i])
				}
			}
		})
	}
}

// Whatever happens, a pause is within the bounds, or longer for a reason.
func TestPaceKeepsItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low := time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "min"))
		p := newPace(low, low+time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "span")))
		for range rapid.IntRange(1, 80).Draw(t, "rounds") {
			o := outcome{
				changed: rapid.Bool().Draw(t, "changed"), requests: rapid.Int64Range(0, 1e6).Draw(t, "requests"),
				allowed: rapid.Float64Range(0, 1e4).Draw(t, "allowed"),
				code:    rapid.SampledFrom([]ci.Code{"", "", "", ci.ServerError, ci.InvalidCredentials}).Draw(t, "code"),
			}
			switch got := p.next(o); {
			case got < p.min:
				t.Fatalf("%v is shorter than %v", got, p.min)
			case got > max(p.max, cost(o)) && !refused(o.code):
				t.Fatalf("%v is longer than %v, and costs want %v", got, p.max, cost(o))
			case p.interval < p.min || p.interval > p.max:
				t.Fatalf("the interval is %v", p.interval)
			}
		}
	})
}

func TestPaceOfOpenPipelines(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		of   importer.Following
		last outcome
		want time.Duration
	}{
		{"none", importer.Following{}, outcome{}, 0},
		{"one that has just begun", importer.Following{Pipelines: 1, Youngest: now.Add(-time.Second)}, outcome{}, 10 * time.Second},
		{"one of half an hour", importer.Following{Pipelines: 3, Youngest: now.Add(-30 * time.Minute)}, outcome{}, 3 * time.Minute},
		{"one of days", importer.Following{Pipelines: 1, Youngest: now.Add(-50 * time.Hour)}, outcome{}, 5 * time.Hour},
		{"of unknown age", importer.Following{Pipelines: 1}, outcome{}, 10 * time.Second},
		{"of a clock ahead", importer.Following{Pipelines: 1, Youngest: now.Add(time.Hour)}, outcome{}, 10 * time.Second},
		{"so many that asking is dear", importer.Following{Pipelines: 100, Youngest: now}, outcome{requests: 300, allowed: 60}, 5 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPace(20*time.Second, 5*time.Minute)
			if got := p.open(c.of, now, c.last); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}
