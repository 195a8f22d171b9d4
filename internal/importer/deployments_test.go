package importer_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
	"github.com/weirhq/weir/internal/store"
)

// deploying is a world of projects of which the first deploys.
func deploying(projects, pipelines int) *gitlabtest.World {
	w := gitlabtest.NewWorld()
	w.SetNow(today.Add(-20 * 24 * time.Hour))
	for i := range projects {
		p := w.AddProject(fmt.Sprintf("acme/p%d", i))
		for range pipelines {
			w.Advance(time.Minute)
			job := gitlabtest.JobSpec{Name: "ship", Stage: "deploy", Took: 20 * time.Second}
			if i == 0 {
				job.Environment = "production"
			}
			w.AddPipeline(p, gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "build", Took: time.Second}, job}})
		}
	}
	w.SetNow(today)
	return w
}

// asked counts what was asked for deployments, and forgets it.
func (h *harness) asked() string {
	n := h.server.RequestCount()
	h.server.ResetRequests()
	return fmt.Sprintf("%d lists, %d environments, %d GraphQL", n["GET /projects/:id/deployments"],
		n["GET /projects/:id/environments"]+n["GET /projects/:id/environments/:id"], n["POST /graphql"])
}

func (h *harness) expectAsked(t *testing.T, what, want string) {
	t.Helper()
	if got := h.asked(); got != want {
		t.Errorf("%s: asked %s, want %s", what, got, want)
	}
	h.compare(t)
}

// A project without environments is asked for them with ninety-nine others, and
// only where pipelines came; an idle round asks for nothing.
func TestDeploymentsCostLittle(t *testing.T) {
	w := deploying(5, 3)
	h := newHarness(t, openDuckDB(t), w)
	h.sync(t, importer.Options{Plan: importer.PlanDocumented})
	h.expectAsked(t, "the first sync", "1 lists, 1 environments, 1 GraphQL")
	h.sync(t, importer.Options{Plan: importer.PlanDocumented})
	h.expectAsked(t, "an idle one", "0 lists, 0 environments, 0 GraphQL")
	start := func(i int, environment string) (*gitlabtest.Pipeline, *gitlabtest.Project) {
		p := w.Projects[i]
		return w.StartPipeline(p, gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "ship", Stage: "deploy", Environment: environment}}}), p
	}
	h.server.Advance(time.Hour)
	pl, _ := start(0, "production")
	h.sync(t, importer.Options{Plan: importer.PlanDocumented})
	h.expectAsked(t, "a deployment has begun", "1 lists, 0 environments, 0 GraphQL")
	h.server.Advance(time.Minute)
	ok(t, w.FinishPipeline(pl, "failed"))
	h.sync(t, importer.Options{Plan: importer.PlanDocumented})
	h.expectAsked(t, "it has failed", "1 lists, 0 environments, 0 GraphQL")
	h.server.Advance(time.Minute)
	for i := 1; i < 5; i++ {
		pl, _ := start(i, "")
		ok(t, w.FinishPipeline(pl, "success"))
	}
	h.sync(t, importer.Options{Plan: importer.PlanDocumented})
	h.expectAsked(t, "four others ran, and deployed nothing", "0 lists, 0 environments, 1 GraphQL")
	h.server.Advance(time.Minute)
	for i := 1; i < 3; i++ {
		pl, _ := start(i, []string{"review/a", "review/b"}[i-1])
		ok(t, w.FinishPipeline(pl, "success"))
	}
	h.sync(t, importer.Options{Plan: importer.PlanDocumented})
	h.expectAsked(t, "two others deploy for the first time", "2 lists, 2 environments, 1 GraphQL")
}

// Where GraphQL is not to be had the lists tell the same.
func TestDeploymentsWithoutGraphQL(t *testing.T) {
	w := deploying(4, 2)
	h := newHarness(t, openDuckDB(t), w)
	h.server.Fault(func(_ int, r *http.Request) gitlabtest.Fault {
		if r.URL.Path == "/api/graphql" {
			return gitlabtest.Fault{Kind: gitlabtest.NotFound}
		}
		return gitlabtest.Fault{}
	})
	if s := h.sync(t, importer.Options{Plan: importer.PlanDocumented}); s.State != ci.SyncComplete {
		t.Errorf("state %s", s.State)
	}
	h.expectAsked(t, "the first sync", "4 lists, 1 environments, 1 GraphQL")
	h.sync(t, importer.Options{Plan: importer.PlanDocumented})
	h.expectAsked(t, "an idle one", "0 lists, 0 environments, 0 GraphQL")
}

// More deployments than fit on a page, and sliced history, are read once.
func TestDeploymentsAreReadOnce(t *testing.T) {
	t.Parallel()
	w := deploying(1, 230)
	w.Edit(func() { // spread over the slices of history, some of them in one instant
		for i, d := range w.Projects[0].Deployments {
			d.UpdatedAt = today.Add(-time.Duration(i/7*7) * 9 * time.Hour)
		}
	})
	h := newHarness(t, openDuckDB(t), w)
	h.sync(t, importer.Options{Plan: importer.PlanDocumented})
	h.expectAsked(t, "the first sync", "3 lists, 1 environments, 0 GraphQL")
	h.sync(t, importer.Options{Plan: importer.PlanDocumented, Full: true})
	h.expectAsked(t, "everything again", "3 lists, 1 environments, 0 GraphQL")
	// A horizon that lies further back brings what lies before.
	near := newHarness(t, openDuckDB(t), w)
	near.source.Since = today.Add(-50 * 24 * time.Hour)
	near.sync(t, importer.Options{Plan: importer.PlanDocumented})
	if n := len(stored(t.Context(), t, near.store)["deployments"]); n < 120 || n > 150 {
		t.Errorf("%d deployments since the horizon", n)
	}
	near.source.Since = time.Time{}
	near.sync(t, importer.Options{Plan: importer.PlanDocumented})
	near.compare(t)
}

// What is refused is told once, harms nothing else, and is asked again later.
func TestRefusedDeployments(t *testing.T) {
	for name, fault := range map[string]gitlabtest.FaultKind{"forbidden": gitlabtest.Forbidden, "not found": gitlabtest.NotFound} {
		t.Run(name, func(t *testing.T) {
			w := deploying(1, 2)
			h := newHarness(t, openDuckDB(t), w)
			now := today
			h.importer = importer.New(importer.Config{Log: slog.New(slog.DiscardHandler), Store: h.store, Now: func() time.Time { return now }})
			h.server.Fault(func(_ int, r *http.Request) gitlabtest.Fault {
				if strings.HasSuffix(r.URL.Path, "/deployments") {
					return gitlabtest.Fault{Kind: fault}
				}
				return gitlabtest.Fault{}
			})
			s := h.sync(t, importer.Options{Plan: importer.PlanDocumented})
			if s.State != ci.SyncComplete {
				t.Errorf("state %s: nothing else is missing", s.State)
			}
			h.wantErrors(t, s, fmt.Sprintf("%s %d", ci.DeploymentsForbidden, w.Projects[0].ID))
			h.asked()
			again := func(what, want string) ci.Sync {
				t.Helper()
				h.server.Advance(time.Minute)
				w.AddPipeline(w.Projects[0], gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "build"}}})
				s := h.sync(t, importer.Options{Plan: importer.PlanDocumented})
				if got := h.asked(); got != want {
					t.Errorf("%s: asked %s, want %s", what, got, want)
				}
				return s
			}
			h.wantErrors(t, again("the next", "0 lists, 0 environments, 0 GraphQL"))
			now = now.Add(8 * 24 * time.Hour)
			h.wantErrors(t, again("after a week, still refused", "1 lists, 0 environments, 0 GraphQL"))
			h.server.Fault(nil)
			now = now.Add(8 * 24 * time.Hour)
			again("after another, allowed", "1 lists, 1 environments, 0 GraphQL")
			h.compare(t)
		})
	}
}

// A deployment list that fails is the project's fault, not its pipelines', and
// is tried again.
func TestDeploymentsThatFail(t *testing.T) {
	for name, kind := range map[string]gitlabtest.FaultKind{"server": gitlabtest.ServerError, "garbage": gitlabtest.GarbageJSON} {
		t.Run(name, func(t *testing.T) {
			w := deploying(2, 120)
			h := newHarness(t, openDuckDB(t), w)
			h.server.Fault(func(_ int, r *http.Request) gitlabtest.Fault {
				if strings.HasSuffix(r.URL.Path, "/deployments") {
					return gitlabtest.Fault{Kind: kind}
				}
				return gitlabtest.Fault{}
			})
			s := h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
			if s.State != ci.SyncIncomplete {
				t.Errorf("state %s", s.State)
			}
			if n := len(stored(t.Context(), t, h.store)["pipelines"]); n != 240 {
				t.Errorf("%d pipelines of 240", n)
			}
			h.server.Fault(nil)
			if s := h.sync(t, importer.Options{Plan: importer.PlanGraphQL}); s.State != ci.SyncComplete {
				t.Errorf("once it answers: state %s", s.State)
			}
			h.compare(t)
		})
	}
}

// A deployment follows its job a moment later; the project may be quiet by then.
func TestDeploymentBehindItsJob(t *testing.T) {
	for _, plan := range []string{importer.PlanDocumented, importer.PlanGraphQL} {
		t.Run(plan, func(t *testing.T) {
			w := deploying(2, 2)
			h := newHarness(t, openDuckDB(t), w)
			h.sync(t, importer.Options{Plan: plan})
			h.server.Advance(time.Hour)
			w.HoldDeployments(true)
			pl := w.StartPipeline(w.Projects[0], gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "ship", Environment: "production"}}})
			w.HoldDeployments(false)
			h.server.Advance(time.Minute)
			w.HoldDeployments(true)
			ok(t, w.FinishPipeline(pl, "success"))
			h.server.Advance(5 * time.Minute) // longer than any second that probes allow for
			h.sync(t, importer.Options{Plan: plan})
			h.compare(t)
			w.HoldDeployments(false)
			h.server.Advance(time.Minute)
			h.sync(t, importer.Options{Plan: plan})
			h.compare(t)
			h.asked()
			h.server.Advance(5 * time.Minute)
			h.sync(t, importer.Options{Plan: plan})
			if n := h.server.RequestCount()["GET /projects/:id/deployments"]; n != 0 {
				t.Errorf("asked again (%d) although all have followed", n)
			}
		})
	}
}

// Deployments that somebody makes through the API come without a pipeline.
func TestDeploymentsByHand(t *testing.T) {
	w := deploying(1, 2)
	h := newHarness(t, openDuckDB(t), w)
	now := today
	h.importer = importer.New(importer.Config{Log: slog.New(slog.DiscardHandler), Store: h.store, Now: func() time.Time { return now }})
	h.sync(t, importer.Options{Plan: importer.PlanDocumented})
	h.server.Advance(time.Hour)
	d := w.Deploy(w.Projects[0], "moon", "abc", "running")
	now = now.Add(25 * time.Hour)
	h.server.Advance(24 * time.Hour)
	h.sync(t, importer.Options{Plan: importer.PlanDocumented})
	h.compare(t)
	h.server.Advance(25 * time.Hour)
	now = now.Add(25 * time.Hour)
	w.SetDeployment(d, "success")
	h.sync(t, importer.Options{Plan: importer.PlanDocumented})
	h.compare(t)
	row := stored(t.Context(), t, h.store)["deployments"][fmt.Sprint(d.ID)]
	if row["deployed_at"] != row["updated_at"] || row["job_id"] != "NULL" || row["success"] != "true" || row["tier"] != "other" {
		t.Errorf("the row is %v", row)
	}
}

// A pipeline's deletion takes its deployment's job away, in GitLab.
func TestDeploymentOutlivesItsPipeline(t *testing.T) {
	w := deploying(1, 3)
	h := newHarness(t, openDuckDB(t), w)
	h.sync(t, importer.Options{})
	before := stored(t.Context(), t, h.store)["deployments"]
	h.server.Advance(time.Hour)
	ok(t, w.DeletePipeline(w.Projects[0].Pipelines[1]))
	h.sync(t, importer.Options{Full: true})
	if diff := cmp.Diff(before, stored(t.Context(), t, h.store)["deployments"]); diff != "" {
		t.Errorf("deployments changed with the pipeline (-before +after):\n%s", diff)
	}
}

// A word that weir does not know is kept and told; it is neither success nor failure.
func TestUnknownDeploymentStatus(t *testing.T) {
	w := deploying(1, 2)
	w.Edit(func() { w.Projects[0].Deployments[0].Status = "teleported" })
	h := newHarness(t, openDuckDB(t), w)
	s := h.sync(t, importer.Options{})
	h.wantErrors(t, s, fmt.Sprintf("%s %d", ci.UnknownValue, w.Projects[0].ID))
	h.compare(t)
	row := stored(t.Context(), t, h.store)["deployments"][fmt.Sprint(w.Projects[0].Deployments[0].ID)]
	if row["status"] != "teleported" || row["success"] != "NULL" || row["deployed_at"] != "NULL" {
		t.Errorf("the row is %v", row)
	}
}

// Many environments are learnt from their list, few one by one, each once.
func TestTiersOfEnvironments(t *testing.T) {
	w := gitlabtest.NewWorld()
	w.SetNow(today.Add(-12 * time.Hour))
	p := w.AddProject("acme/shop")
	deploy := func(environment string) {
		w.Advance(2 * time.Minute)
		w.AddPipeline(p, gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "ship", Environment: environment}}})
	}
	for i := range 130 {
		deploy(fmt.Sprintf("review/%d", i))
	}
	deploy("eu")
	w.Edit(func() { p.Environments[len(p.Environments)-1].Tier = "production" }) // as its deployment_tier says
	w.SetNow(today)
	h := newHarness(t, openDuckDB(t), w)
	h.sync(t, importer.Options{Plan: importer.PlanDocumented})
	h.expectAsked(t, "131 environments", "2 lists, 2 environments, 0 GraphQL")
	h.server.Advance(time.Minute)
	deploy("eu")
	deploy("staging")
	h.sync(t, importer.Options{Plan: importer.PlanDocumented})
	h.expectAsked(t, "one new, one known", "1 lists, 1 environments, 0 GraphQL")
}

// Stopped after any request, or with pages that shift, nothing is lost.
func TestDeploymentsInterrupted(t *testing.T) {
	t.Parallel()
	world := func() *gitlabtest.World { return deploying(2, 110) }
	whole := newHarness(t, openDuckDB(t), world())
	whole.sync(t, importer.Options{Plan: importer.PlanGraphQL})
	needed := whole.requests()
	for stop := 1; ; stop++ {
		w := world()
		h := newHarness(t, openDuckDB(t), w)
		ctx, cancel := context.WithCancel(t.Context())
		h.server.EachRequest(func(n int, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/deployments") { // what is listed moves
				w.Edit(func() {
					w.Projects[0].Deployments[n%100].UpdatedAt = w.Projects[0].Deployments[109].UpdatedAt.Add(time.Duration(n) * time.Second)
				})
			}
			if n > stop {
				cancel()
			}
		})
		_, err := h.importer.Sync(ctx, h.source, importer.Options{Plan: importer.PlanGraphQL}, nil)
		if err == nil && stop > needed/2 { // it needed no more: how many depends on what moved
			break
		}
		if ci.CodeOf(err) != ci.Interrupted {
			t.Fatalf("stopped after request %d: %v", stop, err)
		}
		h.server.EachRequest(nil)
		h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
		w.AddPipeline(w.Projects[0], gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "build"}}}) // it has moved: a reason to look
		h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
		h.compare(t)
		if t.Failed() {
			t.Fatalf("stopped after request %d of %d", stop, needed)
		}
	}
}

// Deployments count in the metrics as soon as rules are asked, each once.
func TestImportedDeploymentsCountOnce(t *testing.T) {
	w := deploying(1, 4)
	h := newHarness(t, openDuckDB(t), w)
	h.sync(t, importer.Options{})
	pending, err := h.store.PendingMappings(t.Context())
	if err != nil || !pending {
		t.Errorf("the catalog is not told: %v", err)
	}
	result, err := h.store.Query(t.Context(), store.Query{SQL: "SELECT count(*), count(DISTINCT job_id) FROM deployments WHERE source = 'gitlab' AND success"})
	if err != nil {
		t.Fatal(err)
	}
	defer result.Close()
	for row, err := range result.Rows() {
		if err != nil || fmt.Sprint(row...) != "4 4" {
			t.Errorf("deployments and their jobs: %v, %v", row, err)
		}
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
