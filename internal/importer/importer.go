// Package importer moves GitLab into the store: which groups, projects and
// pipelines there are, what changed since the last sync, and what was deleted.
//
// # What is written
//
// groups, projects, repositories, users, runners, pipelines, jobs, and about
// itself project_syncs, syncs and sync_errors. All of it can be rebuilt by
// reading GitLab again, but for pipelines that GitLab has deleted since.
//
// # Promises, each with a test that tries to break it
//
//   - Rows and the cursor that follows them commit in one transaction. Killed at
//     any instant, the next sync goes on from there; nothing is lost or doubled.
//   - No page number is used on a list that moves (walk.go).
//   - Every status, every attempt, child pipelines and bridges. What still runs
//     is asked for again until it has ended (ci.Open).
//   - What one project refuses is recorded in sync_errors, and the others go on.
//   - Newest first: all projects get their last day, then their last week, month,
//     and the rest of the horizon.
//
// # Endpoints
//
// GET /groups, /groups/:id, /groups/:id/descendant_groups, /groups/:id/projects,
// /projects/:id, /projects/:id/pipelines, …/pipelines/:id, …/jobs, …/bridges.
package importer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/store"
)

// Config is what New needs.
type Config struct {
	Log   *slog.Logger     // nil: none
	Store *store.Store     // required
	Now   func() time.Time // nil: time.Now

	// ReconcileEvery is how often everything is looked at that no probe shows: the
	// whole list of projects, and the number of pipelines of each; 0: 6 hours.
	ReconcileEvery time.Duration
}

// Importer imports; it is safe for concurrent use, one Sync per connection.
type Importer struct {
	log   *slog.Logger
	store *store.Store
	now   func() time.Time

	reconcileEvery time.Duration
	pruned         pruned

	// watchCommits, when not nil, is called just before and just after each
	// commit of a sync, with its number from 1: where tests kill the process.
	watchCommits func(turn int, committed bool)
}

// New makes an importer into a store.
func New(cfg Config) *Importer {
	i := &Importer{log: cfg.Log, store: cfg.Store, now: cfg.Now, reconcileEvery: cmp.Or(cfg.ReconcileEvery, 6*time.Hour)}
	if i.log == nil {
		i.log = slog.New(slog.DiscardHandler)
	}
	if i.now == nil {
		i.now = time.Now
	}
	return i
}

// The kinds of a connection.
const (
	KindGitLab    = "gitlab"           // groups and repositories
	KindPipelines = "gitlab-pipelines" // groups, projects, pipelines and jobs
)

// Source is where to import from: a connection, opened.
type Source struct {
	Connection ci.ConnectionID
	Instance   ci.Instance
	Kind       string // KindGitLab or KindPipelines
	Client     *gitlab.Client
	Groups     []string  // ids or full paths; empty: every group the token is a member of
	Since      time.Time // the horizon: how far back to import; zero: all there is
}

// Options is what a person may ask of one sync.
type Options struct {
	Projects []string // ids or full paths; empty: all in reach
	First    []string // ids or full paths: visited before the others, in this order; unknown ones do not matter
	Only     Scope    // ScopeAll, or ScopeOpen for a look at what had not ended
	Full     bool     // read again what is stored already
	Polled   bool     // nobody asked for it: its row goes after a week if it found nothing (prune.go)
	// Recount has the pipelines of quiet projects counted whosever turn it is, as
	// far as a round's bound on that goes: by the count deletions show.
	Recount bool
	// History is how long the sync may go on reading history after it has read
	// what changed; what it does not reach is left to the next one, and the sync
	// is paused. 0: to the horizon.
	History time.Duration
	// OpenSince leaves out open pipelines that were created before it, unless a
	// list brings them: one that has been open for days is not worth a request
	// each minute. Zero: all are asked for.
	OpenSince time.Time
	Plan      string // one of Plans; "" is PlanAuto
}

// Event is a sign of life of a sync.
type Event struct {
	Kind             EventKind
	Sync             ci.SyncID // the row in syncs, from the first event on
	Phase            string    // of EventPhase: "discover", "changes", "day", "week", "month", "history", "open"
	Project          string    // full path, where one is concerned
	ProjectsDone     int64     // of this phase
	ProjectsTotal    int64
	PipelinesDone    int64            // written, or found to be stored as they are
	PipelinesTotal   int64            // a lower bound, as far as GitLab's lists said
	Rows             map[string]int64 // written so far, by table
	Requests         int64            // so far
	ThrottledSeconds float64          // so far
	Code             ci.Code          // of EventWarning
	Message          string
	At               time.Time
}

// EventKind is what an Event tells.
type EventKind string

// The kinds of events. Numbers are in all of them.
const (
	EventStarted  EventKind = "started"
	EventPhase    EventKind = "phase"
	EventProgress EventKind = "progress"
	EventWarning  EventKind = "warning"
	EventDone     EventKind = "done"
)

// Sync imports what is new, what changed and what is missing, and returns the
// row that it wrote to syncs. emit is called from one goroutine at a time; nil
// is allowed. A project that cannot be read makes the sync incomplete, which is
// no error; an error (*ci.Problem) means that the sync as a whole could not go
// on. Whatever was fetched until then is stored, and the next sync goes on.
func (i *Importer) Sync(ctx context.Context, src Source, o Options, emit func(Event)) (ci.Sync, error) {
	if o.Plan == "" {
		o.Plan = PlanAuto
	}
	if !slices.Contains(Plans(), o.Plan) {
		return ci.Sync{}, &ci.Problem{
			Code: ci.BadRequest, Cause: fmt.Sprintf("there is no plan %q", o.Plan),
			Remedy: "use one of: " + strings.Join(Plans(), ", "),
		}
	}
	if err := o.check(); err != nil {
		return ci.Sync{}, err
	}
	if src.Since.IsZero() {
		src.Since = time.Unix(0, 0)
	}
	src.Since = src.Since.UTC().Truncate(time.Millisecond)
	r := newRun(i, src, o, emit)
	if err := r.begin(ctx); err != nil {
		return ci.Sync{}, err
	}
	problem := r.outcome(ctx, r.do(ctx))
	if err := r.end(context.WithoutCancel(ctx), problem); err != nil {
		return r.sync, err
	}
	if problem != nil {
		return r.sync, problem
	}
	return r.sync, nil
}

// outcome turns what ended a run into what a person is told; nil for a run that
// came to its end, complete or not.
func (r *run) outcome(ctx context.Context, err error) *ci.Problem {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return &ci.Problem{
			Code: ci.Interrupted, Cause: "the sync was stopped before its end; what it had fetched is stored",
			Remedy: "run weir sync again: it goes on from there", Err: context.Cause(ctx),
		}
	}
	var p *ci.Problem
	if errors.As(err, &p) {
		return p
	}
	return Explain(err)
}
