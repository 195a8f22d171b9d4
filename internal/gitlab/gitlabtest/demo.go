package gitlabtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Demo is a believable organisation of four teams and a dozen projects with
// sixty days of pipelines up to now, some 2,500, and stories in it that a
// report should find: World.Stories names them. The same now and seed give the
// same world. Its clock starts at now and runs.
func Demo(now time.Time, seed uint64) *World {
	const days = 60
	now = now.UTC()
	today := now.Truncate(24 * time.Hour)
	d := &demo{Rand: rand.New(rand.NewPCG(seed, 1)), w: NewWorld(), now: now, today: today}
	d.w.SetNow(now.AddDate(-2, 0, 0))
	d.w.Stories = Stories{
		SlowProject:     "northwind/storefront/web",
		FlakyProject:    "northwind/payments/ledger",
		FlakyJob:        "integration",
		JumpProject:     "northwind/platform/gateway",
		JumpJob:         "unit",
		JumpAt:          today.AddDate(0, 0, -21),
		JumpFactor:      2.5,
		BrokenProject:   "northwind/data/etl",
		BrokenFrom:      today.AddDate(0, 0, -14).Add(8 * time.Hour),
		BrokenUntil:     today.AddDate(0, 0, -8).Add(15 * time.Hour),
		SaturatedRunner: "gpu-runner-1", CostlyProject: "northwind/data/models",
		UnmappedProject: "northwind/sandbox/untitled-3", ForbiddenProject: "northwind/payments/vault",
		DisabledProject: "northwind/platform/handbook",
	}
	d.staff()
	for _, p := range d.projects() {
		d.history(p, days)
	}
	d.w.CutAt(now)
	d.w.renumber()
	started := time.Now()
	d.w.Edit(func() { d.w.now = func() time.Time { return now.Add(time.Since(started)) } })
	return d.w
}

type demo struct {
	*rand.Rand
	w          *World
	now, today time.Time
	people     []*User
	renovate   *User
	linux      []*Runner
	gpu        *Runner
	gpuFree    time.Time // when it has done what was given to it: it takes one job at a time
}

// demoProject is how one project of the demo lives.
type demoProject struct {
	path   string
	perDay float64 // pipelines on a working day
	topics []string
	jobs   []demoJob
	child  bool // builds in a child pipeline
}

// demoJob is one job of it, with its usual numbers.
type demoJob struct {
	name, stage string
	took        time.Duration
	fails       float64 // share
	gpu         bool
	mainOnly    bool
	manual      bool
	allowed     bool // allow_failure
	coverage    float64
	environment string // where GitLab records it as a deployment; "": only a rule could tell
}

func (d *demo) staff() {
	for _, name := range []string{"amara.osei", "ben.fischer", "chiara.russo", "dmitri.volkov", "elif.demir", "farid.rahimi", "greta.lund", "hana.sato"} {
		u := d.w.AddUser(name)
		first, last, _ := strings.Cut(name, ".")
		u.Name = strings.ToUpper(first[:1]) + first[1:] + " " + strings.ToUpper(last[:1]) + last[1:]
		d.people = append(d.people, u)
	}
	d.renovate = d.w.AddUser("renovate-bot")
	d.renovate.Name, d.renovate.Bot = "Renovate Bot", true
	for i := range 4 {
		d.linux = append(d.linux, d.w.AddRunner(fmt.Sprintf("linux-runner-%d", i+1), "docker", "linux"))
	}
	d.gpu = d.w.AddRunner(d.w.Stories.SaturatedRunner, "gpu")
}

func (d *demo) projects() []demoProject {
	minutes := func(m float64) time.Duration { return time.Duration(m * float64(time.Minute)) }
	build := demoJob{name: "build", stage: "build", took: minutes(1.8), fails: 0.02}
	lint := demoJob{name: "lint", stage: "test", took: minutes(0.7), fails: 0.03}
	unit := demoJob{name: "unit", stage: "test", took: minutes(3), fails: 0.04, coverage: 78}
	deploy := demoJob{name: "deploy production", stage: "deploy", took: minutes(2.2), fails: 0.02, mainOnly: true}
	staging := demoJob{name: "deploy staging", stage: "staging", took: minutes(1.5), fails: 0.02, mainOnly: true}
	// Some teams tell GitLab what they deploy, others have the job alone.
	recorded := func(job demoJob, environment string) demoJob {
		job.environment = environment
		return job
	}
	audit := demoJob{name: "audit", stage: "test", took: minutes(0.9), fails: 0.15, allowed: true}
	list := []demoProject{
		{path: "northwind/payments/ledger", perDay: 6, topics: []string{"go", "tier-1"}, jobs: []demoJob{build, lint, unit, {name: "integration", stage: "test", took: minutes(6)}, recorded(staging, "staging"), recorded(deploy, "production")}},
		{path: "northwind/payments/checkout-api", perDay: 7, topics: []string{"go", "tier-1"}, jobs: []demoJob{build, lint, unit, audit, recorded(staging, "eu/staging"), recorded(deploy, "eu/production")}},
		{path: "northwind/payments/vault", perDay: 2, jobs: []demoJob{build, unit}},
		{path: "northwind/storefront/web", perDay: 7, topics: []string{"typescript"}, jobs: []demoJob{
			build, lint, unit,
			{name: "e2e 1/3", stage: "e2e", took: minutes(21), fails: 0.04},
			{name: "e2e 2/3", stage: "e2e", took: minutes(26), fails: 0.04},
			{name: "e2e 3/3", stage: "e2e", took: minutes(23), fails: 0.04},
			{name: "deploy production", stage: "deploy", took: minutes(3), mainOnly: true, manual: true, environment: "production"},
		}},
		{path: "northwind/storefront/mobile", perDay: 4, topics: []string{"kotlin"}, jobs: []demoJob{
			{name: "build: [android, release]", stage: "build", took: minutes(9), fails: 0.03}, {name: "build: [ios, release]", stage: "build", took: minutes(11), fails: 0.05}, unit,
		}},
		{path: "northwind/storefront/search", perDay: 4, topics: []string{"rust"}, jobs: []demoJob{build, unit, audit, deploy}},
		{path: "northwind/platform/gateway", perDay: 6, topics: []string{"go", "tier-1"}, jobs: []demoJob{build, lint, unit, staging, deploy}},
		{path: "northwind/platform/infrastructure", perDay: 4, topics: []string{"terraform"}, child: true, jobs: []demoJob{
			{name: "plan", stage: "plan", took: minutes(2.5), fails: 0.05}, {name: "apply", stage: "apply", took: minutes(4), mainOnly: true, manual: true},
		}},
		{path: "northwind/platform/handbook", perDay: 0},
		{path: "northwind/data/etl", perDay: 5, topics: []string{"python"}, jobs: []demoJob{build, lint, unit, deploy}},
		{path: "northwind/data/models", perDay: 0.5, topics: []string{"python", "gpu"}, jobs: []demoJob{
			lint,
			{name: "train 1/2", stage: "train", took: minutes(70), fails: 0.05, gpu: true},
			{name: "train 2/2", stage: "train", took: minutes(80), fails: 0.05, gpu: true},
			{name: "evaluate", stage: "evaluate", took: minutes(14), gpu: true, coverage: 61},
		}},
		{path: "northwind/sandbox/untitled-3", perDay: 1.5, jobs: []demoJob{{name: "job1", stage: "test", took: minutes(1.2), fails: 0.1}}},
		{path: "northwind/platform/legacy-portal", perDay: 0.3, jobs: []demoJob{build, unit}},
	}
	for _, dp := range list {
		p := d.w.AddProject(dp.path)
		if dp.topics != nil {
			p.Topics = dp.topics
		}
		p.Forbidden = dp.path == d.w.Stories.ForbiddenProject
		if dp.path == d.w.Stories.DisabledProject {
			p.BuildsAccess = "disabled"
		}
		p.Archived = strings.HasSuffix(dp.path, "legacy-portal")
		p.LastActivityAt, p.UpdatedAt = d.now, d.now
	}
	return list
}

// history makes a project's pipelines, working day by working day.
func (d *demo) history(dp demoProject, days int) {
	p := d.w.Project(dp.path)
	mr := int64(100)
	for day := range days + 1 {
		midnight := d.today.AddDate(0, 0, day-days)
		n := dp.perDay
		if wd := midnight.Weekday(); wd == time.Saturday || wd == time.Sunday {
			n *= 0.12
		}
		count := int(n)
		if d.Float64() < n-float64(count) {
			count++
		}
		var specs []PipelineSpec
		for range count {
			at := midnight.Add(time.Duration((7 + 5.5*(d.Float64()+d.Float64())) * float64(time.Hour))).Truncate(time.Microsecond)
			spec := PipelineSpec{At: at, User: d.people[d.IntN(len(d.people))], CommitLag: d.around(4 * time.Minute), Wait: d.around(time.Second)}
			if d.IntN(9) == 0 {
				spec.User = d.renovate
			}
			switch k := d.IntN(10); {
			case k < 5:
				mr++
				spec.Ref, spec.Source = fmt.Sprintf("refs/merge-requests/%d/head", mr), "merge_request_event"
				spec.SourceBranch = fmt.Sprintf("change-%d", mr)
			case k == 5 && day%7 == 0:
				spec.Ref, spec.Tag = fmt.Sprintf("v1.%d.%d", day, mr), true
			}
			specs = append(specs, spec)
		}
		for hour, name := range map[int]string{2: "Nightly", 20: "Evening"} {
			if dp.path == d.w.Stories.CostlyProject || dp.path == d.w.Stories.BrokenProject && hour == 2 {
				at := midnight.Add(time.Duration(hour)*time.Hour + time.Second)
				specs = append(specs, PipelineSpec{At: at, Source: "schedule", Name: &name, User: d.people[0], CommitLag: 9 * time.Hour})
			}
		}
		// In order of time, so that each finds the runner as the ones before left it.
		slices.SortStableFunc(specs, func(a, b PipelineSpec) int { return a.At.Compare(b.At) })
		for _, spec := range specs {
			d.run(p, dp, spec)
		}
	}
}

// run makes one pipeline of a project, with the stories told.
func (d *demo) run(p *Project, dp demoProject, spec PipelineSpec) {
	onMain := spec.Ref == "" && !spec.Tag
	story := &d.w.Stories
	broken := dp.path == story.BrokenProject && onMain && !spec.At.Before(story.BrokenFrom) && spec.At.Before(story.BrokenUntil)
	failedStage := ""
	stage, ready := "", spec.At.Add(spec.Wait) // as the builder counts: a stage is ready when the one before has ended
	ends := ready
	for _, dj := range dp.jobs {
		if dj.mainOnly && !onMain {
			continue
		}
		js := JobSpec{Name: dj.name, Stage: dj.stage, AllowFailure: dj.allowed, Environment: dj.environment, Took: d.around(dj.took), Wait: d.around(6 * time.Second), Runner: d.linux[d.IntN(len(d.linux))], Tags: []string{"linux"}}
		if dj.stage != stage {
			stage, ready = dj.stage, ends
		}
		if dj.coverage > 0 {
			js.Coverage = new(float64(int((dj.coverage+d.Float64()*4)*100)) / 100)
		}
		if dj.stage == "build" {
			js.ArtifactBytes = 4_000_000 + d.Int64N(9_000_000)
		}
		if dp.path == story.JumpProject && dj.name == story.JumpJob && !spec.At.Before(story.JumpAt) {
			js.Took = time.Duration(float64(js.Took) * story.JumpFactor).Truncate(time.Microsecond)
		}
		if dp.path == story.FlakyProject && dj.name == story.FlakyJob && d.Float64() < 0.18 {
			js.FailedFirst, js.RetryAfter = 1+d.IntN(2), d.around(7*time.Minute)
		}
		fails := dj.fails
		switch {
		case broken && dj.name == "unit":
			fails = 1
		case onMain && dp.perDay < 2:
			fails = 0 // nobody would push again for days, and its main would be the one that is broken
		}
		switch {
		case failedStage != "" && failedStage != dj.stage:
			js.Status = "skipped"
		case dj.manual && d.IntN(3) > 0:
			js.Status, js.Manual, js.AllowFailure = "manual", true, true
		case d.Float64() < fails:
			js.Status = "failed"
			if !dj.allowed {
				failedStage = dj.stage
			}
			if !broken && d.IntN(5) == 0 {
				js.FailureReason = []string{"runner_system_failure", "job_execution_timeout", "stuck_or_timeout_failure"}[d.IntN(3)]
			}
		}
		if dj.gpu && js.Status != "skipped" {
			js.Runner, js.Tags = d.gpu, []string{"gpu"}
			if wait := d.gpuFree.Sub(ready); wait > 0 {
				js.Wait += wait
			}
			d.gpuFree = ready.Add(js.Wait + js.Took)
		}
		if js.Status != "skipped" && ready.Add(js.Wait+js.Took).After(ends) {
			ends = ready.Add(js.Wait + js.Took)
		}
		js.Manual = js.Manual || dj.manual
		spec.Jobs = append(spec.Jobs, js)
	}
	if dp.child {
		spec.Jobs = append([]JobSpec{{Name: "generate", Stage: "generate", Took: d.around(20 * time.Second), Wait: d.around(3 * time.Second), Runner: d.linux[0]}, {Name: "modules", Kind: Bridge, Stage: "modules", Took: d.around(2 * time.Minute)}}, spec.Jobs...)
	}
	pl := d.w.AddPipeline(p, spec)
	if bridge := pl.Job("modules"); bridge != nil {
		child := d.w.AddPipeline(p, PipelineSpec{
			At: bridge.StartedAt.Add(400 * time.Millisecond), Source: "parent_pipeline", Ref: pl.Ref, SHA: pl.SHA, User: pl.User, Parent: pl,
			Jobs: []JobSpec{{Name: "validate", Took: d.around(50 * time.Second), Wait: d.around(4 * time.Second), Runner: d.linux[1]}, {Name: "policy", Took: d.around(70 * time.Second), Wait: d.around(4 * time.Second), Runner: d.linux[2]}},
		})
		d.w.Link(bridge, pl, child)
	}
}

// around is a span that scatters about its usual value as real jobs do: most
// are a little shorter, a few much longer.
func (d *demo) around(usual time.Duration) time.Duration {
	factor := 0.75 + 0.35*d.Float64() + 0.2*d.ExpFloat64()
	return time.Duration(min(factor, 3) * float64(usual)).Truncate(time.Microsecond)
}
