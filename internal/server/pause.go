package server

import (
	"context"
	"fmt"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
)

// lookEvery is how often an import's client is looked at for pauses.
const lookEvery = 250 * time.Millisecond

// tellPauses tells whoever follows an import why it stands still: GitLab is
// down, or these are quiet hours; and at its start that quiet hours do not hold
// for it. It ends with ctx.
func (e *engine) tellPauses(ctx context.Context, client *gitlab.Client, tell func(code ci.Code, message string)) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var down, paused bool
	quiet := e.governors.quiet
	if now, until := quiet.At(time.Now()); now && !client.Background() {
		tell("", fmt.Sprintf("these are quiet hours%s (%s), which an import that a person starts does not keep", untilText(until), quiet))
	}
	for {
		if s := client.Outage(); s.Open != down {
			down = s.Open
			if down {
				code := ci.ServerError
				if s.Unreachable {
					code = ci.Unreachable
				}
				tell(code, fmt.Sprintf("GitLab does not answer (%s); weir waits, asks again at growing intervals, and gives up after %s", s.Last, s.Patience))
			} else {
				tell("", "GitLab answers again; the import goes on")
			}
		}
		hold, until := quiet.At(time.Now())
		if hold = hold && client.Background(); hold != paused {
			paused = hold
			switch {
			case paused && quiet.PerMinute > 0:
				tell("", fmt.Sprintf("quiet hours%s: at most %g requests a minute", untilText(until), quiet.PerMinute))
			case paused:
				tell("", fmt.Sprintf("quiet hours%s: the import pauses, and makes way for weir sync", untilText(until)))
			default:
				tell("", "the quiet hours are over; the import goes on")
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func untilText(until time.Time) string {
	if until.IsZero() {
		return ""
	}
	return " until " + until.UTC().Format("2006-01-02 15:04Z")
}
