package importer_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/control"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
)

// TestPeersLosses: what Apache DevLake, cluttrdev/gitlab-exporter and
// gitlab-ci-pipelines-exporter (GCPE) were seen to lose or to invent, by name,
// under every plan.
func TestPeersLosses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		whose, what string
		test        func(t *testing.T, plan string)
	}{
		{"DevLake", "jobs in flight at sync time", jobsInFlight},
		{"DevLake", "canceled, skipped, manual and running jobs", jobsOfEveryStatus},
		{"DevLake", "pipelines that end between list and detail", endsBetweenListAndDetail},
		{"DevLake", "links of child pipelines", linksOfChildren},
		{"DevLake", "null durations become 0", nullDurations},
		{"DevLake", "canceled becomes failure", canceledIsNoFailure},
		{"DevLake", "403 in silence", refusedAloud},
		{"cluttrdev", "a GraphQL error on jobs loses them", func(t *testing.T, plan string) { graphQLNull(t, plan, "jobs") }},
		{"cluttrdev", "a GraphQL error on projects", func(t *testing.T, plan string) { graphQLNull(t, plan, "projects") }},
		{"cluttrdev", "a restart is a gap", restartIsNoGap},
		{"cluttrdev", "a failed batch is a gap", failedBatchIsNoGap},
		{"cluttrdev", "unfinished pipelines", unfinishedAreKept},
		{"cluttrdev", "failure reasons guessed from text", reasonsAreNotGuessed},
		{"cluttrdev", "GraphQL in a line of GET", graphQLByPost},
		{"cluttrdev", "its own date formats refused", documentedDates},
		{"GCPE", "429 not tried again", limitedIsTriedAgain},
		{"GCPE", "history thrown away", historyIsKept},
		{"GCPE", "child pipelines", linksOfChildren},
	} {
		for _, plan := range importer.Plans() {
			t.Run(fmt.Sprintf("%s/%s/%s", c.whose, c.what, plan), func(t *testing.T) { c.test(t, plan) })
		}
	}
}

func jobsInFlight(t *testing.T, plan string) {
	w := smallWorld()
	h := newHarness(t, openDuckDB(t), w)
	pl := w.StartPipeline(w.Projects[0], gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "a"}, {Name: "b"}, {Name: "c", Stage: "deploy"}}})
	try(t, w.StartJob(pl, pl.Job("a"), nil))
	h.sync(t, importer.Options{Plan: plan})
	h.compare(t)
	h.server.Advance(time.Minute)
	try(t, w.FinishPipeline(pl, "success"))
	h.sync(t, importer.Options{Plan: plan})
	h.compare(t)
	if got := h.jobs(t, pl); !slices.Equal(got, []string{"a success", "b success", "c success"}) {
		t.Errorf("the pipeline that was under way has the jobs %q", got)
	}
}

func jobsOfEveryStatus(t *testing.T, plan string) {
	w := smallWorld()
	h := newHarness(t, openDuckDB(t), w)
	var jobs []gitlabtest.JobSpec
	var want []string
	for _, status := range gitlabtest.Statuses() {
		jobs = append(jobs, gitlabtest.JobSpec{Name: status, Status: status, Took: time.Minute})
		want = append(want, status+" "+status)
	}
	pl := w.AddPipeline(w.Projects[0], gitlabtest.PipelineSpec{At: today.Add(-time.Hour), Jobs: jobs})
	h.sync(t, importer.Options{Plan: plan})
	slices.Sort(want)
	if diff := cmp.Diff(want, h.jobs(t, pl)); diff != "" {
		t.Errorf("jobs (-GitLab +stored):\n%s", diff)
	}
}

func endsBetweenListAndDetail(t *testing.T, plan string) {
	w := smallWorld()
	h := newHarness(t, openDuckDB(t), w)
	pl := w.StartPipeline(w.Projects[0], gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "a"}}})
	listed, ended := false, false
	h.server.EachRequest(func(_ int, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, fmt.Sprintf("/projects/%d/pipelines", pl.ProjectID)):
			listed = true
		case listed && !ended:
			ended = true
			w.Advance(time.Second)
			try(t, w.FinishPipeline(pl, "success"))
		}
	})
	h.sync(t, importer.Options{Plan: plan})
	h.server.EachRequest(nil)
	if !ended {
		t.Fatal("it was never asked for after the list")
	}
	if len(h.jobs(t, pl)) != 1 {
		t.Error("the pipeline that ended has no job")
	}
	h.sync(t, importer.Options{Plan: plan})
	h.compare(t)
}

func linksOfChildren(t *testing.T, plan string) {
	w := smallWorld()
	p, other := w.Projects[0], w.Projects[1]
	pl := w.StartPipeline(p, gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "child", Kind: gitlabtest.Bridge}, {Name: "elsewhere", Kind: gitlabtest.Bridge}}})
	child, err := w.TriggerPipeline(pl, pl.Job("child"), p, gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "a"}}})
	try(t, err)
	down, err := w.TriggerPipeline(pl, pl.Job("elsewhere"), other, gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "b"}}})
	try(t, err)
	h := newHarness(t, openDuckDB(t), w)
	h.sync(t, importer.Options{Plan: plan})
	h.compare(t)
	got := stored(t.Context(), t, h.store)
	links := []string{
		got["pipelines"][fmt.Sprint(child.ID)]["parent_pipeline_id"], got["pipelines"][fmt.Sprint(down.ID)]["upstream_pipeline_id"],
		got["jobs"][fmt.Sprint(pl.Job("child").ID)]["downstream_pipeline_id"], got["jobs"][fmt.Sprint(pl.Job("elsewhere").ID)]["downstream_pipeline_id"],
	}
	if want := []string{fmt.Sprint(pl.ID), fmt.Sprint(pl.ID), fmt.Sprint(child.ID), fmt.Sprint(down.ID)}; !slices.Equal(want, links) {
		t.Errorf("links %q, want %q", links, want)
	}
}

func nullDurations(t *testing.T, plan string) {
	w := smallWorld()
	p := w.Projects[0]
	broken := w.AddPipeline(p, gitlabtest.PipelineSpec{At: today.Add(-time.Hour), YAMLErrors: "no jobs"})
	quick := w.AddPipeline(p, gitlabtest.PipelineSpec{At: today.Add(-time.Hour), Jobs: []gitlabtest.JobSpec{
		{Name: "no time at all"}, {Name: "never", Status: "canceled", NeverStarted: true}, {Name: "skipped", Status: "skipped"},
	}})
	h := newHarness(t, openDuckDB(t), w)
	h.sync(t, importer.Options{Plan: plan})
	h.compare(t)
	got := stored(t.Context(), t, h.store)
	for what, c := range map[string]struct{ got, want string }{
		"a pipeline without jobs":    {got["pipelines"][fmt.Sprint(broken.ID)]["duration_seconds"], "NULL"},
		"a job that took no time":    {got["jobs"][fmt.Sprint(quick.Job("no time at all").ID)]["duration_seconds"], "0"},
		"a job that never started":   {got["jobs"][fmt.Sprint(quick.Job("never").ID)]["duration_seconds"], "NULL"},
		"a job that was skipped":     {got["jobs"][fmt.Sprint(quick.Job("skipped").ID)]["duration_seconds"], "NULL"},
		"when a skipped one began":   {got["jobs"][fmt.Sprint(quick.Job("skipped").ID)]["started_at"], "NULL"},
		"the queue of a skipped one": {got["jobs"][fmt.Sprint(quick.Job("skipped").ID)]["queued_seconds"], "NULL"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", what, c.got, c.want)
		}
	}
}

func canceledIsNoFailure(t *testing.T, plan string) {
	w := smallWorld()
	pl := w.AddPipeline(w.Projects[0], gitlabtest.PipelineSpec{At: today.Add(-time.Hour), Jobs: []gitlabtest.JobSpec{{Name: "a", Status: "canceled", Took: time.Second}}})
	h := newHarness(t, openDuckDB(t), w)
	h.sync(t, importer.Options{Plan: plan})
	query(t, h.store, fmt.Sprintf("SELECT p.status, j.status, j.failure_reason, r.status FROM pipelines p JOIN jobs j ON j.pipeline_id = p.id JOIN pipeline_runs r ON r.id = p.id WHERE p.id = %d", pl.ID), func(row []any) {
		if diff := cmp.Diff([]any{"canceled", "canceled", nil, "cancelled"}, row); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func refusedAloud(t *testing.T, plan string) {
	w := smallWorld()
	w.Forbid(w.Projects[1], true)
	h := newHarness(t, openDuckDB(t), w)
	s := h.sync(t, importer.Options{Plan: plan})
	if s.State != ci.SyncIncomplete {
		t.Errorf("state %s, want incomplete", s.State)
	}
	h.wantErrors(t, s, fmt.Sprintf("%s %d", ci.ProjectForbidden, w.Projects[1].ID))
	syncs, err := h.store.ProjectSyncs(t.Context(), h.source.Instance.ID)
	try(t, err)
	if got := syncs[ci.ProjectID(w.Projects[1].ID)]; got.SyncedTo != nil || text(got.LastErrorCode) != string(ci.ProjectForbidden) {
		t.Errorf("project_syncs says complete to %s, error %s", text(got.SyncedTo), text(got.LastErrorCode))
	}
	h.compare(t)
}

func graphQLNull(t *testing.T, plan, field string) {
	h := newHarness(t, openDuckDB(t), smallWorld())
	failed := false
	h.server.Fault(func(_ int, r *http.Request) gitlabtest.Fault {
		failed = failed || r.URL.Path == "/api/graphql"
		return gitlabtest.Fault{Kind: gitlabtest.GraphQLNull, Field: field}
	})
	s := h.sync(t, importer.Options{Plan: plan})
	h.compare(t)
	if field == "jobs" && s.Plan == importer.PlanGraphQL && failed {
		rows, err := h.store.SyncErrors(t.Context(), s.ID)
		try(t, err)
		if !slices.ContainsFunc(rows, func(e ci.SyncError) bool { return e.Code == string(ci.PlanFallback) }) {
			t.Errorf("nobody is told that GraphQL failed: %v", rows)
		}
	}
}

func restartIsNoGap(t *testing.T, plan string) {
	w := smallWorld()
	h := newHarness(t, openDuckDB(t), w)
	for stop := 4; stop < 24; stop += 5 {
		ctx, cancel := context.WithCancel(t.Context())
		asked := 0
		h.server.EachRequest(func(int, *http.Request) {
			if asked++; asked > stop {
				cancel()
			}
		})
		_, _ = h.importer.Sync(ctx, h.source, importer.Options{Plan: plan}, nil) // stopped, or done before
		cancel()
		h.server.EachRequest(nil)
		h.server.Advance(time.Hour)
		w.AddPipeline(w.Projects[stop%2], gitlabtest.PipelineSpec{At: w.Now().Add(-time.Minute), Jobs: []gitlabtest.JobSpec{{Name: "meanwhile"}}})
	}
	h.sync(t, importer.Options{Plan: plan})
	h.compare(t)
}

func failedBatchIsNoGap(t *testing.T, plan string) {
	w := smallWorld()
	h := newHarness(t, openDuckDB(t), w)
	h.server.Fault(func(n int, r *http.Request) gitlabtest.Fault {
		if n%3 == 0 && (r.URL.Path == "/api/graphql" || strings.Contains(r.URL.Path, "/pipelines/")) {
			return gitlabtest.Fault{Kind: gitlabtest.Truncated}
		}
		return gitlabtest.Fault{}
	})
	if _, err := h.importer.Sync(t.Context(), h.source, importer.Options{Plan: plan}, nil); ci.CodeOf(err) == ci.Internal {
		t.Error(err)
	}
	h.server.Fault(nil)
	h.sync(t, importer.Options{Plan: plan})
	h.compare(t)
}

func unfinishedAreKept(t *testing.T, plan string) {
	w := smallWorld()
	p := w.Projects[0]
	var want []string
	for _, status := range []string{"created", "waiting_for_resource", "preparing", "pending", "running", "manual", "scheduled"} {
		pl := w.AddPipeline(p, gitlabtest.PipelineSpec{At: today.Add(-time.Minute), Status: status, Jobs: []gitlabtest.JobSpec{{Name: "a", Status: status}}})
		want = append(want, fmt.Sprint(pl.ID, " ", status))
	}
	h := newHarness(t, openDuckDB(t), w)
	h.sync(t, importer.Options{Plan: plan})
	h.compare(t)
	got := stored(t.Context(), t, h.store)["pipelines"]
	for _, line := range want {
		id, status, _ := strings.Cut(line, " ")
		if got[id]["status"] != status {
			t.Errorf("pipeline %s is stored as %q, want %s", id, got[id]["status"], status)
		}
	}
}

// reasonsAreNotGuessed: GitLab's word, or none; never one made of the sentence
// that GraphQL has in its place.
func reasonsAreNotGuessed(t *testing.T, plan string) {
	w := smallWorld()
	var jobs []gitlabtest.JobSpec
	words := map[string]bool{"NULL": true, "script_failure": true}
	for i, word := range []string{"runner_system_failure", "stuck_or_timeout_failure", "job_execution_timeout", gitlabtest.StrangeReason} {
		jobs = append(jobs, gitlabtest.JobSpec{Name: fmt.Sprint("job ", i), Status: "failed", FailureReason: word, Took: time.Second})
		words[word] = true
	}
	for _, js := range jobs {
		w.AddPipeline(w.Projects[0], gitlabtest.PipelineSpec{At: today.Add(-time.Hour), Jobs: []gitlabtest.JobSpec{js}})
	}
	for _, refused := range []bool{true, false} {
		h := newHarness(t, openDuckDB(t), w)
		h.server.Fault(func(_ int, r *http.Request) gitlabtest.Fault {
			if refused && strings.HasSuffix(r.URL.Path, "/jobs") {
				return gitlabtest.Fault{Kind: gitlabtest.ServerError} // the word is not to be had
			}
			return gitlabtest.Fault{}
		})
		_, err := h.importer.Sync(t.Context(), h.source, importer.Options{Plan: plan}, nil)
		if !refused {
			try(t, err)
			h.compare(t)
		}
		for id, row := range stored(t.Context(), t, h.store)["jobs"] {
			if !words[row["failure_reason"]] {
				t.Errorf("job %s failed for %q, which GitLab never said", id, row["failure_reason"])
			}
		}
	}
}

func graphQLByPost(t *testing.T, plan string) {
	h := newHarness(t, openDuckDB(t), gitlabtest.Uniform(3, 10, 2))
	h.server.EachRequest(func(_ int, r *http.Request) {
		if r.URL.Path == "/api/graphql" && (r.Method != http.MethodPost || r.URL.RawQuery != "") || len(r.URL.String()) > 400 {
			t.Errorf("%s %s", r.Method, r.URL)
		}
	})
	h.sync(t, importer.Options{Plan: plan})
	h.compare(t)
}

// documentedDates: every form that weir's own help names is understood.
func documentedDates(t *testing.T, _ string) {
	for in, want := range map[string]time.Time{
		control.DefaultSince: today.AddDate(0, 0, -90), "36h": today.Add(-36 * time.Hour), "12w": today.AddDate(0, 0, -84), "2y": today.AddDate(-2, 0, 0),
		"2026-01-31": time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC), "2026-01-31T10:00:00+02:00": time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC), "all": {},
	} {
		if got, err := control.ParseSince(in, today); err != nil || !got.Equal(want) {
			t.Errorf("%s: %s, %v; want %s", in, got, err, want)
		}
	}
}

// limitedIsTriedAgain: each endpoint refuses its first requests, in both ways.
func limitedIsTriedAgain(t *testing.T, plan string) {
	for _, kind := range []gitlabtest.FaultKind{gitlabtest.TooManyRequests, gitlabtest.EndpointLimited} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(today))
			h := newHarness(t, openDuckDB(t), smallWorld())
			client, err := gitlab.New(gitlab.Config{
				BaseURL: base, Credentials: []gitlab.Credential{{Token: gitlab.Secret(h.server.DefaultToken())}}, Transport: h.server.Transport(),
			})
			try(t, err)
			h.source.Client = client
			refused := map[string]int{}
			h.server.Fault(func(_ int, r *http.Request) gitlabtest.Fault {
				end := r.URL.Path[strings.LastIndex(r.URL.Path, "/"):]
				if refused[end]++; refused[end] < 3 {
					return gitlabtest.Fault{Kind: kind}
				}
				return gitlabtest.Fault{}
			})
			s := h.sync(t, importer.Options{Plan: plan})
			if s.State != ci.SyncComplete {
				t.Errorf("state %s, want complete", s.State)
			}
			h.compare(t)
		})
	}
}

// historyIsKept: every pipeline of a branch, every attempt of a job, and what
// GitLab has deleted since.
func historyIsKept(t *testing.T, plan string) {
	w := smallWorld()
	h := newHarness(t, openDuckDB(t), w)
	count := func() (pipelines, jobs int64) {
		query(t, h.store, "SELECT (SELECT count(*) FROM pipelines), (SELECT count(*) FROM jobs)", func(row []any) { pipelines, jobs = row[0].(int64), row[1].(int64) })
		return pipelines, jobs
	}
	h.sync(t, importer.Options{Plan: plan})
	pipelines, jobs := count()
	if c := w.Count(); pipelines != int64(c.Pipelines) || jobs != int64(c.Builds) {
		t.Errorf("%d pipelines and %d jobs of %+v", pipelines, jobs, c)
	}
	try(t, w.DeletePipeline(w.Projects[0].Pipelines[1]))
	w.DeleteProject(w.Projects[1])
	h.sync(t, importer.Options{Plan: plan, Recount: true})
	if p, j := count(); p != pipelines || j != jobs {
		t.Errorf("%d pipelines and %d jobs are left of %d and %d", p, j, pipelines, jobs)
	}
	h.compare(t)
}

// jobs gives the stored jobs of a pipeline, each as "name status", sorted.
func (h *harness) jobs(t *testing.T, pl *gitlabtest.Pipeline) []string {
	t.Helper()
	var list []string
	query(t, h.store, fmt.Sprintf("SELECT name, status FROM jobs WHERE pipeline_id = %d", pl.ID), func(row []any) {
		list = append(list, fmt.Sprint(row[0], " ", row[1]))
	})
	slices.Sort(list)
	return list
}

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
