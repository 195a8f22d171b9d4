package importer_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
)

// A deployment shows with its event, named by the job that made it; the next
// poll says the rest.
func TestDeploymentEventsShowAtOnce(t *testing.T) {
	for engine, open := range engines {
		t.Run(engine, func(t *testing.T) {
			w := deploying(1, 2)
			w.SetNow(time.Now().Truncate(time.Second))
			h := newHarness(t, open(t), w)
			events := h.server.Hooks(base)
			h.sync(t, importer.Options{})
			h.server.Advance(time.Minute)
			pl := w.StartPipeline(w.Projects[0], gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "ship", Environment: "production"}}})
			deployments := w.Projects[0].Deployments
			id := fmt.Sprint(deployments[len(deployments)-1].ID)
			shown := func() map[string]string {
				t.Helper()
				h.server.ResetRequests()
				h.hear(t, events.Take())
				if h.requests() != 0 {
					t.Errorf("events cost %d requests", h.requests())
				}
				return stored(t.Context(), t, h.store)["deployments"][id]
			}
			if row := shown(); row["status"] != "created" || row["pipeline_id"] != fmt.Sprint(pl.ID) || row["job_id"] != fmt.Sprint(pl.Jobs[0].ID) ||
				row["environment"] != "production" || row["tier"] != "production" || row["success"] != "NULL" || row["sha"] != pl.SHA || row["iid"] != "NULL" {
				t.Errorf("with its first event: %v", row)
			}
			h.server.Advance(time.Minute)
			ok(t, w.FinishPipeline(pl, "failed"))
			if row := shown(); row["status"] != "failed" || row["success"] != "false" || row["deployed_at"] == "NULL" || row["updated_at"] != "NULL" {
				t.Errorf("with its last event: %v", row)
			}
			h.server.Advance(time.Minute)
			h.sync(t, importer.Options{})
			h.compareButForManual(t)
		})
	}
}

// An event that is ahead of its job's waits for it; one of a deployment that
// the API made has no job to wait for.
func TestDeploymentEventsWaitForTheirJob(t *testing.T) {
	w := deploying(1, 2)
	w.SetNow(time.Now().Truncate(time.Second))
	h := newHarness(t, openDuckDB(t), w)
	events := h.server.Hooks(base)
	h.sync(t, importer.Options{})
	h.server.Advance(time.Minute)
	w.StartPipeline(w.Projects[0], gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "ship", Environment: "production"}}})
	w.Deploy(w.Projects[0], "moon", "abc", "success")
	var ahead, others []gitlabtest.Delivery
	for _, d := range events.Take() {
		if d.Event == "Deployment Hook" {
			ahead = append(ahead, d)
		} else {
			others = append(others, d)
		}
	}
	heard := func(list []gitlabtest.Delivery) string {
		t.Helper()
		outcomes, err := h.importer.ApplyHooks(t.Context(), h.source.Instance.ID, h.events(t, list))
		if err != nil {
			t.Fatal(err)
		}
		var said string
		for _, o := range outcomes {
			said += fmt.Sprintf("waiting %v, error %v; ", o.Waiting, o.Err)
		}
		return said
	}
	if got, want := heard(ahead), "waiting true, error <nil>; waiting false, error <nil>; "; got != want {
		t.Errorf("before the job: %s, want %s", got, want)
	}
	if got, want := heard(append(others, ahead[0])), "waiting false, error <nil>; waiting false, error <nil>; waiting false, error <nil>; "; got != want {
		t.Errorf("job, pipeline, deployment in one turn: %s, want %s", got, want)
	}
	if n := len(stored(t.Context(), t, h.store)["deployments"]); n != 4 {
		t.Errorf("%d deployments, want 4", n)
	}
}

// A project that was renamed, moved or destroyed is so at once: events that
// name its new path need not wait for a poll.
func TestProjectEvents(t *testing.T) {
	w := smallWorld()
	w.SetNow(time.Now().Truncate(time.Second))
	h := newHarness(t, openDuckDB(t), w)
	events := h.server.Hooks(base)
	events.Projects = true
	events.Take()
	h.sync(t, importer.Options{})
	p := w.Projects[0]
	row := func() map[string]string { return stored(t.Context(), t, h.store)["projects"][fmt.Sprint(p.ID)] }
	h.server.Advance(time.Minute)
	was := p.FullPath
	ok(t, w.MoveProject(p, "acme/renamed"))
	pl := w.StartPipeline(p, gitlabtest.PipelineSpec{})
	renamed := events.Take()
	h.hear(t, renamed)
	if got := row(); got["full_path"] != "acme/renamed" || got["web_url"] != base+"/acme/renamed" || got["group_id"] == "NULL" {
		t.Errorf("renamed from %s: %v", was, got)
	}
	got := stored(t.Context(), t, h.store)["pipelines"]
	if got[fmt.Sprint(pl.ID)] == nil || got[fmt.Sprint(p.Pipelines[0].ID)]["web_url"] != fmt.Sprintf("%s/acme/renamed/-/pipelines/%d", base, p.Pipelines[0].ID) {
		t.Errorf("its pipelines: the new one %v, an old one %v", got[fmt.Sprint(pl.ID)], got[fmt.Sprint(p.Pipelines[0].ID)])
	}
	h.server.Advance(time.Minute)
	ok(t, w.MoveProject(p, "elsewhere/renamed"))
	h.hear(t, events.Take())
	if got := row(); got["full_path"] != "elsewhere/renamed" || got["group_id"] != "NULL" {
		t.Errorf("transferred: %v", got)
	}
	h.hear(t, renamed) // late and out of order: that was another time
	if got := row(); got["full_path"] != "elsewhere/renamed" {
		t.Errorf("an old event moved it to %s", got["full_path"])
	}
	h.server.Advance(time.Minute)
	h.sync(t, importer.Options{})
	h.compareButForManual(t)
	w.DeleteProject(p)
	h.hear(t, events.Take())
	if row() != nil || stored(t.Context(), t, h.store)["pipelines"][fmt.Sprint(pl.ID)] != nil {
		t.Error("destroyed, and it still looks alive")
	}
	h.server.Advance(time.Minute)
	h.sync(t, importer.Options{})
	h.compareButForManual(t)
}
