package gitlabtest

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// What GitLab computes instead of storing (gitlab-api §5.4).

// Duration is the time that j ran, until now while it runs; nil when it did
// not start.
func (j *Job) Duration(now time.Time) *time.Duration {
	if j.StartedAt == nil {
		return nil
	}
	end := now
	if j.FinishedAt != nil {
		end = *j.FinishedAt
	}
	return new(end.Sub(*j.StartedAt))
}

// QueuedDuration is the time that j waited for a runner; nil when it was never
// queued. A job that was queued and never started waits until now for ever,
// even when it was canceled long ago.
func (j *Job) QueuedDuration(now time.Time) *time.Duration {
	if j.QueuedAt == nil {
		return nil
	}
	end := now
	if j.StartedAt != nil {
		end = *j.StartedAt
	}
	return new(end.Sub(*j.QueuedAt))
}

// Duration is the time in which at least one of the pipeline's latest builds
// ran, in whole seconds, as it was when the pipeline last ended. Nil while it
// has not ended or when nothing ran.
func (pl *Pipeline) Duration(now time.Time) *int64 {
	if pl.FinishedAt == nil && pl.Status != "manual" && pl.Status != "scheduled" {
		return nil
	}
	type span struct{ from, to time.Time }
	var spans []span
	for _, j := range pl.Jobs {
		if j.Kind != Build || j.Retried || j.StartedAt == nil {
			continue
		}
		switch j.Status {
		case "success", "failed", "running", "canceled":
			to := now
			if j.FinishedAt != nil {
				to = *j.FinishedAt
			}
			spans = append(spans, span{*j.StartedAt, to})
		}
	}
	if len(spans) == 0 {
		return nil
	}
	slices.SortFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
	var total time.Duration
	open := spans[0]
	for _, s := range spans[1:] {
		if s.from.After(open.to) {
			total += open.to.Sub(open.from)
			open = s
		} else if s.to.After(open.to) {
			open.to = s.to
		}
	}
	total += open.to.Sub(open.from)
	return new(int64(total / time.Second))
}

// QueuedDuration is the time from creation to start in whole seconds; nil when
// the pipeline did not start, and nil instead of 0.
func (pl *Pipeline) QueuedDuration() *int64 {
	if pl.StartedAt == nil {
		return nil
	}
	if seconds := int64(pl.StartedAt.Sub(pl.CreatedAt) / time.Second); seconds > 0 {
		return &seconds
	}
	return nil
}

// Coverage is the mean coverage of the latest builds as GitLab writes it, two
// decimals in a string; nil when no build has one.
func (pl *Pipeline) Coverage() *string {
	var sum float64
	var n int
	for _, j := range pl.Jobs {
		if j.Kind == Build && !j.Retried && j.Coverage != nil {
			sum += *j.Coverage
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return new(fmt.Sprintf("%.2f", math.Round(sum/float64(n)*100)/100))
}

// HasWarnings says whether a latest job failed that was allowed to.
func (pl *Pipeline) HasWarnings() bool {
	return slices.ContainsFunc(pl.Jobs, func(j *Job) bool {
		return !j.Retried && j.AllowFailure && (j.Status == "failed" || j.Status == "canceled")
	})
}

// statusOf is a pipeline's status from its latest jobs: the rules of GitLab's
// composite status, in its order. Empty without jobs.
func statusOf(jobs []*Job) string {
	const (
		warned  = "success with warnings"
		ignored = "ignored"
	)
	set := map[string]bool{}
	for _, j := range jobs {
		switch {
		case j.Retried:
		case j.AllowFailure && (j.Status == "failed" || j.Status == "canceled"):
			set[warned] = true
		case j.AllowFailure && j.Status == "manual":
			set[ignored] = true
		default:
			set[j.Status] = true
		}
	}
	only := func(words ...string) bool {
		matching := 0
		for _, word := range words {
			if set[word] {
				matching++
			}
		}
		return matching > 0 && matching == len(set)
	}
	switch {
	case len(set) == 0:
		return ""
	case only("skipped", ignored):
		return "skipped"
	case only("success", "skipped", warned, ignored):
		return "success"
	case only("created", warned, ignored):
		return "created"
	case only("preparing", warned, ignored):
		return "preparing"
	case only("canceled", "success", "skipped", warned, ignored):
		return "canceled"
	case only("pending", "created", "skipped", warned, ignored):
		return "pending"
	case set["running"], set["pending"]:
		return "running"
	case set["waiting_for_callback"]:
		return "waiting_for_callback"
	case set["waiting_for_resource"]:
		return "waiting_for_resource"
	case set["canceling"]:
		return "canceling"
	case set["manual"]:
		return "manual"
	case set["scheduled"]:
		return "scheduled"
	case set["preparing"]:
		return "preparing"
	case set["created"]:
		return "running"
	}
	return "failed"
}

// complete says whether a status is an end. Words that GitLab does not know
// count as one, for nothing will move them.
func complete(status string) bool {
	switch status {
	case "created", "waiting_for_resource", "preparing", "waiting_for_callback",
		"pending", "running", "canceling", "manual", "scheduled":
		return false
	}
	return true
}

// active says whether jobs or pipelines of this status still move by themselves.
func active(status string) bool {
	return !complete(status) && status != "manual" && status != "scheduled"
}
