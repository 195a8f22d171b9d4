package gitlabtest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
)

func TestDeploymentsFollowTheirJobs(t *testing.T) {
	w := gitlabtest.NewWorld()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	w.SetNow(now)
	p := w.AddProject("acme/shop")
	s := gitlabtest.NewServer(w)
	listed := func(query string) []string {
		t.Helper()
		var list []struct {
			Status      string
			UpdatedAt   time.Time `json:"updated_at"`
			Environment struct{ Name string }
			Deployable  *struct{ Name, Status string }
		}
		r := get(t, s, path("projects/%d/deployments?%s", p.ID, query))
		if err := json.Unmarshal([]byte(r.body), &list); err != nil || r.status != http.StatusOK {
			t.Fatalf("%d: %v in %s", r.status, err, r.body)
		}
		var out []string
		for _, d := range list {
			by := "nothing"
			if d.Deployable != nil {
				by = d.Deployable.Name + " " + d.Deployable.Status
			}
			out = append(out, fmt.Sprintf("%s %s by %s after %v", d.Environment.Name, d.Status, by, d.UpdatedAt.Sub(now)))
		}
		return out
	}
	expect := func(what string, got []string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	expect("no deployments", listed(""))
	pl := w.StartPipeline(p, gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{
		{Name: "build", Stage: "build"}, {Name: "ship", Stage: "deploy", Environment: "production"},
	}})
	expect("before its stage", listed(""), "production created by ship created after 0s")
	w.Advance(time.Minute)
	step(t, w.StartJob(pl, pl.Job("build"), nil), w.FinishJob(pl, pl.Job("build"), "success"), w.StartJob(pl, pl.Job("ship"), nil))
	expect("running", listed(""), "production running by ship running after 1m0s")
	w.Advance(time.Minute)
	w.HoldDeployments(true)
	step(t, w.FinishJob(pl, pl.Job("ship"), "failed"))
	expect("behind its job", listed(""), "production running by ship failed after 1m0s")
	w.Advance(time.Minute)
	w.HoldDeployments(false)
	expect("caught up", listed(""), "production failed by ship failed after 3m0s")
	w.Advance(time.Minute)
	if _, err := w.RetryJob(pl, pl.Job("ship"), nil); err != nil {
		t.Fatal(err)
	}
	byHand := w.Deploy(p, "eu", "abc", "running")
	expect("a retry and one by hand, latest first", listed("order_by=updated_at&sort=desc&updated_after=2026-03-01T12:04:00Z"),
		"eu running by nothing after 4m0s", "production created by ship pending after 4m0s")
	w.Advance(time.Minute)
	w.SetDeployment(byHand, "success")
	step(t, w.FinishPipeline(pl, "success"), w.DeletePipeline(pl))
	expect("its pipeline deleted", listed("order_by=updated_at&updated_after=2026-03-01T12:05:00Z&sort=asc"),
		"production success by nothing after 5m0s", "eu success by nothing after 5m0s")
	if r := get(t, s, path("projects/%d/deployments?updated_after=2026-03-01T12:05:00Z", p.ID)); r.status != http.StatusBadRequest {
		t.Errorf("a filter without its order: %d", r.status)
	}
	var environments []struct{ Name, Tier string }
	if err := json.Unmarshal([]byte(get(t, s, path("projects/%d/environments", p.ID)).body), &environments); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]struct{ Name, Tier string }{{"production", "production"}, {"eu", "other"}}, environments); diff != "" {
		t.Errorf("environments (-want +got):\n%s", diff)
	}
	w.Edit(func() { p.DeploymentsForbidden = true })
	for _, below := range []string{"deployments", "environments", "environments/1"} {
		if r := get(t, s, path("projects/%d/%s", p.ID, below)); r.status != http.StatusForbidden {
			t.Errorf("forbidden %s: %d", below, r.status)
		}
	}
}

func step(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A generated world's deployments are as if they had come about one by one.
func TestGeneratedDeployments(t *testing.T) {
	w := gitlabtest.Generate(3, gitlabtest.Size{Environments: true})
	statuses := map[string]int{}
	var last int64
	for _, p := range w.Projects {
		for i, d := range p.Deployments {
			statuses[d.Status]++
			if d.IID != int64(i+1) || d.UpdatedAt.Before(d.CreatedAt) || d.Job == nil || d.Job.Environment != d.Environment.Name || d.ID == last {
				t.Errorf("%s: deployment %+v", p.FullPath, d)
			}
			last = d.ID
		}
	}
	if statuses["success"] < 20 || statuses["failed"] == 0 || statuses["skipped"] == 0 {
		t.Errorf("deployments by status: %v", statuses)
	}
	if n := len(gitlabtest.Generate(3, gitlabtest.Size{}).Projects[0].Deployments); n != 0 {
		t.Errorf("%d deployments in a world without environments", n)
	}
}
