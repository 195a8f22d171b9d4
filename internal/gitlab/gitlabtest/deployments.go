package gitlabtest

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Deployments and environments (gitlab-api §1.1). A build with an environment
// gets a deployment when it is made, which then follows it; the API makes
// others, without a job. A deleted pipeline leaves its deployments behind, a
// deleted environment takes them along.

// Environment is a place that a project deploys to.
type Environment struct {
	ID        int64
	Name      string
	Tier      string // production, staging, testing, development, other
	CreatedAt time.Time
}

// Deployment is what GitLab records of a deployment.
type Deployment struct {
	ID          int64
	IID         int64
	Environment *Environment
	Job         *Job // nil: made by the API, or its job is gone
	Ref, SHA    string
	Status      string // created, running, success, failed, canceled, skipped, blocked
	User        *User
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// DeploymentStatuses are the words that GitLab knows for deployments.
func DeploymentStatuses() []string {
	return []string{"created", "running", "success", "failed", "canceled", "skipped", "blocked"}
}

// Deploy records a deployment as the API does: by hand, without a job.
func (w *World) Deploy(p *Project, environment, sha, status string) *Deployment {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now().UTC()
	if len(w.Users) == 0 {
		w.addUser("root")
	}
	d := &Deployment{Environment: w.environment(p, environment, now), Ref: "main", SHA: sha, Status: status, User: w.Users[0], CreatedAt: now, UpdatedAt: now}
	w.addDeployment(p, d)
	return d
}

// SetDeployment gives a deployment that the API made another status.
func (w *World) SetDeployment(d *Deployment, status string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d.Status, d.UpdatedAt = status, w.now().UTC()
}

// HoldDeployments keeps deployments from following their jobs while on, as a
// busy Sidekiq does; switched off, they catch up.
func (w *World) HoldDeployments(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held = on; on {
		return
	}
	now := w.now().UTC()
	for _, p := range w.Projects {
		for _, pl := range p.Pipelines {
			w.follow(pl, now, true)
		}
	}
}

// environment gives the project's environment of that name, made at a time if
// it is not there, with the tier that GitLab guesses from the name.
func (w *World) environment(p *Project, name string, at time.Time) *Environment {
	for _, e := range p.Environments {
		if e.Name == name {
			return e
		}
	}
	e := &Environment{ID: w.nextID("environment"), Name: name, Tier: guessTier(name), CreatedAt: at}
	p.Environments = append(p.Environments, e)
	return e
}

func guessTier(name string) string {
	name = strings.ToLower(name)
	for _, guess := range []struct{ tier, words string }{
		{"development", "dev review trunk"},
		{"testing", "test tst qa qc control quality"},
		{"staging", "stg stag model pre demo non"},
		{"production", "prod prd live"},
	} {
		if slices.ContainsFunc(strings.Fields(guess.words), func(word string) bool { return strings.Contains(name, word) }) {
			return guess.tier
		}
	}
	return "other"
}

func (w *World) addDeployment(p *Project, d *Deployment) {
	p.lastDeployment++
	d.ID, d.IID = w.nextID("deployment"), p.lastDeployment
	p.Deployments = append(p.Deployments, d)
}

// follow has the deployments of a pipeline's jobs follow them: in a move at the
// time at, else when the job did, and at where it does not say. It wants the
// lock.
func (w *World) follow(pl *Pipeline, at time.Time, moved bool) {
	p := w.projects[pl.ProjectID]
	if w.held || p == nil {
		return
	}
	for _, j := range pl.Jobs {
		if j.Environment == "" || j.Kind != Build {
			continue
		}
		i := slices.IndexFunc(p.Deployments, func(d *Deployment) bool { return d.Job == j })
		if i < 0 {
			i = len(p.Deployments)
			w.addDeployment(p, &Deployment{
				Environment: w.environment(p, j.Environment, j.CreatedAt), Job: j, Ref: pl.Ref, SHA: pl.SHA,
				Status: "created", User: j.User, CreatedAt: j.CreatedAt, UpdatedAt: j.CreatedAt,
			})
		}
		d := p.Deployments[i]
		status := deploymentStatus(j.Status)
		if status == d.Status {
			continue
		}
		d.Status = status
		if moved {
			d.UpdatedAt = at
			continue
		}
		when := at
		if status == "running" && j.StartedAt != nil {
			when = *j.StartedAt
		} else if j.FinishedAt != nil {
			when = *j.FinishedAt
		}
		d.UpdatedAt = when.Add(23*time.Millisecond + 411*time.Microsecond) // a worker comes a moment later
	}
}

func deploymentStatus(job string) string {
	switch job {
	case "running", "canceling":
		return "running"
	case "success", "failed", "canceled", "skipped":
		return job
	}
	return "created"
}

// unDeploy forgets the jobs of a pipeline that is gone.
func (p *Project) unDeploy(pl *Pipeline) {
	for _, d := range p.Deployments {
		if d.Job != nil && d.Job.PipelineID == pl.ID {
			d.Job = nil
		}
	}
}

// redeploy makes all deployments of jobs anew, in order of their creation, for
// worlds whose past was rewritten. It wants the lock.
func (w *World) redeploy() {
	for _, p := range w.Projects {
		p.Deployments = slices.DeleteFunc(p.Deployments, func(d *Deployment) bool { return d.Job != nil })
		for _, pl := range p.Pipelines {
			at := pl.CreatedAt
			if pl.UpdatedAt != nil {
				at = *pl.UpdatedAt
			}
			w.follow(pl, at, false)
		}
		slices.SortStableFunc(p.Deployments, func(a, b *Deployment) int { return a.CreatedAt.Compare(b.CreatedAt) })
		for i, d := range p.Deployments {
			d.IID = int64(i + 1)
		}
	}
	var all []*Deployment
	for _, p := range w.Projects {
		all = append(all, p.Deployments...)
	}
	slices.SortStableFunc(all, func(a, b *Deployment) int { return a.CreatedAt.Compare(b.CreatedAt) })
	for i, d := range all {
		d.ID = 300_000 + int64(i)
		w.lastID["deployment"] = d.ID
	}
}

func deploymentListParams() []param {
	return append(paging(),
		oneOf("order_by", "id", "id", "iid", "created_at", "updated_at", "ref", "finished_at"), oneOf("sort", "asc", "asc", "desc"),
		moment("updated_after"), moment("updated_before"), moment("finished_after"), moment("finished_before"),
		text("environment"), oneOf("status", "", DeploymentStatuses()...),
	)
}

// deploysOf finds the project whose deployments are asked for. They have rights
// of their own beside those of pipelines.
func (c *call) deploysOf() (*Project, *answer) {
	p, refused := c.runsOf()
	if refused == nil && p.DeploymentsForbidden {
		refused = forbidden()
	}
	return p, refused
}

func listDeployments(c *call) *answer {
	p, refused := c.deploysOf()
	if refused != nil {
		return refused
	}
	v := c.params
	if (v.time("updated_after") != nil || v.time("updated_before") != nil) != (v.str("order_by") == "updated_at") {
		return refuse(http.StatusBadRequest, "message", "400 Bad request - `updated_at` filter and `updated_at` sorting must be paired")
	}
	list := make([]*Deployment, 0, len(p.Deployments))
	for _, d := range p.Deployments {
		after, before := v.time("updated_after"), v.time("updated_before")
		if after != nil && d.UpdatedAt.Before(*after) || before != nil && d.UpdatedAt.After(*before) ||
			v.str("environment") != "" && d.Environment.Name != v.str("environment") || v.str("status") != "" && d.Status != v.str("status") {
			continue
		}
		list = append(list, d)
	}
	slices.SortStableFunc(list, direction(c, func(a, b *Deployment) int {
		order := 0
		switch v.str("order_by") {
		case "updated_at":
			order = a.UpdatedAt.Compare(b.UpdatedAt)
		case "ref":
			order = strings.Compare(a.Ref, b.Ref)
		}
		return cmp.Or(order, cmp.Compare(a.ID, b.ID))
	}))
	rows, refused := pageOf(c, list, true, "")
	if refused != nil {
		return refused
	}
	r := c.render()
	return ok(func(w *jsonWriter) {
		w.open('[')
		for _, d := range rows {
			r.deployment(w, p, d)
		}
		w.close(']')
	})
}

func listEnvironments(c *call) *answer {
	p, refused := c.deploysOf()
	if refused != nil {
		return refused
	}
	list := slices.Clone(p.Environments)
	if name := c.params.str("name"); name != "" {
		list = slices.DeleteFunc(list, func(e *Environment) bool { return e.Name != name })
	}
	slices.SortFunc(list, func(a, b *Environment) int { return cmp.Compare(a.ID, b.ID) })
	rows, refused := pageOf(c, list, true, "")
	if refused != nil {
		return refused
	}
	r := c.render()
	return ok(func(w *jsonWriter) {
		w.open('[')
		for _, e := range rows {
			w.open('{')
			r.environment(w, e)
			w.close('}')
		}
		w.close(']')
	})
}

func showEnvironment(c *call) *answer {
	p, refused := c.deploysOf()
	if refused != nil {
		return refused
	}
	i := slices.IndexFunc(p.Environments, func(e *Environment) bool { return strconv.FormatInt(e.ID, 10) == c.args[1] })
	if i < 0 {
		return recordNotFound()
	}
	return ok(func(w *jsonWriter) {
		w.open('{')
		c.render().environment(w, p.Environments[i])
		w.null("last_deployment")
		w.close('}')
	})
}

// deployment writes one as the list shows it: neither when it ended nor the
// tier of its environment.
func (r *renderer) deployment(w *jsonWriter, p *Project, d *Deployment) {
	w.open('{')
	w.int("id", d.ID)
	w.int("iid", d.IID)
	w.str("ref", d.Ref)
	w.str("sha", d.SHA)
	w.time("created_at", d.CreatedAt)
	w.time("updated_at", d.UpdatedAt)
	if d.User != nil {
		w.raw("user", r.user(d.User))
	} else {
		w.null("user")
	}
	w.object("environment")
	r.environmentBasic(w, d.Environment)
	w.close('}')
	if d.Job != nil {
		w.key("deployable")
		r.job(w, p, p.pipeline(d.Job.PipelineID), d.Job, &repeated{})
	} else {
		w.null("deployable")
	}
	w.str("status", d.Status)
	w.close('}')
}

func (r *renderer) environmentBasic(w *jsonWriter, e *Environment) {
	w.int("id", e.ID)
	w.str("name", e.Name)
	w.str("slug", strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return '-'
	}, strings.ToLower(e.Name)))
	w.null("external_url")
	w.time("created_at", e.CreatedAt)
	w.time("updated_at", e.CreatedAt)
}

func (r *renderer) environment(w *jsonWriter, e *Environment) {
	r.environmentBasic(w, e)
	w.str("state", "available")
	w.str("tier", e.Tier)
	w.null("auto_stop_at")
}
