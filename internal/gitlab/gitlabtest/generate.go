package gitlabtest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Size says how much Generate makes; zero fields take the number given.
type Size struct {
	Groups              int       // top-level and subgroups together; 4
	Projects            int       // 6, the special ones included
	PipelinesPerProject int       // about; 30
	JobsPerPipeline     int       // about; 5
	Until               time.Time // the world's present; the clock is stopped there. 2026-03-01 12:00 UTC
	Days                int       // of history; 30
	Odd                 float64   // share of pipelines that are an odd case, 0 to 1; 0.3. Each case comes at least once in any world
	Environments        bool      // jobs of the stage deploy deploy to production, staging or a review environment
	KnownWords          bool      // leave out statuses, sources and reasons that no GitLab knows today
	Sparse              bool      // as little as asked for: odd cases by chance only, and no projects beyond Projects
}

// Words that no GitLab knows today; Generate puts them where a new GitLab
// might.
const (
	StrangeStatus = "quarantined"
	StrangeSource = "carrier_pigeon"
	StrangeReason = "solar_flare"
)

// generator carries what Generate needs on its way.
type generator struct {
	*rand.Rand
	w       *World
	size    Size
	users   []*User
	runners []*Runner
	from    time.Time
}

// Generate makes a random world. The same seed and size give the same world,
// ids and times included. Whatever the size, but for Sparse, each odd pipeline
// that is known (gitlab-api §5.5) is in the first project; the second to fifth project, where
// there are so many, are archived, without CI, forbidden and without a branch,
// and two more come beyond Size.Projects: one deep in subgroups, one without
// pipelines. The clock is stopped at Size.Until.
func Generate(seed uint64, size Size) *World {
	size.Groups = cmp.Or(size.Groups, 4)
	size.Projects = cmp.Or(size.Projects, 6)
	size.PipelinesPerProject = cmp.Or(size.PipelinesPerProject, 30)
	size.JobsPerPipeline = cmp.Or(size.JobsPerPipeline, 5)
	size.Days = cmp.Or(size.Days, 30)
	size.Odd = cmp.Or(size.Odd, 0.3)
	if size.Until.IsZero() {
		size.Until = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	}
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0x9E3779B97F4A7C15)), w: NewWorld(), size: size}
	g.from = size.Until.AddDate(0, 0, -size.Days)
	g.w.SetNow(g.from.AddDate(0, -6, 0))
	g.people()
	g.places()
	g.w.SetNow(size.Until)
	g.history()
	g.w.CutAt(size.Until)
	g.frozen()
	g.w.renumber()
	return g.w
}

func (g *generator) people() {
	for _, name := range []string{"ada", "grace", "edsger", "quote", "renovate-bot"} {
		u := g.w.AddUser(name)
		u.Name = `Ünlü "` + name + `" <b>`
		u.Bot = name == "renovate-bot"
		g.users = append(g.users, u)
	}
	g.users[3].State = "blocked"
	for _, name := range []string{"shared-1", "shared-2", "größer/läufer"} {
		g.runners = append(g.runners, g.w.AddRunner(name, "docker"))
	}
	nameless := g.w.AddRunner("", "linux")
	nameless.Description, nameless.Name, nameless.Type, nameless.Online = nil, nil, "project_type", false
	nameless.IPAddress = new("10.1.5.66")
	g.runners = append(g.runners, nameless)
}

// places makes groups and projects, the special projects among them.
func (g *generator) places() {
	paths := []string{"acme"}
	for i := 1; i < g.size.Groups; i++ {
		switch i % 3 {
		case 0:
			paths = append(paths, fmt.Sprintf("org-%d", i))
		default:
			paths = append(paths, paths[len(paths)-1]+fmt.Sprintf("/team-%d", i))
		}
	}
	for _, path := range paths {
		g.w.AddGroup(path).Name = "Group " + path
	}
	for i := range g.size.Projects {
		p := g.w.AddProject(fmt.Sprintf("%s/project-%d", paths[i%len(paths)], i))
		p.Description = new(fmt.Sprintf(`Project %d, with "quotes" & <tags> in it`, i))
		switch i {
		case 1:
			p.Archived, p.Name, p.Topics = true, "Ärchiv / \"alt\" 🦫", []string{"legacy", "größe"}
		case 2:
			p.BuildsAccess = "disabled"
		case 3:
			p.Forbidden = true
		case 4:
			p.DefaultBranch = nil
		}
	}
	if g.size.Sparse {
		return
	}
	deep := g.w.AddProject(paths[0] + "/a/b/c/d/deep")
	deep.Visibility, deep.DefaultBranch = "internal", new("trunk/ü")
	g.w.AddProject(paths[0] + "/empty") // has CI and no pipeline
}

// plan is a pipeline that history is going to make.
type plan struct {
	at      time.Time
	project *Project
	odd     int // index of an odd case, -1 for none
}

// history makes the pipelines of all projects in order of time, so that ids
// grow with it.
func (g *generator) history() {
	cases := g.oddCases()
	var plans []plan
	seen := 0
	for i, p := range g.w.Projects {
		n := g.size.PipelinesPerProject
		switch {
		case p.Path == "empty":
			n = 0
		case p.BuildsAccess == "disabled", p.Forbidden:
			n = min(n, 3) // they have some; nobody may read them
		case i == 0 && !g.size.Sparse:
			n = max(n, len(cases)+5) // room for each odd case once
		}
		for k := range n {
			at := g.from.Add(time.Duration(g.Int64N(int64(g.size.Until.Sub(g.from))))).Truncate(time.Microsecond)
			odd := -1
			switch {
			case i == 0 && k < len(cases) && !g.size.Sparse:
				odd, at = seen, g.from.Add(at.Sub(g.from)/2).Truncate(time.Microsecond) // early enough to have ended
				seen++
			case g.Float64() < g.size.Odd:
				odd = g.IntN(len(cases))
			}
			plans = append(plans, plan{at, p, odd})
		}
	}
	slices.SortStableFunc(plans, func(a, b plan) int { return a.at.Compare(b.at) })
	for _, pn := range plans {
		spec := g.ordinary(pn.at)
		if pn.odd < 0 {
			g.w.AddPipeline(pn.project, spec)
		} else {
			cases[pn.odd](pn.project, spec)
		}
	}
}

// ordinary is a pipeline as most are: some stages, now and then a failure.
func (g *generator) ordinary(at time.Time) PipelineSpec {
	spec := PipelineSpec{
		At: at, User: g.users[g.IntN(len(g.users))], Wait: g.span(0, 3*time.Second), CommitLag: g.span(time.Second, time.Hour),
		Ref: []string{"main", "main", "feature/login", "fix/ümläut \"x\" & <y>"}[g.IntN(4)],
	}
	if g.IntN(6) == 0 {
		spec.Source = []string{"web", "schedule", "api", "trigger"}[g.IntN(4)]
	}
	if g.IntN(5) == 0 {
		spec.Name = new("Nightly " + at.Format(time.DateOnly))
	}
	n := 1 + g.IntN(2*g.size.JobsPerPipeline-1)
	stages := []string{"build", "test", "deploy"}
	failed := false
	for i := range n {
		stage := stages[min(i*len(stages)/n, 2)]
		js := JobSpec{
			Name: fmt.Sprintf("%s-%d", stage, i), Stage: stage, Wait: g.span(10*time.Millisecond, 20*time.Second),
			Took: g.span(500*time.Millisecond, 8*time.Minute), Runner: g.runners[g.IntN(len(g.runners))], User: spec.User,
		}
		if failed && stage != stages[min((i-1)*len(stages)/n, 2)] {
			js.Status = "skipped"
		}
		if last := len(spec.Jobs) - 1; last >= 0 && spec.Jobs[last].Status == "skipped" {
			js.Status = "skipped"
		}
		if js.Status == "" && g.IntN(12) == 0 {
			js.Status, failed = "failed", true
		}
		if g.IntN(4) == 0 {
			js.Tags = []string{"docker", "größe:L"}
		}
		if stage == "test" && g.IntN(3) == 0 {
			js.Coverage = new(float64(g.IntN(10000)) / 100)
		}
		if stage == "build" && g.IntN(3) == 0 {
			js.ArtifactBytes = 1 + g.Int64N(5e6)
		}
		if g.size.Environments && stage == "deploy" {
			js.Environment = []string{"production", "staging", "review/" + spec.Ref}[i%3]
		}
		if i%4 == 3 {
			js.Needs = []string{spec.Jobs[i-1].Name, spec.Jobs[0].Name}
		}
		spec.Jobs = append(spec.Jobs, js)
	}
	return spec
}

// span is a random span with microseconds, as GitLab's clocks have.
func (g *generator) span(from, to time.Duration) time.Duration {
	return (from + time.Duration(g.Int64N(int64(to-from)))).Truncate(time.Microsecond)
}

// frozen leaves pipelines of the recent past in every state that does not move
// by itself, or not soon.
func (g *generator) frozen() {
	p := g.w.Projects[0]
	at := g.size.Until
	done := JobSpec{Name: "build", Stage: "build", Wait: 2 * time.Second, Took: 20 * time.Second, Runner: g.runners[0]}
	for i, status := range []string{"created", "waiting_for_resource", "preparing", "waiting_for_callback", "pending", "running", "canceling", "manual", "scheduled"} {
		if g.size.Sparse && g.IntN(3) > 0 {
			continue
		}
		at := at.Add(-time.Duration(len(status)+i)*time.Minute - 137*time.Microsecond)
		js := JobSpec{Name: status, Stage: "test", Status: status, Wait: time.Second, Runner: g.runners[0], Manual: status == "manual"}
		jobs := []JobSpec{js, {Name: "later", Stage: "deploy", Status: "created"}}
		if status != "created" && status != "preparing" && status != "pending" {
			jobs = append([]JobSpec{done}, jobs...)
		}
		g.w.AddPipeline(p, PipelineSpec{At: at, Status: status, User: g.users[0], Jobs: jobs})
	}
	// Many rows that one transaction touched have the same updated_at.
	same := at.Add(-3 * time.Hour).Truncate(time.Microsecond)
	g.w.Edit(func() {
		n := 0
		for _, pl := range p.Pipelines {
			if complete(pl.Status) && pl.UpdatedAt != nil && pl.UpdatedAt.Before(same) && n < 12 {
				pl.UpdatedAt = new(same)
				n++
			}
		}
	})
}

// renumber gives pipelines and jobs ids in order of creation, whatever the
// order was in which they were made, and pipelines their iids.
func (w *World) renumber() {
	w.mu.Lock()
	defer w.mu.Unlock()
	var pipelines []*Pipeline
	var jobs []*Job
	for _, p := range w.Projects {
		p.lastIID = 0
		for _, pl := range p.Pipelines {
			pipelines = append(pipelines, pl)
			jobs = append(jobs, pl.Jobs...)
		}
	}
	slices.SortStableFunc(pipelines, func(a, b *Pipeline) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	slices.SortStableFunc(jobs, func(a, b *Job) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	// Ids of pipelines and jobs begin apart, and none is small: nobody is to
	// take one for the other, nor for an iid.
	for i, pl := range pipelines {
		pl.ID = 1_000_000 + int64(i)
		p := w.projects[pl.ProjectID]
		p.lastIID++
		pl.IID = p.lastIID
		for _, j := range pl.Jobs {
			j.PipelineID = pl.ID
		}
	}
	for i, j := range jobs {
		j.ID = 5_000_000_000 + int64(i)
	}
	for _, pl := range pipelines {
		slices.SortFunc(pl.Jobs, func(a, b *Job) int { return cmp.Compare(a.ID, b.ID) })
	}
	w.index()
	w.redeploy()
}
