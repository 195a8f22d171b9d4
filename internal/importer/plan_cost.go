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
	discovery float64                 // requests that find groups and projects
	projects  map[ci.ProjectID]volume // those with CI, whether or not anything in them is to be read
	still     float64                 // of them: a probe shows that their lists need not be read
}

// volume is what is to be read of a project, or of a pipeline.
type volume struct {
	pipelines float64
	builds    float64 // of all of them, every attempt
	pages     float64 // of builds, asked for pipeline by pipeline
	explained float64 // requests for failures for which GraphQL has no word
}

func (v volume) plus(o volume) volume {
	return volume{v.pipelines + o.pipelines, v.builds + o.builds, v.pages + o.pages, v.explained + o.explained}
}

// costs gives the requests that each plan needs; those that ask GraphQL are left
// out where there is none.
func (w work) costs(graphQL bool) map[string]int64 {
	var all volume
	var lists, runs, walked float64
	for _, v := range w.projects {
		all = all.plus(v)
		lists += listPages(v.pipelines)
		runs += math.Ceil(v.pipelines / perPage)
		walked += min(math.Ceil(v.builds/perPage), v.pages)
	}
	n := float64(len(w.projects))
	// Without GraphQL a project has two lists more: of children, and of externals.
	base := w.discovery + lists + 2*n
	costs := map[string]int64{
		PlanDocumented: requests(base + 2*all.pipelines + all.pages),
		PlanKeyset:     requests(base + 1 + 2*all.pipelines + walked),
	}
	if graphQL {
		base = w.discovery + 1 + math.Ceil(n/perPage) + lists - w.still + runs + w.growing(all.pipelines)
		costs[PlanKeyset] = requests(base + walked)
		costs[PlanGraphQL] = requests(base + all.explained)
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
// will hold once they have grown: the projects that are read first have small ones.
func (w work) growing(pipelines float64) float64 {
	read := 0.0
	for _, v := range w.projects {
		if v.pipelines > 1 {
			read++
		}
	}
	if read == 0 {
		return 0
	}
	each, pages := pipelines/read, 0.0
	for left, size := each, float64(startingPage); left > 0; left, size = left-size, min(2*size, largestPage) {
		pages++
	}
	return min(projectsAtOnce, read) * (pages - math.Ceil(each/perPage))
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
			build = build || failed && (j.FailureReason == nil || *j.FailureReason != scriptFailure)
		case ci.Bridge:
			bridge = bridge || failed
		}
	}
	v.pages = max(1, math.Ceil(v.builds/perPage))
	if build {
		v.explained += v.pages
	}
	if bridge {
		v.explained++
	}
	return v
}

// tally counts what a run reads.
type tally struct {
	mu       sync.Mutex
	projects map[ci.ProjectID]volume
	listed   map[ci.ProjectID]bool // their lists were read
}

func newTally() *tally {
	return &tally{projects: make(map[ci.ProjectID]volume), listed: make(map[ci.ProjectID]bool)}
}

// expect notes a project that the run looks after.
func (t *tally) expect(p ci.ProjectID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.projects[p] = volume{}
}

// list notes that a project's lists are read.
func (t *tally) list(p ci.ProjectID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.listed[p] = true
}

func (t *tally) read(p ci.ProjectID, b bundle) {
	v := volumeOf(b)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.projects[p] = t.projects[p].plus(v)
}

// comparePlans gives what each plan would have needed for what this run has
// read, and what the one that was used did need; nil for a run that chose none.
func (r *run) comparePlans(ctx context.Context) map[string]int64 {
	if r.source.Kind == KindGitLab || r.options.Only != ScopeAll || r.sync.FinishedAt == nil || r.sync.Requests == 0 {
		return nil
	}
	r.tally.mu.Lock()
	defer r.tally.mu.Unlock()
	w := work{projects: r.tally.projects, still: float64(len(r.tally.projects) - len(r.tally.listed))}
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
