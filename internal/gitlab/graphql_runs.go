package gitlab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Run is a pipeline and what ran in it, as GraphQL gives both at once. Times
// are cut to whole seconds. Tag comes from GitLab's refPath and is null without
// it; DetailedStatus is absent, Warnings says what it was read for.
type Run struct {
	Pipeline
	FailureReason Field[string] // config_error, …; null unless the pipeline itself failed
	Warnings      Field[bool]   // a job failed that may fail
	Child         Field[bool]   // UpstreamID is its parent, in the same project
	UpstreamID    Field[int64]  // the pipeline that started it; null also when this token may not see that one
	Commit        Field[Commit] // null when the git object is gone
	Jobs          []RunJob      // newest first; the first of them when there are more
	Builds        Field[int64]  // how many builds there are, every attempt counted; with RunQuery.OnlyBridges, absent above 1,000
	JobsNext      string        // for RunJobs, to go on; "" when Jobs are all
}

// RunJob is one attempt of a job, of any kind, as GraphQL gives it. Of Job,
// these are absent: Ref, Tag, User, Commit, Pipeline and FailureReason, which
// GraphQL does not give. WebURL is null on bridges. DownstreamPipeline holds an
// id and nothing else.
type RunJob struct {
	Job
	PipelineID     int64
	Kind           string          // build, bridge, external; GitLab's own word for what is none of these
	Retried        Field[bool]     // a later attempt exists
	Manual         Field[bool]     // waits, or waited, for a person
	QueuedAt       Field[Time]     // when it last entered the queue
	ScheduledAt    Field[Time]     // when a delayed job is to start
	ExitCode       Field[int64]    // of the script; GitLab 16.10 and later
	FailureMessage Field[string]   // a sentence for people; null also for a failed script
	Needs          Field[[]string] // names; absent unless they were asked for
}

// The kinds of a RunJob.
const (
	KindBuild    = "build"    // runs on a runner
	KindBridge   = "bridge"   // starts a downstream pipeline
	KindExternal = "external" // a commit status, which REST lists among no jobs
)

// RunQuery says which page of a project's pipelines is asked for. Only
// ProjectPath is needed.
type RunQuery struct {
	ProjectPath string // full path. A moved project is NotFound at its old path
	ProjectID   int64  // not 0: another project that took over the path is NotFound
	Source      string // "": all but parent_pipeline, as in REST
	// UpdatedAfter and UpdatedBefore are inclusive, as in REST; zero: no bound.
	UpdatedAfter, UpdatedBefore time.Time
	First, JobsFirst            int    // pipelines, and jobs of each of them: 1 to 100; 0: 100
	After                       string // RunPage.Next of the page before; "": the first page
	Needs                       bool   // ask for the needs of jobs
	OnlyBridges                 bool   // Jobs are trigger jobs alone; Builds says how many builds there are beside them
	Probe                       bool   // ask for Score and Limit
	// WithoutUpdatedAt leaves UpdatedAt absent. GitLab's schema says that every
	// pipeline has one; some external pipelines have none, and a page with one
	// of them fails. They match neither bound above, so a query with a bound
	// never meets them.
	WithoutUpdatedAt bool
}

// RunPage is one page of a project's pipelines.
type RunPage struct {
	ProjectID     int64
	Runs          []Run         // newest first by id; may be none
	Next          string        // opaque cursor; "" at the end of the list
	Score, Limit  int           // of this query, with Probe; else 0
	AskedAt, Date time.Time     // just before it was sent; the server's own clock, zero when it did not say
	Took          time.Duration // that GitLab worked on it: what it says, else until its answer began
}

// Runs gives one page of a project's pipelines with their details and jobs, in
// one request. Pages follow a keyset by id: what is added meanwhile moves
// nothing.
//
// NotFound is a project that is not there or not for this token, Forbidden one
// whose CI is off or whose pipelines the token may not read. Timeout and
// TooComplex are about the size of the question: they are not asked again here,
// a smaller First or JobsFirst may do. Any other error in GitLab's answer is
// BadAnswer with GitLab's words, a field that an older GitLab lacks among them.
func (c *Client) Runs(ctx context.Context, q RunQuery) (RunPage, error) {
	first, err := pageSize("First", q.First)
	if err != nil {
		return RunPage{}, err
	}
	jobsFirst, err := pageSize("JobsFirst", q.JobsFirst)
	if err != nil {
		return RunPage{}, err
	}
	if q.ProjectPath == "" {
		return RunPage{}, badQuery("the path of the project is empty")
	}
	r, err := graphQL("Runs", q.operation(first, jobsFirst), map[string]any{
		"path": q.ProjectPath, "source": optional(q.Source), "first": first, "jobsFirst": jobsFirst, "after": optional(q.After),
		"updatedAfter": instant(q.UpdatedAfter), "updatedBefore": instant(q.UpdatedBefore),
		"needs": q.Needs, "probe": q.Probe, "updated": !q.WithoutUpdatedAt,
		"jobKind": jobKind(q.OnlyBridges), "builds": q.OnlyBridges,
	}, "runs", "job")
	if err != nil {
		return RunPage{}, err
	}
	var found runsAnswer
	ans, err := c.do(ctx, r, graphQLAnswer(func(s *scanner) error {
		found = runsAnswer{}
		return found.scan(s)
	}, func() error { return found.check(c, q) }))
	if err != nil {
		return RunPage{}, err
	}
	runs := make([]Run, len(found.runs))
	for i := range found.runs {
		runs[i] = found.runs[i].Run
	}
	return RunPage{
		ProjectID: found.project.id, Runs: runs, Next: found.nextPage,
		Score: found.complexity.Score, Limit: found.complexity.Limit, AskedAt: ans.askedAt, Date: ans.date, Took: ans.took,
	}, nil
}

// operation is what answers to this question are compared by: with the builds
// left out it is another one.
func (q RunQuery) operation(first, jobsFirst int) string {
	if q.OnlyBridges {
		return sized("Runs without builds", first)
	}
	return sized("Runs", first*jobsFirst)
}

// jobKind is the filter of the kinds of jobs, null for none.
func jobKind(onlyBridges bool) any {
	if onlyBridges {
		return "BRIDGE"
	}
	return nil
}

// runsAnswer is the data of Runs.
type runsAnswer struct {
	complexity complexity
	there      bool // the project
	project    reach
	listed     bool // its pipelines
	page       connection
	runs       []scannedRun
	nextPage   string
}

// scannedRun is a Run and the page of jobs that came with it.
type scannedRun struct {
	Run
	jobs *connection // nil: GitLab gave none
}

func (a *runsAnswer) scan(s *scanner) error {
	return s.object(func(key []byte) error {
		switch string(key) {
		case "queryComplexity":
			return a.complexity.scan(s)
		case "project":
			if isNull, err := s.null(); isNull || err != nil {
				return err
			}
			a.there = true
			return s.object(func(key []byte) error {
				if string(key) != "pipelines" {
					known, err := a.project.field(s, key)
					if !known {
						err = s.skip()
					}
					return err
				}
				if isNull, err := s.null(); isNull || err != nil {
					return err
				}
				a.listed = true
				return a.page.scan(s, func() error {
					a.runs = append(a.runs, scannedRun{})
					return a.runs[len(a.runs)-1].scan(s)
				})
			})
		}
		return s.skip()
	})
}

// check holds the answer against the question.
func (a *runsAnswer) check(c *Client, q RunQuery) (err error) {
	if err := a.project.check(a.there, q.ProjectPath, q.ProjectID); err != nil {
		return err
	}
	if !a.listed {
		return forbiddenRuns(q.ProjectPath)
	}
	if a.nextPage, err = a.page.next(q.After); err != nil {
		return err
	}
	o := PipelineListOptions{Source: q.Source}
	if !q.UpdatedAfter.IsZero() {
		o.UpdatedAfter = q.UpdatedAfter.Truncate(time.Second) // the answer is cut to seconds
	}
	for i := range a.runs {
		run := &a.runs[i]
		if run.jobs == nil {
			return forbiddenRuns(q.ProjectPath)
		}
		if err := cmp.Or(run.check(), o.check(&run.PipelineListItem)); err != nil {
			return fmt.Errorf("pipeline %d of the page: %w", i+1, err)
		}
		if run.JobsNext, err = run.jobs.next(""); err != nil {
			return fmt.Errorf("the jobs of pipeline %d: %w", run.ID, err)
		}
		run.ProjectID = Of(a.project.id)
		a.project.complete(c, &run.WebURL)
		for j := range run.Jobs {
			if err := run.Jobs[j].settle(c, &a.project, run.ID); err != nil {
				return fmt.Errorf("pipeline %d: %w", run.ID, err)
			}
		}
	}
	return nil
}

// check says whether the project is there, the one that was meant, and open to
// this token. want 0 is any project.
func (p *reach) check(there bool, path string, want int64) error {
	switch {
	case !there:
		return &refusal{NotFound, fmt.Sprintf("there is no project %s, or not for this token", path)}
	case p.id == 0:
		return errors.New("a project without id")
	case want != 0 && p.id != want:
		return &refusal{NotFound, fmt.Sprintf("project %d is not at %s any more: project %d is", want, path, p.id)}
	case p.barred():
		return forbiddenRuns(path)
	}
	return nil
}

func forbiddenRuns(path string) error {
	return &refusal{Forbidden, fmt.Sprintf("CI/CD of the project %s is off, or this token may not read its pipelines and jobs", path)}
}

// complete makes a URL of a path below GitLab's host, as GitLab itself writes
// the project's, else as it was asked.
func (p *reach) complete(c *Client, path *Field[string]) {
	below, ok := path.Get()
	if !ok {
		return
	}
	u, err := url.Parse(p.webURL.Or(""))
	if err != nil || u.Host == "" {
		u = c.base
	}
	*path = Of(u.Scheme + "://" + u.Host + below)
}

// RunJobs gives a further page of a pipeline's jobs, newest first, after the
// cursor Run.JobsNext or the next of the page before; "" begins at the newest.
// iid is the pipeline's number within its project. A pipeline that is not there
// (any more) is NotFound; other errors are those of Runs.
func (c *Client) RunJobs(ctx context.Context, projectPath string, iid int64, after string, needs bool) (jobs []RunJob, next string, askedAt time.Time, err error) {
	if projectPath == "" {
		return nil, "", time.Time{}, badQuery("the path of the project is empty")
	}
	r, err := graphQL("RunJobs", "RunJobs", map[string]any{
		"path": projectPath, "iid": id(iid), "jobsFirst": mostRows, "after": optional(after), "needs": needs,
	}, "run_jobs", "job")
	if err != nil {
		return nil, "", time.Time{}, err
	}
	var found jobsAnswer
	ans, err := c.do(ctx, r, graphQLAnswer(func(s *scanner) error {
		found = jobsAnswer{}
		return found.scan(s)
	}, func() error { return found.check(c, projectPath, iid, after) }))
	if err != nil {
		return nil, "", time.Time{}, err
	}
	return found.run.Jobs, found.run.JobsNext, ans.askedAt, nil
}

// jobsAnswer is the data of RunJobs.
type jobsAnswer struct {
	there   bool // the project
	project reach
	listed  bool // its pipeline
	run     scannedRun
}

func (a *jobsAnswer) scan(s *scanner) error {
	return s.object(func(key []byte) error {
		if string(key) != "project" {
			return s.skip()
		}
		if isNull, err := s.null(); isNull || err != nil {
			return err
		}
		a.there = true
		return s.object(func(key []byte) error {
			if string(key) != "pipeline" {
				known, err := a.project.field(s, key)
				if !known {
					err = s.skip()
				}
				return err
			}
			if isNull, err := s.null(); isNull || err != nil {
				return err
			}
			a.listed = true
			return a.run.scan(s)
		})
	})
}

func (a *jobsAnswer) check(c *Client, path string, iid int64, after string) (err error) {
	if err := a.project.check(a.there, path, 0); err != nil {
		return err
	}
	switch {
	case !a.listed:
		return &refusal{NotFound, fmt.Sprintf("there is no pipeline with the iid %d in %s", iid, path)}
	case a.run.ID == 0:
		return errors.New("a pipeline without id")
	case a.run.jobs == nil:
		return forbiddenRuns(path)
	}
	if a.run.JobsNext, err = a.run.jobs.next(after); err != nil {
		return fmt.Errorf("the jobs of pipeline %d: %w", a.run.ID, err)
	}
	for i := range a.run.Jobs {
		if err := a.run.Jobs[i].settle(c, &a.project, a.run.ID); err != nil {
			return fmt.Errorf("pipeline %d: %w", a.run.ID, err)
		}
	}
	return nil
}

// settle checks a job and adds what the answer says above it.
func (j *RunJob) settle(c *Client, p *reach, pipeline int64) error {
	if err := j.check(); err != nil {
		return err
	}
	// These lists have no cursor here: no job has as many artifacts, or needs.
	if n := max(len(j.Artifacts.Or(nil)), len(j.Needs.Or(nil))); n >= mostRows {
		return fmt.Errorf("job %d has %d artifacts or needs, of which there may be more", j.ID, n)
	}
	j.PipelineID = pipeline
	p.complete(c, &j.WebURL)
	return nil
}

// kindOf gives the kind of a job from the model in its global id. The field
// named kind knows no external statuses and calls them builds.
func kindOf(model string) string {
	switch model {
	case "Ci::Build":
		return KindBuild
	case "Ci::Bridge":
		return KindBridge
	case "GenericCommitStatus":
		return KindExternal
	}
	return model
}

// refTag is the beginning of refPath on pipelines of tags.
const refTag = "refs/tags/"

func isTag(refPath Field[string]) Field[bool] {
	path, ok := refPath.Get()
	if !ok {
		return Null[bool]()
	}
	return Of(strings.HasPrefix(path, refTag))
}
