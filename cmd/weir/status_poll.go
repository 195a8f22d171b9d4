package main

import (
	"fmt"
	"strings"

	"github.com/weirhq/weir/internal/api"
)

// pollStatus tells in a line how a connection is polled; nothing when it is not.
func (p *program) pollStatus(poll *api.Poll) {
	if poll == nil {
		return
	}
	var parts []string
	switch {
	case poll.State == api.PollRunning:
		parts = append(parts, "a round is under way")
	case poll.NextAt != nil:
		parts = append(parts, "next round at "+atText(poll.NextAt))
	}
	if poll.State == api.PollFailing {
		parts = append(parts, "later because the last one failed")
	} else if !poll.Backfilling {
		parts = append(parts, "one each "+spanText(poll.IntervalSeconds)+" now")
	}
	if poll.Backfilling {
		parts = append(parts, "history is being read")
	}
	if poll.Following > 0 {
		parts = append(parts, fmt.Sprintf("following %s", count(poll.Following, "open pipeline")))
	}
	if last := poll.LastRound; last != nil {
		found := "found nothing new"
		if last.Changed {
			found = "brought " + count(last.Pipelines, "pipeline") + " and " + count(last.Jobs, "job")
		}
		if last.Problem != nil {
			found = "failed: " + string(last.Problem.Code)
		}
		parts = append(parts, fmt.Sprintf("the last one %s with %s", found, count(last.Requests, "request")))
	}
	fmt.Fprintf(p.stdout, "  polling: %s\n", strings.Join(parts, "; "))
}
