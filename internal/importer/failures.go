package importer

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
)

// GraphQL has no word for why a build failed unless its script did, so REST is
// asked: for all builds of that pipeline, or, where failures are dense, for the
// failed builds of the whole project, newest first by id, up to a hundred a
// request. The answer is the same row either way.
//
// The list is only walked where it is sure to cost less. GraphQL reads a project's
// pipelines downwards too, and shows the ids of all builds that failed: so many
// rows stand between where the walk is and the last one wanted. What GraphQL has
// not shown yet are the failures of child pipelines. Where a project has some, a
// walk may only spend what others have saved in the run; and a walk that does not
// get to where it should, for rows that nobody knew of, is the project's last.

// failures walks over one project's failed builds. Whoever reads runs holds it.
type failures struct {
	visit *visit

	// known are the failed builds below the walk that GraphQL has shown; true:
	// without saying why.
	known map[int64]bool
	read  map[ci.PipelineID]*bundle // what the walk has brought and nobody took yet
	held  int                       // rows in read
	next  string                    // where the walk goes on
	at    int64                     // id of the last build that it has passed; 0: all
	sure  *bool                     // nothing stands in the list that GraphQL does not show; nil: to be found out
	off   bool                      // not in this visit any more
}

func newFailures(v *visit) *failures {
	return &failures{visit: v, known: make(map[int64]bool), read: make(map[ci.PipelineID]*bundle), at: math.MaxInt64}
}

// learn notes which builds of a run have failed.
func (f *failures) learn(run gitlab.Run) {
	if f.off {
		return
	}
	if run.JobsNext != "" { // more than it shows
		f.sure = new(false)
	}
	for _, j := range run.Jobs {
		if failedBuild(j) && j.ID < f.at {
			_, told := j.FailureMessage.Get()
			f.known[j.ID] = told
		}
	}
	if len(f.known) > heldBuilds { // a hundred pages before anything that is wanted
		f.stop()
	}
}

func failedBuild(j gitlab.RunJob) bool {
	return ci.JobKind(j.Kind) == ci.Build && ci.Status(j.Status) == ci.Failed
}

func (f *failures) stop() { f.off, f.known = true, nil }

// inNeed is a run with builds that are to be explained.
type inNeed struct {
	builds   []int64 // their ids
	lowest   int64   // of them
	requests int     // that it costs by itself
	pipeline ci.PipelineID
}

// gather gives REST's rows of failed builds of the runs, by pipeline, as far as
// it is cheaper to walk for them than to ask for each.
func (f *failures) gather(ctx context.Context, runs map[int64]readRun) map[ci.PipelineID]*bundle {
	if needs := f.needs(runs); !f.off {
		if target, rows, saves := f.worth(needs); saves > 0 && f.may(ctx, rows) {
			f.walk(ctx, target, rows, needs)
		}
	}
	found := make(map[ci.PipelineID]*bundle)
	for id := range runs {
		if b := f.read[ci.PipelineID(id)]; b != nil {
			found[b.id] = b
			f.held -= len(b.jobs)
			delete(f.read, b.id)
		}
	}
	return found
}

// needs gives the runs that have builds to be explained which the walk can still
// bring, from the first that it would meet to the last.
func (f *failures) needs(runs map[int64]readRun) []inNeed {
	var list []inNeed
	for id, run := range runs {
		n, builds := inNeed{pipeline: ci.PipelineID(id), lowest: math.MaxInt64}, 0
		for _, j := range run.Jobs {
			if ci.JobKind(j.Kind) == ci.Build {
				builds++
			}
			if f.known[j.ID] {
				n.builds = append(n.builds, j.ID)
				n.lowest = min(n.lowest, j.ID)
			}
		}
		if n.requests = (builds + perPage - 1) / perPage; len(n.builds) > 0 && run.JobsNext == "" {
			list = append(list, n)
		}
	}
	slices.SortFunc(list, func(a, b inNeed) int { return cmp.Compare(b.lowest, a.lowest) })
	return list
}

// worth finds how far to walk: to which build, over how many rows, and how many
// requests that saves; nothing where it saves none.
func (f *failures) worth(needs []inNeed) (target int64, rows, saves int) {
	if len(needs) < 2 {
		return 0, 0, 0
	}
	known := slices.Sorted(maps.Keys(f.known))
	single := 0
	for _, n := range needs {
		single += n.requests
		at, _ := slices.BinarySearch(known, n.lowest)
		if over := len(known) - at; single-pagesOf(over) > saves {
			target, rows, saves = n.lowest, over, single-pagesOf(over)
		}
	}
	return target, rows, saves
}

func pagesOf(rows int) int { return (rows + perPage - 1) / perPage }

// may says whether a walk over so many rows may be begun: it will save what it is
// thought to save, or others have saved what it may cost.
func (f *failures) may(ctx context.Context, rows int) bool {
	saved := f.visit.run.saved.Load()
	if f.surely(ctx) {
		return saved >= 0
	}
	return saved >= int64(pagesOf(rows))
}

// surely says whether the project has no child pipelines, whose failures GraphQL
// shows elsewhere.
func (f *failures) surely(ctx context.Context) bool {
	if f.sure == nil {
		v := f.visit
		n, err := v.run.store.CountPipelines(ctx, v.project.InstanceID, v.project.ID, v.since, true)
		f.sure = new(err == nil && n == 0 && v.still.children)
	}
	return *f.sure
}

// walk reads down to a build, over as many rows as GraphQL has shown to stand
// there, and settles what that saved. Where it is sure of these it asks for no
// more: GitLab would look for them through builds that nobody asks about.
func (f *failures) walk(ctx context.Context, target int64, rows int, needs []inNeed) {
	pages := 0
	for !f.off && f.at > target && rows > 0 {
		size := perPage
		if *f.sure {
			size = min(rows, perPage)
		}
		pages++
		hidden, err := f.readPage(ctx, size)
		if rows -= perPage; err != nil || hidden > 0 && f.at > target && rows <= 0 || hidden > perPage/2 {
			f.stop() // else it might go on and on without meeting what is wanted
		}
		if err != nil && ctx.Err() == nil {
			f.visit.run.noFailures(f.visit.project, err)
		}
	}
	saved := -pages
	for _, n := range needs {
		if b := f.read[n.pipeline]; b != nil && b.has(n.builds) {
			saved += n.requests
		}
	}
	f.visit.run.saved.Add(int64(saved))
}

// has says whether all of these jobs are among the bundle's.
func (b *bundle) has(ids []int64) bool {
	return !slices.ContainsFunc(ids, func(id int64) bool {
		return !slices.ContainsFunc(b.jobs, func(j ci.Job) bool { return int64(j.ID) == id })
	})
}

// readPage reads on by so many rows, and says how many of them GraphQL had not
// shown.
func (f *failures) readPage(ctx context.Context, rows int) (hidden int, err error) {
	v := f.visit
	for page, err := range v.client.FailedJobs(ctx, int64(v.project.ID), f.next, rows) {
		if err != nil {
			return 0, err
		}
		for _, j := range page.Items {
			p, ok := j.Pipeline.Get()
			if !ok {
				return 0, withoutPipeline(j)
			}
			wanted, shown := f.known[j.ID]
			delete(f.known, j.ID)
			if !shown {
				hidden++
			}
			if wanted || !shown {
				f.keep(ci.PipelineID(p.ID), j, page)
			}
			f.at = j.ID
		}
		if f.next = page.Next; page.Last {
			f.at, f.known = 0, map[int64]bool{}
		}
		return hidden, nil
	}
	return 0, nil
}

func (f *failures) keep(id ci.PipelineID, j gitlab.Job, page gitlab.Page[gitlab.Job]) {
	b := f.read[id]
	if b == nil {
		b = &bundle{id: id}
		f.read[id] = b
	}
	b.addJob(f.visit.project, ci.Build, j, page.AskedAt)
	if f.held++; f.held > heldBuilds {
		f.stop()
	}
}
