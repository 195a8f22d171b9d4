package importer

import (
	"context"
	"slices"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/store"
)

// A project is quiet when a probe has shown that all its lists are as they are
// stored, and nothing of it is owed: then it is as current as the probe, and no
// request is spent on it. In a project that is not quiet the visit leaves out
// the lists in which nothing changed.
//
// GraphQL cuts times to seconds. A pipeline counts as unchanged only when its
// second was over, by a minute at least, when the version that is stored was
// listed: then every later change has a later second.

// still says which of a project's lists a probe found to be as they are stored.
type still struct {
	own, children, external bool
	asked                   time.Time // GitLab's clock then, less overlap
}

func (s still) all() bool { return s.own && s.children && s.external }

// questions asks about each project since the time up to which it is stored; of
// a list that was never read, since the horizon. Of a project that shows no
// pipelines any time will do, so it goes with the others.
func (r *run) questions(projects []ci.Project, known map[ci.ProjectID]ci.ProjectSync) []question {
	list := make([]question, 0, len(projects))
	latest := r.source.Since
	for _, p := range projects {
		since := r.source.Since
		if c, err := parseCursor(known[p.ID].Cursor); err == nil && c.Own.read() && c.Children.read() {
			since = c.Own.probeFrom()
			if from := c.Children.probeFrom(); from.Before(since) {
				since = from
			}
		}
		if since.After(latest) {
			latest = since
		}
		list = append(list, question{p.ID, since})
	}
	for i, p := range projects {
		if p.CIAccess != ci.CIEnabled {
			list[i].since = latest
		}
	}
	return list
}

// probeFrom is since when a probe must ask to tell what changed in the list.
func (c coverage) probeFrom() time.Time {
	if from := c.Asked.Add(-probeLookback); from.After(c.From) {
		return from
	}
	return c.From
}

// compareProbes holds what the probes have said against the store.
func (r *run) compareProbes(ctx context.Context, visits []*visit) error {
	if r.prober == nil {
		return nil
	}
	for some := range slices.Chunk(visits, perPage) {
		var pipelines []ci.PipelineID
		var projects []ci.ProjectID
		for _, v := range some {
			a, ok := r.prober.answers[v.project.ID]
			if !ok {
				continue
			}
			projects = append(projects, v.project.ID)
			for _, l := range []gitlab.ProbedList{a.Own, a.Children, a.External} {
				for _, pl := range l.Pipelines {
					pipelines = append(pipelines, ci.PipelineID(pl.ID))
				}
			}
		}
		versions, err := r.store.AllVersions(ctx, r.source.Instance.ID, pipelines)
		if err != nil {
			return err
		}
		undated, err := r.store.UndatedOf(ctx, r.source.Instance.ID, projects, r.source.Since)
		if err != nil {
			return err
		}
		for _, v := range some {
			// What failed last time is asked for anew, whatever a probe says.
			if a, ok := r.prober.answers[v.project.ID]; ok && v.prior.LastErrorCode == nil && v.project.CIAccess == ci.CIEnabled {
				v.still = v.stillAs(a, versions, undated[v.project.ID])
			}
		}
	}
	return nil
}

// stillAs says in which of the project's lists nothing has changed.
func (v *visit) stillAs(a probed, versions map[ci.PipelineID]store.Version, undated []ci.PipelineID) still {
	if a.Forbidden {
		return still{} // its lists are hidden, not empty
	}
	return still{
		own:      v.listStill(v.cursor.Own, a.Own, a.after, versions),
		children: v.listStill(v.cursor.Children, a.Children, a.after, versions),
		external: v.externalsStill(a.External, versions, undated),
		asked:    serverNow(a.Date, a.AskedAt),
	}
}

func (v *visit) listStill(c coverage, l gitlab.ProbedList, after time.Time, versions map[ci.PipelineID]store.Version) bool {
	switch {
	case l.More:
		return false
	case !c.read():
		return len(l.Pipelines) == 0 && !after.After(v.since)
	case v.askedFor() || c.Gap != nil || after.After(c.probeFrom()):
		return false
	}
	for _, pl := range l.Pipelines {
		second := pl.UpdatedAt.Or(gitlab.Time{}).Time
		if !second.Add(time.Second).After(c.From) {
			continue // below what is to be stored
		}
		was, ok := versions[ci.PipelineID(pl.ID)]
		if !ok || was.DeletedAt != nil || string(was.Status) != pl.Status || was.UpdatedAt == nil ||
			!was.UpdatedAt.Truncate(time.Second).Equal(second) || second.Add(time.Second).After(c.Asked) {
			return false
		}
	}
	return true
}

// externalsStill looks at the same page that externals would read. Externals
// have no time of change; who has one is in the project's own list as well.
func (v *visit) externalsStill(l gitlab.ProbedList, versions map[ci.PipelineID]store.Version, undated []ci.PipelineID) bool {
	read := v.cursor.External != nil && !v.cursor.External.After(v.since)
	if read && v.askedFor() || !read && l.More {
		return false
	}
	listed, reached := make(map[ci.PipelineID]bool, len(l.Pipelines)), false
	for _, pl := range l.Pipelines {
		id := ci.PipelineID(pl.ID)
		listed[id] = true
		created, ok := pl.CreatedAt.Get()
		reached = reached || ok && created.Before(v.cursor.ExternalAsked)
		if !created.Add(time.Second).After(v.since) {
			continue // before the horizon
		}
		was, ok := versions[id]
		if !read || !ok || was.DeletedAt != nil || string(was.Status) != pl.Status {
			return false
		}
	}
	if l.More {
		return reached // else there may be news below, as in externals
	}
	return !slices.ContainsFunc(undated, func(id ci.PipelineID) bool { return !listed[id] })
}

// askedFor says whether a person wants the project read, whatever a probe says.
func (v *visit) askedFor() bool { return v.run.options.Full || len(v.run.options.Projects) > 0 }

// quiet says whether nothing is owed to the project.
func (v *visit) quiet() bool {
	c := &v.cursor
	return v.still.all() && len(c.Open) == 0 && !c.Deployed.owed(v.since) &&
		!c.Own.unfinished(v.since) && !c.Children.unfinished(v.since)
}

// unfinished says whether the list was read, but not down to the horizon.
func (c coverage) unfinished(since time.Time) bool { return c.read() && c.From.After(since) }

// leaveQuiet writes how current the quiet projects are, in few transactions, and
// gives the visits that are to be made.
func (r *run) leaveQuiet(ctx context.Context, visits []*visit) ([]*visit, error) {
	if err := r.compareProbes(ctx, visits); err != nil || r.prober == nil {
		return visits, err
	}
	hooked, err := r.hookedAmong(ctx, visits)
	if err != nil {
		return nil, err
	}
	if err := r.recount(ctx, visits); err != nil {
		return nil, err
	}
	if err := r.lookForErased(ctx, visits); err != nil {
		return nil, err
	}
	var rest []*visit
	var batch store.Batch
	for _, v := range visits {
		switch {
		case v.quiet() && !hooked[v.project.ID]:
			v.stay()
			batch.ProjectSyncs = append(batch.ProjectSyncs, v.row())
		case v.stillForbidden():
			v.blame(ci.ProjectForbidden)
			batch.ProjectSyncs = append(batch.ProjectSyncs, v.row())
			batch.SyncErrors = append(batch.SyncErrors, r.syncError(&v.project.ID, ci.ProjectForbidden,
				v.project.FullPath+": GitLab still refuses to show the project's pipelines to this token."))
		default:
			rest = append(rest, v)
		}
		if len(batch.ProjectSyncs) == quietACommit {
			if err := r.committer.apply(batch); err != nil {
				return nil, err
			}
			batch = store.Batch{}
		}
	}
	return rest, r.committer.apply(batch)
}

// quietACommit bounds the projects of one transaction.
const quietACommit = 1_000

func (r *run) hookedAmong(ctx context.Context, visits []*visit) (map[ci.ProjectID]bool, error) {
	ids := make([]ci.ProjectID, len(visits))
	for i, v := range visits {
		ids[i] = v.project.ID
	}
	return r.store.HookedProjects(ctx, r.source.Instance.ID, ids)
}

// stillForbidden says whether a project that refused its lists would do so again.
func (v *visit) stillForbidden() bool {
	return !v.askedFor() && v.project.CIAccess == ci.CIForbidden && v.prior.LastErrorCode != nil &&
		*v.prior.LastErrorCode == string(ci.ProjectForbidden) && v.run.prober.answers[v.project.ID].Forbidden
}

// stay moves the cursor to the probe.
func (v *visit) stay() {
	v.stays(&v.cursor.Own)
	v.stays(&v.cursor.Children)
	v.externalsReadTo(v.since, v.still.asked)
}

// stays notes of a list that a probe found it as it is stored. One that was
// never read is empty down to the horizon, so that whatever appears in it later
// is found.
func (v *visit) stays(c *coverage) {
	if !c.read() {
		*c = coverage{From: v.since, To: v.since, Counted: v.run.now().UTC()}
	}
	if v.still.asked.After(c.Asked) {
		c.Asked = v.still.asked
	}
}
