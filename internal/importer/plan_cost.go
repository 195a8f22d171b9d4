package importer

import (
	"context"
	"math"
	"sync"

	"github.com/weirhq/weir/internal/ci"
)

// What a plan costs, in requests. It is worked out in the same way before an
// import (estimate.go), from what there seems to be to read, and after it, from
// what was read.

// work is what there is to be read.
type work struct {
	discovery float64                   // requests that find groups and projects
	projects  map[ci.ProjectID][]volume // those with CI, each with its lists, whether or not anything in them is to be read
	still     float64                   // projects whose own list a probe shows to be as it is stored
}

// The lists of a project's pipelines, each to be read in its own way.
const (
	ownList = iota
	childList
	undatedList // external pipelines without updated_at
	listsEach
)

// volume is what is to be read of a list, or of a pipeline.
type volume struct {
	pipelines float64
	builds    float64 // of all of them, every attempt
	pages     float64 // of builds, asked for pipeline by pipeline
	failed    float64 // builds that failed, for whatever reason
	explained float64 // requests for those for which GraphQL has no word, asked for pipeline by pipeline
	bridges   float64 // requests for failed bridges, for which it never has one
}

func (v volume) plus(o volume) volume {
	return volume{v.pipelines + o.pipelines, v.builds + o.builds, v.pages + o.pages, v.failed + o.failed, v.explained + o.explained, v.bridges + o.bridges}
}

// single is what the pipelines cost when each is asked for by itself.
func (v volume) single() float64 { return 2*v.pipelines + v.pages }

// spared is how many of the requests that explain failures the list of failed
// jobs spares.
func (v volume) spared() float64 {
	return max(0, v.explained-math.Ceil(v.failed/perPage))
}

// costs gives the requests that each plan needs; those that ask GraphQL are left
// out where there is none.
func (w work) costs(graphQL bool) map[string]int64 {
	var lists, single, half, walked float64 // of REST
	var fewLists, runs, longer, undated, bridges float64
	var explained, spared float64 // … by lists of failed jobs
	var unsure []volume           // where these may only spend what was spared
	for _, p := range w.projects {
		for _, v := range p {
			lists += listPages(v.pipelines)
			single += v.single()
		}
		dated := p[ownList].plus(p[childList])
		half += 2 * dated.pipelines
		walked += min(math.Ceil(dated.builds/perPage), dated.pages)
		undated += p[undatedList].single()
		fewLists += listPages(p[ownList].pipelines)
		for _, v := range p[childList:] {
			if v.pipelines > 0 { // else a probe shows that there are none
				fewLists += listPages(v.pipelines)
			}
		}
		var read volume
		for _, v := range p[:undatedList] {
			if v.pipelines == 1 {
				runs += v.single()
			} else {
				runs += math.Ceil(v.pipelines / perPage)
				bridges += v.bridges
				longer += max(0, v.pages-v.pipelines) // a page of runs has the first hundred jobs of each
				read = read.plus(v)
			}
		}
		explained += read.explained
		if p[childList].pipelines > 0 {
			unsure = append(unsure, read)
		} else {
			spared += read.spared()
		}
	}
	for _, v := range unsure {
		if spared > 0 {
			spared += v.spared()
		}
	}
	explained -= spared
	base := w.discovery + lists
	costs := map[string]int64{
		PlanDocumented: requests(base + single),
		PlanKeyset:     requests(base + 1 + half + walked + undated),
	}
	if graphQL {
		base = w.discovery + 1 + math.Ceil(float64(len(w.projects))/perPage) + fewLists - w.still + runs + w.growing() + undated + bridges
		costs[PlanKeyset] = requests(base + walked)
		costs[PlanGraphQL] = requests(base + longer + explained)
	}
	return costs
}

func requests(n float64) int64 { return int64(math.Ceil(n - 1e-9)) }

// listPages is how many requests a list of so many rows takes. One that goes on
// where the one before ended brings its last row again.
func listPages(rows float64) float64 {
	if rows <= perPage {
		return 1
	}
	return math.Ceil((rows - 1) / (perPage - 1))
}

// growing is how many pages of GraphQL's an import needs more than its pages
// will hold once they have grown: those that are asked for first are small.
func (w work) growing() float64 {
	var read, pipelines float64
	for _, p := range w.projects {
		if n := p[ownList].pipelines; n > 1 {
			read++
			pipelines += n
		}
	}
	if read == 0 {
		return 0
	}
	each := pipelines / read
	pages := 1 + math.Ceil(max(0, each-startingPage)/largestPage)
	return min(projectsAtOnce, read) * (pages - math.Ceil(each/largestPage)) // as many are read before any page has come
}

// volumeOf is what a pipeline was to read.
func volumeOf(b bundle) volume {
	v := volume{pipelines: 1}
	var build, bridge bool
	for _, j := range b.jobs {
		failed := j.Status == ci.Failed
		switch j.Kind {
		case ci.Build:
			v.builds++
			if failed {
				v.failed++
			}
			build = build || failed && (j.FailureReason == nil || *j.FailureReason != scriptFailure)
		case ci.Bridge:
			bridge = bridge || failed && (j.Retried == nil || !*j.Retried)
		}
	}
	v.pages = max(1, math.Ceil(v.builds/perPage))
	if build {
		v.explained += v.pages
	}
	if bridge {
		v.bridges++
	}
	return v
}

// tally counts what a run reads.
type tally struct {
	mu       sync.Mutex
	projects map[ci.ProjectID][]volume
	listed   map[ci.ProjectID]bool // their own list was read
}

func newTally() *tally {
	return &tally{projects: make(map[ci.ProjectID][]volume), listed: make(map[ci.ProjectID]bool)}
}

// expect notes a project that the run looks after.
func (t *tally) expect(p ci.ProjectID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.projects[p] = make([]volume, listsEach)
}

// list notes that a project's own list is read.
func (t *tally) list(p ci.ProjectID, l list) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.listed[p] = t.listed[p] || !l.child
}

// still is how many projects' own lists were not read. It wants the lock.
func (t *tally) still() (n float64) {
	for p := range t.projects {
		if !t.listed[p] {
			n++
		}
	}
	return n
}

func (t *tally) read(p ci.ProjectID, b bundle) {
	v, list := volumeOf(b), ownList
	switch {
	case b.pipeline.UpdatedAt == nil:
		list = undatedList
	case b.pipeline.Source != nil && *b.pipeline.Source == ci.SourceParent:
		list = childList
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.projects[p][list] = t.projects[p][list].plus(v)
}

// comparePlans gives what each plan would have needed for what this run has
// read, and what the one that was used did need; nil for a run that chose none.
func (r *run) comparePlans(ctx context.Context) map[string]int64 {
	if r.source.Kind == KindGitLab || r.options.Only != ScopeAll || r.sync.FinishedAt == nil || r.sync.Requests == 0 {
		return nil
	}
	r.tally.mu.Lock()
	defer r.tally.mu.Unlock()
	w := work{projects: r.tally.projects, still: r.tally.still()}
	if n := len(r.options.Projects); n > 0 {
		w.discovery = float64(n)
	} else {
		reach, err := r.store.Reach(ctx, r.source.Connection)
		if err != nil {
			r.log.Warn("plans not compared", "sync", r.sync.ID, "error", err)
			return nil
		}
		w.discovery = discoveryOf(len(r.source.Groups), len(reach.Groups), len(reach.Projects))
	}
	graphQL := r.bulkSize != nil
	costs := w.costs(graphQL || r.options.Plan == PlanDocumented)
	// What this run did in another way than the formula thinks, such as proving
	// that no project is new instead of listing them, the plans of its kind would
	// have done too.
	off := r.sync.Requests - costs[r.sync.Plan]
	for plan := range costs {
		if plan == r.sync.Plan || graphQL && plan != PlanDocumented {
			costs[plan] = max(costs[plan]+off, 1)
		}
	}
	return costs
}

// discoveryOf is how many requests list all groups and projects below the named
// groups, or below all that the token is a member of.
func discoveryOf(named, groups, projects int) float64 {
	pages := func(n int) float64 { return max(1, math.Ceil(float64(n)/perPage)) }
	roots := max(named, 1)
	first := float64(named)
	if named == 0 {
		first = pages(groups)
	}
	return first + float64(roots-1)*2 + pages(groups) + pages(projects)
}
