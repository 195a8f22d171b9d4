package server

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/control"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/importer"
	"github.com/weirhq/weir/internal/store"
)

// Imports run beside the requests that start them. One connection has one
// import at a time; whoever starts one gets its id as soon as its row stands
// in syncs.

// job is an import that is ready to start.
type job struct {
	connection control.Connection
	source     importer.Source
	importer   *importer.Importer
	polled     bool
	governors  []*gitlab.Governor
	release    func() // the claim and the governors
}

// StartSyncs starts one import a connection: all of them, or none when one
// cannot be prepared.
func (e *engine) StartSyncs(ctx context.Context, r api.SyncRequest) (_ []api.StartedSync, err error) {
	connections, err := e.chosen(ctx, r.Connections)
	if err != nil {
		return nil, err
	}
	var jobs []job
	defer func() {
		for _, j := range jobs { // those that were not started
			j.release()
		}
	}()
	for _, c := range connections {
		j, err := e.prepareForPerson(ctx, c, r)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
	}
	options := importer.Options{Projects: r.Projects, Full: r.Full, Plan: r.Plan, Recount: true}
	var started []api.StartedSync
	for len(jobs) > 0 {
		j := jobs[0]
		jobs = jobs[1:]
		run, err := e.start(ctx, j, options)
		if err != nil {
			return started, err
		}
		started = append(started, api.StartedSync{ID: run.sync, ConnectionID: j.connection.ID})
	}
	return started, nil
}

// chosen gives the named connections, each once and in that order; when none
// is named, all that are not disabled.
func (e *engine) chosen(ctx context.Context, ids []ci.ConnectionID) ([]control.Connection, error) {
	all, err := e.control.Connections(ctx)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, &ci.Problem{
			Code:   ci.NotFound,
			Cause:  "There is no connection yet.",
			Remedy: "Connect a GitLab first: weir connect gitlab-pipelines --url https://gitlab.com --group GROUP.",
		}
	}
	var named []control.Connection
	if len(ids) == 0 {
		for _, c := range all {
			if c.DisabledAt == nil {
				named = append(named, c)
			}
		}
		if len(named) == 0 {
			return nil, disabled(all[0])
		}
		return named, nil
	}
	for _, id := range ids {
		if slices.ContainsFunc(named, func(c control.Connection) bool { return c.ID == id }) {
			continue
		}
		i := slices.IndexFunc(all, func(c control.Connection) bool { return c.ID == id })
		if i < 0 {
			_, err := e.control.Connection(ctx, id) // says that there is none
			return nil, err
		}
		if all[i].DisabledAt != nil {
			return nil, disabled(all[i])
		}
		named = append(named, all[i])
	}
	return named, nil
}

func disabled(c control.Connection) *ci.Problem {
	return &ci.Problem{
		Code:   ci.Conflict,
		Cause:  fmt.Sprintf("Connection %d is disabled since %s: weir leaves its GitLab alone.", c.ID, c.DisabledAt.Format(time.RFC3339)),
		Remedy: fmt.Sprintf("Enable it first: weir connections enable %d.", c.ID),
	}
}

// prepare claims a connection and opens its tokens. In the background, an import
// keeps the quiet hours: nobody has asked for it.
func (e *engine) prepare(ctx context.Context, c control.Connection, r api.SyncRequest, background bool) (_ job, err error) {
	since, err := control.ParseSince(cmp.Or(r.Since, c.Since), e.now())
	if err != nil {
		return job{}, err
	}
	unclaim, err := e.control.Claim(ctx, c.ID)
	if err != nil {
		return job{}, err
	}
	defer func() {
		if err != nil {
			unclaim()
		}
	}()
	tokens, err := e.control.OpenCredentials(ctx, c.ID)
	if err != nil {
		return job{}, err
	}
	instance, err := e.store.EnsureInstance(ctx, c.BaseURL, e.now())
	if err != nil {
		return job{}, err
	}
	gitLab, err := e.open(c, tokens, r.MaxRequestsPerMinute)
	if err != nil {
		return job{}, err
	}
	return job{
		connection: c, importer: e.importer, polled: background, governors: gitLab.governors,
		source: importer.Source{
			Connection: c.ID, Instance: instance, Kind: c.Kind, Client: gitLab.client.As(gitlab.NewCaller(background)), Groups: c.Groups, Since: since,
		},
		release: func() { gitLab.release(); unclaim() },
	}, nil
}

// start runs a job beside the caller and returns when its id is known, or when
// it could not begin. The import outlives the request that started it.
func (e *engine) start(ctx context.Context, j job, options importer.Options) (*running, error) {
	runCtx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	run := &running{polled: j.polled, cancel: cancel, ended: make(chan struct{})}
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		j.release()
		return nil, &ci.Problem{Code: ci.Interrupted, Cause: "weir is ending.", Remedy: "Start it again and repeat the command."}
	}
	e.running[j.connection.ID] = run
	begun := make(chan error, 1)
	e.group.Go(func() error {
		defer close(run.ended)
		defer cancel(nil)
		e.run(runCtx, j, options, run, begun)
		return nil
	})
	e.mu.Unlock()
	if err := <-begun; err != nil {
		return nil, err
	}
	return run, nil
}

// run imports. begun hears once: nil when the id is known, or why there is none.
func (e *engine) run(ctx context.Context, j job, options importer.Options, run *running, begun chan<- error) {
	connection := j.connection
	log := &api.EventLog{}
	if err := e.control.Used(ctx, connection.ID); err != nil {
		e.log.Warn("use of credentials not noted", "connection", connection.ID, "error", err)
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var watch errgroup.Group
	sync, err := j.importer.Sync(ctx, j.source, options, func(event importer.Event) {
		if run.sync == 0 && event.Sync != 0 {
			e.mu.Lock()
			run.sync = event.Sync
			e.keepLog(event.Sync, log)
			e.mu.Unlock()
			begun <- nil
			watch.Go(func() error {
				e.tellPauses(watching, j.source.Client, func(code ci.Code, message string) {
					log.Append(api.SyncEvent{SyncID: event.Sync, Kind: "warning", Code: code, Message: message, At: e.now().UTC()})
				})
				return nil
			})
		}
		if event.Kind != importer.EventDone { // told below, when the row is there too
			log.Append(told(event))
		}
	})
	stop()
	_ = watch.Wait() // it has no errors
	e.mapChanged(context.WithoutCancel(ctx))
	// Before "done" is told, so that who hears it can start the next one.
	e.mu.Lock()
	delete(e.running, connection.ID)
	e.mu.Unlock()
	j.release()
	e.hooks.syncEnded()
	if run.sync == 0 {
		if err == nil {
			err = fmt.Errorf("the import of connection %d ended before it began", connection.ID)
		}
		begun <- err
		return
	}
	run.result, run.err = sync, err
	e.noteOutcome(context.WithoutCancel(ctx), connection, err)
	done := api.SyncEvent{
		SyncID: sync.ID, Kind: "done", Message: string(sync.State), Rows: sync.Rows, Requests: sync.Requests,
		ThrottledSeconds: sync.ThrottledSeconds, At: e.now().UTC(), Sync: new(api.ShowSync(sync)),
	}
	if err != nil {
		done.Problem = api.ProblemOf(err)
		done.Code = done.Problem.Code
		if done.Code == ci.Internal {
			e.log.Error("sync failed", "sync", sync.ID, "error", err)
		}
	}
	log.Append(done)
}

// told gives an event of the importer in the API's words.
func told(e importer.Event) api.SyncEvent {
	return api.SyncEvent{
		SyncID: e.Sync, Kind: string(e.Kind), Project: e.Project, Phase: e.Phase,
		ProjectsDone: e.ProjectsDone, ProjectsTotal: e.ProjectsTotal, PipelinesDone: e.PipelinesDone, PipelinesTotal: e.PipelinesTotal,
		Rows: e.Rows, Requests: e.Requests, ThrottledSeconds: e.ThrottledSeconds, Message: e.Message, Code: e.Code, At: e.At,
	}
}

// noteOutcome lets a connection's state follow its imports: a token that GitLab
// refuses is failing, and one that works again is not.
func (e *engine) noteOutcome(ctx context.Context, c control.Connection, err error) {
	var outcome control.Check
	switch ci.CodeOf(err) {
	case "":
		if c.State == control.Verified {
			return
		}
	case ci.InvalidCredentials, ci.InvalidPermissions, ci.TLSFailed, ci.Unreachable, ci.NotGitLab, ci.WrongBaseURL, ci.NoResources, ci.GroupNotFound:
		outcome.Err = err
	default:
		return
	}
	defer e.connectionsChanged()
	if err := e.control.Checked(ctx, c.ID, outcome); err != nil && ci.CodeOf(err) != ci.NotFound {
		e.log.Warn("state of connection not noted", "connection", c.ID, "error", err)
	}
}

// closeLeftovers marks the imports that a dead process left running. Whoever
// can claim the connection knows that nobody imports it.
func (e *engine) closeLeftovers(ctx context.Context) error {
	unended, err := e.store.UnendedSyncs(ctx)
	if err != nil {
		return err
	}
	for _, s := range unended {
		release, err := e.control.Claim(ctx, s.ConnectionID)
		if ci.CodeOf(err) == ci.Conflict {
			continue // it does run, in another process
		}
		if err != nil {
			return err
		}
		// It may have ended between the two looks.
		if s, err = e.store.Sync(ctx, s.ID); err == nil && s.State == ci.SyncRunning {
			err = e.interrupt(ctx, s)
		}
		release()
		if err != nil {
			return fmt.Errorf("sync %d: %w", s.ID, err)
		}
	}
	return nil
}

// interrupt stores that an import was cut off. When that happened nobody
// knows, so finished_at stays NULL.
func (e *engine) interrupt(ctx context.Context, s ci.Sync) error {
	known, err := e.store.SyncErrors(ctx, s.ID)
	if err != nil {
		return err
	}
	var seq int64 = 1
	for _, k := range known {
		seq = max(seq, k.Seq+1)
	}
	s.State = ci.SyncInterrupted
	_, err = e.store.Apply(ctx, store.Batch{
		Syncs: []ci.Sync{s},
		SyncErrors: []ci.SyncError{{
			SyncID: s.ID, Seq: seq, InstanceID: s.InstanceID, Code: string(ci.Interrupted),
			Detail: "weir ended while this sync ran; the next one goes on from what is stored.",
			At:     e.now().UTC().Truncate(time.Microsecond),
		}},
	})
	if err == nil {
		e.log.Warn("sync found interrupted", "sync", s.ID, "connection", s.ConnectionID)
	}
	return err
}

var _ api.Engine = (*engine)(nil)
