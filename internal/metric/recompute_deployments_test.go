package metric

import (
	"cmp"
	"slices"
	"time"
)

// Deployments, a second time.

// productions gives the ended deployments of tier production, by place, in order.
func (r *recount) productions() map[string][]*deploymentRow {
	places := map[string][]*deploymentRow{}
	for i := range r.Deployments {
		d := r.Deployments[i]
		twin := func(source string) []*deploymentRow {
			var found []*deploymentRow
			for k := range r.Deployments {
				o := &r.Deployments[k]
				if o.InstanceID == d.InstanceID && o.JobID != nil && d.JobID != nil && *o.JobID == *d.JobID && o.Source == source {
					found = append(found, o)
				}
			}
			return found
		}
		if d.Source == "rule" && len(twin("gitlab")) > 0 {
			continue // known from GitLab, too
		}
		if d.Source == "gitlab" {
			for _, o := range twin("rule") {
				if r.Deployments[i].ServiceID == nil && o.ServiceID != nil && (d.ServiceID == nil || *o.ServiceID < *d.ServiceID) {
					d.ServiceID = o.ServiceID
				}
				if r.Deployments[i].Tier == nil && o.Tier != nil && (d.Tier == nil || *o.Tier < *d.Tier) {
					d.Tier = o.Tier
				}
			}
		}
		if d.Success == nil || d.Tier == nil || *d.Tier != "production" {
			continue
		}
		key := join(d.InstanceID, d.ProjectID, d.Environment, deref(d.ServiceID))
		places[key] = append(places[key], &d)
	}
	for _, list := range places {
		slices.SortFunc(list, func(a, b *deploymentRow) int {
			if c := a.DeployedAt.Compare(*b.DeployedAt); c != 0 {
				return c
			}
			return cmp.Compare(a.ID, b.ID)
		})
	}
	return places
}

func deployed(d *deploymentRow) counted {
	return counted{instance: d.InstanceID, project: d.ProjectID, deployment: d, at: d.DeployedAt}
}

func (r *recount) frequency() ([]counted, aggregate) {
	var items []counted
	for _, list := range r.productions() {
		for _, d := range list {
			if *d.Success && within(d.DeployedAt, r.window.From, r.window.To) {
				items = append(items, deployed(d))
			}
		}
	}
	return items, func(items []counted) map[string]any {
		days, weeks := map[string]bool{}, map[string]float64{}
		for _, c := range items {
			days[dayOf(Day, c.at.In(r.zone))] = true
			weeks[dayOf(Week, c.at.In(r.zone))]++
		}
		var whole []float64
		// No zone of this test changes its clocks at midnight.
		first := r.window.From.In(r.zone)
		for monday := time.Date(first.Year(), first.Month(), first.Day()-7, 0, 0, 0, 0, r.zone); ; monday = monday.AddDate(0, 0, 1) {
			next := monday.AddDate(0, 0, 7)
			if next.After(r.window.To) {
				break
			}
			if monday.Weekday() == time.Monday && !monday.Before(r.window.From) {
				whole = append(whole, weeks[monday.Format(time.DateOnly)])
			}
		}
		return map[string]any{"n": len(items), "value": float64(len(items)) / r.calendarDays(), "days": len(days), "per_week": quantile(whole, 0.5)}
	}
}

// calendarDays is the window's length by the clock on the wall.
func (r *recount) calendarDays() float64 {
	from, to := r.window.From.In(r.zone), r.window.To.In(r.zone)
	_, before := from.Zone()
	_, after := to.Zone()
	return (to.Sub(from) + time.Duration(after-before)*time.Second).Hours() / 24
}

func (r *recount) leadTimes() []counted {
	var items []counted
	for _, list := range r.productions() {
		seen := map[string]bool{}
		for _, d := range list {
			if !*d.Success || d.SHA == nil || seen[*d.SHA] {
				continue
			}
			seen[*d.SHA] = true
			committed := r.committed(d)
			if committed == nil || !within(d.DeployedAt, r.window.From, r.window.To) {
				continue
			}
			c := deployed(d)
			c.value = d.DeployedAt.Sub(*committed).Seconds()
			items = append(items, c)
		}
	}
	return items
}

// committed is the commit time of the deploying job, else the earliest that any
// job of that project and sha names (they name one, in a GitLab).
func (r *recount) committed(d *deploymentRow) *time.Time {
	var found *time.Time
	for i := range r.Jobs {
		j := &r.Jobs[i]
		if j.InstanceID == d.InstanceID && d.JobID != nil && j.ID == *d.JobID && j.CommitCommittedAt != nil {
			return j.CommitCommittedAt
		}
		p := r.pipeline(j.InstanceID, j.PipelineID)
		if j.InstanceID == d.InstanceID && p.ProjectID == d.ProjectID && p.SHA != nil && *p.SHA == *d.SHA && j.CommitCommittedAt != nil &&
			(found == nil || j.CommitCommittedAt.Before(*found)) {
			found = j.CommitCommittedAt
		}
	}
	return found
}

// failed says of each deployment of a place whether it failed or was rolled back.
func failed(list []*deploymentRow) []bool {
	verdicts := make([]bool, len(list))
	for i, d := range list {
		if !*d.Success {
			verdicts[i] = true
			continue
		}
		next := slices.IndexFunc(list[i+1:], func(o *deploymentRow) bool { return *o.Success })
		if next < 0 || list[i+1+next].SHA == nil {
			continue
		}
		sha := *list[i+1+next].SHA
		verdicts[i] = slices.ContainsFunc(list[:i], func(o *deploymentRow) bool { return *o.Success && o.SHA != nil && *o.SHA == sha })
	}
	return verdicts
}

func (r *recount) judged() []counted {
	var items []counted
	for _, list := range r.productions() {
		verdicts := failed(list)
		for i, d := range list {
			c := deployed(d)
			c.yes = verdicts[i]
			if within(d.DeployedAt, r.window.From, r.window.To) {
				items = append(items, c)
			}
		}
	}
	return items
}

func (r *recount) restored() []counted {
	var items []counted
	for _, list := range r.productions() {
		verdicts := failed(list)
		for i, d := range list {
			if !verdicts[i] || i > 0 && verdicts[i-1] || !d.DeployedAt.Before(r.window.To) {
				continue
			}
			c := deployed(d)
			next := slices.IndexFunc(list[i+1:], func(o *deploymentRow) bool { return *o.Success })
			switch {
			case next >= 0 && list[i+1+next].DeployedAt.Before(r.window.From):
				continue
			case next >= 0 && list[i+1+next].DeployedAt.Before(r.window.To):
				c.yes, c.at = true, list[i+1+next].DeployedAt
				c.maybe = new(c.at.Sub(*d.DeployedAt).Seconds())
			case c.at.Before(r.window.From):
				c.at = new(r.window.From)
			}
			items = append(items, c)
		}
	}
	return items
}
