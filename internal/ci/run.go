package ci

import (
	"slices"
	"time"
)

// A pipeline's own numbers follow from its jobs (gitlab-api: "How the pipeline's
// times come about"). weir stores what GitLab said; these functions derive
// what GitLab's REST API leaves out, and check the rest.

// MarkRetried sets Retried on every job of one pipeline: in each slot (kind,
// name) the attempt with the highest id is the effective one, the others were
// retried. Jobs of several pipelines must not be mixed.
func MarkRetried(jobs []Job) {
	type slot struct {
		kind JobKind
		name string
	}
	latest := make(map[slot]JobID, len(jobs))
	for i := range jobs {
		s := slot{jobs[i].Kind, jobs[i].Name}
		latest[s] = max(latest[s], jobs[i].ID)
	}
	for i := range jobs {
		j := &jobs[i]
		j.Retried = new(j.ID != latest[slot{j.Kind, j.Name}])
	}
}

// HasWarnings says whether an effective job that was allowed to fail failed or
// was canceled, which is what GitLab shows as "passed with warnings" (its scope
// CommitStatus.failed_but_allowed). It wants MarkRetried first.
func HasWarnings(jobs []Job) bool {
	return slices.ContainsFunc(jobs, func(j Job) bool {
		return effective(j) && (j.Status == Failed || j.Status == Canceled) && j.AllowFailure != nil && *j.AllowFailure
	})
}

// Open says whether a pipeline must be asked for again although its updated_at
// may stay: it has not ended, or one of its jobs is still moving.
func Open(p Pipeline, jobs []Job) bool {
	if !p.Status.Complete() && !p.Status.Stopped() {
		return true
	}
	return slices.ContainsFunc(jobs, func(j Job) bool { return j.Status.Moving() })
}

// RunningTime is the time in which at least one effective build of a pipeline
// ran: the union of their [started, finished), which GitLab cuts to whole
// seconds and calls the pipeline's duration. Builds that never started or have
// not ended, bridges and retried attempts do not count. Zero without jobs.
// It wants MarkRetried first.
func RunningTime(jobs []Job) time.Duration {
	type span struct{ from, to time.Time }
	var spans []span
	for _, j := range jobs {
		if j.Kind != Build || !effective(j) || j.StartedAt == nil || j.FinishedAt == nil {
			continue
		}
		switch j.Status {
		case Success, Failed, Canceled:
			spans = append(spans, span{*j.StartedAt, *j.FinishedAt})
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
	var total time.Duration
	var covered time.Time
	for _, s := range spans {
		if s.from.Before(covered) {
			s.from = covered
		}
		if s.to.After(s.from) {
			total += s.to.Sub(s.from)
			covered = s.to
		}
	}
	return total
}

func effective(j Job) bool { return j.Retried == nil || !*j.Retried }
