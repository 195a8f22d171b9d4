package gitlabtest

import (
	"fmt"
	"strings"
	"time"
)

// oddCases are the pipelines that importers get wrong (gitlab-api §5.5). Each
// adds one to a project, from an ordinary one.
func (g *generator) oddCases() []func(*Project, PipelineSpec) {
	add := func(change func(*PipelineSpec)) func(*Project, PipelineSpec) {
		return func(p *Project, spec PipelineSpec) {
			change(&spec)
			g.w.AddPipeline(p, spec)
		}
	}
	jobs := func(list ...JobSpec) func(*Project, PipelineSpec) {
		return add(func(s *PipelineSpec) { s.Jobs = list })
	}
	build := JobSpec{Name: "build", Stage: "build", Wait: 1500 * time.Millisecond, Took: 31 * time.Second, Runner: g.runners[0]}
	with := func(js JobSpec, change func(*JobSpec)) JobSpec {
		change(&js)
		return js
	}
	cases := []func(*Project, PipelineSpec){
		// Retried builds: only the last attempt is in /jobs without include_retried.
		jobs(build, with(build, func(j *JobSpec) { j.Name, j.Stage, j.FailedFirst, j.RetryAfter = "flaky", "test", 2, 40*time.Second })),
		// A retry long after, whose id is above those of younger pipelines.
		jobs(with(build, func(j *JobSpec) { j.FailedFirst, j.RetryAfter = 1, 5*time.Hour })),
		// A retry that failed again.
		jobs(with(build, func(j *JobSpec) { j.FailedFirst, j.Status, j.RetryAfter = 1, "failed", time.Minute })),
		// Parallel and matrix names.
		jobs(with(build, func(j *JobSpec) { j.Name = "rspec 1/3" }), with(build, func(j *JobSpec) { j.Name = "rspec 2/3" }),
			with(build, func(j *JobSpec) { j.Name = "rspec 3/3" }), with(build, func(j *JobSpec) { j.Name, j.Stage = "deploy: [eu, 2]", "deploy" })),
		// Names that want quoting, and one that differs only by case.
		jobs(with(build, func(j *JobSpec) { j.Name = `a/b "c" <d> & 'e' \ ü 🦫` }), with(build, func(j *JobSpec) { j.Name = "Build" }), build),
		// Broken configuration: no jobs at all.
		add(func(s *PipelineSpec) {
			s.Jobs, s.YAMLErrors = nil, "jobs:test config contains unknown keys: scirpt\nand \"more\""
		}),
		// No jobs and no error: rules let nothing through.
		add(func(s *PipelineSpec) { s.Jobs, s.Status = nil, "skipped" }),
		// Canceled before anything started; the build was queued and never left the queue.
		jobs(with(build, func(j *JobSpec) { j.Status, j.NeverStarted = "canceled", true })),
		// Canceled while running.
		jobs(build, with(build, func(j *JobSpec) { j.Name, j.Stage, j.Status = "test", "test", "canceled" })),
		// Skipped after a failure.
		jobs(with(build, func(j *JobSpec) { j.Status = "failed" }), JobSpec{Name: "deploy", Stage: "deploy", Status: "skipped"}),
		// Stuck: failed without having started.
		jobs(with(build, func(j *JobSpec) {
			j.Status, j.FailureReason, j.Wait, j.Took = "failed", "stuck_or_timeout_failure", time.Hour, 0
			j.NeverStarted = true
		})),
		// Allowed to fail: success with warnings.
		jobs(build, with(build, func(j *JobSpec) { j.Name, j.Stage, j.Status, j.AllowFailure = "lint", "test", "failed", true })),
		// A manual job that nobody plays: the pipeline waits for ever.
		jobs(build, JobSpec{Name: "deploy to production", Stage: "deploy", Status: "manual", Manual: true}),
		// An optional manual job: the pipeline is done.
		jobs(build, JobSpec{Name: "review", Stage: "deploy", Status: "manual", Manual: true, AllowFailure: true}),
		// A delayed job.
		jobs(build, JobSpec{Name: "rollout 10%", Stage: "deploy", Status: "scheduled"}),
		// Nothing took any time, and nothing waited.
		jobs(with(build, func(j *JobSpec) { j.Wait, j.Took = 0, 0 })),
		// A build that no runner is known of any more.
		jobs(with(build, func(j *JobSpec) { j.Runner = nil })),
		// Coverage on two jobs: the pipeline has their mean.
		jobs(with(build, func(j *JobSpec) { j.Coverage = new(68.494) }), with(build, func(j *JobSpec) { j.Name, j.Coverage = "more", new(0.0) })),
		// Tag, with a slash in its name.
		add(func(s *PipelineSpec) { s.Ref, s.Tag = "release/v1.2.3-ä", true }),
		// The git object is gone.
		add(func(s *PipelineSpec) { s.CommitGone = true }),
		// A commit status of another system: in no jobs endpoint, updated_at null.
		add(func(s *PipelineSpec) {
			s.Source, s.NullUpdated = "external", true
			s.Jobs = []JobSpec{{Name: "jenkins", Kind: External, Stage: "external", Took: time.Minute}}
		}),
		// The same with an updated_at.
		add(func(s *PipelineSpec) {
			s.Source = "external"
			s.Jobs = []JobSpec{{Name: "jenkins", Kind: External, Stage: "external", Took: time.Minute, Status: "failed"}, build}
		}),
		// More jobs than fit on a page.
		add(func(s *PipelineSpec) {
			s.Jobs = nil
			for i := range 123 {
				s.Jobs = append(s.Jobs, with(build, func(j *JobSpec) {
					j.Name, j.FailedFirst, j.RetryAfter = fmt.Sprintf("part %d/123", i+1), i%50/49, time.Second
				}))
			}
		}),
		// A run of identical commits: re-run by hand.
		add(func(s *PipelineSpec) { s.SHA, s.Source = strings.Repeat("ab", 20), "web" }),
		g.children,
		g.downstream,
		// A bridge that started nothing.
		jobs(build, JobSpec{Name: "trigger", Kind: Bridge, Stage: "deploy", Status: "failed", FailureReason: "downstream_bridge_project_not_found"}),
	}
	for i, kind := range []string{"head", "merge", "train"} {
		cases = append(cases, add(func(s *PipelineSpec) {
			s.Ref, s.Source, s.SourceBranch = fmt.Sprintf("refs/merge-requests/%d/%s", 17+i, kind), "merge_request_event", "feature/login"
		}))
	}
	if !g.size.KnownWords {
		cases = append(cases,
			jobs(build, with(build, func(j *JobSpec) { j.Name, j.Stage, j.Status = "odd", "test", StrangeStatus })),
			add(func(s *PipelineSpec) { s.Status = StrangeStatus }),
			add(func(s *PipelineSpec) { s.Source = StrangeSource }),
			jobs(with(build, func(j *JobSpec) { j.Status, j.FailureReason = "failed", StrangeReason })),
		)
	}
	return cases
}

// children makes a pipeline whose bridges start a child and, below it, a
// grandchild. GitLab's lists leave both out unless asked for.
func (g *generator) children(p *Project, spec PipelineSpec) {
	child := func(parent *Pipeline, bridge *Job, last bool) *Pipeline {
		s := PipelineSpec{
			At: bridge.StartedAt.Add(300 * time.Millisecond), Source: "parent_pipeline", Ref: parent.Ref, SHA: parent.SHA, User: parent.User, Parent: parent,
			Jobs: []JobSpec{{Name: "child build", Stage: "build", Wait: 3 * time.Second, Took: 44 * time.Second, Runner: g.runners[1]}},
		}
		if !last {
			s.Jobs = append(s.Jobs, JobSpec{Name: "grandchild", Kind: Bridge, Stage: "deploy", Took: 2 * time.Second})
		}
		pl := g.w.AddPipeline(p, s)
		g.w.Link(bridge, parent, pl)
		return pl
	}
	spec.Source, spec.Ref = "push", "main"
	spec.Jobs = []JobSpec{
		{Name: "prepare", Stage: "build", Wait: time.Second, Took: 9 * time.Second, Runner: g.runners[0]},
		{Name: "child", Kind: Bridge, Stage: "test", Took: time.Minute},
		{Name: "second child", Kind: Bridge, Stage: "test", Took: time.Minute},
	}
	parent := g.w.AddPipeline(p, spec)
	first := child(parent, parent.Job("child"), false)
	child(first, first.Job("grandchild"), true)
	child(parent, parent.Job("second child"), true)
}

// downstream makes a pipeline that starts one in another project.
func (g *generator) downstream(p *Project, spec PipelineSpec) {
	spec.Jobs = []JobSpec{
		{Name: "package", Stage: "build", Wait: time.Second, Took: 12 * time.Second, Runner: g.runners[0]},
		{Name: "deploy elsewhere", Kind: Bridge, Stage: "deploy", Took: 90 * time.Second},
	}
	upstream := g.w.AddPipeline(p, spec)
	bridge := upstream.Job("deploy elsewhere")
	into := g.w.Projects[(int(p.ID)+int(upstream.ID))%len(g.w.Projects)]
	if into == p || into.Path == "empty" || into.BuildsAccess == "disabled" || into.Forbidden {
		into = g.w.Projects[1%len(g.w.Projects)]
	}
	if into == p {
		into = g.w.Projects[0]
	}
	pl := g.w.AddPipeline(into, PipelineSpec{
		At: bridge.StartedAt.Add(time.Second), Source: "pipeline", Ref: "main", User: upstream.User, Parent: upstream,
		Jobs: []JobSpec{{Name: "deploy", Stage: "deploy", Wait: 2 * time.Second, Took: time.Minute, Runner: g.runners[2]}},
	})
	g.w.Link(bridge, upstream, pl)
}
