package gitlabtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// Step makes one random move that could happen in a GitLab, and says which. It
// does not touch the clock: a test that wants time to pass advances it. The
// same world and the same random numbers give the same move.
func (w *World) Step(r *rand.Rand) string {
	w.stepping.Lock()
	defer w.stepping.Unlock()
	var projects []*Project
	w.View(func() { projects = slices.Clone(w.Projects) })
	if len(projects) == 0 {
		return "nothing: " + w.AddProject("stepped/first").FullPath
	}
	p := projects[r.IntN(len(projects))]
	var pl *Pipeline
	var j *Job
	w.View(func() {
		if len(p.Pipelines) == 0 {
			return
		}
		pl = p.Pipelines[r.IntN(len(p.Pipelines))]
		if len(pl.Jobs) > 0 {
			j = pl.Jobs[r.IntN(len(pl.Jobs))]
		}
	})
	kind := r.IntN(100)
	switch {
	case pl == nil || kind < 20:
		spec := stepSpec(r)
		w.View(func() {
			if len(p.Environments) > 0 { // one that deploys goes on doing so
				spec.Jobs[len(spec.Jobs)-1].Environment = p.Environments[0].Name
			}
		})
		started := w.StartPipeline(p, spec)
		return fmt.Sprintf("start pipeline %d of %s", started.ID, p.FullPath)
	case kind < 75 && j != nil:
		return w.stepJob(r, pl, j)
	case kind < 85:
		status := []string{"success", "success", "failed"}[r.IntN(3)]
		return outcome(fmt.Sprintf("finish pipeline %d as %s", pl.ID, status), w.FinishPipeline(pl, status))
	case kind < 88:
		return outcome(fmt.Sprintf("cancel pipeline %d", pl.ID), w.CancelPipeline(pl))
	case kind < 91:
		return outcome(fmt.Sprintf("delete pipeline %d", pl.ID), w.DeletePipeline(pl))
	case kind < 93:
		to := p.namespacePath() + fmt.Sprintf("/moved-%d", r.IntN(1000))
		if p.Group == nil {
			return "nothing: a personal project"
		}
		return outcome("move "+p.FullPath+" to "+to, w.MoveProject(p, to))
	case kind < 95:
		return "add project " + w.AddProject(fmt.Sprintf("stepped/project-%d", r.IntN(1_000_000))).FullPath
	case kind < 96:
		w.ArchiveProject(p, true)
		return "archive " + p.FullPath
	case kind < 97:
		access := []string{"enabled", "disabled", "enabled"}[r.IntN(3)]
		w.SetBuildsAccess(p, access)
		return "set builds of " + p.FullPath + " to " + access
	case kind < 98 && len(projects) > 2:
		w.DeleteProject(p)
		return "delete " + p.FullPath
	}
	return "nothing"
}

// stepJob moves one job on from where it stands.
func (w *World) stepJob(r *rand.Rand, pl *Pipeline, j *Job) string {
	var status string
	w.View(func() { status = j.Status })
	what := fmt.Sprintf("job %d (%s) of pipeline %d", j.ID, status, pl.ID)
	switch status {
	case "pending":
		return outcome("start "+what, w.StartJob(pl, j, nil))
	case "running":
		return outcome("finish "+what, w.FinishJob(pl, j, []string{"success", "success", "failed"}[r.IntN(3)]))
	case "manual", "scheduled":
		return outcome("play "+what, w.PlayJob(pl, j, nil))
	case "success", "failed", "canceled":
		if r.IntN(3) == 0 {
			return outcome("erase "+what, w.EraseJob(pl, j))
		}
		_, err := w.RetryJob(pl, j, nil)
		return outcome("retry "+what, err)
	}
	return "nothing: " + what
}

func outcome(what string, err error) string {
	if err != nil {
		return "nothing: " + what + ": " + err.Error()
	}
	return what
}

func stepSpec(r *rand.Rand) PipelineSpec {
	spec := PipelineSpec{Ref: []string{"main", "main", "feature/ä"}[r.IntN(3)]}
	for i := range 1 + r.IntN(4) {
		js := JobSpec{Name: fmt.Sprintf("job-%d", i), Stage: []string{"build", "test", "deploy"}[min(i, 2)], AllowFailure: r.IntN(8) == 0}
		if r.IntN(8) == 0 {
			js.Status = "manual"
		}
		spec.Jobs = append(spec.Jobs, js)
	}
	return spec
}
