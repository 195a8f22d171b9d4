package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
)

func TestPollStatus(t *testing.T) {
	next := new(time.Date(2026, 11, 22, 15, 4, 5, 0, time.UTC))
	for name, tt := range map[string]struct {
		poll *api.Poll
		want string
	}{
		"not polled":     {nil, ""},
		"not yet":        {&api.Poll{State: api.PollWaiting, NextAt: next, IntervalSeconds: 60}, "  polling: next round at 2026-11-22 15:04:05Z; one each 1m0s now\n"},
		"found nothing":  {&api.Poll{State: api.PollWaiting, NextAt: next, IntervalSeconds: 90, LastRound: &api.Round{Requests: 11}}, "  polling: next round at 2026-11-22 15:04:05Z; one each 1m30s now; the last one found nothing new with 11 requests\n"},
		"under way":      {&api.Poll{State: api.PollRunning, NextAt: next, IntervalSeconds: 30, Following: 1}, "  polling: a round is under way; one each 30 s now; following 1 open pipeline\n"},
		"in its history": {&api.Poll{State: api.PollWaiting, NextAt: next, Backfilling: true, Following: 3, LastRound: &api.Round{Changed: true, Pipelines: 1200, Jobs: 1, Requests: 40}}, "  polling: next round at 2026-11-22 15:04:05Z; history is being read; following 3 open pipelines; the last one brought 1,200 pipelines and 1 job with 40 requests\n"},
		"failing":        {&api.Poll{State: api.PollFailing, NextAt: next, IntervalSeconds: 60, LastRound: &api.Round{Requests: 1, Problem: &api.Problem{Code: ci.InvalidCredentials}}}, "  polling: next round at 2026-11-22 15:04:05Z; later because the last one failed; the last one failed: invalid_credentials with 1 request\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			(&program{stdout: &out}).pollStatus(tt.poll)
			if diff := cmp.Diff(tt.want, out.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Rounds that find nothing are one line for ten; all others have one each.
func TestRoundView(t *testing.T) {
	var out, message strings.Builder
	p := newProgram(strings.NewReader(""), &out, &message, lookup())
	p.settings = &settings{values: map[string]settingValue{"output": {value: "table"}}}
	view := roundView{p: p, names: map[ci.ConnectionID]string{1: "acme (connection 1)"}, idle: map[ci.ConnectionID]*idleRounds{}}
	at := time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)
	id := int64(0)
	show := func(r api.Round) {
		id++
		at = at.Add(time.Minute)
		r.ID, r.ConnectionID, r.StartedAt, r.FinishedAt, r.NextAt = id, max(r.ConnectionID, 1), at.Add(-2*time.Second), at, at.Add(time.Minute)
		if err := view.show(r); err != nil {
			t.Fatal(err)
		}
	}
	show(api.Round{Requests: 9}) // the first one is told whatever it found
	for range 11 {
		show(api.Round{Requests: 2})
	}
	show(api.Round{Changed: true, Pipelines: 3, Jobs: 12, Requests: 4, Following: 2, Shared: true})
	show(api.Round{Backfilling: true, Requests: 400, ConnectionID: 7})
	show(api.Round{Requests: 1, Problem: &api.Problem{Code: ci.Unreachable, Detail: "GitLab is down."}})
	want := `2026-11-22 15:01:00Z  acme (connection 1): 0 pipelines, 0 jobs; 9 requests in 2.0 s; next at 15:02:00Z
2026-11-22 15:11:00Z  acme (connection 1): 10 rounds without a change, 20 requests; next at 15:12:00Z
2026-11-22 15:13:00Z  acme (connection 1): 3 pipelines, 12 jobs; 4 requests in 2.0 s; made by another weir; 2 open; next at 15:14:00Z
2026-11-22 15:14:00Z  connection 7: 0 pipelines, 0 jobs; 400 requests in 2.0 s; history goes on; next at 15:15:00Z
2026-11-22 15:15:00Z  acme (connection 1): 0 pipelines, 0 jobs; 1 request in 2.0 s; failed; next at 15:16:00Z
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !strings.Contains(message.String(), "unreachable") {
		t.Errorf("the failure is not told: %s", message.String())
	}
}
