package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/metric"
)

// drawnRun is a run in which everything happens that a waterfall shows.
func drawnRun() *metric.Trace {
	at := func(minute, second int) *time.Time {
		return new(time.Date(2026, 11, 20, 10, minute, second, 0, time.UTC))
	}
	job := func(id int64, name, stage, status string, ready, started, finished *time.Time) metric.TraceJob {
		j := metric.TraceJob{
			PipelineID: 4711, ID: id, Name: name, Stage: &stage, Kind: "build", Status: status, Attempt: 1, Attempts: 1,
			ReadyAt: ready, StartedAt: started, FinishedAt: finished,
		}
		if ready != nil && started != nil {
			j.QueuedSeconds = new(started.Sub(*ready).Seconds())
		}
		return j
	}
	t := &metric.Trace{
		Instance: 1, ID: 4711, Project: new("acme/shop"), Status: "success", Source: new("push"), Ref: new("main"),
		SHA: new("0123456789abcdef"), User: new("ann"), CreatedAt: at(0, 0), StartedAt: at(0, 10), FinishedAt: at(20, 0), DurationSeconds: new(900.0),
		Ended: true, Order: "stage", GapAfterSeconds: new(0.0), Precision: "ms", AsOf: *at(30, 0),
	}
	first := job(1, "build", "build", "failed", at(0, 0), at(0, 10), at(3, 0))
	first.FailureReason, first.Attempts = new("runner_system_failure"), 2
	second := job(2, "build", "build", "success", at(5, 0), at(5, 0), at(8, 0))
	second.Attempt, second.Attempts = 2, 2
	unit := job(3, "unit", "test", "failed", at(8, 0), at(8, 2), at(12, 0))
	unit.AllowFailure = new(true)
	bridge := job(4, "trigger\x1b[2J", "test", "success", at(8, 0), nil, at(19, 0))
	bridge.Kind, bridge.Downstream = "bridge", new(int64(4712))
	inner := job(5, "inner", "child", "success", at(8, 0), at(10, 0), at(18, 0))
	inner.Depth, inner.PipelineID = 1, 4712
	deploy := job(6, "deploy", "deploy", "manual", nil, nil, nil)
	for _, c := range []struct {
		j              *metric.TraceJob
		exclusive, gap float64
	}{{&first, 180, 0}, {&second, 180, 120}, {&bridge, 660, 0}} {
		c.j.Critical, c.j.ExclusiveSeconds, c.j.GapBeforeSeconds = true, &c.exclusive, &c.gap
	}
	t.Jobs = []metric.TraceJob{first, second, unit, bridge, inner, deploy}
	return t
}

func TestDrawRun(t *testing.T) {
	draw := func(run *metric.Trace, env ...string) string {
		var out bytes.Buffer
		return newProgram(strings.NewReader(""), &out, &out, lookup(env...)).drawRun(run)
	}
	const title = "acme/shop 1/4711: success; push of main at 01234567 by ann\n" +
		"created 2026-11-20 10:00:00Z, started after 10 s, ended after 20m0s (jobs ran for 15m0s of it)\n"
	want := title + `─ build
* ✕ build (attempt 1 of 2)  █████                             10 s + 2m50s, runner_system_failure
* ✓ build (attempt 2 of 2)          █████                     3m0s, after 2m0s
─ test
  ! unit                                ░██████               2.0 s + 3m58s
* ✓ trigger\x1b[2J                       █████████████████    11m0s
  ─ child (of pipeline 4712)
    ✓ inner                              ░░░█████████████     2m0s + 8m0s
─ deploy
  ▷ deploy                                                    manual
* critical path, by stage: 17m0s of jobs and 2m0s between them
`
	have := draw(drawnRun(), "COLUMNS", "97")
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("-want +have:\n%s", diff)
	}
	narrow := draw(drawnRun(), "COLUMNS", "50")
	if strings.Contains(narrow, "█") || !strings.Contains(narrow, "\n* ✓ build (attempt 2 …  3m0s, after 2m0s\n") {
		t.Errorf("a narrow terminal shows\n%s", narrow)
	}

	running := drawnRun()
	running.Status, running.Ended, running.FinishedAt, running.GapAfterSeconds = "running", false, nil, nil
	running.Jobs = running.Jobs[2:3]
	running.Jobs[0].Status, running.Jobs[0].FinishedAt, running.Jobs[0].AllowFailure = "running", nil, nil
	have = draw(running, "COLUMNS", "80")
	for _, part := range []string{"has not ended; drawn up to 2026-11-20 10:30:00Z", "● unit", "2.0 s + 21m58s"} {
		if !strings.Contains(have, part) {
			t.Errorf("a running run does not show %q:\n%s", part, have)
		}
	}
	if strings.Contains(have, "critical") {
		t.Errorf("a running run has a critical path:\n%s", have)
	}

	want = "a project that is not stored 1/5: skipped; unknown source of an unknown ref\ncreated never\nit has no jobs\n"
	if diff := cmp.Diff(want, draw(&metric.Trace{Instance: 1, ID: 5, Status: "skipped"})); diff != "" {
		t.Errorf("a run without jobs: -want +have:\n%s", diff)
	}
}
