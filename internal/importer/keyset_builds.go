package importer

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
)

// A project's list of all builds, newest first by id: a hundred a request, with
// every attempt, and those of child pipelines among them. It has no filter by
// time and no way to begin in the middle, so it is walked from the top while
// that is cheaper than asking for each pipeline's jobs.
//
// When has the walk seen every build of a pipeline? Where GraphQL told how many
// it has, when it has that many. Else when the walk has passed below it: at a
// build that was created before the pipeline was, of a pipeline with a smaller
// id. Either alone may be wrong: a retry of an old pipeline has a new creation
// time, and a project that was imported has old times under new ids. A build
// that was added after the walk began lies above its top; it has raised its
// pipeline's updated_at, so the builds of pipelines that changed since then do
// not count as seen without a count.

// heldBuilds bounds the builds that were read and not asked for yet: memory.
const heldBuilds = 10_000

// usualBuilds is how many builds a pipeline is taken to have until some were read.
const usualBuilds = 10

// builds walks over one project's builds.
type builds struct {
	visit *visit

	turn   chan struct{} // held by the one that walks, as in bulk
	next   string        // where the walk goes on
	asked  time.Time     // GitLab's clock when it began, less overlap
	begun  bool
	ended  bool // at the oldest build
	failed bool // the list is of no use here

	held     int // builds in read
	read     map[ci.PipelineID]*gathered
	spent    map[ci.PipelineID]bool // were handed out, or dropped to bound memory: not whole any more
	lowest   []passed
	top, at  int64 // iids: the newest that was met, and how far down the walk is
	met      int   // pipelines whose builds were read so far …
	buildsIn int   // … and how many builds these are
}

// gathered is what the walk has seen of a pipeline.
type gathered struct {
	bundle
	status  string
	updated time.Time // of the pipeline, when its builds were asked for
	mixed   bool      // it changed between two pages
}

// passed is a build that the walk has met, as evidence of how far down it is.
type passed struct {
	pipeline int64
	created  time.Time
}

func newBuilds(v *visit) *builds {
	return &builds{visit: v, turn: make(chan struct{}, 1), read: make(map[ci.PipelineID]*gathered), spent: make(map[ci.PipelineID]bool)}
}

// gather gives all builds of those of the pipelines of which the walk has seen
// every one, as they were in the version that was listed; the others are
// missing in the answer. runs are the same pipelines' as GraphQL gave them.
func (b *builds) gather(ctx context.Context, items []gitlab.PipelineListItem, runs map[int64]readRun) map[int64]*gathered {
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		return nil
	}
	for _, item := range items {
		b.top = max(b.top, item.IID.Or(0))
	}
	for !b.failed && !b.ended && b.worthAnother(items, runs) {
		b.readPage(ctx)
	}
	whole := make(map[int64]*gathered)
	for _, item := range items {
		if g := b.whole(item, runs); g != nil {
			whole[item.ID] = g
		}
	}
	for _, item := range items { // none of them is asked for a second time
		b.drop(ci.PipelineID(item.ID))
	}
	return whole
}

// worthAnother says whether walking on to the oldest of the pipelines that are
// missing costs fewer requests than asking for each one's jobs. Numbers within a
// project (iid) run without gaps, so they tell how many pipelines lie between.
func (b *builds) worthAnother(items []gitlab.PipelineListItem, runs map[int64]readRun) bool {
	missing, oldest := 0, int64(0)
	for _, item := range items {
		iid, ok := item.IID.Get()
		if !ok || b.settled(item, runs) {
			continue
		}
		missing++
		if oldest == 0 || iid < oldest {
			oldest = iid
		}
	}
	if missing < 2 {
		return false // that pipeline's own jobs are a smaller answer
	}
	at, each := b.top, float64(usualBuilds)
	if b.begun && b.met > 0 {
		at, each = b.at, float64(b.buildsIn)/float64(b.met)
	}
	pages := float64(max(at-oldest, 0)) * each / perPage
	return pages <= float64(missing)
}

// settled says that reading on would not bring more of a pipeline.
func (b *builds) settled(item gitlab.PipelineListItem, runs map[int64]readRun) bool {
	if b.spent[ci.PipelineID(item.ID)] || b.below(item) {
		return true
	}
	if want, counted := countOf(item, runs); counted {
		return b.seen(item) >= want
	}
	return b.begun && !b.old(item)
}

// whole gives a pipeline's builds if they are all there and of the version that
// was listed.
func (b *builds) whole(item gitlab.PipelineListItem, runs map[int64]readRun) *gathered {
	if b.spent[ci.PipelineID(item.ID)] {
		return nil
	}
	want, counted := countOf(item, runs)
	switch {
	case counted && b.seen(item) != want:
		return nil
	case counted && want == 0:
		return &gathered{}
	case !counted && (!b.begun || !b.old(item) || !b.below(item)):
		return nil
	}
	g := b.read[ci.PipelineID(item.ID)]
	if g == nil {
		return &gathered{status: item.Status, updated: item.UpdatedAt.Or(gitlab.Time{}).Time}
	}
	if !g.is(item) {
		return nil
	}
	return g
}

// is says whether the builds are those of this version of their pipeline.
func (g *gathered) is(p gitlab.PipelineListItem) bool {
	updated, ok := p.UpdatedAt.Get()
	return ok && !g.mixed && g.status == p.Status && g.updated.Equal(updated.Time)
}

// countOf is how many builds a pipeline has, where GraphQL said so.
func countOf(item gitlab.PipelineListItem, runs map[int64]readRun) (n int, ok bool) {
	run, there := runs[item.ID]
	if !there {
		return 0, false
	}
	count, ok := run.Builds.Get()
	return int(count), ok
}

func (b *builds) seen(item gitlab.PipelineListItem) int {
	if g := b.read[ci.PipelineID(item.ID)]; g != nil {
		return len(g.jobs)
	}
	return 0
}

// old says whether a pipeline stands since before the walk began.
func (b *builds) old(item gitlab.PipelineListItem) bool {
	updated, ok := item.UpdatedAt.Get()
	return ok && updated.Before(b.asked)
}

// below says whether the walk is below all builds that a pipeline was created with.
func (b *builds) below(item gitlab.PipelineListItem) bool {
	if b.ended {
		return true
	}
	created, ok := item.CreatedAt.Get()
	return ok && slices.ContainsFunc(b.lowest, func(p passed) bool {
		return p.pipeline < item.ID && p.created.Before(created.Add(-overlap))
	})
}

// readPage reads the next page of the list.
func (b *builds) readPage(ctx context.Context) {
	v := b.visit
	for page, err := range v.client.ProjectJobs(ctx, int64(v.project.ID), b.next) {
		if err == nil && !page.Last && page.Next == "" {
			err = &gitlab.Error{
				Kind: gitlab.BadAnswer, Method: "GET", Endpoint: "/projects/:id/jobs",
				Message: "a page of jobs that another one follows says nothing of where it begins",
			}
		}
		if err == nil {
			err = b.take(page)
		}
		if err != nil {
			b.failed = true // what was read stays good
			if ctx.Err() == nil {
				v.run.noKeyset(v.project, err)
			}
			return
		}
		if !b.begun {
			b.begun, b.asked = true, serverNow(page.Date, page.AskedAt)
		}
		b.next, b.ended = page.Next, page.Last
		return
	}
}

// take keeps the builds of a page by pipeline.
func (b *builds) take(page gitlab.Page[gitlab.Job]) error {
	v := b.visit
	b.at = 0
	for _, j := range page.Items {
		p, ok := j.Pipeline.Get()
		if !ok {
			return withoutPipeline(j)
		}
		b.buildsIn++
		b.at = max(b.at, p.IID.Or(0)) // a retry of an old pipeline does not mean that the walk is there
		b.top = max(b.top, b.at)
		if created, ok := j.CreatedAt.Get(); ok {
			b.pass(passed{p.ID, created.Time})
		}
		id, updated := ci.PipelineID(p.ID), p.UpdatedAt.Or(gitlab.Time{}).Time
		if b.spent[id] {
			continue
		}
		g := b.read[id]
		if g == nil {
			g = &gathered{bundle: bundle{id: id}, status: p.Status, updated: updated}
			b.read[id] = g
			b.met++
		}
		g.mixed = g.mixed || g.status != p.Status || !g.updated.Equal(updated)
		g.addJob(v.project, ci.Build, j, page.AskedAt)
		b.held++
	}
	for b.held > heldBuilds {
		b.dropNewest()
	}
	return nil
}

func withoutPipeline(j gitlab.Job) error {
	return &gitlab.Error{
		Kind: gitlab.BadAnswer, Method: "GET", Endpoint: "/projects/:id/jobs",
		Message: fmt.Sprintf("job %d does not say which pipeline it belongs to", j.ID),
	}
}

// pass notes a build as evidence, unless another one is better evidence.
func (b *builds) pass(p passed) {
	if slices.ContainsFunc(b.lowest, func(q passed) bool { return q.pipeline <= p.pipeline && !q.created.After(p.created) }) {
		return
	}
	b.lowest = append(slices.DeleteFunc(b.lowest, func(q passed) bool {
		return p.pipeline <= q.pipeline && !p.created.After(q.created)
	}), p)
}

// dropNewest forgets the builds that are furthest from where the walk is: what
// nobody has asked for so far is stored already, as a rule.
func (b *builds) dropNewest() {
	var newest ci.PipelineID
	for id := range b.read {
		newest = max(newest, id)
	}
	b.drop(newest)
}

func (b *builds) drop(id ci.PipelineID) {
	if g := b.read[id]; g != nil {
		b.held -= len(g.jobs)
		delete(b.read, id)
	}
	b.spent[id] = true
}
