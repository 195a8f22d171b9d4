package importer

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/store"
)

// Deployments that GitLab recorded. Most projects have none, and most rounds
// bring none, so they are asked for only where pipelines were stored since the
// last time, after these; a project that has no environment, which GraphQL tells
// for a hundred projects at once, is not asked at all. Their list is walked like
// that of pipelines, by updated_at downwards (walk.go), from a place of its own
// in the cursor.
//
// A deployment follows its job a moment later. One that is behind its job is
// looked for again; one that somebody makes through the API, with no pipeline
// to it, is found within a day of the project's next visit, or at once by hook.
//
// Asks GET /projects/:id/deployments, and /projects/:id/environments for tiers.

const (
	// How long a project whose deployments GitLab refuses is left alone.
	deploymentsRefused = 7 * 24 * time.Hour
	// Deployments without pipelines are looked for so often.
	deploymentsAnyway = 24 * time.Hour
	// A deployment that is this far behind its job will not follow any more.
	deploymentsLag = time.Hour
	// Up to so many environments are asked for one by one, more by their list.
	environmentsEach = 2
)

// deployed is where the import of a project's deployments stands.
type deployed struct {
	coverage
	Due     bool      `json:"due,omitempty"`    // pipelines were stored that are newer
	Clock   time.Time `json:"clock,omitzero"`   // GitLab's clock when it was last asked, less overlap
	Looked  time.Time `json:"looked,omitzero"`  // the same on weir's clock
	Refused time.Time `json:"refused,omitzero"` // when GitLab did not show them; zero: it did
}

// owed says whether a project has to be visited for its deployments alone.
func (d *deployed) owed(since time.Time) bool {
	return d.Refused.IsZero() && (d.Due || d.Gap != nil || d.read() && d.From.After(since))
}

// stored notes that a pipeline was stored. One that neither moves nor was changed
// since deployments were asked for had its deployments in that answer.
func (d *deployed) stored(p ci.Pipeline, open bool) {
	d.Due = d.Due || open || p.UpdatedAt == nil || !p.UpdatedAt.Before(d.Clock)
}

// deployments brings the deployments of visited projects up to date, as far
// back as until.
func (r *run) deployments(ctx context.Context, visits []*visit, until time.Time) error {
	var due []*visit
	for _, v := range visits {
		if v.deploymentsDue(until) {
			due = append(due, v)
		}
	}
	due, err := r.withEnvironments(ctx, due)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(projectsAtOnce)
	for _, v := range due {
		g.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return v.settleDeployments(ctx, v.readDeployments(ctx, until))
		})
	}
	return g.Wait()
}

// deploymentsDue says whether there may be something new down to until.
func (v *visit) deploymentsDue(until time.Time) bool {
	d, now := &v.cursor.Deployed, v.run.now()
	switch {
	case v.deployFailed:
		return false
	case !d.Refused.IsZero() && now.Sub(d.Refused) < deploymentsRefused && !v.run.options.Full:
		return false
	case d.read() && d.From.After(later(until, v.since)):
		return true
	case v.deployCaughtUp:
		return false
	}
	return d.Due || d.Gap != nil || v.run.options.Full || now.Sub(d.Looked) >= deploymentsAnyway
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// withEnvironments leaves out the projects of which no deployment is known and
// that have no environment. Where GraphQL does not say it, the list does, for a
// request each.
func (r *run) withEnvironments(ctx context.Context, visits []*visit) ([]*visit, error) {
	var unknown []int64
	for _, v := range visits {
		if !v.cursor.Deployed.read() {
			unknown = append(unknown, int64(v.project.ID))
		}
	}
	noGraphQL := r.options.Plan != PlanDocumented && r.bulkSize == nil // as was found out when the plan was chosen
	if len(unknown) < 2 || noGraphQL || r.environmentsUntold {
		return visits, nil
	}
	none := map[ci.ProjectID]time.Time{}
	for some := range slices.Chunk(unknown, perPage) {
		has, clock, err := r.source.Client.HasEnvironments(ctx, some)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			r.environmentsUntold = true
			r.log.Debug("environments not told", "error", err)
			break
		}
		for id, any := range has {
			if !any {
				none[ci.ProjectID(id)] = serverNow(clock, clock)
			}
		}
	}
	var batch store.Batch
	visits = slices.DeleteFunc(slices.Clone(visits), func(v *visit) bool {
		clock, ok := none[v.project.ID]
		if !ok {
			return false
		}
		v.cursor.Deployed = deployed{Clock: clock, Looked: r.now().UTC()}
		v.deployCaughtUp = true
		v.prior = v.row()
		batch.ProjectSyncs = append(batch.ProjectSyncs, v.prior)
		return true
	})
	if len(batch.ProjectSyncs) == 0 {
		return visits, nil
	}
	return visits, r.committer.apply(batch)
}

// settleDeployments records how reading a project's deployments went. An error
// is returned only when the whole run must stop: its pipelines go on.
func (v *visit) settleDeployments(ctx context.Context, err error) error {
	r, d := v.run, &v.cursor.Deployed
	switch kind := gitlab.KindOf(err); {
	case err == nil:
		r.stranded.Store(0)
		return nil
	case ctx.Err() != nil || !projectOnly(err) || outage(err) && r.stranded.Add(1) >= strandedMax:
		return err
	case kind == gitlab.Forbidden || kind == gitlab.NotFound:
		var batch store.Batch
		if d.Refused.IsZero() {
			batch.SyncErrors = append(batch.SyncErrors, r.syncError(&v.project.ID, ci.DeploymentsForbidden,
				v.project.FullPath+": GitLab does not show the project's deployments to this token; deploy rules find them from jobs"))
		}
		d.Refused, d.Due = r.now().UTC(), false
		v.deployFailed = true
		return v.commit(batch)
	}
	v.deployFailed = true
	problem := Explain(err)
	v.blame(problem.Code)
	return v.commit(store.Batch{SyncErrors: []ci.SyncError{r.syncError(&v.project.ID, problem.Code, v.project.FullPath+": deployments: "+problem.Cause)}})
}

// readDeployments reads what changed since the last time, then what lies
// further back, down to until or the horizon.
func (v *visit) readDeployments(ctx context.Context, until time.Time) error {
	d := &v.cursor.Deployed
	if !v.deployCaughtUp {
		if err := v.catchUpDeployments(ctx); err != nil {
			return err
		}
		v.deployCaughtUp = true
		d.Due, d.Looked, d.Refused = v.deployLags, v.run.now().UTC(), time.Time{}
		d.Clock = v.deployAsked
	}
	until = later(until, v.since)
	if w := v.deployRest; d.read() && d.From.After(until) {
		if w == nil {
			w = v.deploymentWalk(v.since, d.From)
			v.deployRest = w
		}
		if err := v.landDeployments(ctx, w, until, func(last time.Time) { d.From = last }); err != nil {
			return err
		}
		if d.From = until; w.end && len(w.buffer) == 0 {
			d.From = v.since
		}
		d.Due = d.Due || v.deployLags
	}
	return v.commit(store.Batch{})
}

func (v *visit) catchUpDeployments(ctx context.Context) error {
	d := &v.cursor.Deployed
	if v.run.options.Full {
		d.coverage = coverage{}
	}
	if !d.read() {
		w := v.deploymentWalk(v.since, time.Time{})
		some, err := w.peek(ctx)
		v.deployAsked = w.asked
		if err != nil || !some {
			return err
		}
		d.coverage = coverage{From: w.newest.Add(time.Millisecond), To: w.seekFrom(), Asked: w.asked}
		v.deployRest = w
		return nil
	}
	if g := d.Gap; g != nil {
		if err := v.landDeployments(ctx, v.deploymentWalk(d.To, g.Before), d.To, func(last time.Time) { g.Before = last }); err != nil {
			return err
		}
		d.To, d.Asked, d.Gap = g.To, g.Asked, nil
	}
	w := v.deploymentWalk(d.To, time.Time{})
	if _, err := w.peek(ctx); err != nil {
		return err
	}
	to, asked := w.seekFrom(), w.asked
	v.deployAsked = asked
	err := v.landDeployments(ctx, w, d.To, func(last time.Time) { d.Gap = &gap{To: to, Asked: asked, Before: last} })
	if err != nil {
		return err
	}
	d.To, d.Asked, d.Gap = to, asked, nil
	return nil
}

// deploymentWalk walks the list of deployments as a walk does that of
// pipelines: it looks at nothing but ids and times of change. What came with
// them is kept aside.
func (v *visit) deploymentWalk(floor, before time.Time) *walk {
	list := func(ctx context.Context, o gitlab.PipelineListOptions) pipelinePages {
		return func(yield func(gitlab.Page[gitlab.PipelineListItem], error) bool) {
			for page, err := range v.client.Deployments(ctx, int64(v.project.ID), o.UpdatedAfter, o.UpdatedBefore) {
				changes := gitlab.Page[gitlab.PipelineListItem]{Total: page.Total, AskedAt: page.AskedAt, Date: page.Date, Last: page.Last}
				if v.deployClock = page.Date; page.Date.IsZero() {
					v.deployClock = page.AskedAt
				}
				for _, d := range page.Items {
					changes.Items = append(changes.Items, gitlab.PipelineListItem{ID: d.ID, Status: d.Status, UpdatedAt: d.UpdatedAt})
					v.deployRead[d.ID] = seen[gitlab.Deployment]{d, page.AskedAt}
				}
				if !yield(changes, err) {
					return
				}
			}
		}
	}
	return &walk{list: list, what: "deployment", floor: floor, before: before}
}

// landDeployments writes what is left of a walk down to until, page by page;
// passed moves the cursor to the time of the last one that is written.
func (v *visit) landDeployments(ctx context.Context, w *walk, until time.Time, passed func(last time.Time)) error {
	for items, err := range w.since(ctx, until) {
		if err != nil {
			return err
		}
		if len(items) == 0 {
			continue
		}
		var batch store.Batch
		if err := v.addDeployments(ctx, &batch, items); err != nil {
			return err
		}
		passed(items[len(items)-1].UpdatedAt.Or(gitlab.Time{}).Time)
		if err := v.commit(batch); err != nil {
			return err
		}
	}
	return nil
}

// addDeployments makes rows of listed deployments.
func (v *visit) addDeployments(ctx context.Context, batch *store.Batch, items []gitlab.PipelineListItem) error {
	read := make([]seen[gitlab.Deployment], len(items))
	for i, item := range items {
		read[i] = v.deployRead[item.ID]
		delete(v.deployRead, item.ID)
	}
	if err := v.learnTiers(ctx, read); err != nil {
		return err
	}
	ended, err := v.endsWithJobs(ctx, read)
	if err != nil {
		return err
	}
	var b bundle
	for _, d := range read {
		row := convertDeployment(v.project, d.value, v.tiers[d.value.Environment.Name], d.askedAt)
		if at, ok := ended[row.ID]; ok && row.Success != nil {
			row.DeployedAt = &at
		}
		batch.Deployments = append(batch.Deployments, row)
		if user, ok := d.value.User.Get(); ok {
			b.users = append(b.users, convertUser(v.project.InstanceID, user, d.askedAt))
		}
		if !knownDeploymentStatus(d.value.Status) {
			v.run.unknownWord(batch, v.project.ID, d.value.Status, fmt.Sprintf("deployment %d", d.value.ID))
		}
		v.deployLags = v.deployLags || lags(d.value, v.deployClock)
	}
	v.run.people.add(batch, b)
	return nil
}

// endsWithJobs gives the ends of those whose job GitLab has forgotten and the
// store has not.
func (v *visit) endsWithJobs(ctx context.Context, read []seen[gitlab.Deployment]) (map[ci.DeploymentID]time.Time, error) {
	var without []ci.DeploymentID
	for _, d := range read {
		if _, ok := d.value.Deployable.Get(); !ok {
			without = append(without, ci.DeploymentID(d.value.ID))
		}
	}
	return v.run.store.DeploymentEnds(ctx, v.project.InstanceID, without)
}

// lags says whether a deployment has yet to follow its job, which ended not long
// before now, by GitLab's clock.
func lags(d gitlab.Deployment, now time.Time) bool {
	job, _ := d.Deployable.Get()
	ended, has := job.FinishedAt.Get()
	switch d.Status {
	case "created", "running", "blocked":
		return has && ci.Status(job.Status).Complete() && now.Sub(ended.Time) < deploymentsLag
	}
	return false
}

// learnTiers finds out the tiers of the environments that are new. Those of
// others are known from their earlier deployments.
func (v *visit) learnTiers(ctx context.Context, read []seen[gitlab.Deployment]) error {
	if v.tiers == nil {
		v.tiers = map[string]*string{}
		if !v.run.options.Full {
			known, err := v.run.store.EnvironmentTiers(ctx, v.project.InstanceID, v.project.ID)
			if err != nil {
				return err
			}
			v.tiers = known
		}
	}
	missing := map[string]int64{}
	for _, d := range read {
		if _, ok := v.tiers[d.value.Environment.Name]; !ok {
			missing[d.value.Environment.Name] = d.value.Environment.ID
		}
	}
	if len(missing) == 0 {
		return nil
	}
	err := v.readTiers(ctx, missing)
	switch gitlab.KindOf(err) {
	case gitlab.Forbidden, gitlab.NotFound: // deployments may be seen, and environments not
		err = nil
	}
	for name := range missing {
		v.tiers[name] = nil // deleted meanwhile, or not for this token
	}
	return err
}

func (v *visit) readTiers(ctx context.Context, missing map[string]int64) error {
	if len(missing) <= environmentsEach {
		for name, id := range missing {
			e, err := v.client.Environment(ctx, int64(v.project.ID), id)
			if gitlab.KindOf(err) == gitlab.NotFound {
				continue
			}
			if err != nil {
				return err
			}
			v.tiers[name] = e.Tier.Ptr()
			delete(missing, name)
		}
		return nil
	}
	for page, err := range v.client.Environments(ctx, int64(v.project.ID)) {
		if err != nil {
			return err
		}
		for _, e := range page.Items {
			v.tiers[e.Name] = e.Tier.Ptr()
			delete(missing, e.Name)
		}
		if len(missing) == 0 {
			return nil
		}
	}
	return nil
}
