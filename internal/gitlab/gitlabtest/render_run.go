package gitlabtest

import (
	"strconv"
	"strings"
	"time"
)

// pipelineBasic writes the keys that every form of a pipeline begins with.
func (r *renderer) pipelineBasic(w *jsonWriter, p *Project, pl *Pipeline) {
	w.int("id", pl.ID)
	w.int("iid", pl.IID)
	w.int("project_id", pl.ProjectID)
	w.str("sha", pl.SHA)
	w.str("ref", pl.Ref)
	w.str("status", pl.Status)
	w.str("source", pl.Source)
	w.time("created_at", pl.CreatedAt)
	w.optTime("updated_at", pl.UpdatedAt)
	w.str("web_url", r.base+"/"+p.FullPath+"/-/pipelines/"+strconv.FormatInt(pl.ID, 10))
}

func (r *renderer) pipelineItem(w *jsonWriter, p *Project, pl *Pipeline) {
	if pl.rawItem != nil {
		w.value(pl.rawItem)
		return
	}
	w.open('{')
	r.pipelineBasic(w, p, pl)
	if r.version.atLeast(15, 11) {
		w.optStr("name", pl.Name)
	}
	w.close('}')
}

func (r *renderer) pipelineDetail(w *jsonWriter, p *Project, pl *Pipeline) {
	if pl.rawDetail != nil {
		w.value(pl.rawDetail)
		return
	}
	w.open('{')
	r.pipelineBasic(w, p, pl)
	w.str("before_sha", pl.BeforeSHA)
	w.bool("tag", pl.Tag)
	w.optStr("yaml_errors", pl.YAMLErrors)
	if pl.User != nil {
		w.raw("user", r.user(pl.User))
	} else {
		w.null("user")
	}
	w.optTime("started_at", pl.StartedAt)
	w.optTime("finished_at", pl.FinishedAt)
	w.optTime("committed_at", pl.CommittedAt)
	w.optInt("duration", pl.Duration(r.now()))
	w.optInt("queued_duration", pl.QueuedDuration())
	w.optStr("coverage", pl.Coverage())
	r.detailedStatus(w, p, pl)
	if r.version.atLeast(18, 0) {
		w.bool("archived", false)
	}
	if r.version.atLeast(15, 11) {
		w.optStr("name", pl.Name)
	}
	w.close('}')
}

func (r *renderer) detailedStatus(w *jsonWriter, p *Project, pl *Pipeline) {
	icon, text, label, group, tooltip := pl.Status, words(pl.Status), words(pl.Status), strings.ReplaceAll(pl.Status, "_", "-"), words(pl.Status)
	switch pl.Status {
	case "success":
		text, label, tooltip = "passed", "passed", "passed"
		if pl.HasWarnings() {
			icon, text, label, group = "warning", "warning", "passed with warnings", "success-with-warnings"
		}
	case "manual":
		label, text, tooltip = "waiting for manual action", "blocked", "blocked"
	case "scheduled":
		label = "waiting for delayed job"
	case "waiting_for_resource", "waiting_for_callback":
		icon, text = "pending", "waiting"
	}
	w.object("detailed_status")
	w.str("icon", "status_"+icon)
	if r.version.atLeast(16, 4) {
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	w.str("text", text)
	w.str("label", label)
	w.str("group", group)
	w.str("tooltip", tooltip)
	w.bool("has_details", false)
	root := ""
	if _, rest, ok := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(r.base, "https://"), "http://"), "/"); ok {
		root = "/" + rest
	}
	w.str("details_path", root+"/"+p.FullPath+"/-/pipelines/"+strconv.FormatInt(pl.ID, 10))
	w.null("illustration")
	w.str("favicon", root+"/assets/ci_favicons/favicon_status_"+pl.Status+".png")
	w.close('}')
}

func words(status string) string {
	if status == "" {
		return "unknown"
	}
	return strings.ReplaceAll(status, "_", " ")
}

// repeated remembers where in a page a pipeline's parts stand, for its next job
// on the same page. The zero value remembers nothing.
type repeated struct {
	of               *Pipeline
	commit, pipeline [2]int
}

// again writes a part once more if it is there, and else lets it be written.
func (w *jsonWriter) again(k string, at *[2]int, there bool, write func()) {
	w.key(k)
	if there {
		w.b = append(w.b, w.b[at[0]:at[1]]...)
		return
	}
	at[0] = len(w.b)
	write()
	at[1] = len(w.b)
}

// job writes a build, or a bridge in its own form.
func (r *renderer) job(w *jsonWriter, p *Project, pl *Pipeline, j *Job, seen *repeated) {
	if j.raw != nil {
		w.value(j.raw)
		return
	}
	now := r.now()
	w.open('{')
	w.int("id", j.ID)
	w.str("status", j.Status)
	w.str("stage", j.Stage)
	w.str("name", j.Name)
	w.str("ref", pl.Ref)
	w.bool("tag", pl.Tag)
	w.optFloat("coverage", j.Coverage)
	w.bool("allow_failure", j.AllowFailure)
	w.time("created_at", j.CreatedAt)
	w.optTime("started_at", j.StartedAt)
	w.optTime("finished_at", j.FinishedAt)
	w.optTime("erased_at", j.ErasedAt)
	w.optSpan("duration", j.Duration(now))
	w.optSpan("queued_duration", j.QueuedDuration(now))
	if j.User != nil {
		w.raw("user", r.fullUser(j.User))
	} else {
		w.null("user")
	}
	there := seen.of == pl
	seen.of = pl
	w.again("commit", &seen.commit, there, func() { r.commit(w, p, pl.Commit) })
	w.again("pipeline", &seen.pipeline, there, func() {
		w.open('{')
		r.pipelineBasic(w, p, pl)
		w.close('}')
	})
	if j.Status == "failed" {
		reason := "unknown_failure"
		if j.FailureReason != nil {
			reason = *j.FailureReason
		}
		w.str("failure_reason", reason)
	}
	w.str("web_url", r.base+"/"+p.FullPath+"/-/jobs/"+strconv.FormatInt(j.ID, 10))
	w.object("project")
	w.bool("ci_job_token_scope_enabled", false)
	w.close('}')
	if r.version.atLeast(18, 0) {
		w.str("source", pl.Source)
	}
	if j.Kind == Bridge {
		if into := r.projectOf(j.Downstream); into != nil {
			w.object("downstream_pipeline")
			r.pipelineBasic(w, into, j.Downstream)
			w.close('}')
		} else {
			w.null("downstream_pipeline")
		}
		w.close('}')
		return
	}
	r.artifacts(w, j)
	if j.Runner != nil {
		w.raw("runner", r.runner(j.Runner))
	} else {
		w.null("runner")
	}
	if r.version.atLeast(16, 11) {
		r.runnerManager(w, j.Runner, j)
	}
	w.optTime("artifacts_expire_at", j.ArtifactsExpireAt)
	if r.version.atLeast(15, 0) {
		w.bool("archived", false)
	}
	w.strings("tag_list", j.Tags)
	w.close('}')
}

func (r *renderer) artifacts(w *jsonWriter, j *Job) {
	for _, a := range j.Artifacts {
		if a.FileType == "archive" {
			w.object("artifacts_file")
			w.str("filename", a.Filename)
			w.int("size", a.Size)
			w.close('}')
			break
		}
	}
	w.array("artifacts")
	for _, a := range j.Artifacts {
		w.open('{')
		w.str("file_type", a.FileType)
		w.int("size", a.Size)
		w.str("filename", a.Filename)
		w.optStr("file_format", a.Format)
		w.close('}')
	}
	w.close(']')
}

func (r *renderer) commit(w *jsonWriter, p *Project, c *Commit) {
	if c == nil {
		w.b = append(w.b, "null"...)
		return
	}
	w.b = append(w.b, '{')
	w.str("id", c.ID)
	w.str("short_id", c.ID[:min(8, len(c.ID))])
	w.localTime("created_at", c.CommittedDate)
	w.strings("parent_ids", c.ParentIDs)
	w.str("title", c.Title)
	w.str("message", c.Message)
	w.str("author_name", c.AuthorName)
	w.str("author_email", c.AuthorEmail)
	w.localTime("authored_date", c.AuthoredDate)
	w.str("committer_name", c.AuthorName)
	w.str("committer_email", c.AuthorEmail)
	w.localTime("committed_date", c.CommittedDate)
	w.object("trailers")
	w.close('}')
	w.object("extended_trailers")
	w.close('}')
	w.str("web_url", r.base+"/"+p.FullPath+"/-/commit/"+c.ID)
	w.close('}')
}

func (r *renderer) runner(run *Runner) []byte {
	return part(&r.runners, run, func(w *jsonWriter, run *Runner) {
		w.open('{')
		w.int("id", run.ID)
		w.optStr("description", run.Description)
		w.optStr("ip_address", run.IPAddress)
		w.bool("active", run.Active)
		w.bool("paused", !run.Active)
		w.bool("is_shared", run.Type == "instance_type")
		w.str("runner_type", run.Type)
		w.optStr("name", run.Name)
		w.bool("online", run.Online)
		status := "offline"
		if run.Online {
			status = "online"
		}
		w.str("status", status)
		w.close('}')
	})
}

func (r *renderer) runnerManager(w *jsonWriter, run *Runner, j *Job) {
	if run == nil || j.StartedAt == nil {
		w.null("runner_manager")
		return
	}
	w.object("runner_manager")
	w.int("id", run.ID)
	w.str("system_id", "s_"+strconv.FormatInt(0x89e5e9950000+run.ID, 16))
	w.str("version", "18.5.0")
	w.str("revision", "535ced5f")
	w.str("platform", "linux")
	w.str("architecture", "amd64")
	w.time("created_at", time.Date(2024, 5, 1, 10, 12, 2, 507e6, time.UTC))
	w.optTime("contacted_at", j.StartedAt)
	w.optStr("ip_address", run.IPAddress)
	status := "offline"
	if run.Online {
		status = "online"
	}
	w.str("status", status)
	w.close('}')
}
