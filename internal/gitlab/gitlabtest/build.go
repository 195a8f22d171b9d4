package gitlabtest

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// AddGroup adds the group of a full path, with the groups above it that are
// missing, and gives it. A group that is there already is given as it is.
func (w *World) AddGroup(fullPath string) *Group {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.addGroup(fullPath)
}

func (w *World) addGroup(fullPath string) *Group {
	if g := w.groupByPath(fullPath); g != nil {
		return g
	}
	var parent *Group
	path := fullPath
	if above, last, ok := cutLast(fullPath, "/"); ok {
		parent, path = w.addGroup(above), last
	}
	g := &Group{
		ID: w.nextID("group"), Parent: parent, Path: path, Name: path, FullPath: fullPath,
		Visibility: "private", CreatedAt: w.now().UTC(),
	}
	w.Groups = append(w.Groups, g)
	w.groups[g.ID] = g
	return g
}

// AddProject adds a private project with CI enabled and the default branch
// main, and its groups where they are missing. "~user/name" is a project in
// that user's personal namespace.
func (w *World) AddProject(fullPath string) *Project {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.addProject(fullPath)
}

func (w *World) addProject(fullPath string) *Project {
	now := w.now().UTC()
	p := &Project{
		ID: w.nextID("project"), DefaultBranch: new("main"), Visibility: "private", BuildsAccess: "enabled",
		Topics: []string{}, CreatedAt: now, UpdatedAt: now, LastActivityAt: now, builds: []*Job{},
	}
	p.FullPath = strings.TrimPrefix(fullPath, "~")
	namespace, last, _ := cutLast(p.FullPath, "/")
	p.Path, p.Name = last, last
	if p.FullPath == fullPath {
		p.Group = w.addGroup(namespace)
	} else {
		p.Owner = w.addUser(namespace)
	}
	w.Projects = append(w.Projects, p)
	w.projects[p.ID] = p
	w.paths[strings.ToLower(p.FullPath)] = p
	return p
}

// AddUser adds a user, or gives the one who has that username.
func (w *World) AddUser(username string) *User {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.addUser(username)
}

func (w *World) addUser(username string) *User {
	for _, u := range w.Users {
		if u.Username == username {
			return u
		}
	}
	u := &User{ID: w.nextID("user"), Username: username, Name: username, State: "active", CreatedAt: w.now().UTC()}
	w.Users = append(w.Users, u)
	return u
}

// AddRunner adds an instance runner.
func (w *World) AddRunner(description string, tags ...string) *Runner {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := &Runner{
		ID: w.nextID("runner"), Description: &description, Type: "instance_type", Active: true, Online: true,
		Name: new("gitlab-runner"), Tags: tags,
	}
	w.Runners = append(w.Runners, r)
	return r
}

// PipelineSpec says what a pipeline is to be; the zero value is a successful
// push to main without jobs.
type PipelineSpec struct {
	At           time.Time // created_at; zero: now
	Ref          string    // empty: main
	Source       string    // empty: push
	SourceBranch string    // of a merge request
	Tag          bool
	SHA          string // empty: one that no other pipeline has
	BeforeSHA    string // empty: 40 zeros
	Name         *string
	User         *User
	CommitGone   bool          // jobs answer commit: null
	CommitLag    time.Duration // from the commit to the pipeline
	Wait         time.Duration // from creation until the first job is queued
	YAMLErrors   string        // not empty: failed without jobs
	Status       string        // empty: what follows from the jobs
	NullUpdated  bool          // updated_at null
	Jobs         []JobSpec
	Parent       *Pipeline // of a child or downstream pipeline; Link sets it too
}

// JobSpec says what one job of a pipeline is to be; the zero value with a Name
// is a build that succeeds without waiting.
type JobSpec struct {
	Name          string
	Stage         string // empty: test. Stages run in the order in which they are first named
	Kind          string // empty: Build
	Status        string // empty: success
	AllowFailure  bool
	Manual        bool
	FailedFirst   int           // attempts that failed before this one
	RetryAfter    time.Duration // from the end of an attempt to its retry
	Wait          time.Duration // in the queue
	Took          time.Duration
	NeverStarted  bool // canceled in the queue, or failed there: stuck
	Coverage      *float64
	FailureReason string // empty: script_failure, when it failed
	Runner        *Runner
	User          *User // empty: the pipeline's
	Tags          []string
	Needs         []string // names of jobs of the same pipeline
	Environment   string   // that it deploys to
	ArtifactBytes int64    // not 0: an archive of that size
}

// AddPipeline adds a pipeline that has already run as spec says: times follow
// from the waits and spans, the status from the jobs. Times may lie in the
// future of the world's clock; CutAt repairs that.
func (w *World) AddPipeline(p *Project, spec PipelineSpec) *Pipeline {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.addPipeline(p, spec)
}

func (w *World) addPipeline(p *Project, spec PipelineSpec) *Pipeline {
	pl := w.newPipeline(p, spec)
	p.Pipelines = append(p.Pipelines, pl)
	for _, j := range layOut(pl, spec) {
		j.ID = w.nextID("job")
		pl.Jobs = append(pl.Jobs, j)
	}
	settle(pl, spec)
	w.follow(pl, pl.CreatedAt, false)
	p.builds = nil
	return pl
}

// newPipeline makes a pipeline that has an identity and a commit, and no jobs.
func (w *World) newPipeline(p *Project, spec PipelineSpec) *Pipeline {
	p.lastIID++
	pl := &Pipeline{
		ID: w.nextID("pipeline"), IID: p.lastIID, ProjectID: p.ID, Name: spec.Name, Source: spec.Source,
		Ref: spec.Ref, SourceBranch: spec.SourceBranch, Tag: spec.Tag, SHA: spec.SHA, BeforeSHA: spec.BeforeSHA,
		User: spec.User, Parent: spec.Parent, CreatedAt: spec.At.UTC(),
	}
	if spec.At.IsZero() {
		pl.CreatedAt = w.now().UTC()
	}
	if pl.Ref == "" {
		pl.Ref = "main"
	}
	if pl.Source == "" {
		pl.Source = "push"
	}
	if pl.BeforeSHA == "" {
		pl.BeforeSHA = strings.Repeat("0", 40)
	}
	if pl.SHA == "" {
		pl.SHA = fakeSHA(fmt.Sprintf("%d/%d", p.ID, pl.ID))
	}
	if pl.User == nil {
		if len(w.Users) == 0 {
			w.addUser("root")
		}
		pl.User = w.Users[0]
	}
	if !spec.CommitGone {
		pl.Commit = newCommit(pl, spec.CommitLag)
	}
	return pl
}

func newCommit(pl *Pipeline, lag time.Duration) *Commit {
	at := pl.CreatedAt.Add(-lag).Truncate(time.Second).In(time.FixedZone("", 2*60*60))
	title := "Change " + pl.SHA[:7]
	return &Commit{
		ID: pl.SHA, ParentIDs: []string{fakeSHA("parent of " + pl.SHA)}, Title: title, Message: title + "\n",
		AuthorName: pl.User.Name, AuthorEmail: pl.User.Username + "@example.com",
		AuthoredDate: at.Add(-time.Minute), CommittedDate: at,
	}
}

func fakeSHA(seed string) string {
	sum := sha1.Sum([]byte(seed))
	return hex.EncodeToString(sum[:])
}

// Link makes downstream the pipeline that bridge, a job of upstream, started.
func (w *World) Link(bridge *Job, upstream, downstream *Pipeline) {
	w.mu.Lock()
	defer w.mu.Unlock()
	bridge.Downstream, downstream.Parent = downstream, upstream
}

// Job gives the latest attempt of the pipeline's job of that name, nil when
// there is none.
func (pl *Pipeline) Job(name string) *Job {
	for _, j := range pl.Jobs {
		if j.Name == name && !j.Retried {
			return j
		}
	}
	return nil
}

// processing is how long after the end of a job GitLab's worker gets to queue
// what follows it. Without it, a job's queue would begin within the same
// millisecond, to which REST cuts the end, but not the time in the queue.
const processing = 40 * time.Millisecond

// layOut makes the jobs of a pipeline, stage after stage, in order of creation;
// they still lack ids.
func layOut(pl *Pipeline, spec PipelineSpec) []*Job {
	var stages []string
	byStage := map[string][]JobSpec{}
	for _, js := range spec.Jobs {
		if js.Stage == "" {
			js.Stage = "test"
		}
		if byStage[js.Stage] == nil {
			stages = append(stages, js.Stage)
		}
		byStage[js.Stage] = append(byStage[js.Stage], js)
	}
	var first, later []*Job
	ready := pl.CreatedAt.Add(spec.Wait)
	for _, stage := range stages {
		ends := ready
		for _, js := range byStage[stage] {
			at := ready
			for range js.FailedFirst {
				failed := js
				failed.Status, failed.Coverage = "failed", nil
				j := newJob(pl, failed, pl.CreatedAt, at)
				if !at.Equal(ready) {
					j.CreatedAt = at
				}
				j.Retried = true
				if at.Equal(ready) {
					first = append(first, j)
				} else {
					later = append(later, j)
				}
				at = j.FinishedAt.Add(max(js.RetryAfter, time.Microsecond))
			}
			j := newJob(pl, js, pl.CreatedAt, at)
			if at.Equal(ready) {
				first = append(first, j)
			} else {
				j.CreatedAt = at
				later = append(later, j)
			}
			if j.FinishedAt != nil && j.FinishedAt.After(ends) {
				ends = *j.FinishedAt
			}
		}
		if ends.After(ready) {
			ready = ends.Add(processing)
		}
	}
	return append(first, later...)
}

// newJob makes one attempt; queued says when it entered the queue, if its
// status says that it did.
func newJob(pl *Pipeline, js JobSpec, created, queued time.Time) *Job {
	j := &Job{
		ProjectID: pl.ProjectID, PipelineID: pl.ID, Kind: js.Kind, Name: js.Name, Stage: js.Stage, Status: js.Status,
		AllowFailure: js.AllowFailure, Manual: js.Manual || js.Status == "manual", CreatedAt: created, User: js.User, Tags: js.Tags,
		Needs: js.Needs, Environment: js.Environment,
	}
	if j.Status == "scheduled" {
		j.ScheduledAt = new(created.Add(30 * time.Minute))
	}
	if j.Kind == "" {
		j.Kind = Build
	}
	if j.Status == "" {
		j.Status = "success"
	}
	if j.User == nil {
		j.User = pl.User
	}
	if j.Tags == nil {
		j.Tags = []string{}
	}
	start := queued.Add(js.Wait)
	switch j.Status {
	case "created", "manual", "scheduled", "skipped", "waiting_for_resource", "waiting_for_callback", "preparing":
		return j
	case "pending":
		j.QueuedAt = &queued
		return j
	case "running", "canceling":
		j.QueuedAt, j.StartedAt, j.Runner = &queued, &start, js.Runner
		return j
	}
	end := start.Add(js.Took)
	j.QueuedAt, j.StartedAt, j.FinishedAt, j.Runner = &queued, &start, &end, js.Runner
	if j.Status == "failed" {
		j.FailureReason = new("script_failure")
		if js.FailureReason != "" {
			j.FailureReason = &js.FailureReason
		}
	}
	if js.NeverStarted {
		j.StartedAt, j.Runner = nil, nil
	}
	j.exit()
	if j.Kind == Bridge {
		// A bridge takes no runner and is never queued.
		j.QueuedAt, j.Runner = nil, nil
		return j
	}
	if j.StartedAt != nil {
		j.Coverage = js.Coverage
		j.Artifacts = append(j.Artifacts, Artifact{FileType: "trace", Size: 2000 + int64(js.Took/time.Millisecond)%9000, Filename: "job.log"})
		if js.ArtifactBytes > 0 {
			j.Artifacts = append([]Artifact{
				{FileType: "archive", Size: js.ArtifactBytes, Filename: "artifacts.zip", Format: new("zip")},
				{FileType: "metadata", Size: 186, Filename: "metadata.gz", Format: new("gzip")},
			}, j.Artifacts...)
		}
		j.ArtifactsExpireAt = new(end.AddDate(0, 0, 30))
	}
	return j
}

// exit gives a job whose script failed the code that most scripts end with.
func (j *Job) exit() {
	if j.Kind == Build && j.Status == "failed" && j.StartedAt != nil && j.FailureReason != nil && *j.FailureReason == "script_failure" {
		j.ExitCode = new(int64(1))
	}
}

// settle gives a pipeline the status and times that follow from its jobs,
// slightly off the jobs' own, as GitLab's workers come a moment later.
func settle(pl *Pipeline, spec PipelineSpec) {
	pl.Status = spec.Status
	if pl.Status == "" {
		pl.Status = statusOf(pl.Jobs)
	}
	if spec.YAMLErrors != "" {
		pl.YAMLErrors, pl.FailureReason = &spec.YAMLErrors, new("config_error")
		pl.Status = "failed"
	}
	if pl.Status == "" {
		pl.Status = "success"
	}
	jitter := func(what string, from, to time.Duration) time.Duration {
		sum := sha1.Sum([]byte(fmt.Sprint(what, pl.ID)))
		span := int64(to - from)
		return (from + time.Duration((int64(sum[0])<<16|int64(sum[1])<<8|int64(sum[2]))%span)).Truncate(time.Microsecond)
	}
	last := pl.CreatedAt
	pl.StartedAt, pl.FinishedAt, pl.UpdatedAt = nil, nil, nil
	var start, end *time.Time
	for _, j := range pl.Jobs {
		if j.StartedAt != nil && j.Kind != External && (start == nil || j.StartedAt.Before(*start)) {
			start = j.StartedAt
		}
		if j.FinishedAt != nil && (end == nil || j.FinishedAt.After(*end)) {
			end = j.FinishedAt
		}
		if j.StartedAt != nil && j.StartedAt.After(last) {
			last = *j.StartedAt
		}
	}
	if start != nil {
		pl.StartedAt = new(start.Add(jitter("start", 100*time.Millisecond, 4*time.Second)))
		last = *pl.StartedAt
	}
	if end != nil && end.After(last) {
		last = *end
	}
	if complete(pl.Status) {
		pl.FinishedAt = new(last.Add(jitter("finish", 80*time.Millisecond, 1700*time.Millisecond)))
		last = *pl.FinishedAt
	}
	pl.UpdatedAt = new(last.Add(jitter("update", 6*time.Millisecond, 250*time.Millisecond)))
	if spec.NullUpdated {
		pl.UpdatedAt = nil
	}
}

// CutAt makes the world look as it would at that moment: pipelines created
// later are dropped, jobs that had not ended run, those that had not started
// wait, and pipelines follow their jobs.
func (w *World) CutAt(at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	gone := map[*Pipeline]bool{}
	for _, p := range w.Projects {
		kept := p.Pipelines[:0]
		for _, pl := range p.Pipelines {
			if pl.CreatedAt.After(at) {
				gone[pl] = true
				continue
			}
			kept = append(kept, pl)
			cut(pl, at)
		}
		clear(p.Pipelines[len(kept):])
		p.Pipelines = kept
	}
	w.unlink(gone)
	w.index()
	w.redeploy()
}

// unlink forgets pipelines that are gone wherever others point at them.
func (w *World) unlink(gone map[*Pipeline]bool) {
	if len(gone) == 0 {
		return
	}
	for _, p := range w.Projects {
		for _, pl := range p.Pipelines {
			if gone[pl.Parent] {
				pl.Parent = nil
			}
			for _, j := range pl.Jobs {
				if gone[j.Downstream] {
					j.Downstream = nil
				}
			}
		}
	}
}

func cut(pl *Pipeline, at time.Time) {
	later := func(t *time.Time) bool { return t != nil && t.After(at) }
	if !later(pl.FinishedAt) && !slices.ContainsFunc(pl.Jobs, func(j *Job) bool { return later(j.StartedAt) || later(j.FinishedAt) }) {
		return
	}
	kept := pl.Jobs[:0]
	latest := map[string]*Job{}
	for _, j := range pl.Jobs {
		if j.CreatedAt.After(at) {
			continue
		}
		if j.Status == "skipped" { // what it was skipped for may not have happened yet
			j.Status = "created"
		}
		if later(j.FinishedAt) {
			j.FinishedAt, j.FailureReason, j.Coverage, j.Artifacts, j.ArtifactsExpireAt, j.ExitCode = nil, nil, nil, nil, nil, nil
			switch {
			case j.StartedAt != nil && !j.StartedAt.After(at):
				j.Status = "running"
			case j.QueuedAt != nil && !j.QueuedAt.After(at):
				j.Status, j.StartedAt, j.Runner = "pending", nil, nil
			default:
				j.Status, j.QueuedAt, j.StartedAt, j.Runner = "created", nil, nil, nil
			}
		}
		kept = append(kept, j)
		latest[j.Kind+j.Name] = j
	}
	pl.Jobs = kept
	for _, j := range pl.Jobs {
		j.Retried = latest[j.Kind+j.Name] != j
	}
	if len(pl.Jobs) > 0 {
		settle(pl, PipelineSpec{})
	}
	for _, t := range []**time.Time{&pl.StartedAt, &pl.FinishedAt, &pl.UpdatedAt} {
		if later(*t) {
			*t = &at
		}
	}
}
