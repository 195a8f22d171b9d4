package importer_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
)

// TestEstimate holds what a look says against what imports then need, by every
// plan: within a tenth.
func TestEstimate(t *testing.T) {
	t.Parallel()
	generated := func() *gitlabtest.World {
		return gitlabtest.Generate(4, gitlabtest.Size{Groups: 4, Projects: 8, PipelinesPerProject: 120, JobsPerPipeline: 5, Days: 40, Until: today})
	}
	for _, tt := range []struct {
		name      string
		world     func() *gitlabtest.World
		noGraphQL bool
		most      float64
	}{
		{"uniform", func() *gitlabtest.World { return gitlabtest.Uniform(9, 120, 6) }, false, 0.1},
		{"uniform without GraphQL", func() *gitlabtest.World { return gitlabtest.Uniform(9, 120, 6) }, true, 0.1},
		{"generated", generated, false, 0.2}, // children, external pipelines and failures, of which a look sees a sample
	} {
		t.Run(tt.name, func(t *testing.T) {
			var said importer.Estimate
			for n, plan := range importer.Plans()[1:] {
				if plan == importer.PlanGraphQL && tt.noGraphQL {
					continue
				}
				h := newHarness(t, openDuckDB(t), tt.world())
				if tt.noGraphQL {
					h.server.Fault(noGraphQL)
				}
				if n == 0 {
					said = h.estimate(t, importer.Options{})
					if got := int64(h.requests()); got != said.Spent {
						t.Errorf("the look says that it took %d requests, GitLab saw %d", said.Spent, got)
					}
					if rows := stored(t.Context(), t, h.store); len(rows["projects"])+len(rows["pipelines"]) > 0 {
						t.Error("the look has stored something")
					}
				}
				made := h.sync(t, importer.Options{Plan: plan}).Requests
				if off := float64(said.Requests[plan]-made) / float64(made); off > tt.most || off < -tt.most {
					t.Errorf("%s was to take %d requests, it took %d", plan, said.Requests[plan], made)
				}
			}
			if said.Spent > 30 {
				t.Errorf("the look took %d requests", said.Spent)
			}
			if _, ok := said.Requests[importer.PlanGraphQL]; ok == tt.noGraphQL || ok != (said.Auto == importer.PlanGraphQL) {
				t.Errorf("auto would be %s of %v", said.Auto, said.Requests)
			}
			if said.BuildsFrom != "sample" || said.Counted == 0 || said.Pipelines == 0 {
				t.Errorf("the look says %+v", said)
			}
		})
	}
}

// TestEstimateOfWhatIsNew: what is stored already costs nothing again, and what
// a pipeline usually has is known from the store.
func TestEstimateOfWhatIsNew(t *testing.T) {
	w := gitlabtest.Uniform(3, 60, 4)
	h := newHarness(t, openDuckDB(t), w)
	h.sync(t, importer.Options{})
	idle := h.estimate(t, importer.Options{})
	if idle.Pipelines != 0 || idle.BuildsFrom != "store" || idle.BuildsPerPipeline != 4 {
		t.Errorf("with nothing new the look says %+v", idle)
	}
	h.server.Advance(time.Hour)
	for range 5 {
		w.AddPipeline(w.Projects[1], gitlabtest.PipelineSpec{At: w.Now(), Jobs: []gitlabtest.JobSpec{{Name: "a"}}})
	}
	if got := h.estimate(t, importer.Options{}).Pipelines; got != 5 {
		t.Errorf("%d pipelines are to be read, want 5", got)
	}
	if got := h.estimate(t, importer.Options{Full: true}).Pipelines; got != 185 {
		t.Errorf("%d pipelines are to be read again, want 185", got)
	}
	h.source.Kind = importer.KindGitLab
	if got := h.estimate(t, importer.Options{}); got.Requests[importer.PlanDocumented] != 3 || len(got.Requests) != 1 {
		t.Errorf("repositories alone are to take %v, want 3 requests", got.Requests)
	}
	h.server.Fault(func(int, *http.Request) gitlabtest.Fault { return gitlabtest.Fault{Kind: gitlabtest.Unauthorized} })
	if _, err := h.importer.Estimate(t.Context(), h.source, importer.Options{}); ci.CodeOf(err) != ci.InvalidCredentials {
		t.Errorf("with a bad token: %v, want invalid_credentials", err)
	}
}

func (h *harness) estimate(t *testing.T, o importer.Options) importer.Estimate {
	t.Helper()
	e, err := h.importer.Estimate(t.Context(), h.source, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
