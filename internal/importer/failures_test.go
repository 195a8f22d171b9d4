package importer_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
)

// The two ways to have failures explained.
const (
	failedList    = "GET /projects/:id/jobs"
	pipelinesJobs = "GET /projects/:id/pipelines/:id/jobs"
)

// brokenRunners is a world in which runners break: of every project's pipelines,
// newest first, each letter is one.
//
//	.  all went well          s  three scripts failed
//	x  a runner broke         c  a child pipeline of it failed, with fifty jobs
//	h  a runner broke in a pipeline of more than a hundred jobs
func brokenRunners(pipelines ...string) *gitlabtest.World {
	w := gitlabtest.NewWorld()
	w.SetNow(today)
	for n, letters := range pipelines {
		p := w.AddProject(fmt.Sprintf("acme/project-%d", n))
		for i := len(letters) - 1; i >= 0; i-- {
			at := today.Add(-time.Duration(i+1) * 10 * time.Minute)
			jobs := []gitlabtest.JobSpec{{Name: "build", Took: time.Minute}, {Name: "test", Took: time.Minute}, {Name: "lint", Took: time.Second}}
			switch letters[i] {
			case 's':
				for j := range jobs {
					jobs[j].Status = "failed"
				}
			case 'x':
				jobs[1].Status, jobs[1].FailureReason = "failed", "runner_system_failure"
			case 'h':
				jobs[1].Status, jobs[1].FailureReason = "failed", "runner_system_failure"
				for j := range 120 {
					jobs = append(jobs, gitlabtest.JobSpec{Name: fmt.Sprintf("part %d", j), Took: time.Second})
				}
			}
			w.AddPipeline(p, gitlabtest.PipelineSpec{At: at, Jobs: jobs})
			if letters[i] == 'c' {
				children := make([]gitlabtest.JobSpec, 50)
				for j := range children {
					children[j] = gitlabtest.JobSpec{Name: fmt.Sprintf("child %d", j), Took: time.Second, Status: "failed"}
				}
				w.AddPipeline(p, gitlabtest.PipelineSpec{At: at.Add(time.Minute), Source: "parent_pipeline", Jobs: children})
			}
		}
	}
	return w
}

// TestFailuresAreExplainedTogether counts the requests that explain failures: by
// the lists of failed jobs where that is cheaper, never more of both together than
// one (or as many as it has pages of jobs) for each pipeline.
func TestFailuresAreExplainedTogether(t *testing.T) {
	t.Parallel()
	repeat := strings.Repeat
	for name, tt := range map[string]struct {
		world         *gitlabtest.World
		lists, single int // requests; -1: as many as it likes
		most          int // of both
	}{
		"none":                      {brokenRunners(repeat(".", 80)), 0, 0, 0},
		"scripts alone":             {brokenRunners(repeat("s..", 40)), 0, 0, 0},
		"one":                       {brokenRunners(repeat(".", 50) + "x" + repeat("s", 20)), 0, 1, 1},
		"two":                       {brokenRunners(".x.s.x..."), 1, 0, 1},
		"every tenth":               {brokenRunners(repeat("x.s......s", 10)), 1, 0, 1},
		"all":                       {brokenRunners(repeat("x", 100)), 1, 0, 1},
		"more than a page of them":  {brokenRunners(repeat("x", 90) + repeat("s", 10) + repeat("x", 90)), 3, 0, 3},
		"behind too many scripts":   {brokenRunners(repeat("s", 70) + "xx"), 0, 2, 2},
		"the first are worth it":    {brokenRunners(repeat("x", 10) + repeat("s", 80) + "x"), 1, 1, 2},
		"several projects":          {brokenRunners(repeat("x..", 20), repeat(".s.", 20), repeat(".x", 20)), 2, 0, 2},
		"of many jobs":              {brokenRunners("h.h"), 0, 4, 4},
		"below children that fail":  {brokenRunners("ccccccxx"), 0, 2, 2},
		"what others have saved":    {brokenRunners(repeat("x", 60), repeat("x", 40)+"c"+repeat("x", 30)), -1, -1, 130},
		"children fail all the way": {brokenRunners(repeat("x", 9), repeat("xc", 50)), -1, -1, 59},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, openDuckDB(t), tt.world)
			if s := h.sync(t, importer.Options{Plan: importer.PlanGraphQL}); s.State != ci.SyncComplete {
				t.Errorf("the sync is %s", s.State)
			}
			count := h.server.RequestCount()
			lists, single := count[failedList], count[pipelinesJobs]
			if tt.lists >= 0 && lists != tt.lists || tt.single >= 0 && single != tt.single || lists+single > tt.most {
				t.Errorf("%d pages of failed jobs and %d of pipelines' jobs, want %d and %d, at most %d together", lists, single, tt.lists, tt.single, tt.most)
			}
			h.compareAll(t)
		})
	}
}

// TestFailuresThatAreNew: what a poll finds is seldom worth a list, but may be.
func TestFailuresThatAreNew(t *testing.T) {
	t.Parallel()
	w := brokenRunners(strings.Repeat("x.s", 30))
	h := newHarness(t, openDuckDB(t), w)
	h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
	broken := func(n int) {
		h.server.Advance(time.Hour)
		for i := range n {
			w.AddPipeline(w.Projects[0], gitlabtest.PipelineSpec{At: w.Now().Add(-time.Duration(i+2) * time.Minute), Jobs: []gitlabtest.JobSpec{
				{Name: "test", Took: time.Second, Status: "failed", FailureReason: "job_execution_timeout"},
			}})
		}
		h.server.Advance(time.Minute)
		h.server.ResetRequests()
		h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
	}
	for _, tt := range []struct{ broken, lists int }{{1, 0}, {6, 1}} {
		broken(tt.broken)
		if got := h.server.RequestCount()[failedList]; got != tt.lists {
			t.Errorf("%d new failures took %d pages of failed jobs, want %d", tt.broken, got, tt.lists)
		}
		h.compareAll(t)
	}
}

// TestFailedListThatFails leaves nothing out: each pipeline's jobs are asked for,
// and the sync says why. A GitLab that could not cope is not asked for others.
func TestFailedListThatFails(t *testing.T) {
	t.Parallel()
	list := regexp.MustCompile(`^/api/v4/projects/\d+/jobs$`)
	letters := strings.Repeat("x.s", 30)
	for name, tt := range map[string]struct {
		fault gitlabtest.FaultKind
		from  int // page from which it happens
		most  int // pages that are asked for, of ten projects
	}{
		"unavailable": {gitlabtest.Unavailable, 0, 6}, "not found": {gitlabtest.NotFound, 0, 10}, "cut off": {gitlabtest.Truncated, 0, 10},
		"later": {gitlabtest.Unavailable, 3, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, openDuckDB(t), brokenRunners(letters, letters, letters, letters, letters, letters, letters, letters, letters, letters))
			asked := 0
			h.server.Fault(func(_ int, r *http.Request) gitlabtest.Fault {
				if !list.MatchString(r.URL.Path) {
					return gitlabtest.Fault{}
				}
				if asked++; asked <= tt.from {
					return gitlabtest.Fault{}
				}
				return gitlabtest.Fault{Kind: tt.fault}
			})
			s := h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
			if s.State != ci.SyncComplete {
				t.Errorf("state %s, want complete: nothing is missing", s.State)
			}
			if asked > tt.most {
				t.Errorf("the list was asked for %d times, want at most %d", asked, tt.most)
			}
			rows, err := h.store.SyncErrors(t.Context(), s.ID)
			h.must(t, err)
			if len(rows) == 0 || rows[0].Code != string(ci.PlanFallback) || rows[0].ProjectID == nil || !strings.Contains(rows[0].Detail, "failed jobs") {
				t.Errorf("sync_errors %v, want plan_fallback", rows)
			}
			h.compareAll(t)
		})
	}
}

// TestFailuresAreForeseen: what explains failures is in what a look says, and in
// what a sync says that it would have taken by another plan.
func TestFailuresAreForeseen(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]func() *gitlabtest.World{
		"dense":    func() *gitlabtest.World { return brokenRunners(strings.Repeat("x.s", 33), strings.Repeat("sx.", 33)) },
		"thin":     func() *gitlabtest.World { return brokenRunners(strings.Repeat("sssssssssssssssssssx", 5)) },
		"children": func() *gitlabtest.World { return brokenRunners(strings.Repeat("xc.", 33)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, openDuckDB(t), world())
			said := h.estimate(t, importer.Options{}).Requests[importer.PlanGraphQL]
			made := h.sync(t, importer.Options{Plan: importer.PlanGraphQL}).Requests
			exact := newHarness(t, openDuckDB(t), world()).sync(t, importer.Options{Plan: importer.PlanDocumented}).PlanRequests[importer.PlanGraphQL]
			for who, n := range map[string]int64{"a look": said, "the plan documented": exact} {
				if who == "a look" && name == "children" {
					continue // its sample is of pipelines that no other one started
				}
				if off := float64(n - made); off > 4 || off < -4 {
					t.Errorf("%s says that the plan graphql takes %d requests, it took %d", who, n, made)
				}
			}
		})
	}
}
