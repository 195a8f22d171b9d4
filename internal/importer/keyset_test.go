package importer_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
)

// projectJobs is the path of a project's list of all builds.
var projectJobs = regexp.MustCompile(`^/api/v4/projects/\d+/jobs$`)

// TestKeysetTakesFewRequests counts what the plan promises: a request for a
// hundred builds, and details by the hundred where GraphQL is there.
func TestKeysetTakesFewRequests(t *testing.T) {
	const projects, pipelines, builds = 10, 100, 8
	for _, tt := range []struct {
		name      string
		noGraphQL bool
		most      int
	}{
		{"with GraphQL", false, 3 + 3 + projects*(1+pipelines*builds/100+1) + 20},
		{"without", true, 4 + projects*(4+pipelines*builds/100+2*pipelines)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t, openDuckDB(t), gitlabtest.Uniform(projects, pipelines, builds))
			if tt.noGraphQL {
				h.server.Fault(noGraphQL)
			}
			s := h.sync(t, importer.Options{Plan: importer.PlanKeyset})
			if s.Plan != importer.PlanKeyset {
				t.Errorf("the plan was %s", s.Plan)
			}
			if got := h.requests(); got > tt.most {
				t.Errorf("the import took %d requests, want at most %d: %v", got, tt.most, h.server.RequestCount())
			}
			if got, want := h.server.RequestCount()["GET /projects/:id/jobs"], projects*pipelines*builds/100; got != want {
				t.Errorf("%d pages of builds, want %d", got, want)
			}
			h.compare(t)
			query(t, h.store, "SELECT count(*) FROM jobs WHERE time_precision <> 'ms' OR user_id IS NULL", func(row []any) {
				if row[0] != int64(0) {
					t.Errorf("%v jobs are not exact", row[0])
				}
			})
			want := map[bool]string{false: "s", true: "ms"}[tt.noGraphQL]
			query(t, h.store, "SELECT DISTINCT time_precision FROM pipelines", func(row []any) {
				if row[0] != want {
					t.Errorf("pipelines have the precision %v, want %s", row[0], want)
				}
			})
		})
	}
}

// TestKeysetAsksForFewBuilds: where a walk over all builds would cost more than
// the jobs of the few pipelines that changed, these are asked for.
func TestKeysetAsksForFewBuilds(t *testing.T) {
	w := gitlabtest.Uniform(1, 300, 4)
	h := newHarness(t, openDuckDB(t), w)
	h.sync(t, importer.Options{Plan: importer.PlanKeyset})
	p := w.Projects[0]
	h.server.Advance(time.Hour)
	for _, i := range []int{10, 150} {
		if _, err := w.RetryJob(p.Pipelines[i], p.Pipelines[i].Jobs[0], nil); err != nil {
			t.Fatal(err)
		}
	}
	h.server.ResetRequests()
	h.sync(t, importer.Options{Plan: importer.PlanKeyset})
	if got := h.server.RequestCount()["GET /projects/:id/jobs"]; got > 1 {
		t.Errorf("two old pipelines took %d pages of builds", got)
	}
	h.compare(t)
}

// TestKeysetListThatFails leaves nothing out: each pipeline's jobs are asked
// for, and the sync says why.
func TestKeysetListThatFails(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]gitlabtest.FaultKind{
		"unavailable": gitlabtest.Unavailable, "not found": gitlabtest.NotFound, "cut off": gitlabtest.Truncated,
	} {
		for _, from := range []int{0, 2} { // at once, or once the run relies on it
			for _, graphQL := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s from %d, GraphQL %v", name, from, graphQL), func(t *testing.T) {
					h := newHarness(t, openDuckDB(t), gitlabtest.Uniform(1, 80, 5))
					asked := 0
					h.server.Fault(func(n int, r *http.Request) gitlabtest.Fault {
						if !graphQL && noGraphQL(n, r).Kind != gitlabtest.NoFault {
							return noGraphQL(n, r)
						}
						if !projectJobs.MatchString(r.URL.Path) {
							return gitlabtest.Fault{}
						}
						if asked++; asked <= from {
							return gitlabtest.Fault{}
						}
						return gitlabtest.Fault{Kind: fault}
					})
					s := h.sync(t, importer.Options{Plan: importer.PlanKeyset})
					if s.State != ci.SyncComplete {
						t.Errorf("state %s, want complete: nothing is missing", s.State)
					}
					rows, err := h.store.SyncErrors(t.Context(), s.ID)
					if err != nil {
						t.Fatal(err)
					}
					if !slices.ContainsFunc(rows, func(e ci.SyncError) bool { return e.Code == string(ci.PlanFallback) && e.ProjectID != nil }) {
						t.Errorf("sync_errors %v, want plan_fallback", rows)
					}
					h.compare(t)
				})
			}
		}
	}
}

// TestKeysetOfAnImportedProject: GitLab gave the pipelines and jobs of another
// GitLab new ids and kept their times, so neither tells how far a walk is.
func TestKeysetOfAnImportedProject(t *testing.T) {
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			w := gitlabtest.NewWorld()
			w.SetNow(today)
			p := w.AddProject("acme/moved-here")
			jobs := []gitlabtest.JobSpec{{Name: "build", Took: time.Minute}, {Name: "test", Took: time.Minute, FailedFirst: 1}, {Name: "deploy", Took: time.Second}}
			for i := range 60 {
				w.AddPipeline(p, gitlabtest.PipelineSpec{At: today.Add(-time.Duration(i+1) * time.Hour), Jobs: jobs})
			}
			for i := range 90 { // in the order of no clock
				w.AddPipeline(p, gitlabtest.PipelineSpec{At: today.Add(-time.Duration(100+i*37%90) * time.Hour), Jobs: jobs})
			}
			for i := range 60 {
				w.AddPipeline(p, gitlabtest.PipelineSpec{At: today.Add(-time.Duration(59-i)*time.Hour - 30*time.Minute), Jobs: jobs})
			}
			h := newHarness(t, openDuckDB(t), w)
			if way.noGraphQL {
				h.server.Fault(noGraphQL)
			}
			h.sync(t, importer.Options{Plan: way.plan})
			h.compareAll(t)
		})
	}
}

// TestKeysetWhileTheWorldMoves changes GitLab between the requests of a sync:
// what was put together from answers of different times would be wrong for
// good, because nothing would raise updated_at again.
func TestKeysetWhileTheWorldMoves(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		for _, graphQL := range []bool{true, false} {
			t.Run(fmt.Sprintf("seed %d, GraphQL %v", seed, graphQL), func(t *testing.T) {
				w := gitlabtest.Generate(seed, gitlabtest.Size{Projects: 3, PipelinesPerProject: 60, JobsPerPipeline: 6, Days: 3, Until: today, KnownWords: true})
				h := newHarness(t, openDuckDB(t), w)
				if !graphQL {
					h.server.Fault(noGraphQL)
				}
				random := rand.New(rand.NewPCG(seed, 5))
				h.server.EachRequest(func(n int, _ *http.Request) {
					h.server.Advance(time.Duration(random.IntN(20)) * time.Second)
					if n%2 == 0 {
						move(w, random)
					}
				})
				h.sync(t, importer.Options{Plan: importer.PlanKeyset})
				h.server.EachRequest(nil)
				h.server.Advance(2 * time.Minute)
				h.sync(t, importer.Options{Plan: importer.PlanKeyset, Recount: true})
				h.compare(t)
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			})
		}
	}
}

// move changes one thing of a world: a build is retried, a pipeline starts, ends
// or is deleted. What GitLab's REST API cannot tell later, such as an earlier
// attempt of a bridge, is left out.
func move(w *gitlabtest.World, random *rand.Rand) {
	p := w.Projects[random.IntN(len(w.Projects))]
	if len(p.Pipelines) == 0 {
		return
	}
	pl := p.Pipelines[random.IntN(len(p.Pipelines))]
	switch random.IntN(5) {
	case 0:
		w.StartPipeline(p, gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "build"}, {Name: "test"}}})
	case 1, 2:
		for _, j := range pl.Jobs {
			if j.Kind == gitlabtest.Build && !j.Retried {
				_, _ = w.RetryJob(pl, j, nil) // refuses what has not ended
				break
			}
		}
	case 3:
		_ = w.FinishPipeline(pl, []string{"success", "failed"}[random.IntN(2)])
	case 4:
		if len(pl.Jobs) < 3 {
			_ = w.DeletePipeline(pl)
		}
	}
}

// TestKeysetUnderAnEndpointLimit: the list of all jobs has a limit of its own
// that no header shows. The walk waits for it, and what it brings is complete.
func TestKeysetUnderAnEndpointLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := gitlabtest.Uniform(1, 300, 10)
		w.SetClock(time.Now)
		h := newHarness(t, openDuckDB(t), w)
		h.server.LimitEndpoint("GET /projects/:id/jobs", 12, time.Minute)
		client, err := gitlab.New(gitlab.Config{
			BaseURL: base, Transport: h.server.Transport(), Credentials: []gitlab.Credential{{Token: gitlab.Secret(h.server.DefaultToken())}},
		})
		if err != nil {
			t.Fatal(err)
		}
		h.source.Client = client
		s := h.sync(t, importer.Options{Plan: importer.PlanKeyset})
		if s.State != ci.SyncComplete || s.ThrottledSeconds < 60 {
			t.Errorf("state %s after %v s of waiting, want complete, and a wait for the limit", s.State, s.ThrottledSeconds)
		}
		if n := client.Stats().Retries; n == 0 || n > 6 {
			t.Errorf("%d requests were refused, want a handful", n)
		}
		h.compare(t)
	})
}
