package gitlabtest

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"
)

// World is everything that one GitLab knows. Its fields may be read and
// written freely before it is served; afterwards reads go through View and
// writes through the moves or Edit.
type World struct {
	Groups   []*Group   // in order of creation, parents before children
	Projects []*Project // in order of creation
	Users    []*User
	Runners  []*Runner
	Tokens   []*Token
	Stories  Stories // what Demo hid in it; zero in other worlds

	mu       sync.RWMutex
	stepping sync.Mutex
	sorting  sync.Mutex // guards Project.builds
	held     bool       // deployments do not follow their jobs
	edits    int        // how often Edit changed what renderers may have kept
	now      func() time.Time
	lastID   map[string]int64 // by kind of row
	projects map[int64]*Project
	paths    map[string]*Project // by full path, former ones included
	groups   map[int64]*Group
	tokens   map[string]*Token
}

// Group is a group or subgroup.
type Group struct {
	ID          int64
	Parent      *Group // nil at the top level
	Path        string // last part of FullPath
	Name        string
	FullPath    string
	Description *string
	Visibility  string // public, internal, private
	Archived    bool
	CreatedAt   time.Time
}

// Project is a project with its pipelines.
type Project struct {
	ID             int64
	Group          *Group // nil: in Owner's personal namespace
	Owner          *User  // nil in a group
	Path           string
	Name           string
	FullPath       string
	FormerPaths    []string // GET by one of these is redirected
	Description    *string
	DefaultBranch  *string // nil while the repository is empty
	Visibility     string
	Topics         []string
	Archived       bool
	BuildsAccess   string // builds_access_level: enabled, private, disabled
	PublicJobs     bool   // members below Reporter may read pipelines too
	Forbidden      bool   // pipelines and jobs answer 403 to every token
	StarCount      int64
	CreatedAt      time.Time
	UpdatedAt      time.Time
	LastActivityAt time.Time
	DeletionOn     *string     // marked_for_deletion_on, YYYY-MM-DD
	Pipelines      []*Pipeline // in order of id, children included
	Environments   []*Environment
	Deployments    []*Deployment // in order of creation
	// DeploymentsForbidden answers 403 for them to every token.
	DeploymentsForbidden bool

	lastIID, lastDeployment int64
	builds                  []*Job // of all pipelines, by id descending; nil when stale
	raw                     []byte // the recorded answer that is replayed, nil in other worlds
}

// Pipeline is one pipeline with all its jobs.
type Pipeline struct {
	ID            int64
	IID           int64
	ProjectID     int64
	Name          *string
	Status        string
	Source        string
	Ref           string // refs/merge-requests/N/head for merge requests
	SourceBranch  string // of the merge request; empty for other pipelines
	Tag           bool
	SHA           string
	BeforeSHA     string
	Commit        *Commit // nil: the git object is gone, jobs answer null
	User          *User
	Parent        *Pipeline // the pipeline whose bridge started this one
	CreatedAt     time.Time
	UpdatedAt     *time.Time // nil on some external pipelines
	StartedAt     *time.Time
	FinishedAt    *time.Time
	CommittedAt   *time.Time
	YAMLErrors    *string
	FailureReason *string // not in REST
	Jobs          []*Job  // every attempt and kind, in order of creation

	rawItem, rawDetail []byte
}

// The kinds of Job.
const (
	Build    = "build"    // runs on a runner
	Bridge   = "bridge"   // trigger: starts a downstream pipeline
	External = "external" // a commit status; in no jobs endpoint
)

// Job is one attempt of one job.
type Job struct {
	ID                int64
	ProjectID         int64
	PipelineID        int64
	Kind              string
	Name              string
	Stage             string
	Status            string
	AllowFailure      bool
	Manual            bool // when: manual; not in REST
	Retried           bool // a later attempt exists; not in REST
	Coverage          *float64
	CreatedAt         time.Time
	QueuedAt          *time.Time // not in REST
	ScheduledAt       *time.Time // of a delayed job that waits; not in REST
	StartedAt         *time.Time
	FinishedAt        *time.Time
	ErasedAt          *time.Time
	FailureReason     *string // shown only while Status is failed
	User              *User
	Runner            *Runner
	Tags              []string
	Artifacts         []Artifact
	Needs             []string // names of jobs; not in REST
	Environment       string   // that it deploys to; in no form of a job
	ExitCode          *int64   // of the script, when it failed; not in REST
	ArtifactsExpireAt *time.Time
	Downstream        *Pipeline // of a bridge; nil when none was started

	raw []byte
}

// Commit is the commit of a pipeline.
type Commit struct {
	ID            string
	ParentIDs     []string
	Title         string
	Message       string
	AuthorName    string
	AuthorEmail   string
	AuthoredDate  time.Time // keeps its zone, as git does
	CommittedDate time.Time
}

// Artifact is a file that a job left, its log included.
type Artifact struct {
	FileType string // archive, metadata, trace, junit, …
	Size     int64  // bytes
	Filename string
	Format   *string // zip, gzip, raw; nil on a log
}

// User is a person or a bot.
type User struct {
	ID        int64
	Username  string
	Name      string
	State     string // active, blocked, deactivated
	Bot       bool
	CreatedAt time.Time
}

// Runner takes jobs.
type Runner struct {
	ID          int64
	Description *string
	Type        string // instance_type, group_type, project_type
	Active      bool
	Online      bool
	Name        *string
	IPAddress   *string
	Tags        []string
}

// NewWorld is an empty world whose clock is the real one.
func NewWorld() *World {
	w := &World{now: time.Now}
	w.index()
	return w
}

// Now is the time on the world's clock, in UTC.
func (w *World) Now() time.Time {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.now().UTC()
}

// SetNow stops the world's clock at t.
func (w *World) SetNow(t time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = func() time.Time { return t }
}

// SetClock makes the world go by another clock, one that runs: time.Now, also
// in a testing/synctest bubble, or one that is ahead of it.
func (w *World) SetClock(now func() time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = now
}

// Advance moves the clock on by d. A stopped clock stays stopped, a running
// one runs on.
func (w *World) Advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	was := w.now
	w.now = func() time.Time { return was().Add(d) }
}

// View runs read while the world stands still. read must not call other
// methods of w, which would wait for each other.
func (w *World) View(read func()) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	read()
}

// Edit runs change while nobody reads the world, and takes note of what was
// added, removed or renumbered. change must not call other methods of w.
func (w *World) Edit(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
	w.edits++
	w.index()
}

// Project finds a project by its full path, nil when there is none.
func (w *World) Project(fullPath string) *Project {
	w.mu.RLock()
	defer w.mu.RUnlock()
	for _, p := range w.Projects {
		if p.FullPath == fullPath {
			return p
		}
	}
	return nil
}

// Group finds a group by its full path, nil when there is none.
func (w *World) Group(fullPath string) *Group {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.groupByPath(fullPath)
}

func (w *World) groupByPath(fullPath string) *Group {
	for _, g := range w.Groups {
		if strings.EqualFold(g.FullPath, fullPath) {
			return g
		}
	}
	return nil
}

// Counts is the number of rows in the world: what an importer that loses
// nothing must end up with. Personal projects are counted; commit statuses are
// counted apart, for no jobs endpoint shows them.
type Counts struct {
	Groups, Projects, Pipelines, Builds, Bridges, Externals int
}

// Count counts the world's rows.
func (w *World) Count() Counts {
	w.mu.RLock()
	defer w.mu.RUnlock()
	c := Counts{Groups: len(w.Groups), Projects: len(w.Projects)}
	for _, p := range w.Projects {
		c.Pipelines += len(p.Pipelines)
		for _, pl := range p.Pipelines {
			for _, j := range pl.Jobs {
				switch j.Kind {
				case Build:
					c.Builds++
				case Bridge:
					c.Bridges++
				case External:
					c.Externals++
				}
			}
		}
	}
	return c
}

// index rebuilds everything that is looked up. It wants the lock. Ids that were
// handed out stay so: a sequence of PostgreSQL gives none a second time, even
// when the row that had the last one is gone.
func (w *World) index() {
	if w.lastID == nil {
		w.lastID = map[string]int64{}
	}
	w.projects = make(map[int64]*Project, len(w.Projects))
	w.paths = make(map[string]*Project, len(w.Projects))
	w.groups = make(map[int64]*Group, len(w.Groups))
	w.tokens = make(map[string]*Token, len(w.Tokens))
	if w.now == nil {
		w.now = time.Now
	}
	seen := func(kind string, id int64) { w.lastID[kind] = max(w.lastID[kind], id) }
	for _, g := range w.Groups {
		w.groups[g.ID] = g
		seen("group", g.ID)
	}
	for _, u := range w.Users {
		seen("user", u.ID)
	}
	for _, r := range w.Runners {
		seen("runner", r.ID)
	}
	for _, t := range w.Tokens {
		w.tokens[t.Value] = t
		seen("token", t.ID)
	}
	for _, p := range w.Projects {
		w.projects[p.ID] = p
		for _, former := range p.FormerPaths {
			w.paths[strings.ToLower(former)] = p
		}
		seen("project", p.ID)
		p.builds = nil
		slices.SortFunc(p.Pipelines, func(a, b *Pipeline) int { return cmp.Compare(a.ID, b.ID) })
		for _, pl := range p.Pipelines {
			seen("pipeline", pl.ID)
			p.lastIID = max(p.lastIID, pl.IID)
			for _, j := range pl.Jobs {
				seen("job", j.ID)
			}
		}
		for _, e := range p.Environments {
			seen("environment", e.ID)
		}
		for _, d := range p.Deployments {
			seen("deployment", d.ID)
			p.lastDeployment = max(p.lastDeployment, d.IID)
		}
	}
	for _, p := range w.Projects { // a project that took over a former path wins
		w.paths[strings.ToLower(p.FullPath)] = p
	}
}

// buildsOf gives the list behind /projects/:id/jobs: all builds of p, the
// highest id first. It wants the world's lock, for reading at least.
func (w *World) buildsOf(p *Project) []*Job {
	w.sorting.Lock()
	defer w.sorting.Unlock()
	if p.builds == nil {
		p.builds = []*Job{}
		for _, pl := range p.Pipelines {
			for _, j := range pl.Jobs {
				if j.Kind == Build {
					p.builds = append(p.builds, j)
				}
			}
		}
		slices.SortFunc(p.builds, func(a, b *Job) int { return cmp.Compare(b.ID, a.ID) })
	}
	return p.builds
}

// nextID hands out the next id of a kind. It wants the lock.
func (w *World) nextID(kind string) int64 {
	w.lastID[kind]++
	return w.lastID[kind]
}

// pipeline finds a pipeline of p by binary search, nil when there is none.
func (p *Project) pipeline(id int64) *Pipeline {
	i, ok := slices.BinarySearchFunc(p.Pipelines, id, func(pl *Pipeline, id int64) int { return cmp.Compare(pl.ID, id) })
	if !ok {
		return nil
	}
	return p.Pipelines[i]
}

// namespacePath is the full path of the group or user that p lives in.
func (p *Project) namespacePath() string {
	path, _, _ := cutLast(p.FullPath, "/")
	return path
}

// within says whether g is root or lies below it.
func (g *Group) within(root *Group) bool {
	for ; g != nil; g = g.Parent {
		if g == root {
			return true
		}
	}
	return false
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}
