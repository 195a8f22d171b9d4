package importer_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
)

// TestSilenceIsNoScriptFailure imports from a GitLab whose GraphQL says of no
// failure why: REST is asked for the reasons, also where it does not have the
// list of failed jobs, and no build gets a reason that it does not have.
func TestSilenceIsNoScriptFailure(t *testing.T) {
	t.Parallel()
	for name, listed := range map[string]bool{"told by the list of failed jobs": true, "told by pipelines": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := brokenRunners(strings.Repeat("sx.", 12), "x..s", "hs")
			h := newHarness(t, openDuckDB(t), w)
			h.server.GraphQLHidesFailures(true)
			if !listed {
				h.server.Fault(func(_ int, r *http.Request) gitlabtest.Fault {
					if strings.HasSuffix(r.URL.Path, "/jobs") && !strings.Contains(r.URL.Path, "/pipelines/") {
						return gitlabtest.Fault{Kind: gitlabtest.NotFound}
					}
					return gitlabtest.Fault{}
				})
			}
			for range 2 {
				if s := h.sync(t, importer.Options{Plan: importer.PlanGraphQL}); s.State != ci.SyncComplete {
					t.Errorf("the sync is %s", s.State)
				}
				h.compare(t)
				h.server.Advance(time.Hour)
				w.AddPipeline(w.Projects[1], gitlabtest.PipelineSpec{At: w.Now().Add(-time.Minute), Jobs: []gitlabtest.JobSpec{
					{Name: "test", Took: time.Second, Status: "failed", FailureReason: "job_execution_timeout"},
				}})
			}
		})
	}
}

// TestSilenceIsLearntOnce: what silence means is found out by a few requests, and
// by none any more in the same process.
func TestSilenceIsLearntOnce(t *testing.T) {
	t.Parallel()
	w := brokenRunners(strings.Repeat("s.", 30), strings.Repeat("s.", 30), strings.Repeat("s.", 30))
	h := newHarness(t, openDuckDB(t), w)
	for round, most := range []int{len(w.Projects), 0, 0} { // all projects may begin at once
		h.server.ResetRequests()
		h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
		count := h.server.RequestCount()
		if lists, single := count[failedList], count[pipelinesJobs]; lists > most || single != 0 {
			t.Errorf("round %d: %d pages of failed jobs and %d of pipelines' jobs, want at most %d and 0", round, lists, single, most)
		}
		h.compareAll(t)
		h.server.Advance(time.Hour)
		for i := range 3 {
			w.AddPipeline(w.Projects[0], gitlabtest.PipelineSpec{At: w.Now().Add(-time.Duration(i+1) * time.Minute), Jobs: []gitlabtest.JobSpec{{Name: "test", Took: time.Second, Status: "failed"}}})
		}
	}
}
