package gitlabtest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Web hooks (gitlab-api §7): what GitLab would send when pipelines and jobs
// change, in its shape, and in its ways: several forms of times, no order, some
// twice, some never. Bridges have no events; a pipeline's event holds the latest
// attempt of each build.

// Hooks watches a world for changes that GitLab sends events of.
type Hooks struct {
	server    *Server
	base      string
	pipelines map[*Pipeline]string // status when last looked at
	jobs      map[*Job]string
	deployed  map[*Deployment]string
	paths     map[*Project]string // when last looked at
	sent      int

	Projects bool // also tell what becomes of projects, as groups' hooks do
}

// Delivery is one event on its way.
type Delivery struct {
	Event   string // X-Gitlab-Event: "Pipeline Hook", "Job Hook", …
	Key     string // Idempotency-Key, the same for each delivery of the event
	Project *Project
	Body    []byte
}

// Hooks watches from now on. base is the address that GitLab believes to have.
func (s *Server) Hooks(base string) *Hooks {
	h := &Hooks{server: s, base: base, pipelines: map[*Pipeline]string{}, jobs: map[*Job]string{}, deployed: map[*Deployment]string{}, paths: map[*Project]string{}}
	h.Take()
	return h
}

// Take gives the events of all changes since the last call, in the order of
// projects and pipelines; none when nothing changed. What changed twice
// meanwhile shows its last state only, as where Sidekiq lags behind.
func (h *Hooks) Take() []Delivery {
	w := h.server.world
	w.mu.RLock()
	defer w.mu.RUnlock()
	r := &renderer{base: h.base, version: parseVersion(h.server.version), now: func() time.Time { return w.now().UTC() }}
	var list []Delivery
	if h.Projects {
		list = h.changes(r)
	}
	for _, p := range w.Projects {
		h.paths[p] = p.FullPath
		for _, pl := range p.Pipelines {
			for _, j := range pl.Jobs {
				if was, ok := h.jobs[j]; j.Kind == Build && (!ok || was != j.Status) {
					list = append(list, h.delivery(p, "Job Hook", func(w *hookWriter) { r.jobHook(w, p, pl, j) }))
				}
				h.jobs[j] = j.Status
			}
			if was, ok := h.pipelines[pl]; !ok || was != pl.Status {
				list = append(list, h.delivery(p, "Pipeline Hook", func(w *hookWriter) { r.pipelineHook(w, p, pl) }))
			}
			h.pipelines[pl] = pl.Status
		}
		for _, d := range p.Deployments {
			if was, ok := h.deployed[d]; !ok || was != d.Status {
				list = append(list, h.delivery(p, "Deployment Hook", func(w *hookWriter) { r.deploymentHook(w, p, d) }))
			}
			h.deployed[d] = d.Status
		}
	}
	return list
}

// changes gives the events of projects that moved or went.
func (h *Hooks) changes(r *renderer) []Delivery {
	var list []Delivery
	for _, p := range slices.SortedFunc(maps.Keys(h.paths), func(a, b *Project) int { return cmp.Compare(a.ID, b.ID) }) {
		was := h.paths[p]
		there := slices.Contains(h.server.world.Projects, p)
		event := "project_destroy"
		switch {
		case there && was == p.FullPath:
			continue
		case there && was[:strings.LastIndex(was, "/")] == p.namespacePath():
			event = "project_rename"
		case there:
			event = "project_transfer"
		}
		list = append(list, h.delivery(p, "Project Hook", func(w *hookWriter) {
			w.open('{')
			w.str("event_name", event)
			w.hookTime("created_at", &p.CreatedAt)
			w.hookTime("updated_at", &p.UpdatedAt)
			w.str("name", p.Name)
			w.str("path", p.Path)
			w.str("path_with_namespace", p.FullPath)
			w.int("project_id", p.ID)
			if there {
				w.str("old_path_with_namespace", was)
			}
			w.str("project_visibility", p.Visibility)
			w.close('}')
		}))
		if !there {
			delete(h.paths, p)
		}
	}
	return list
}

func (h *Hooks) delivery(p *Project, event string, render func(*hookWriter)) Delivery {
	h.sent++
	w := &hookWriter{layout: hookTimes[h.sent%len(hookTimes)]}
	render(w)
	return Delivery{Event: event, Key: fmt.Sprintf("hook-%d-%s", h.sent, fakeSHA(fmt.Sprint(h.sent))[:12]), Project: p, Body: w.b}
}

// Request makes the request that delivers an event to a URL, with the secret
// token of the hook; "" for none.
func (d Delivery) Request(ctx context.Context, url, secret string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(string(d.Body)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "GitLab/18.5.1-ee")
	req.Header.Set("X-Gitlab-Event", d.Event)
	req.Header.Set("Idempotency-Key", d.Key)
	if secret != "" {
		req.Header.Set("X-Gitlab-Token", secret)
	}
	return req, nil
}

// Mangle does to events what networks and queues do: it shuffles them, loses
// the given share, and repeats the given share of the rest.
func Mangle(r *rand.Rand, list []Delivery, lost, repeated float64) []Delivery {
	var out []Delivery
	for _, d := range list {
		if r.Float64() < lost {
			continue
		}
		out = append(out, d)
		if r.Float64() < repeated {
			out = append(out, d)
		}
	}
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// hookTimes are the forms of times in events, by version and kind of event.
var hookTimes = [...]string{"2006-01-02 15:04:05 UTC", "2006-01-02T15:04:05.000Z", "2006-01-02 15:04:05 -0700"}

// hookWriter writes an event, its times in one of the forms.
type hookWriter struct {
	jsonWriter
	layout string
}

func (w *hookWriter) hookTime(k string, t *time.Time) {
	if t == nil {
		w.null(k)
		return
	}
	zone := time.UTC
	if strings.HasSuffix(w.layout, "-0700") {
		zone = time.FixedZone("", 2*60*60)
	}
	w.str(k, t.In(zone).Format(w.layout))
}

func (r *renderer) pipelineHook(w *hookWriter, p *Project, pl *Pipeline) {
	w.open('{')
	w.str("object_kind", "pipeline")
	w.object("object_attributes")
	w.int("id", pl.ID)
	w.int("iid", pl.IID)
	w.optStr("name", pl.Name)
	ref := pl.Ref
	if pl.SourceBranch != "" {
		ref = pl.SourceBranch
	}
	w.str("ref", ref)
	w.bool("tag", pl.Tag)
	w.str("sha", pl.SHA)
	w.str("before_sha", pl.BeforeSHA)
	w.str("source", pl.Source)
	w.str("status", pl.Status)
	w.str("detailed_status", hookLabel(pl))
	w.strings("stages", stagesOf(pl))
	w.hookTime("created_at", &pl.CreatedAt)
	w.hookTime("finished_at", pl.FinishedAt)
	w.optInt("duration", pl.Duration(r.now()))
	w.optInt("queued_duration", pl.QueuedDuration())
	w.bool("protected_ref", false)
	w.array("variables")
	w.close(']')
	w.str("url", r.base+"/"+p.FullPath+"/-/pipelines/"+strconv.FormatInt(pl.ID, 10))
	w.close('}')
	if iid, ok := hookMergeRequest(pl); ok {
		w.object("merge_request")
		w.int("iid", iid)
		w.close('}')
	} else {
		w.null("merge_request")
	}
	r.hookUser(w, pl.User, true)
	r.hookProject(w, p)
	if pl.Parent != nil {
		w.object("source_pipeline")
		w.object("project")
		w.int("id", pl.Parent.ProjectID)
		w.close('}')
		for _, j := range pl.Parent.Jobs {
			if j.Downstream == pl {
				w.int("job_id", j.ID)
				break
			}
		}
		w.int("pipeline_id", pl.Parent.ID)
		w.close('}')
	}
	w.array("builds")
	for _, j := range pl.Jobs {
		if j.Kind == Build && !j.Retried {
			r.hookBuild(w, j)
		}
	}
	w.close(']')
	w.close('}')
}

func (r *renderer) hookBuild(w *hookWriter, j *Job) {
	w.open('{')
	w.int("id", j.ID)
	w.str("stage", j.Stage)
	w.str("name", j.Name)
	w.str("status", j.Status)
	w.hookTime("created_at", &j.CreatedAt)
	w.hookTime("started_at", j.StartedAt)
	w.hookTime("finished_at", j.FinishedAt)
	w.optSpan("duration", j.Duration(r.now()))
	w.optSpan("queued_duration", j.QueuedDuration(r.now()))
	if j.Status == "failed" {
		w.str("failure_reason", hookFailure(j))
	}
	when := "on_success"
	if j.Manual {
		when = "manual"
	}
	w.str("when", when)
	w.bool("manual", j.Manual)
	w.bool("allow_failure", j.AllowFailure)
	r.hookUser(w, j.User, true)
	r.hookRunner(w, j.Runner)
	w.object("artifacts_file")
	w.null("filename")
	w.null("size")
	w.close('}')
	w.null("environment")
	w.close('}')
}

func (r *renderer) jobHook(w *hookWriter, p *Project, pl *Pipeline, j *Job) {
	w.open('{')
	w.str("object_kind", "build")
	w.str("ref", pl.Ref)
	w.bool("tag", pl.Tag)
	w.str("before_sha", pl.BeforeSHA)
	w.str("sha", pl.SHA)
	retries := int64(0)
	for _, other := range pl.Jobs {
		if other.Name == j.Name && other.Kind == Build && other.ID < j.ID {
			retries++
		}
	}
	w.int("retries_count", retries)
	w.int("build_id", j.ID)
	w.str("build_name", j.Name)
	w.str("build_stage", j.Stage)
	w.str("build_status", j.Status)
	w.hookTime("build_created_at", &j.CreatedAt)
	w.hookTime("build_started_at", j.StartedAt)
	w.hookTime("build_finished_at", j.FinishedAt)
	w.optSpan("build_duration", j.Duration(r.now()))
	w.optSpan("build_queued_duration", j.QueuedDuration(r.now()))
	w.bool("build_allow_failure", j.AllowFailure)
	w.str("build_failure_reason", hookFailure(j))
	w.int("pipeline_id", pl.ID)
	r.hookRunner(w, j.Runner)
	w.int("project_id", p.ID)
	w.str("project_name", p.Name)
	r.hookUser(w, j.User, false)
	w.object("commit")
	w.int("id", pl.ID)
	w.str("sha", pl.SHA)
	w.str("status", pl.Status)
	w.optInt("duration", pl.Duration(r.now()))
	w.hookTime("started_at", pl.StartedAt)
	w.hookTime("finished_at", pl.FinishedAt)
	w.close('}')
	r.hookProject(w, p)
	w.null("environment")
	w.close('}')
}

func (r *renderer) deploymentHook(w *hookWriter, p *Project, d *Deployment) {
	w.open('{')
	w.str("object_kind", "deployment")
	w.str("status", d.Status)
	w.hookTime("status_changed_at", &d.UpdatedAt)
	w.int("deployment_id", d.ID)
	if d.Job != nil {
		w.int("deployable_id", d.Job.ID)
		w.str("deployable_url", r.base+"/"+p.FullPath+"/-/jobs/"+strconv.FormatInt(d.Job.ID, 10))
	} else {
		w.null("deployable_id")
	}
	w.str("environment", d.Environment.Name)
	w.str("environment_tier", d.Environment.Tier)
	r.hookProject(w, p)
	w.str("short_sha", d.SHA[:min(8, len(d.SHA))])
	r.hookUser(w, d.User, true)
	w.str("commit_url", r.base+"/"+p.FullPath+"/-/commit/"+d.SHA)
	w.str("ref", d.Ref)
	w.close('}')
}

// hookFailure: an event of a job has a reason whether it failed or not.
func hookFailure(j *Job) string {
	if j.Status == "failed" && j.FailureReason != nil {
		return *j.FailureReason
	}
	return "unknown_failure"
}

// hookLabel is GitLab's label of a pipeline's status.
func hookLabel(pl *Pipeline) string {
	switch {
	case pl.Status == "success" && pl.HasWarnings():
		return "passed with warnings"
	case pl.Status == "success":
		return "passed"
	case pl.Status == "manual":
		return "waiting for manual action"
	case pl.Status == "scheduled":
		return "waiting for delayed job"
	}
	return words(pl.Status)
}

func hookMergeRequest(pl *Pipeline) (int64, bool) {
	rest, ok := strings.CutPrefix(pl.Ref, "refs/merge-requests/")
	number, _, _ := strings.Cut(rest, "/")
	iid, err := strconv.ParseInt(number, 10, 64)
	return iid, ok && err == nil
}

// hookUser: job events leave the username out (docs, webhook_events.md).
func (r *renderer) hookUser(w *hookWriter, u *User, username bool) {
	if u == nil {
		w.null("user")
		return
	}
	w.object("user")
	w.int("id", u.ID)
	w.str("name", u.Name)
	if username {
		w.str("username", u.Username)
	}
	w.str("avatar_url", r.base+"/uploads/-/system/user/avatar/"+strconv.FormatInt(u.ID, 10)+"/avatar.png")
	w.str("email", "[REDACTED]")
	w.close('}')
}

func (r *renderer) hookRunner(w *hookWriter, run *Runner) {
	if run == nil {
		w.null("runner")
		return
	}
	w.object("runner")
	w.int("id", run.ID)
	w.optStr("description", run.Description)
	w.str("runner_type", run.Type)
	w.bool("active", run.Active)
	w.bool("is_shared", run.Type == "instance_type")
	w.strings("tags", run.Tags)
	w.close('}')
}

func (r *renderer) hookProject(w *hookWriter, p *Project) {
	w.object("project")
	w.int("id", p.ID)
	w.str("name", p.Name)
	w.optStr("description", p.Description)
	w.str("web_url", r.base+"/"+p.FullPath)
	w.str("path_with_namespace", p.FullPath)
	w.optStr("default_branch", p.DefaultBranch)
	w.close('}')
}
