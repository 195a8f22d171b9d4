package importer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/store"
)

// run is one sync under way.
type run struct {
	*Importer
	source    Source
	options   Options
	committer *committer
	progress  *progress
	stats     gitlab.Stats // of the client before the run
	people    *people
	tally     *tally
	bulkSize  *bulkSize    // nil when GraphQL is not used
	prober    *prober      // the same
	saved     atomic.Int64 // requests that lists of failed jobs have spared so far
	proved    bool         // the projects are those that were listed before

	environmentsUntold bool // GraphQL does not say who has environments

	mu       sync.Mutex
	sync     ci.Sync
	errors   int64           // sync_errors so far
	serious  bool            // one of them means that something is missing
	words    map[string]bool // unknown words already reported
	stranded atomic.Int64    // projects in a row that GitLab did not answer for

	historyEnds  time.Time   // zero: no bound
	historyMoved atomic.Bool // some of it was gained in this run
	cut          atomic.Bool
}

const (
	// projectsAtOnce bounds how many projects are visited at the same time: each
	// may hold pages of a hundred runs with their jobs.
	projectsAtOnce = 6
	// After so many projects in a row without an answer GitLab is taken to be down.
	strandedMax = 5
)

// slices of history: all projects get one before any gets the next.
var phases = []struct {
	name string
	back time.Duration
}{
	{"day", 24 * time.Hour},
	{"week", 7 * 24 * time.Hour},
	{"month", 30 * 24 * time.Hour},
	{"history", 0}, // to the horizon
}

func newRun(i *Importer, src Source, o Options, emit func(Event)) *run {
	r := &run{Importer: i, source: src, options: o, stats: src.Client.Stats(), people: newPeople(), tally: newTally(), words: make(map[string]bool)}
	r.progress = newProgress(emit, i.now, func(e *Event) {
		s := r.source.Client.Stats()
		e.Sync = r.sync.ID
		e.Requests = s.Requests - r.stats.Requests
		e.ThrottledSeconds = (s.Throttled - r.stats.Throttled).Seconds()
	})
	r.committer = newCommitter(i.store, r.progress.written, i.watchCommits)
	return r
}

func (r *run) begin(ctx context.Context) error {
	kind := "sync"
	switch {
	case r.options.Full:
		kind = "full"
	case r.options.Only == ScopeOpen:
		kind = KindOpen
	}
	r.sync = ci.Sync{
		InstanceID: r.source.Instance.ID, ConnectionID: r.source.Connection, Kind: kind,
		State: ci.SyncRunning, StartedAt: r.now().UTC(), Plan: r.plannedFirst(), Polled: &r.options.Polled,
	}
	id, err := r.store.BeginSync(ctx, r.sync)
	if err != nil {
		return err
	}
	r.sync.ID = id
	r.progress.emit(Event{Kind: EventStarted})
	r.log.Info("sync started", "sync", id, "connection", r.source.Connection, "kind", kind)
	return nil
}

// end writes the run's own row. The errors that it met are there already.
func (r *run) end(ctx context.Context, problem *ci.Problem) error {
	s, now := r.source.Client.Stats(), r.now().UTC()
	var batch store.Batch
	switch {
	case problem == nil && r.cut.Load(): // whatever it met: sync_errors has it, and it goes on
		r.sync.State = ci.SyncPaused
	case problem == nil && !r.serious:
		r.sync.State = ci.SyncComplete
	case problem == nil:
		r.sync.State = ci.SyncIncomplete
	case problem.Code == ci.Interrupted:
		r.sync.State = ci.SyncInterrupted
	default:
		r.sync.State = ci.SyncFailed
		batch.SyncErrors = append(batch.SyncErrors, r.syncError(nil, problem.Code, problem.Cause))
	}
	r.sync.FinishedAt = &now
	r.sync.Rows = r.progress.rows()
	r.sync.Requests = s.Requests - r.stats.Requests
	r.sync.ThrottledSeconds = (s.Throttled - r.stats.Throttled).Seconds()
	r.sync.RequestsBy = make(map[string]int64)
	for endpoint, n := range s.ByEndpoint {
		if n -= r.stats.ByEndpoint[endpoint]; n > 0 {
			r.sync.RequestsBy[endpoint] = n
		}
	}
	r.sync.PlanRequests = r.comparePlans(ctx)
	batch.Syncs = []ci.Sync{r.sync}
	_, err := r.store.Apply(ctx, batch)
	r.progress.emit(Event{Kind: EventDone, Message: string(r.sync.State)})
	r.log.Info("sync ended", "sync", r.sync.ID, "state", r.sync.State, "requests", r.sync.Requests,
		"rows", r.sync.Rows, "took", now.Sub(r.sync.StartedAt))
	if err == nil && r.options.Polled {
		r.pruneIdle(ctx)
	}
	return err
}

// do runs with the committer beside it.
func (r *run) do(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		r.committer.serve(ctx)
		return nil
	})
	g.Go(func() error {
		defer close(r.committer.requests)
		return r.importAll(ctx)
	})
	return g.Wait()
}

func (r *run) importAll(ctx context.Context) error {
	if r.options.Only == ScopeOpen {
		return r.importOpen(ctx)
	}
	r.progress.phase("discover", 0)
	if r.source.Kind == KindPipelines {
		if err := r.choosePlan(ctx); err != nil {
			return err
		}
		r.openBulk()
	}
	projects, err := r.discover(ctx)
	if err != nil || r.source.Kind == KindGitLab {
		return err
	}
	visits, err := r.visits(ctx, projects)
	if err != nil {
		return err
	}
	if visits, err = r.leaveQuiet(ctx, visits); err != nil {
		return err
	}
	total, now := len(visits), r.now()
	if r.options.History > 0 {
		if visits, err = r.changes(ctx, visits); err != nil {
			return err
		}
	}
	for _, phase := range phases {
		until := r.source.Since
		if phase.back > 0 {
			until = now.Add(-phase.back).UTC().Truncate(time.Millisecond)
		}
		r.progress.phase(phase.name, int64(len(visits)))
		var last error
		visits, last, err = r.round(ctx, visits, func(v *visit, ctx context.Context) error { return v.advance(ctx, until) })
		if err != nil {
			return err
		}
		if len(visits) == 0 && total > 0 && outage(last) {
			return last // no project answered: that is no matter of one of them
		}
		if err := r.deployments(ctx, visits, until); err != nil {
			return err
		}
		if len(visits) == 0 || !until.After(r.source.Since) || r.cut.Load() {
			break
		}
	}
	return nil
}

// visits opens the projects whose pipelines may be read: those that were asked
// for first, then the most active.
func (r *run) visits(ctx context.Context, projects []ci.Project) ([]*visit, error) {
	known, err := r.store.ProjectSyncs(ctx, r.source.Instance.ID)
	if err != nil {
		return nil, err
	}
	if r.options.Only == ScopeAll {
		if err := r.probe(ctx, r.questions(projects, known)); err != nil {
			return nil, err
		}
	}
	wanted := rankOf(r.options.First)
	slices.SortStableFunc(projects, func(a, b ci.Project) int {
		return cmp.Or(cmp.Compare(wanted.rank(a), wanted.rank(b)), activity(b).Compare(activity(a)))
	})
	var visits []*visit
	var off store.Batch
	for _, p := range projects {
		if p.CIAccess == ci.CIDisabled && r.proved {
			continue // said when it was listed
		}
		if p.CIAccess == ci.CIDisabled {
			off.SyncErrors = append(off.SyncErrors, r.syncError(&p.ID, ci.CIDisabledCode,
				fmt.Sprintf("%s has CI/CD switched off: GitLab shows no pipelines of it", p.FullPath)))
			continue
		}
		r.tally.expect(p.ID)
		v, err := newVisit(r, p, known[p.ID], r.source.Since)
		if err != nil {
			return nil, fmt.Errorf("project %s: %w", p.FullPath, err)
		}
		visits = append(visits, v)
	}
	return visits, r.committer.apply(off)
}

func activity(p ci.Project) time.Time {
	if p.LastActivityAt == nil {
		return time.Time{}
	}
	return *p.LastActivityAt
}

// round has all visits take a turn and gives those that can go on, and the last
// error of one that cannot.
func (r *run) round(ctx context.Context, visits []*visit, turn func(*visit, context.Context) error) (rest []*visit, last error, fatal error) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(projectsAtOnce)
	failures := make([]error, len(visits))
	for i, v := range visits {
		g.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			err := turn(v, ctx)
			failures[i] = err
			r.progress.projectDone(v.project.FullPath)
			return r.settle(ctx, v, err)
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	for i, v := range visits {
		if failures[i] == nil {
			rest = append(rest, v)
		} else {
			last = failures[i]
		}
	}
	return rest, last, nil
}

// settle records how a visit's turn went. It returns an error only when the
// whole run must stop.
func (r *run) settle(ctx context.Context, v *visit, err error) error {
	if err == nil {
		r.stranded.Store(0)
		return nil
	}
	if ctx.Err() != nil || !projectOnly(err) {
		return err
	}
	if outage(err) && r.stranded.Add(1) >= strandedMax {
		return err
	}
	return v.refused(ctx, err)
}

// projectOnly says whether an error concerns one project, so that the others go on.
func projectOnly(err error) bool {
	switch gitlab.KindOf(err) {
	case "", gitlab.Unauthorized, gitlab.InsufficientScope, gitlab.RateLimited, gitlab.TLS:
		return false
	}
	return true
}

// outage says whether GitLab as a whole may be down.
func outage(err error) bool {
	switch gitlab.KindOf(err) {
	case gitlab.Unreachable, gitlab.Server, gitlab.NotGitLab:
		return true
	}
	return false
}

// syncError makes the next row of sync_errors, and says it to whoever watches.
func (r *run) syncError(project *ci.ProjectID, code ci.Code, detail string) ci.SyncError {
	r.mu.Lock()
	r.errors++
	row := ci.SyncError{
		SyncID: r.sync.ID, Seq: r.errors, InstanceID: r.source.Instance.ID, ProjectID: project,
		Code: string(code), Detail: detail, At: r.now().UTC(),
	}
	switch code {
	case ci.CIDisabledCode, ci.UnknownValue, ci.ProjectNotFound, ci.PlanFallback, ci.DeploymentsForbidden: // nothing is missing
	default:
		r.serious = true
	}
	r.mu.Unlock()
	r.progress.emit(Event{Kind: EventWarning, Code: code, Message: detail})
	r.log.Warn("sync error", "sync", r.sync.ID, "code", code, "detail", detail)
	return row
}

// unknownWords reports each status that weir has no constant for, once a run.
// The rows keep the word as it came.
func (r *run) unknownWords(batch *store.Batch, p ci.Pipeline, jobs []ci.Job) {
	report := func(s ci.Status, what string, id int64) {
		if !s.Known() {
			r.unknownWord(batch, p.ProjectID, string(s), fmt.Sprintf("%s %d", what, id))
		}
	}
	report(p.Status, "pipeline", int64(p.ID))
	for _, j := range jobs {
		report(j.Status, "job", int64(j.ID))
	}
}

// unknownWord reports a status that weir does not know, once a run.
func (r *run) unknownWord(batch *store.Batch, project ci.ProjectID, word, whose string) {
	r.mu.Lock()
	known := r.words[word]
	r.words[word] = true
	r.mu.Unlock()
	if !known {
		batch.SyncErrors = append(batch.SyncErrors, r.syncError(&project, ci.UnknownValue,
			fmt.Sprintf("%s has the status %q, which this weir does not know; it is stored as it came", whose, word)))
	}
}
