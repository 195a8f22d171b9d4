package gitlabtest

import (
	"fmt"
	"time"
)

// Uniform is a large and plain world for benchmarks: every project has the same
// number of pipelines, every pipeline the same number of successful builds,
// five minutes apart and ending now.
func Uniform(projects, pipelines, jobs int) *World {
	w := NewWorld()
	runner := w.AddRunner("shared-1", "docker")
	until := w.Now().Truncate(time.Minute)
	specs := make([]JobSpec, jobs)
	for i := range specs {
		specs[i] = JobSpec{
			Name: fmt.Sprintf("job-%d", i), Stage: []string{"build", "test", "deploy"}[i*3/max(jobs, 1)],
			Wait: time.Duration(i%7+1) * 300 * time.Millisecond, Took: time.Duration(20+i*13%60) * time.Second, Runner: runner,
		}
	}
	for n := range projects {
		w.AddProject(fmt.Sprintf("load/project-%03d", n))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.Projects { // one project after the other: ids need no order across projects here
		p.Pipelines = make([]*Pipeline, 0, pipelines)
		for i := range pipelines {
			spec := PipelineSpec{At: until.Add(-time.Duration(pipelines-i) * 5 * time.Minute), Jobs: specs}
			pl := w.newPipeline(p, spec)
			pl.Jobs = layOut(pl, spec)
			for _, j := range pl.Jobs {
				j.ID = w.nextID("job")
			}
			settle(pl, spec)
			p.Pipelines = append(p.Pipelines, pl)
		}
		p.builds = nil
	}
	return w
}
