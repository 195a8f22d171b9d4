package metric

import (
	"cmp"
	"slices"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// What each metric counts, a second time.

type aggregate func([]counted) map[string]any

func (r *recount) population(name string) ([]counted, aggregate) {
	switch name {
	case "runs":
		return r.runs(func(*counted) bool { return true }), func(items []counted) map[string]any {
			values := map[string]any{"n": len(items)}
			for _, c := range items {
				n, _ := values[string(c.pipeline.Status)].(int)
				values[string(c.pipeline.Status)] = n + 1
			}
			return values
		}
	case "success_rate", "failure_rate":
		hit := map[string]ci.Status{"success_rate": ci.Success, "failure_rate": ci.Failed}[name]
		return r.runs(func(c *counted) bool { c.yes = c.pipeline.Status == hit; return finished(c.pipeline) }), rate
	case "cancel_rate":
		return r.runs(func(c *counted) bool { c.yes = c.pipeline.Status == ci.Canceled; return c.pipeline.Status.Complete() }), rate
	case "run_duration":
		return r.runs(func(c *counted) bool {
			if c.pipeline.DurationSeconds != nil {
				c.value = *c.pipeline.DurationSeconds
			}
			return finished(c.pipeline) && c.pipeline.DurationSeconds != nil
		}), spread
	case "run_wall":
		return r.runs(func(c *counted) bool {
			return finished(c.pipeline) && c.span(c.pipeline.CreatedAt, c.pipeline.FinishedAt)
		}), spread
	case "run_queue":
		return r.runs(func(c *counted) bool { return c.span(c.pipeline.CreatedAt, c.pipeline.StartedAt) }), spread
	case "redundant_runs":
		return r.redundant(), sum
	case "broken_default_branch":
		return r.broken()
	case "job_duration":
		return r.attempts(func(c *counted) bool {
			return ended(c.job) && (c.job.Status == ci.Success || c.job.Status == ci.Failed) && c.take(c.job.DurationSeconds)
		}), spread
	case "job_queue":
		return r.attempts(func(c *counted) bool { return c.job.StartedAt != nil && c.take(c.job.QueuedSeconds) }), spread
	case "job_failure_rate":
		return r.attempts(func(c *counted) bool {
			c.yes = c.job.Status == ci.Failed
			return !*c.job.Retried && (c.job.Status == ci.Success || c.job.Status == ci.Failed) && (!*c.job.AllowFailure || r.by == AllowFailure)
		}), rate
	case "compute_minutes":
		return r.attempts(func(c *counted) bool {
			c.take(c.job.DurationSeconds)
			c.value /= 60
			return ended(c.job)
		}), sum
	case "cost":
		return r.attempts(func(c *counted) bool {
			c.take(c.job.DurationSeconds)
			c.value /= 60
			c.maybe = r.price(c.job)
			return ended(c.job)
		}), cost
	case "retry_waste":
		return r.attempts(func(c *counted) bool {
			c.take(c.job.DurationSeconds)
			c.yes = *c.job.Retried
			return ended(c.job)
		}), waste
	case "failures":
		return r.jobs(func(c *counted) bool {
			kind := c.job.Kind == ci.Build || c.job.Kind == ci.Bridge && c.job.DownstreamPipelineID == nil
			return kind && c.job.Status == ci.Failed && !*c.job.Retried
		}), sumless
	case "flaky_jobs":
		return r.flaky(), flakyShape
	case "critical_path":
		return r.paths()
	case "deployment_frequency":
		return r.frequency()
	case "lead_time":
		return r.leadTimes(), spread
	case "change_failure_rate":
		return r.judged(), func(items []counted) map[string]any {
			values := rate(items)
			failed := 0
			for _, c := range items {
				if c.yes {
					failed++
				}
			}
			values["failed"] = failed
			return values
		}
	case "time_to_restore":
		return r.restored(), openShape
	}
	panic("no metric " + name)
}

func finished(p *ci.Pipeline) bool { return p.Status == ci.Success || p.Status == ci.Failed }
func ended(j *ci.Job) bool         { return j.StartedAt != nil && j.FinishedAt != nil }

func (c *counted) span(from, to *time.Time) bool {
	if from == nil || to == nil {
		return false
	}
	c.value = to.Sub(*from).Seconds()
	return true
}

func (c *counted) take(v *float64) bool {
	if v != nil {
		c.value = *v
	}
	return v != nil
}

func (r *recount) isRun(p *ci.Pipeline) bool {
	return r.children || p.Source == nil || *p.Source != ci.SourceParent
}

func (r *recount) runs(fits func(*counted) bool) []counted {
	var items []counted
	for i := range r.Pipelines {
		p := &r.Pipelines[i]
		c := counted{instance: p.InstanceID, project: p.ProjectID, pipeline: p, pipelineID: p.ID, at: p.CreatedAt, coarse: p.TimePrecision == ci.Seconds}
		if r.isRun(p) && within(p.CreatedAt, r.window.From, r.window.To) && fits(&c) {
			items = append(items, c)
		}
	}
	return items
}

func (r *recount) jobs(fits func(*counted) bool) []counted {
	var items []counted
	for i := range r.Jobs {
		j := &r.Jobs[i]
		c := counted{
			instance: j.InstanceID, project: j.ProjectID, pipelineID: j.PipelineID, pipeline: r.pipeline(j.InstanceID, j.PipelineID),
			job: j, at: j.CreatedAt, coarse: j.TimePrecision == ci.Seconds,
		}
		if within(j.CreatedAt, r.window.From, r.window.To) && fits(&c) {
			items = append(items, c)
		}
	}
	return items
}

func (r *recount) attempts(fits func(*counted) bool) []counted {
	return r.jobs(func(c *counted) bool { return c.job.Kind == ci.Build && fits(c) })
}

func (r *recount) pipeline(instance ci.InstanceID, id ci.PipelineID) *ci.Pipeline {
	for i := range r.Pipelines {
		if r.Pipelines[i].InstanceID == instance && r.Pipelines[i].ID == id {
			return &r.Pipelines[i]
		}
	}
	return nil
}

// redundant: a later run of the same project, ref and source but another sha
// was created before the end.
func (r *recount) redundant() []counted {
	return r.runs(func(c *counted) bool {
		p := c.pipeline
		if !finished(p) || p.FinishedAt == nil || p.SHA == nil {
			return false
		}
		var overtaker *ci.Pipeline
		for i := range r.Pipelines {
			o := &r.Pipelines[i]
			if o.InstanceID != p.InstanceID || o.ProjectID != p.ProjectID || !r.isRun(o) || o.CreatedAt == nil || o.SHA == nil || *o.SHA == *p.SHA ||
				deref(o.Ref) != deref(p.Ref) || deref(o.Source) != deref(p.Source) || !later(o, p) {
				continue
			}
			if overtaker == nil || later(overtaker, o) {
				overtaker = o
			}
		}
		if overtaker == nil || !overtaker.CreatedAt.Before(*p.FinishedAt) {
			return false
		}
		for i := range r.Jobs {
			j := &r.Jobs[i]
			if j.InstanceID != p.InstanceID || j.PipelineID != p.ID || j.Kind != ci.Build || !ended(j) {
				continue
			}
			from := *j.StartedAt
			if from.Before(*overtaker.CreatedAt) {
				from = *overtaker.CreatedAt
			}
			if lost := j.FinishedAt.Sub(from).Seconds(); lost > 0 {
				c.value += lost
				c.coarse = c.coarse || j.TimePrecision == ci.Seconds
			}
		}
		return true
	})
}

func later(a, b *ci.Pipeline) bool {
	if c := a.CreatedAt.Compare(*b.CreatedAt); c != 0 {
		return c > 0
	}
	return a.ID > b.ID
}

// broken answers each bucket as if it were the window.
func (r *recount) broken() ([]counted, aggregate) {
	buckets := []bucket{{"", r.window.From, r.window.To}}
	if r.by == Day || r.by == Week || r.by == Month {
		buckets = r.window.buckets(r.by)
	}
	var items []counted
	for _, b := range buckets {
		for instance := ci.InstanceID(1); instance <= 2; instance++ {
			for _, project := range []ci.ProjectID{1, 2, 3, 9} {
				items = append(items, r.brokenIn(b, instance, project)...)
			}
		}
	}
	return items, openAndSum
}

func (r *recount) brokenIn(b bucket, instance ci.InstanceID, project ci.ProjectID) []counted {
	var runs []*ci.Pipeline
	for i := range r.Pipelines {
		p := &r.Pipelines[i]
		if p.InstanceID == instance && p.ProjectID == project && p.IsDefaultBranch != nil && *p.IsDefaultBranch && p.Source != nil && *p.Source == "push" &&
			finished(p) && p.FinishedAt != nil && p.FinishedAt.Before(b.to) && p.CreatedAt != nil {
			runs = append(runs, p)
			r.coarse = r.coarse || p.TimePrecision == ci.Seconds
		}
	}
	slices.SortFunc(runs, func(a, b *ci.Pipeline) int {
		if later(a, b) {
			return 1
		}
		return -1
	})
	var kept []*ci.Pipeline
	for i, p := range runs {
		if !slices.ContainsFunc(runs[i+1:], func(o *ci.Pipeline) bool { return !o.FinishedAt.After(*p.FinishedAt) }) {
			kept = append(kept, p)
		}
	}
	var items []counted
	var red *time.Time
	until := func(end time.Time, over bool) {
		c := counted{instance: instance, project: project, label: b.label, yes: over}
		from := *red
		if over {
			if end.Before(b.from) {
				return
			}
			c.maybe = new(end.Sub(from).Seconds())
		} else if r.now.Before(end) {
			end = r.now
		}
		if from.Before(b.from) {
			from = b.from
		}
		c.value = max(0, end.Sub(from).Seconds())
		items = append(items, c)
	}
	for _, p := range kept {
		switch {
		case p.Status == ci.Failed && red == nil:
			red = p.FinishedAt
		case p.Status == ci.Success && red != nil:
			until(*p.FinishedAt, true)
			red = nil
		}
	}
	if red != nil {
		until(b.to, false)
	}
	return items
}

func openAndSum(items []counted) map[string]any {
	values := openShape(items)
	values["value"] = sum(items)["value"]
	return values
}

// openShape counts what has ended (with its length) and what is open.
func openShape(items []counted) map[string]any {
	var lengths []float64
	open := 0
	for _, c := range items {
		if c.yes {
			lengths = append(lengths, *c.maybe)
		} else {
			open++
		}
	}
	return map[string]any{"n": len(lengths), "open": open, "p50": quantile(lengths, 0.5), "p95": quantile(lengths, 0.95)}
}

// price: the rules of worldCosts.
func (r *recount) price(j *ci.Job) *float64 {
	typed := j.RunnerID != nil && *j.RunnerID == 7
	switch {
	case slices.Contains(j.Tags, "gpu"):
		return new(2.0)
	case typed && (j.ProjectID == 2 || j.ProjectID == 3):
		return new(0.25)
	case j.InstanceID == 2 && j.ProjectID == 2:
		return new(0.0)
	}
	return nil
}

func cost(items []counted) map[string]any {
	n, value, unpriced := 0, 0.0, 0.0
	for _, c := range items {
		if c.maybe == nil {
			unpriced += c.value
			continue
		}
		n++
		value += c.value * *c.maybe
	}
	return map[string]any{"n": n, "value": value, "unpriced_minutes": unpriced}
}

func waste(items []counted) map[string]any {
	n, value, all := 0, 0.0, 0.0
	for _, c := range items {
		all += c.value
		if c.yes {
			n++
			value += c.value
		}
	}
	return map[string]any{"n": n, "value": value, "share": share(value, all)}
}

func sumless(items []counted) map[string]any { return map[string]any{"n": len(items)} }

func flakyShape(items []counted) map[string]any {
	values := rate(items)
	hits := 0
	for _, c := range items {
		if c.yes {
			hits++
		}
	}
	return map[string]any{"n": len(items), "value": hits, "rate": values["value"]}
}

func (r *recount) flaky() []counted {
	groups := map[string][]counted{}
	for _, c := range r.attempts(func(c *counted) bool { return c.job.Status == ci.Success || c.job.Status == ci.Failed }) {
		var child any
		if c.pipeline.Source != nil && *c.pipeline.Source == ci.SourceParent {
			for i := range r.Jobs {
				b := &r.Jobs[i]
				if b.Kind == ci.Bridge && b.InstanceID == c.instance && b.DownstreamPipelineID != nil && *b.DownstreamPipelineID == c.pipelineID &&
					(child == nil || b.Name < child.(string)) {
					child = b.Name
				}
			}
		}
		key := join(c.instance, c.project, deref(c.pipeline.SHA), c.pipeline.RefType, child, c.job.Name)
		groups[key] = append(groups[key], c)
	}
	var items []counted
	for _, group := range groups {
		slices.SortFunc(group, func(a, b counted) int {
			if c := a.at.Compare(*b.at); c != 0 {
				return c
			}
			return cmp.Compare(a.job.ID, b.job.ID)
		})
		item := group[0]
		var passed, failed bool
		for _, c := range group {
			passed = passed || c.job.Status == ci.Success
			failed = failed || c.job.Status == ci.Failed && c.job.FailureReason != nil &&
				(*c.job.FailureReason == "script_failure" || *c.job.FailureReason == "job_execution_timeout")
			item.coarse = item.coarse || c.coarse
		}
		item.yes = passed && failed
		items = append(items, item)
	}
	return items
}

func (r *recount) paths() ([]counted, aggregate) {
	var items []counted
	runs := r.runs(func(c *counted) bool { return c.pipeline.Status.Complete() && c.pipeline.FinishedAt != nil })
	for _, run := range runs {
		pieces, stages := r.pieces(run.pipeline)
		names := map[string]bool{}
		for _, p := range pieces {
			names[p.job.BaseName] = true
			r.coarse = r.coarse || p.coarse
		}
		on, passed := map[string]float64{}, map[ci.JobID]bool{}
		for last := latestOf(pieces); last != nil && !passed[last.job.ID]; { // needs may go in circles
			passed[last.job.ID] = true
			on[last.job.BaseName] += last.job.FinishedAt.Sub(*last.at).Seconds()
			limit := *last.at
			if last.coarse {
				limit = limit.Add(time.Second)
			}
			needs := r.needsOf(run.pipeline, last.job.Name)
			var before []counted
			for _, p := range pieces {
				switch {
				case p.job.FinishedAt.After(limit) || p.job.ID == last.job.ID:
				case needs != nil && slices.Contains(needs, p.job.Name),
					needs == nil && stages[textOf(p.job.Stage)] < stages[textOf(last.job.Stage)],
					needs == nil && p.job.Kind == last.job.Kind && p.job.Name == last.job.Name && p.job.ID < last.job.ID:
					before = append(before, p)
				}
			}
			last = latestOf(before)
		}
		for name := range names {
			c := counted{instance: run.instance, job: &ci.Job{BaseName: name}}
			if seconds, ok := on[name]; ok {
				c.yes, c.value = true, seconds
			}
			items = append(items, c)
		}
	}
	return items, func(items []counted) map[string]any {
		hits, total := 0, 0.0
		for _, c := range items {
			if c.yes {
				hits++
				total += c.value
			}
		}
		return map[string]any{"n": len(items), "value": hits, "share": share(float64(hits), float64(len(items))), "avg": share(total, float64(hits))}
	}
}

func textOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func latestOf(pieces []counted) *counted {
	var found *counted
	for i := range pieces {
		p := &pieces[i]
		if found == nil || p.job.FinishedAt.After(*found.job.FinishedAt) || p.job.FinishedAt.Equal(*found.job.FinishedAt) && p.job.ID > found.job.ID {
			found = p
		}
	}
	return found
}

// pieces of a run, each with the time from which it was ready; and the smallest
// job id of each stage.
func (r *recount) pieces(run *ci.Pipeline) (pieces []counted, stages map[string]ci.JobID) {
	stages = map[string]ci.JobID{}
	for i := range r.Jobs {
		j := &r.Jobs[i]
		if j.InstanceID != run.InstanceID || j.PipelineID != run.ID {
			continue
		}
		if first, ok := stages[textOf(j.Stage)]; !ok || j.ID < first {
			stages[textOf(j.Stage)] = j.ID
		}
		c := counted{job: j, coarse: j.TimePrecision == ci.Seconds}
		switch {
		case j.Kind == ci.Bridge:
			if j.FinishedAt == nil || j.DownstreamPipelineID == nil {
				continue
			}
			if d := r.pipeline(j.InstanceID, *j.DownstreamPipelineID); d != nil {
				c.at = d.CreatedAt
			}
		case !ended(j):
		case j.QueuedAt != nil:
			c.at = j.QueuedAt
		case j.QueuedSeconds != nil:
			c.at = new(j.StartedAt.Add(-time.Duration(*j.QueuedSeconds * float64(time.Second))))
		default:
			c.at = j.StartedAt
		}
		if c.at != nil {
			pieces = append(pieces, c)
		}
	}
	return pieces, stages
}

func (r *recount) needsOf(run *ci.Pipeline, job string) []string {
	var names []string
	for _, n := range r.Needs {
		if n.InstanceID == run.InstanceID && n.PipelineID == run.ID && n.JobName == job {
			names = append(names, n.NeedsName)
		}
	}
	return names
}
