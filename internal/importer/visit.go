package importer

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/store"
)

// A visit brings one project up to date: what changed since the last one, what
// is still open, and what lies further back, in slices, so that all projects
// get their last day before any gets its last month.
type visit struct {
	run     *run
	project ci.Project
	prior   ci.ProjectSync
	cursor  cursor
	since   time.Time // the horizon
	first   bool      // nobody has read this project before: none of its pipelines is known
	still   still     // what need not be asked again
	differs still     // lists of which GraphQL counted another number than the store has

	client                  *gitlab.Client // counts into spent
	spent                   atomic.Int64   // requests of this visit
	caughtUp                bool
	own                     *walk // what is left of the backfill
	children                *walk
	ownAhead, childrenAhead readAhead
	builds                  *builds                // of both, in the plan keyset
	failures                *failures              // of both, in the plan graphql
	followed                map[ci.PipelineID]bool // were open when the visit began
	fetched                 map[ci.PipelineID]bool // in this visit
	erased                  []ci.PipelineID        // have jobs that were erased since they were read
	deployRest              *walk                  // what is left of the deployments' backfill
	deployRead              map[int64]seen[gitlab.Deployment]
	deployClock             time.Time // GitLab's, at the last page of them
	deployAsked             time.Time // the same when the catch-up began, less overlap
	deployCaughtUp          bool
	deployLags              bool               // one of them has yet to follow its job
	deployFailed            bool               // not again in this visit
	tiers                   map[string]*string // by environment; nil: not looked up
	faults                  int                // pipelines in a row that could not be read
	fault                   *string            // code of the last thing that failed in this visit
}

// newVisit takes up a project where the last visit left it.
func newVisit(r *run, project ci.Project, prior ci.ProjectSync, since time.Time) (*visit, error) {
	c, err := parseCursor(prior.Cursor)
	if err != nil {
		return nil, err
	}
	v := &visit{
		run: r, project: project, prior: prior, cursor: c, since: since, first: prior.ProjectID == 0,
		followed: make(map[ci.PipelineID]bool), fetched: make(map[ci.PipelineID]bool),
		deployRead: make(map[int64]seen[gitlab.Deployment]),
	}
	v.client = r.source.Client.Counting(&v.spent)
	for _, id := range c.Open {
		v.followed[id] = true
	}
	return v, nil
}

// advance imports what was changed since until, newest first. The first call
// also catches up with what happened since the last visit.
func (v *visit) advance(ctx context.Context, until time.Time) error {
	if !v.caughtUp {
		if err := v.catchUp(ctx); err != nil {
			return err
		}
		v.caughtUp = true
	}
	if until.Before(v.since) {
		until = v.since
	}
	for _, l := range v.lists() {
		if err := v.backfill(ctx, l, until); err != nil {
			return err
		}
	}
	return v.succeeded()
}

// list is one of the lists that a project's pipelines come from. Children have
// their own, because GitLab leaves them out of the first.
type list struct {
	source   string
	child    bool
	coverage func(*cursor) *coverage
	still    func(still) bool
	rest     **walk
	ahead    *readAhead
}

func (v *visit) lists() [2]list {
	return [2]list{
		{
			coverage: func(c *cursor) *coverage { return &c.Own }, still: func(s still) bool { return s.own },
			rest: &v.own, ahead: &v.ownAhead,
		},
		{
			source: string(ci.SourceParent), child: true,
			coverage: func(c *cursor) *coverage { return &c.Children }, still: func(s still) bool { return s.children },
			rest: &v.children, ahead: &v.childrenAhead,
		},
	}
}

func (v *visit) walk(l list, floor, before time.Time) *walk {
	return &walk{list: v.pipelines, byID: true, source: l.source, floor: floor, before: before}
}

func (v *visit) pipelines(ctx context.Context, o gitlab.PipelineListOptions) pipelinePages {
	return v.client.Pipelines(ctx, int64(v.project.ID), o)
}

// catchUp reads what changed since the last visit, and the pipelines that are
// followed because they may change without their updated_at.
func (v *visit) catchUp(ctx context.Context) error {
	for _, l := range v.lists() {
		var err error
		c := l.coverage(&v.cursor)
		switch {
		case l.still(v.still):
			v.stays(c)
		case c.read():
			v.run.tally.list(v.project.ID, l)
			err = v.catchUpList(ctx, l, c)
		default:
			v.run.tally.list(v.project.ID, l)
			err = v.openList(ctx, l, c)
		}
		if err != nil {
			return err
		}
	}
	if v.still.external {
		v.externalsReadTo(v.since, v.still.asked)
	} else if err := v.externals(ctx); err != nil {
		return err
	}
	return v.followOpen(ctx)
}

// openList begins a list that was never read: nothing is covered yet, and the
// backfill starts at the top.
func (v *visit) openList(ctx context.Context, l list, c *coverage) error {
	w := v.walk(l, v.since, time.Time{})
	if _, err := w.peek(ctx); err != nil {
		return err
	}
	v.run.progress.pipelinesExpected(w.total)
	from := w.asked
	if !w.newest.IsZero() {
		from = w.newest.Add(time.Millisecond)
	}
	*c = coverage{From: from, To: w.seekFrom(), Asked: w.asked, Counted: v.run.now().UTC()}
	*l.rest = w
	return nil
}

// catchUpList reads what changed since the last visit, newest first, and
// compares GitLab's count with the store's: a difference is a deletion.
func (v *visit) catchUpList(ctx context.Context, l list, c *coverage) error {
	if g := c.Gap; g != nil {
		w := v.walk(l, c.To, g.Before)
		err := v.stream(ctx, v.ahead(l), w.since(ctx, c.To), func(item gitlab.PipelineListItem) {
			g.Before = item.UpdatedAt.Or(gitlab.Time{}).Time
		})
		if err != nil {
			return err
		}
		c.To, c.Asked, c.Gap = g.To, g.Asked, nil
	}
	// From the bottom of what is covered, not from To: the first page is the
	// same, and its X-Total says how many rows the store must have.
	w := v.walk(l, c.From, time.Time{})
	if _, err := w.peek(ctx); err != nil {
		return err
	}
	to, asked := w.seekFrom(), w.asked
	err := v.stream(ctx, v.ahead(l), w.since(ctx, c.To), func(item gitlab.PipelineListItem) {
		c.Gap = &gap{To: to, Asked: asked, Before: item.UpdatedAt.Or(gitlab.Time{}).Time}
	})
	if err != nil {
		return err
	}
	c.To, c.Asked, c.Gap = to, asked, nil
	if v.run.options.Full {
		return v.reconcile(ctx, l, c)
	}
	return v.compare(ctx, l, c, w.total)
}

// backfill goes on down one list until the given time or the horizon.
func (v *visit) backfill(ctx context.Context, l list, until time.Time) error {
	c := l.coverage(&v.cursor)
	if !c.From.After(until) {
		return nil
	}
	if *l.rest == nil {
		*l.rest = v.walk(l, v.since, c.From)
	}
	var cut bool
	err := v.stream(ctx, v.ahead(l), v.run.slice((*l.rest).since(ctx, until), c.From, &cut), func(item gitlab.PipelineListItem) {
		c.From = bottom(item)
	})
	if err != nil || cut {
		return err
	}
	c.From = until
	return nil
}

// followOpen asks for the open pipelines that no list brought in this visit, for
// those that only a hook told of, deleted since for all we know, and for those
// with jobs that were erased.
func (v *visit) followOpen(ctx context.Context) error {
	hooked, err := v.run.store.HookedPipelineIDs(ctx, v.project.InstanceID, v.project.ID)
	if err != nil {
		return err
	}
	open, err := v.youngEnough(ctx)
	if err != nil {
		return err
	}
	ids := slices.Concat(hooked, open, v.erased)
	slices.Sort(ids)
	var items []gitlab.PipelineListItem
	for _, id := range slices.Compact(ids) {
		if !v.fetched[id] {
			items = append(items, gitlab.PipelineListItem{ID: int64(id)})
		}
	}
	if len(items) == 0 {
		return nil
	}
	return v.stream(ctx, nil, one(items), nil)
}

// commit writes a batch with the cursor as it stands.
func (v *visit) commit(batch store.Batch) error {
	row := v.row()
	batch.ProjectSyncs = []ci.ProjectSync{row}
	v.prior = row
	return v.run.committer.apply(batch)
}

func (v *visit) row() ci.ProjectSync {
	row := v.prior
	row.InstanceID, row.ProjectID = v.project.InstanceID, v.project.ID
	row.Cursor = v.cursor.text()
	row.SyncedTo, row.BackfilledFrom = v.cursor.syncedTo(), v.cursor.backfilledFrom()
	row.OpenPipelines = new(int64(len(v.cursor.Open)))
	if v.run.options.Only == ScopeAll {
		row.LastSyncedAt = new(v.run.now())
	}
	row.Requests += v.spent.Swap(0)
	return row
}

// succeeded ends a turn that went well: it writes where the cursor stands now.
func (v *visit) succeeded() error {
	var batch store.Batch
	if v.project.CIAccess == ci.CIForbidden {
		v.project.CIAccess = ci.CIEnabled
		batch.Projects = append(batch.Projects, v.project)
	}
	v.prior.LastErrorCode = v.fault
	return v.commit(batch)
}

// refused records why a project cannot be read on. It returns an error only
// when that could not be found out or written.
func (v *visit) refused(ctx context.Context, err error) error {
	var batch store.Batch
	if gitlab.KindOf(err) == gitlab.NotFound {
		askedAt := v.run.now().UTC()
		_, check := v.client.Project(ctx, formatID(int64(v.project.ID)))
		if absent(check) {
			v.run.projectGone(&batch, v.project, askedAt)
			v.blame(ci.ProjectNotFound)
			return v.commit(batch)
		}
	}
	problem := Explain(err)
	code := problem.Code
	switch gitlab.KindOf(err) {
	case gitlab.Forbidden, gitlab.NotFound: // the project is there, its pipelines are not for this token
		code = ci.ProjectForbidden
		v.project.CIAccess = ci.CIForbidden
		batch.Projects = append(batch.Projects, v.project)
	}
	v.blame(code)
	batch.SyncErrors = append(batch.SyncErrors, v.run.syncError(&v.project.ID, code, v.project.FullPath+": "+problem.Cause))
	return v.commit(batch)
}

// blame sets the error that project_syncs shows for this visit.
func (v *visit) blame(code ci.Code) {
	v.fault = new(string(code))
	v.prior.LastErrorCode = v.fault
	v.prior.LastErrorAt = new(v.run.now().UTC())
}
