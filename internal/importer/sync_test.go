package importer_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/pgtest"
)

const base = "https://gitlab.test"

// ways are the plans, each in every GitLab in which it works differently.
var ways = []struct {
	name, plan string
	noGraphQL  bool
}{
	{name: "documented", plan: importer.PlanDocumented},
	{name: "keyset", plan: importer.PlanKeyset},
	{name: "keyset without GraphQL", plan: importer.PlanKeyset, noGraphQL: true},
	{name: "graphql", plan: importer.PlanGraphQL},
}

// noGraphQL is the fault of a GitLab that has no GraphQL API.
func noGraphQL(_ int, r *http.Request) gitlabtest.Fault {
	if r.URL.Path == "/api/graphql" {
		return gitlabtest.Fault{Kind: gitlabtest.NotFound}
	}
	return gitlabtest.Fault{}
}

// TestSyncHoldsTheTruth imports whole worlds and compares whole tables, then
// lets the world move on and does it again.
func TestSyncHoldsTheTruth(t *testing.T) {
	t.Parallel()
	for engine, open := range engines {
		for _, way := range ways {
			plan := way.plan
			for seed := range uint64(2) {
				t.Run(fmt.Sprintf("%s/%s/seed %d", engine, way.name, seed), func(t *testing.T) {
					w := gitlabtest.Generate(seed, gitlabtest.Size{Groups: 4, Projects: 8, PipelinesPerProject: 25, JobsPerPipeline: 5, Days: 40, Until: today, Environments: true})
					h := newHarness(t, open(t), w)
					if way.noGraphQL {
						h.server.Fault(noGraphQL)
					}
					for round := range 4 {
						s := h.sync(t, importer.Options{Plan: plan})
						if s.State == ci.SyncRunning || s.FinishedAt == nil {
							t.Errorf("round %d ended as %s", round, s.State)
						}
						if s.Plan != plan {
							t.Errorf("the plan was %s, want %s", s.Plan, plan)
						}
						h.compare(t)
						if round == 3 {
							break
						}
						random := rand.New(rand.NewPCG(seed, uint64(round)))
						h.server.Advance(time.Duration(random.IntN(90)) * time.Minute)
						for range 40 {
							w.Step(random)
						}
					}
					// Now also what leaves no trace in GitLab's lists.
					h.sync(t, importer.Options{Full: true, Plan: plan})
					h.compareAll(t)
				})
			}
		}
	}
}

// TestSecondSyncAsksOnlyForWhatChanged counts requests, on the server's side.
func TestSecondSyncAsksOnlyForWhatChanged(t *testing.T) {
	w := gitlabtest.Uniform(3, 30, 4)
	w.SetNow(today)
	h := newHarness(t, openDuckDB(t), w)
	const discovery, lists, deploys = 3, 3 * 3, 1 // group, descendants, projects; three lists a project; who deploys, where something changed
	h.sync(t, importer.Options{Plan: importer.PlanDocumented})
	if got, want := h.requests(), discovery+lists+deploys+3*30*3; got != want {
		t.Errorf("the first sync took %d requests, want %d: %v", got, want, h.server.RequestCount())
	}
	h.server.ResetRequests()
	s := h.sync(t, importer.Options{Plan: importer.PlanDocumented})
	if got, want := h.requests(), discovery+lists; got != want {
		t.Errorf("an idle sync took %d requests, want %d: %v", got, want, h.server.RequestCount())
	}
	if s.Requests != int64(h.requests()) {
		t.Errorf("the sync says %d requests, GitLab saw %d", s.Requests, h.requests())
	}
	h.server.ResetRequests()
	h.server.Advance(time.Hour)
	newest := w.Projects[1].Pipelines[29].CreatedAt
	w.AddPipeline(w.Projects[1], gitlabtest.PipelineSpec{At: newest.Add(time.Hour), Jobs: []gitlabtest.JobSpec{{Name: "a"}}})
	h.sync(t, importer.Options{Plan: importer.PlanDocumented})
	if got, want := h.requests(), discovery+lists+deploys+3; got != want {
		t.Errorf("one new pipeline took %d requests, want %d: %v", got, want, h.server.RequestCount())
	}
	h.compare(t)
	// One that shows up late, with the times of long ago, is found by the count.
	h.server.ResetRequests()
	w.AddPipeline(w.Projects[2], gitlabtest.PipelineSpec{At: newest.Add(-time.Hour)})
	h.sync(t, importer.Options{Plan: importer.PlanDocumented})
	if got, want := h.requests(), discovery+lists+deploys+3+2; got != want {
		t.Errorf("one late pipeline took %d requests, want %d: %v", got, want, h.server.RequestCount())
	}
	h.compare(t)
}

// TestGraphQLTakesFewRequests counts what the plan promises: a list and a
// little more than a page of a hundred pipelines, jobs and all, a project.
func TestGraphQLTakesFewRequests(t *testing.T) {
	const projects = 20
	w := gitlabtest.Uniform(projects, 100, 8)
	h := newHarness(t, openDuckDB(t), w)
	h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
	const discovery, probes, growing = 3, 2, 24 // until the page has grown to a hundred in all projects under way
	if got, most := h.requests(), discovery+probes+projects+projects+growing; got > most {
		t.Errorf("the import took %d requests, want at most %d: %v", got, most, h.server.RequestCount())
	}
	h.compare(t)
	h.server.ResetRequests()
	h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
	if got, want := h.requests(), discovery+probes; got != want {
		t.Errorf("an idle sync took %d requests, want %d: %v", got, want, h.server.RequestCount())
	}
}

// TestGraphQLThatFails leaves nothing out: the documented plan takes over, and
// the sync says why.
func TestGraphQLThatFails(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]gitlabtest.FaultKind{
		"unavailable": gitlabtest.Unavailable, "garbage": gitlabtest.GarbageJSON, "HTML": gitlabtest.HTMLPage, "not found": gitlabtest.NotFound,
	} {
		for _, from := range []int{0, 3} { // at once, or once the run relies on it
			t.Run(fmt.Sprintf("%s from %d", name, from), func(t *testing.T) {
				h := newHarness(t, openDuckDB(t), smallWorld())
				asked := 0
				h.server.Fault(func(_ int, r *http.Request) gitlabtest.Fault {
					if r.URL.Path != "/api/graphql" {
						return gitlabtest.Fault{}
					}
					if asked++; asked <= from {
						return gitlabtest.Fault{}
					}
					return gitlabtest.Fault{Kind: fault}
				})
				s := h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
				if s.State != ci.SyncComplete {
					t.Errorf("state %s, want complete: nothing is missing", s.State)
				}
				rows, err := h.store.SyncErrors(t.Context(), s.ID)
				if err != nil {
					t.Fatal(err)
				}
				if len(rows) == 0 || rows[0].Code != string(ci.PlanFallback) {
					t.Errorf("sync_errors %v, want plan_fallback", rows)
				}
				h.compare(t)
			})
		}
	}
}

// TestInterruptedAfterEveryRequest stops a sync after each single request, in
// turn, and lets the next one go on: it must end at the truth, and must not
// begin again.
func TestInterruptedAfterEveryRequest(t *testing.T) {
	t.Parallel()
	whole := newHarness(t, openDuckDB(t), smallWorld())
	whole.sync(t, importer.Options{Plan: importer.PlanDocumented})
	needed := whole.requests()
	for stop := 1; stop < needed; stop++ {
		h := newHarness(t, openDuckDB(t), smallWorld())
		ctx, cancel := context.WithCancel(t.Context())
		h.server.EachRequest(func(n int, _ *http.Request) {
			if n > stop {
				cancel()
			}
		})
		s, err := h.importer.Sync(ctx, h.source, importer.Options{Plan: importer.PlanDocumented}, nil)
		if ci.CodeOf(err) != ci.Interrupted || s.State != ci.SyncInterrupted {
			t.Fatalf("stopped after request %d: state %s, error %v", stop, s.State, err)
		}
		h.server.EachRequest(nil)
		h.sync(t, importer.Options{Plan: importer.PlanDocumented})
		h.compare(t)
		// What was fetched before is kept, but for what was in flight.
		if total := h.requests(); total > needed+inFlight {
			t.Errorf("stopped after request %d: %d requests altogether, a whole sync takes %d", stop, total, needed)
		}
		if t.Failed() {
			t.Fatalf("stopped after request %d of %d", stop, needed)
		}
	}
}

// inFlight is what an interruption may cost: discovery, the lists of the
// projects under way, and pipelines that were fetched in part.
const inFlight = 40

// TestRefusedProjectsDoNotStopTheOthers: what one project refuses is recorded,
// with its code, and the others are complete.
func TestRefusedProjectsDoNotStopTheOthers(t *testing.T) {
	w := smallWorld()
	bad := w.Projects[0]
	for name, tc := range map[string]struct {
		fault gitlabtest.FaultKind
		code  ci.Code
	}{
		"forbidden":   {gitlabtest.Forbidden, ci.ProjectForbidden},
		"garbage":     {gitlabtest.GarbageJSON, ci.BadAnswer},
		"server":      {gitlabtest.ServerError, ci.ServerError},
		"bad gateway": {gitlabtest.BadGateway, ci.ServerError},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, openDuckDB(t), w)
			h.server.Fault(func(_ int, r *http.Request) gitlabtest.Fault {
				if strings.Contains(r.URL.Path, fmt.Sprintf("/projects/%d/", bad.ID)) {
					return gitlabtest.Fault{Kind: tc.fault}
				}
				return gitlabtest.Fault{}
			})
			s := h.sync(t, importer.Options{Plan: importer.PlanDocumented})
			if s.State != ci.SyncIncomplete {
				t.Errorf("state %s, want incomplete", s.State)
			}
			h.wantErrors(t, s, fmt.Sprintf("%s %d", tc.code, bad.ID))
			syncs, err := h.store.ProjectSyncs(t.Context(), h.source.Instance.ID)
			if err != nil {
				t.Fatal(err)
			}
			if got := syncs[ci.ProjectID(bad.ID)].LastErrorCode; got == nil || *got != string(tc.code) {
				t.Errorf("project_syncs says %v, want %s", got, tc.code)
			}
			h.server.Fault(nil)
			if s := h.sync(t, importer.Options{Plan: importer.PlanDocumented}); s.State != ci.SyncComplete {
				t.Errorf("once it answers again: state %s, want complete", s.State)
			}
			h.compare(t)
		})
	}
}

// TestOnePipelineThatCannotBeRead is noted and tried again by every sync; what
// lies behind it is imported.
func TestOnePipelineThatCannotBeRead(t *testing.T) {
	w := smallWorld()
	h := newHarness(t, openDuckDB(t), w)
	poison := w.Projects[0].Pipelines[3]
	h.server.Fault(func(_ int, r *http.Request) gitlabtest.Fault {
		if strings.HasSuffix(r.URL.Path, fmt.Sprintf("/pipelines/%d/jobs", poison.ID)) {
			return gitlabtest.Fault{Kind: gitlabtest.ServerError}
		}
		return gitlabtest.Fault{}
	})
	s := h.sync(t, importer.Options{Plan: importer.PlanDocumented})
	if s.State != ci.SyncIncomplete {
		t.Errorf("state %s, want incomplete", s.State)
	}
	h.wantErrors(t, s, fmt.Sprintf("%s %d", ci.ServerError, w.Projects[0].ID))
	want := truth(w, 1, base)
	got := stored(t.Context(), t, h.store)
	if missing := len(want["pipelines"]) - len(got["pipelines"]); missing != 1 {
		t.Errorf("%d pipelines are missing, want just the one that cannot be read", missing)
	}
	h.server.Fault(nil)
	h.sync(t, importer.Options{Plan: importer.PlanDocumented})
	h.compare(t)
}

// TestLargeAnswers: ten megabytes in one field are read; what is beyond all
// reason is refused and recorded, and the others go on.
func TestLargeAnswers(t *testing.T) {
	w := smallWorld()
	large := fmt.Sprintf("/pipelines/%d/jobs", w.Projects[0].Pipelines[3].ID)
	for _, tc := range []struct {
		size  int
		state ci.SyncState
		want  []string
	}{
		{10 << 20, ci.SyncComplete, nil},
		{65 << 20, ci.SyncIncomplete, []string{fmt.Sprintf("%s %d", ci.BadAnswer, w.Projects[0].ID)}},
	} {
		h := newHarness(t, openDuckDB(t), w)
		h.server.Fault(func(_ int, r *http.Request) gitlabtest.Fault {
			if strings.HasSuffix(r.URL.Path, large) {
				return gitlabtest.Fault{Kind: gitlabtest.HugeField, Size: tc.size}
			}
			return gitlabtest.Fault{}
		})
		s := h.sync(t, importer.Options{Plan: importer.PlanDocumented})
		if s.State != tc.state {
			t.Errorf("%d MB in a field: state %s, want %s", tc.size>>20, s.State, tc.state)
		}
		h.wantErrors(t, s, tc.want...)
		if tc.state == ci.SyncComplete {
			h.compareAll(t)
		}
	}
}

// TestTheRunStops where going on would be in vain, and keeps what it has.
func TestTheRunStops(t *testing.T) {
	for name, tc := range map[string]struct {
		fault gitlabtest.FaultKind
		code  ci.Code
	}{
		"token revoked midway": {gitlabtest.Unauthorized, ci.InvalidCredentials},
		"GitLab goes down":     {gitlabtest.Unavailable, ci.ServerError},
	} {
		t.Run(name, func(t *testing.T) {
			w := smallWorld()
			h := newHarness(t, openDuckDB(t), w)
			h.server.Fault(func(n int, r *http.Request) gitlabtest.Fault {
				if n > 12 { // no project can be complete by then
					return gitlabtest.Fault{Kind: tc.fault}
				}
				return gitlabtest.Fault{}
			})
			s, err := h.importer.Sync(t.Context(), h.source, importer.Options{Plan: importer.PlanDocumented}, nil)
			if ci.CodeOf(err) != tc.code || s.State != ci.SyncFailed {
				t.Fatalf("state %s, error %v; want failed with %s", s.State, err, tc.code)
			}
			h.server.Fault(nil)
			h.sync(t, importer.Options{Plan: importer.PlanDocumented})
			h.compare(t)
		})
	}
}

// TestDeletions are found by GitLab's own count, at no request while nothing
// was deleted.
func TestDeletions(t *testing.T) {
	w := gitlabtest.Uniform(3, 120, 2)
	w.SetNow(today)
	h := newHarness(t, openDuckDB(t), w)
	h.sync(t, importer.Options{})
	w.DeletePipeline(w.Projects[0].Pipelines[7])
	w.DeletePipeline(w.Projects[0].Pipelines[60])
	w.DeleteProject(w.Projects[2])
	h.server.ResetRequests()
	s := h.sync(t, importer.Options{})
	h.compare(t)
	if s.State != ci.SyncComplete {
		t.Errorf("state %s, want complete: nothing is missing", s.State)
	}
	if got := h.requests(); got > 20 {
		t.Errorf("finding three deletions took %d requests: %v", got, h.server.RequestCount())
	}
	kept, err := h.store.Query(t.Context(), store.Query{SQL: "SELECT count(*), count(deleted_at) FROM pipelines"})
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	for row := range kept.Rows() {
		if diff := cmp.Diff([]any{int64(360), int64(122)}, row); diff != "" {
			t.Errorf("deleted rows keep their data (-want +got):\n%s", diff)
		}
	}
}

// TestTwoTokensSeeDifferentThings: what one connection does not see is not
// deleted for that.
func TestTwoTokensSeeDifferentThings(t *testing.T) {
	w := smallWorld()
	w.AddPipeline(w.AddProject("acme/secret/plans"), gitlabtest.PipelineSpec{At: today.Add(-time.Hour)})
	h := newHarness(t, openDuckDB(t), w)
	h.sync(t, importer.Options{})
	narrow := h.source
	narrow.Connection = 2
	narrow.Client = h.clientOf(t, h.server.Token(gitlabtest.TokenSpec{Groups: []string{"acme/tools"}}))
	for range 2 {
		if _, err := h.importer.Sync(t.Context(), narrow, importer.Options{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	h.compareAll(t)
	// What it has seen itself and now is gone, is.
	w.DeleteProject(w.Projects[1])
	if _, err := h.importer.Sync(t.Context(), narrow, importer.Options{}, nil); err != nil {
		t.Fatal(err)
	}
	if got := stored(t.Context(), t, h.store)["projects"]; len(got) != 2 {
		t.Errorf("%d projects are left, want 2", len(got))
	}
}

// TestMovedOutOfReach: a project that left the connection's groups keeps its
// data under its new path.
func TestMovedOutOfReach(t *testing.T) {
	w := smallWorld()
	w.AddGroup("other")
	h := newHarness(t, openDuckDB(t), w)
	h.source.Groups = []string{"acme"}
	h.sync(t, importer.Options{})
	if err := w.MoveProject(w.Projects[0], "other/shop"); err != nil {
		t.Fatal(err)
	}
	if s := h.sync(t, importer.Options{}); s.State != ci.SyncComplete {
		t.Errorf("state %s, want complete", s.State)
	}
	want, got := truth(w, 1, base), stored(t.Context(), t, h.store)
	for id, row := range want["groups"] {
		if row["full_path"] == "other" {
			delete(want["groups"], id) // is in no reach
		}
	}
	compareTables(t, want, got)
}

// TestAGroupThatIsNotThere is recorded; what was seen below it is not deleted
// for that.
func TestAGroupThatIsNotThere(t *testing.T) {
	h := newHarness(t, openDuckDB(t), smallWorld())
	h.sync(t, importer.Options{})
	h.source.Groups = []string{"acme/tools", "acme/gone"}
	s := h.sync(t, importer.Options{})
	if s.State != ci.SyncIncomplete {
		t.Errorf("state %s, want incomplete", s.State)
	}
	h.wantErrors(t, s, fmt.Sprintf("%s 0", ci.GroupNotFound))
	h.compareAll(t)
	h.source.Groups = []string{"acme/gone"}
	if _, err := h.importer.Sync(t.Context(), h.source, importer.Options{}, nil); ci.CodeOf(err) != ci.GroupNotFound {
		t.Errorf("no group is there: error %v, want group_not_found", err)
	}
}

// TestRepositories: the other kind of connection brings repositories, and the
// projects find theirs.
func TestRepositories(t *testing.T) {
	w := smallWorld()
	h := newHarness(t, openDuckDB(t), w)
	h.sync(t, importer.Options{})
	other := h.source
	other.Connection, other.Kind = 2, importer.KindGitLab
	for range 2 {
		h.server.ResetRequests()
		if _, err := h.importer.Sync(t.Context(), other, importer.Options{}, nil); err != nil {
			t.Fatal(err)
		}
		if got := h.requests(); got != 3 {
			t.Errorf("%d requests, want 3: %v", got, h.server.RequestCount())
		}
	}
	query(t, h.store, "SELECT count(*) FROM projects p JOIN repositories r ON r.instance_id = p.instance_id AND r.id = p.repository_id AND r.full_path = p.full_path", func(row []any) {
		if row[0] != int64(2) {
			t.Errorf("%v projects have their repository, want 2", row[0])
		}
	})
	w.DeleteProject(w.Projects[0])
	if _, err := h.importer.Sync(t.Context(), other, importer.Options{}, nil); err != nil {
		t.Fatal(err)
	}
	query(t, h.store, "SELECT count(*) FROM repositories WHERE deleted_at IS NULL", func(row []any) {
		if row[0] != int64(1) {
			t.Errorf("%v repositories are left, want 1", row[0])
		}
	})
}

// TestFullReadsEverythingAgain and so finds what leaves no trace: an erased job.
func TestFullReadsEverythingAgain(t *testing.T) {
	w := smallWorld()
	h := newHarness(t, openDuckDB(t), w)
	h.sync(t, importer.Options{})
	w.EraseJob(w.Projects[0].Pipelines[0], w.Projects[0].Pipelines[0].Jobs[0])
	h.sync(t, importer.Options{})
	h.sync(t, importer.Options{Full: true})
	h.compareAll(t)
}

// TestHorizon: what was last changed before it is not imported, until a later
// sync reaches further back.
func TestHorizon(t *testing.T) {
	w := gitlabtest.Uniform(2, 300, 1) // five minutes apart: 25 hours
	until := w.Projects[0].Pipelines[299].CreatedAt
	h := newHarness(t, openDuckDB(t), w)
	count := func() (n int) {
		for _, row := range stored(t.Context(), t, h.store)["pipelines"] {
			if row["id"] != "" {
				n++
			}
		}
		return n
	}
	h.source.Since = until.Add(-6 * time.Hour)
	h.sync(t, importer.Options{})
	if got := count(); got < 2*72 || got > 2*74 {
		t.Errorf("%d pipelines of six hours, want about 146", got)
	}
	h.source.Since = time.Time{}
	h.sync(t, importer.Options{})
	h.compare(t)
}

// TestNamedProjects reads those and nothing else.
func TestNamedProjects(t *testing.T) {
	w := smallWorld()
	h := newHarness(t, openDuckDB(t), w)
	h.sync(t, importer.Options{Projects: []string{w.Projects[1].FullPath}})
	for _, r := range h.server.Requests() {
		if strings.Contains(r.Path, fmt.Sprintf("/projects/%d", w.Projects[0].ID)) || strings.Contains(r.Path, "/groups") {
			t.Errorf("%s was asked for", r.Path)
		}
	}
	_, err := h.importer.Sync(t.Context(), h.source, importer.Options{Projects: []string{"acme/nowhere"}}, nil)
	if ci.CodeOf(err) != ci.ProjectNotFound {
		t.Errorf("an unknown project: %v, want project_not_found", err)
	}
	_, err = h.importer.Sync(t.Context(), h.source, importer.Options{Plan: "fastest"}, nil)
	if ci.CodeOf(err) != ci.BadRequest {
		t.Errorf("an unknown plan: %v, want bad_request", err)
	}
}

// TestEventsTellTheTruth: the numbers of the last event are those of the sync.
func TestEventsTellTheTruth(t *testing.T) {
	h := newHarness(t, openDuckDB(t), smallWorld())
	var events []importer.Event
	s, err := h.importer.Sync(t.Context(), h.source, importer.Options{}, func(e importer.Event) { events = append(events, e) })
	if err != nil {
		t.Fatal(err)
	}
	first, last := events[0], events[len(events)-1]
	if first.Kind != importer.EventStarted || last.Kind != importer.EventDone {
		t.Errorf("events go from %s to %s", first.Kind, last.Kind)
	}
	if last.Requests != s.Requests || !maps.Equal(last.Rows, s.Rows) {
		t.Errorf("the last event says %d requests and %v, the sync %d and %v", last.Requests, last.Rows, s.Requests, s.Rows)
	}
	if last.PipelinesDone == 0 || last.PipelinesDone > last.PipelinesTotal {
		t.Errorf("%d of %d pipelines done", last.PipelinesDone, last.PipelinesTotal)
	}
	stored, err := h.store.Sync(t.Context(), s.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, stored, cmp.Comparer(func(a, b time.Time) bool { return a.Sub(b).Abs() < time.Millisecond })); diff != "" {
		t.Errorf("syncs holds another row than Sync returned (-returned +stored):\n%s", diff)
	}
}

var today = time.Date(2026, 11, 20, 15, 4, 5, 0, time.UTC)

// smallWorld has two projects with everything that an importer meets often.
func smallWorld() *gitlabtest.World {
	w := gitlabtest.NewWorld()
	w.SetNow(today)
	runner := w.AddRunner("shared", "docker")
	for _, path := range []string{"acme/shop", "acme/tools/lint"} {
		p := w.AddProject(path)
		for i := range 4 {
			w.AddPipeline(p, gitlabtest.PipelineSpec{At: today.Add(-time.Duration(i*30+60) * time.Hour), Jobs: []gitlabtest.JobSpec{
				{Name: "build", Stage: "build", Took: time.Minute, Runner: runner},
				{Name: "test 1/2", Took: 90 * time.Second, FailedFirst: 1, Runner: runner},
				{Name: "test 2/2", Took: 80 * time.Second, Runner: runner},
			}})
		}
	}
	return w
}

// harness is an importer between a simulated GitLab and a store.
type harness struct {
	server   *gitlabtest.Server
	store    *store.Store
	importer *importer.Importer
	source   importer.Source
}

func newHarness(t testing.TB, s *store.Store, w *gitlabtest.World, opts ...gitlabtest.Option) *harness {
	t.Helper()
	h := &harness{server: gitlabtest.NewServer(w, opts...), store: s}
	instance, err := s.EnsureInstance(t.Context(), base, today)
	if err != nil {
		t.Fatal(err)
	}
	h.importer = importer.New(importer.Config{Log: slog.New(slog.DiscardHandler), Store: s})
	h.source = importer.Source{Connection: 1, Instance: instance, Kind: importer.KindPipelines, Client: h.client(t)}
	return h
}

func (h *harness) client(t testing.TB) *gitlab.Client { return h.clientOf(t, h.server.DefaultToken()) }

func (h *harness) clientOf(t testing.TB, token string) *gitlab.Client {
	t.Helper()
	c, err := gitlab.New(gitlab.Config{
		BaseURL: base, Credentials: []gitlab.Credential{{Token: gitlab.Secret(token)}},
		Transport: h.server.Transport(), MaxRetries: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (h *harness) sync(t testing.TB, o importer.Options) ci.Sync {
	t.Helper()
	s, err := h.importer.Sync(t.Context(), h.source, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// compare holds the store against the truth, but for what leaves no trace.
func (h *harness) compare(t *testing.T) {
	t.Helper()
	want, got := truth(h.server.World(), h.source.Instance.ID, base), stored(t.Context(), t, h.store)
	traceless(want, got)
	compareTables(t, want, got)
}

// compareAll holds the store against the whole truth.
func (h *harness) compareAll(t *testing.T) {
	t.Helper()
	compareTables(t, truth(h.server.World(), h.source.Instance.ID, base), stored(t.Context(), t, h.store))
}

func (h *harness) requests() int { return h.server.RequestCount()[""] }

// wantErrors compares a sync's errors, each as "code project".
func (h *harness) wantErrors(t *testing.T, s ci.Sync, want ...string) {
	t.Helper()
	rows, err := h.store.SyncErrors(t.Context(), s.ID)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range rows {
		project := ci.ProjectID(0)
		if e.ProjectID != nil {
			project = *e.ProjectID
		}
		got = append(got, fmt.Sprintf("%s %d", e.Code, project))
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sync_errors (-want +got):\n%s", diff)
	}
}

var engines = map[string]func(testing.TB) *store.Store{"duckdb": openDuckDB, "postgres": openPostgres}

func openDuckDB(t testing.TB) *store.Store {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "weir.duckdb"))
}

func openPostgres(t testing.TB) *store.Store {
	t.Helper()
	return open(t, pgtest.Database(t))
}

func open(t testing.TB, database string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Log: slog.New(slog.DiscardHandler), Database: database})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
