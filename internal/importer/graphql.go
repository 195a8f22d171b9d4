package importer

import (
	"cmp"
	"context"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
)

// The plan "graphql" reads pipelines and their jobs together, up to a hundred a
// request. The lists stay REST's: they have milliseconds, the order of change
// and a count, so what is fetched, skipped or missing is decided in the same
// way whatever the plan.
//
// GraphQL lists pipelines by descending id. A bulk reads ahead of the walk on
// that order and hands out what the walk asks for. What it does not find, or
// finds changed since it was listed, is read by the documented plan; so is a
// project where GraphQL fails, and the sync says why.
//
// What GraphQL cannot give exactly: times in between are cut to seconds
// (time_precision 's'), a job's user stays NULL, and the word for why a job
// failed is known only for a failed script. Any other failure is read from REST
// too: with the project's failed jobs (failures.go), or with the pipeline's jobs.

const (
	startingPage   = 20 // pipelines; GitLab's time limit, not its complexity limit, decides what is too many
	smallestPage   = 5
	largestPage    = 100
	longestWork    = 4 * time.Second // that GitLab is to work on a page, by how long it worked on those before
	readAheadLimit = 500             // runs that were read and not asked for yet
)

// bulkSize is how many pipelines a request asks for. A run's projects share it:
// they are answered by the same GitLab.
type bulkSize struct{ n atomic.Int64 }

func newBulkSize() *bulkSize {
	s := new(bulkSize)
	s.n.Store(startingPage)
	return s
}

func (s *bulkSize) get() int { return int(s.n.Load()) }

// succeeded lets the size grow to what GitLab can give without working too long,
// by the work that it had with so many: at once where that was little, for the
// pages in between would only be more requests.
func (s *bulkSize) succeeded(asked, got int, took time.Duration) {
	if got == 0 { // tells nothing
		return
	}
	can := largestPage
	if took > 0 {
		can = min(largestPage, int(time.Duration(got)*longestWork/took))
	}
	if can >= 2*asked || can == largestPage {
		s.n.CompareAndSwap(int64(asked), int64(can))
	}
}

// failed halves the size; false when it cannot become smaller.
func (s *bulkSize) failed(asked int) bool {
	if asked <= smallestPage {
		return false
	}
	for {
		now := s.n.Load()
		if now < int64(asked) || s.n.CompareAndSwap(now, int64(max(asked/2, smallestPage))) {
			return true
		}
	}
}

// forMissing is how many to ask for when so many are missing: no more than is
// likely to be of use.
func (s *bulkSize) forMissing(missing int) int {
	return min(s.get(), max(2*missing, smallestPage))
}

// bulk reads one list of one project ahead.
type bulk struct {
	visit       *visit
	source      string
	onlyBridges bool // leave the builds out

	// turn is held by the one that reads. It is no mutex because that one waits
	// for GitLab: those behind it end with their context.
	turn   chan struct{}
	after  string
	ended  bool
	lowest int64 // iid of the last run that was read; 0: none yet
	runs   map[int64]readRun
	failed bool // GraphQL does not work here
}

// readRun is a run with the time at which it was asked for.
type readRun struct {
	gitlab.Run
	askedAt time.Time
}

// fetch gives the bundles of listed pipelines as far as GraphQL has them as
// they were listed; the others are missing in the answer.
func (b *bulk) fetch(ctx context.Context, items []gitlab.PipelineListItem) map[int64]bundle {
	runs, exact := b.takeExplained(ctx, items)
	bundles := make(map[int64]bundle, len(items))
	for _, item := range items {
		run, ok := runs[item.ID]
		if !ok {
			continue
		}
		if made, ok := b.visit.bundleOf(ctx, run, item, exact[ci.PipelineID(item.ID)]); ok {
			bundles[item.ID] = made
		}
	}
	return bundles
}

// take gives the runs of listed pipelines that are the version that was listed.
func (b *bulk) take(ctx context.Context, items []gitlab.PipelineListItem) map[int64]readRun {
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		return nil
	}
	return b.taken(ctx, items)
}

// takeExplained is take with REST's rows of failed builds, by pipeline, as far as
// their list is worth reading.
func (b *bulk) takeExplained(ctx context.Context, items []gitlab.PipelineListItem) (map[int64]readRun, map[ci.PipelineID]*bundle) {
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		return nil, nil
	}
	runs := b.taken(ctx, items)
	return runs, b.visit.failures.gather(ctx, runs)
}

// taken is take for the one whose turn it is.
func (b *bulk) taken(ctx context.Context, items []gitlab.PipelineListItem) map[int64]readRun {
	for !b.failed {
		missing, worth := b.worthAnother(items)
		if !worth || !b.read(ctx, missing) {
			break
		}
	}
	runs := make(map[int64]readRun, len(items))
	for _, item := range items {
		if run, ok := b.runs[item.ID]; ok && asListed(run.Run, item) {
			runs[item.ID] = run
		}
		delete(b.runs, item.ID)
	}
	return runs
}

// asListed says whether a run is the version that the list showed, of which
// the exact time of change is then known.
func asListed(run gitlab.Run, item gitlab.PipelineListItem) bool {
	listed, ok := item.UpdatedAt.Get()
	updated, has := run.UpdatedAt.Get()
	return ok && has && run.Status == item.Status && updated.Equal(listed.Truncate(time.Second))
}

// worthAnother says whether one more page is likely to bring more than one
// missing pipeline a request. Numbers within a project (iid) run without gaps
// over all its pipelines, so they tell how far away one is.
func (b *bulk) worthAnother(items []gitlab.PipelineListItem) (missing int, worth bool) {
	if b.ended || len(b.runs) > readAheadLimit {
		return 0, false
	}
	oldest := int64(0)
	for _, item := range items {
		iid, ok := item.IID.Get()
		if _, read := b.runs[item.ID]; read || !ok || b.lowest != 0 && iid >= b.lowest {
			continue // there, or passed already and not in GraphQL's list
		}
		missing++
		if oldest == 0 || iid < oldest {
			oldest = iid
		}
	}
	if missing < 2 {
		return missing, false // a few small requests are lighter than a page for one pipeline
	}
	size := int64(b.visit.run.bulkSize.forMissing(missing))
	return missing, b.lowest == 0 || (b.lowest-oldest+size-1)/size <= int64(missing)
}

// read reads the next page; false when GraphQL is of no more use here.
func (b *bulk) read(ctx context.Context, missing int) bool {
	v := b.visit
	for {
		size := v.run.bulkSize.forMissing(missing)
		page, err := v.client.Runs(ctx, gitlab.RunQuery{
			ProjectPath: v.project.FullPath, ProjectID: int64(v.project.ID), Source: b.source,
			UpdatedAfter: v.since, First: size, JobsFirst: perPage, After: b.after, OnlyBridges: b.onlyBridges,
		})
		switch kind := gitlab.KindOf(err); {
		case err == nil:
			v.run.bulkSize.succeeded(size, len(page.Runs), page.Took)
			for _, run := range page.Runs {
				b.runs[run.ID] = readRun{run, page.AskedAt}
				b.lowest = run.IID.Or(b.lowest)
				v.failures.learn(run)
			}
			b.after, b.ended = page.Next, page.Next == ""
			return true
		case (kind == gitlab.Timeout || kind == gitlab.TooComplex) && v.run.bulkSize.failed(size):
			continue // smaller
		}
		b.failed = true
		if ctx.Err() == nil {
			v.run.fellBack(&v.project.ID, v.project.FullPath+": ", err)
		}
		return false
	}
}

// bundleOf makes rows of a run; false when it cannot be completed. failed are
// REST's rows of builds of it that failed; nil or some of them.
func (v *visit) bundleOf(ctx context.Context, run readRun, item gitlab.PipelineListItem, failed *bundle) (bundle, bool) {
	jobs := run.Jobs
	for next := run.JobsNext; next != ""; {
		more, after, _, err := v.client.RunJobs(ctx, v.project.FullPath, run.IID.Or(0), next, false)
		if err != nil {
			return bundle{}, false
		}
		jobs, next = append(jobs, more...), after
	}
	b := bundle{id: ci.PipelineID(run.ID), jobs: make([]ci.Job, 0, len(jobs))}
	p := convertRun(v.project, run.Run, item, run.askedAt)
	if user, ok := run.User.Get(); ok {
		b.users = append(b.users, convertUser(v.project.InstanceID, user, run.askedAt))
	}
	var builds []int64 // of which GraphQL does not say why they failed
	bridges := false
	for _, j := range jobs {
		row, explained := convertRunJob(v.project, run.Run, j, run.askedAt)
		switch {
		case !explained && row.Kind == ci.Build:
			builds = append(builds, j.ID)
		case !explained:
			bridges = true
		}
		b.jobs = append(b.jobs, row)
		if runner, ok := j.Runner.Get(); ok {
			b.runners = append(b.runners, convertRunner(v.project.InstanceID, runner, run.askedAt))
		}
	}
	switch {
	case len(builds) == 0:
	case failed != nil && failed.has(builds):
		b.replace(*failed, false)
	case !b.explain(v.project, ci.Build, v.client.PipelineJobs(ctx, int64(v.project.ID), run.ID)):
		return bundle{}, false
	}
	if bridges && !b.explain(v.project, ci.Bridge, v.client.PipelineBridges(ctx, int64(v.project.ID), run.ID)) {
		return bundle{}, false
	}
	b.finish(p)
	return b, true
}

// explain puts REST's rows of one kind, which have the word for why each job
// failed, in place of GraphQL's. REST lists only the latest attempt of a
// bridge: the others stay as they are.
func (b *bundle) explain(project ci.Project, kind ci.JobKind, pages jobPages) bool {
	exact := bundle{id: b.id}
	if err := exact.addJobs(project, kind, pages); err != nil {
		return false
	}
	b.replace(exact, true)
	return true
}

// replace puts exact rows of jobs in the place of those that are there. added are
// those that are not, retried meanwhile; where exact has only some of a pipeline's
// jobs they are left to the next visit, which reads them all.
func (b *bundle) replace(exact bundle, added bool) {
	at := make(map[ci.JobID]int, len(b.jobs))
	for i, j := range b.jobs {
		at[j.ID] = i
	}
	for _, j := range exact.jobs {
		i, ok := at[j.ID]
		if !ok {
			if added {
				b.jobs = append(b.jobs, j)
			}
			continue
		}
		j.Manual = cmp.Or(b.jobs[i].Manual, j.Manual)
		b.jobs[i] = j
	}
	b.users = append(b.users, exact.users...)
	b.runners = append(b.runners, exact.runners...)
}
