package importer_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"testing"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
)

// TestAutoChooses: GraphQL where GitLab answers it, else the cheapest way
// without it; what was used is what the sync says.
func TestAutoChooses(t *testing.T) {
	for _, tt := range []struct {
		name      string
		asked     string
		noGraphQL bool
		want      string
		told      bool
	}{
		{"GraphQL is there", "", false, importer.PlanGraphQL, false},
		{"it is not", importer.PlanAuto, true, importer.PlanKeyset, true},
		{"it was asked for and is not there", importer.PlanGraphQL, true, importer.PlanDocumented, true},
		{"nobody asks for it", importer.PlanDocumented, true, importer.PlanDocumented, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t, openDuckDB(t), smallWorld())
			if tt.noGraphQL {
				h.server.Fault(noGraphQL)
			}
			s := h.sync(t, importer.Options{Plan: tt.asked})
			if s.Plan != tt.want || s.State != ci.SyncComplete {
				t.Errorf("the plan was %s and the sync is %s, want %s and complete", s.Plan, s.State, tt.want)
			}
			var want []string
			if tt.told {
				want = append(want, fmt.Sprintf("%s 0", ci.PlanFallback))
			}
			h.wantErrors(t, s, want...)
			h.compare(t)
			if got := s.PlanRequests[s.Plan]; got != s.Requests {
				t.Errorf("plan_requests says %d of the plan that was used, it made %d requests", got, s.Requests)
			}
			if _, ok := s.PlanRequests[importer.PlanGraphQL]; ok == (tt.noGraphQL && tt.told) {
				t.Errorf("plan_requests has %v", s.PlanRequests)
			}
		})
	}
}

// TestStoppedWhileChoosing: an import that is stopped while GitLab is asked
// whether it answers GraphQL fell back on nothing.
func TestStoppedWhileChoosing(t *testing.T) {
	t.Parallel()
	for _, plan := range []string{importer.PlanAuto, importer.PlanGraphQL, importer.PlanKeyset} {
		t.Run(plan, func(t *testing.T) {
			h := newHarness(t, openDuckDB(t), smallWorld())
			ctx, cancel := context.WithCancel(t.Context())
			h.server.EachRequest(func(int, *http.Request) { cancel() })
			s, err := h.importer.Sync(ctx, h.source, importer.Options{Plan: plan}, nil)
			if ci.CodeOf(err) != ci.Interrupted || s.State != ci.SyncInterrupted || s.Plan != plan {
				t.Errorf("state %s, plan %s, error %v; want it interrupted, and the plan %s that was asked for", s.State, s.Plan, err, plan)
			}
			h.wantErrors(t, s)
		})
	}
}

// TestPlanRequests: what a sync says that another plan would have needed is what
// that plan does need: within a tenth, and within a sixth in a small world full of
// children, external pipelines and failures. How many projects GraphQL is asked
// about before its pages have grown is up to the scheduler: a page or so each.
func TestPlanRequests(t *testing.T) {
	t.Parallel()
	generated := gitlabtest.Generate(4, gitlabtest.Size{Groups: 4, Projects: 8, PipelinesPerProject: 120, JobsPerPipeline: 5, Days: 40, Until: today})
	for name, tt := range map[string]struct {
		world *gitlabtest.World
		most  float64
	}{"uniform": {gitlabtest.Uniform(9, 120, 6), 0.1}, "generated": {generated, 1.0 / 6}} {
		t.Run(name, func(t *testing.T) {
			said, made := make(map[string]map[string]int64), make(map[string]int64)
			for _, plan := range importer.Plans()[1:] {
				h := newHarness(t, openDuckDB(t), tt.world)
				s := h.sync(t, importer.Options{Plan: plan})
				said[plan], made[plan] = s.PlanRequests, s.Requests
			}
			for used, costs := range said {
				for _, plan := range slices.Sorted(maps.Keys(costs)) {
					if off := math.Abs(float64(costs[plan] - made[plan])); off > max(tt.most*float64(made[plan]), 8) {
						t.Errorf("%s says that %s takes %d requests, it took %d", used, plan, costs[plan], made[plan])
					}
				}
				if len(costs) != len(made) {
					t.Errorf("%s compares %v, want all plans", used, costs)
				}
			}
		})
	}
}
