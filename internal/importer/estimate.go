package importer

import (
	"context"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
)

// What an import would cost, from a cheap look: the projects, how many pipelines
// GitLab counts in each since the horizon, and how many of them the store holds.
// With GraphQL a request counts a hundred projects; without it, each project
// costs one, so no more than countedMost are counted and the others taken to be
// like them. Nothing is written.
//
// What the look does not see: pipelines that are stored and have changed since
// (those that had not ended are counted), and without GraphQL external ones that
// have no times.

const (
	countedMost  = 50 // projects that are counted one by one
	sampledMost  = 3  // projects, and pages, from which the usual pipeline is taken
	enoughStored = 50 // pipelines in the store say more than a sample does
	// jobPagesPerMinute is weir's share of what GitLab allows of the list of all jobs.
	jobPagesPerMinute = 360
)

// Estimate is what an import would cost.
type Estimate struct {
	Projects  int64 // with CI, as far as the look can tell
	Counted   int64 // of them; the others are taken to be like these on average
	Pipelines int64 // to be read
	AtLeast   bool  // in a project there are more than GitLab counts
	// BuildsPerPipeline is what Pipelines are taken to have on average, and
	// BuildsFrom says from where: "store", "sample", or "" where there was none.
	BuildsPerPipeline float64
	BuildsFrom        string
	Requests          map[string]int64   // by plan; those that GitLab cannot serve are left out
	Minutes           map[string]float64 // the same; at least, for large answers take longer than the look's
	Auto              string             // the plan that PlanAuto would take
	Spent             int64              // requests that the look took
}

// look is an estimate on its way.
type look struct {
	*Importer
	source   Source
	options  Options
	client   *gitlab.Client
	spent    atomic.Int64
	began    time.Time
	graphQL  bool
	estimate Estimate
	work     work
	projects []ci.Project
	paths    map[ci.ProjectID]string
	newest   map[ci.ProjectID]int64 // a pipeline of the project, as a sample
}

// Estimate says what Sync would cost with the same options. Errors are those of
// Sync: a *ci.Problem, or the client's.
func (i *Importer) Estimate(ctx context.Context, src Source, o Options) (Estimate, error) {
	if src.Since.IsZero() {
		src.Since = time.Unix(0, 0)
	}
	l := &look{Importer: i, source: src, options: o, began: time.Now(), paths: make(map[ci.ProjectID]string), newest: make(map[ci.ProjectID]int64)}
	l.client = src.Client.Counting(&l.spent)
	l.work.projects = make(map[ci.ProjectID][]volume)
	for _, step := range []func(context.Context) error{l.reach, l.count, l.sample} {
		if err := step(ctx); err != nil {
			return Estimate{}, Explain(err)
		}
	}
	l.conclude()
	return l.estimate, nil
}

// reach lists the projects as a sync would, and counts what that costs.
func (l *look) reach(ctx context.Context) error {
	var list []gitlab.Project
	if len(l.options.Projects) > 0 {
		for _, name := range l.options.Projects {
			p, err := l.client.Project(ctx, name)
			if err != nil {
				return err
			}
			list = append(list, p)
		}
		l.work.discovery = float64(l.spent.Load())
	} else {
		groups, err := l.roots(ctx)
		if err != nil {
			return err
		}
		l.work.discovery = float64(l.spent.Load())
		for _, g := range groups {
			for page, err := range l.client.GroupProjects(ctx, g.ID, gitlab.ProjectListOptions{IncludeSubgroups: true, PerPage: perPage}) {
				if err != nil {
					return err
				}
				list = append(list, page.Items...)
				l.work.discovery++
			}
			for page, err := range l.client.DescendantGroups(ctx, g.ID, gitlab.GroupListOptions{PerPage: 1}) {
				if err != nil {
					return err
				}
				l.work.discovery += max(1, math.Ceil(float64(page.Total.Or(0))/perPage))
				break
			}
		}
	}
	for _, p := range list {
		row := convertProject(l.source.Instance.ID, p, l.began)
		if _, twice := l.paths[row.ID]; !twice && row.CIAccess == ci.CIEnabled {
			l.paths[row.ID] = row.FullPath
			l.projects = append(l.projects, row)
			l.work.projects[row.ID] = make([]volume, listsEach)
		}
	}
	l.estimate.Projects = int64(len(l.projects))
	return nil
}

// roots gives the groups to start from; one that is not there is passed over.
func (l *look) roots(ctx context.Context) ([]gitlab.Group, error) {
	var groups []gitlab.Group
	for _, name := range l.source.Groups {
		g, err := l.client.Group(ctx, name)
		if err != nil && gitlab.KindOf(err) != gitlab.NotFound {
			return nil, err
		}
		if err == nil {
			groups = append(groups, g)
		}
	}
	if len(l.source.Groups) > 0 {
		return groups, nil
	}
	for g, err := range gitlab.Items(l.client.Groups(ctx, gitlab.GroupListOptions{PerPage: perPage})) {
		if err != nil {
			return nil, err
		}
		groups = append(groups, g)
	}
	return slices.DeleteFunc(slices.Clone(groups), func(g gitlab.Group) bool {
		parent, ok := g.ParentID.Get()
		return ok && slices.ContainsFunc(groups, func(other gitlab.Group) bool { return other.ID == parent })
	}), nil
}

// count finds out how many pipelines are to be read of each project.
func (l *look) count(ctx context.Context) error {
	if l.source.Kind == KindGitLab {
		return nil
	}
	_, err := l.client.GraphQLLimits(ctx)
	l.graphQL = err == nil
	known, err := l.store.ProjectSyncs(ctx, l.source.Instance.ID)
	if err != nil {
		return err
	}
	counts, err := l.counts(ctx)
	if err != nil {
		return err
	}
	var open, total float64
	for _, p := range l.projects {
		found, ok := counts[p.ID]
		if !ok {
			continue
		}
		l.estimate.Counted++
		c, err := parseCursor(known[p.ID].Cursor)
		if err != nil {
			return err
		}
		for list, n := range found {
			if !l.options.Full {
				stored, err := l.stores(ctx, p, list)
				if err != nil {
					return err
				}
				n = max(0, n-float64(stored))
			}
			l.work.projects[p.ID][list].pipelines = n
			total += n
		}
		if !l.options.Full {
			l.work.projects[p.ID][ownList].pipelines += float64(len(c.Open))
			open += float64(len(c.Open))
		}
	}
	if l.estimate.Counted > 0 && l.estimate.Counted < l.estimate.Projects {
		each := (total + open) / float64(l.estimate.Counted)
		for _, p := range l.projects {
			if _, ok := counts[p.ID]; !ok {
				l.work.projects[p.ID][ownList].pipelines = each
			}
		}
	}
	return nil
}

// stores is how many pipelines of a list the store holds.
func (l *look) stores(ctx context.Context, p ci.Project, list int) (int64, error) {
	if list == undatedList {
		ids, err := l.store.UndatedPipelineIDs(ctx, p.InstanceID, p.ID, l.source.Since)
		return int64(len(ids)), err
	}
	return l.store.CountPipelines(ctx, p.InstanceID, p.ID, l.source.Since, list == childList)
}

// counts asks GitLab how many pipelines each project has since the horizon, own
// and children.
func (l *look) counts(ctx context.Context) (map[ci.ProjectID][listsEach]float64, error) {
	if l.graphQL {
		counts, err := l.countMany(ctx)
		if err == nil || ctx.Err() != nil {
			return counts, err
		}
	}
	counts := make(map[ci.ProjectID][listsEach]float64)
	step := max(1, float64(len(l.projects))/countedMost)
	for at := 0.0; int(at) < len(l.projects); at += step {
		p := l.projects[int(at)]
		own, err := l.countOne(ctx, p, "")
		if projectOnly(err) && !outage(err) {
			continue // the sync will say what is wrong with it
		}
		if err != nil {
			return nil, err
		}
		children, err := l.countOne(ctx, p, string(ci.SourceParent))
		if err != nil {
			return nil, err
		}
		counts[p.ID] = [listsEach]float64{ownList: own, childList: children}
	}
	return counts, nil
}

func (l *look) countMany(ctx context.Context) (map[ci.ProjectID][listsEach]float64, error) {
	counts := make(map[ci.ProjectID][listsEach]float64)
	for some := range slices.Chunk(l.projects, perPage) {
		ids := make([]int64, len(some))
		for i, p := range some {
			ids[i] = int64(p.ID)
		}
		for _, ask := range []struct {
			list   int
			source ci.Source
			after  time.Time
			sign   float64
		}{
			{ownList, "", l.source.Since, 1},
			{childList, ci.SourceParent, l.source.Since, 1},
			// Those without updated_at are in no list that asks for it.
			{undatedList, ci.SourceExternal, time.Time{}, 1},
			{undatedList, ci.SourceExternal, time.Unix(0, 0), -1},
		} {
			changes, err := l.client.Changes(ctx, gitlab.ChangeQuery{
				ProjectIDs: ids, Source: string(ask.source), UpdatedAfter: ask.after, First: 1, Count: true, WithoutUpdatedAt: true,
			})
			if err != nil {
				return nil, err
			}
			for _, c := range changes {
				n, ok := c.Count.Get()
				if c.Forbidden || !ok {
					continue
				}
				id := ci.ProjectID(c.ProjectID)
				was := counts[id]
				was[ask.list] += ask.sign * float64(n)
				counts[id] = was
				if len(c.Pipelines) > 0 && ask.list == ownList {
					l.newest[id] = c.Pipelines[0].ID
				}
			}
		}
	}
	return counts, nil
}

func (l *look) countOne(ctx context.Context, p ci.Project, source string) (float64, error) {
	for page, err := range l.client.Pipelines(ctx, int64(p.ID), gitlab.PipelineListOptions{
		Source: source, UpdatedAfter: l.source.Since, OrderBy: "updated_at", PerPage: 1,
	}) {
		if err != nil {
			return 0, err
		}
		if len(page.Items) > 0 && source == "" {
			l.newest[p.ID] = page.Items[0].ID
		}
		n, ok := page.Total.Get()
		if !ok && len(page.Items) > 0 {
			n, l.estimate.AtLeast = uncounted, true
		}
		return float64(n), nil
	}
	return 0, nil
}

// uncounted is what a list has at least of which GitLab does not say the length.
const uncounted = 10_000

// conclude works out what the plans need.
func (l *look) conclude() {
	e := &l.estimate
	var builds, pipelines float64
	for id, lists := range l.work.projects {
		if lists[ownList].pipelines == 0 {
			l.work.still++
		}
		for i := range lists {
			n := lists[i].pipelines
			pipelines += n
			builds += lists[i].builds
			l.work.projects[id][i].pipelines = math.Round(n)
		}
	}
	e.Pipelines = int64(math.Round(pipelines))
	e.Spent = l.spent.Load()
	if l.source.Kind == KindGitLab {
		e.Requests, e.Auto = map[string]int64{PlanDocumented: requests(l.work.discovery)}, PlanDocumented
	} else {
		e.Requests, e.Auto = l.work.costs(l.graphQL), PlanKeyset
		if l.graphQL {
			e.Auto = PlanGraphQL
		}
	}
	// The look asked one thing after the other; an import asks some at a time.
	each := time.Since(l.began).Minutes() / float64(max(e.Spent, 1)) / projectsAtOnce
	allowed := l.client.RequestsPerMinute()
	e.Minutes = make(map[string]float64)
	for plan, n := range e.Requests {
		e.Minutes[plan] = float64(n) * each
		if allowed > 0 {
			e.Minutes[plan] = max(e.Minutes[plan], float64(n)/allowed)
		}
		if plan == PlanKeyset {
			e.Minutes[plan] = max(e.Minutes[plan], builds/perPage/jobPagesPerMinute)
		}
	}
}
