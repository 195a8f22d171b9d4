package importer_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
	"github.com/weirhq/weir/internal/store"
)

// TestErasedLately: what is erased in a pipeline of the last days is found by the
// next reconciliation, and costs nothing before it. What is read again for it
// keeps its milliseconds.
func TestErasedLately(t *testing.T) {
	t.Parallel()
	for engine, open := range engines {
		t.Run(engine, func(t *testing.T) {
			w := newSettledWorld()
			family := w.Project("acme/family")
			child := w.AddPipeline(family, gitlabtest.PipelineSpec{
				At: today.Add(-20 * time.Hour), Source: "parent_pipeline", Parent: family.Pipelines[0], Jobs: []gitlabtest.JobSpec{{Name: "a", Took: time.Minute}, {Name: "b", Took: time.Minute}},
			})
			h := newErasureHarness(t, open(t), w.World)
			for range 3 {
				h.sync(t, importer.Options{Plan: importer.PlanDocumented})
				h.server.Advance(time.Hour)
			}
			h.round(t, 0) // the first that could look: everything was read just now
			h.server.Advance(time.Minute + 678*time.Millisecond)
			h.must(t, w.EraseJob(w.Project("acme/a").Pipelines[1], w.Project("acme/a").Pipelines[1].Jobs[0]))
			h.must(t, w.EraseJob(child, child.Jobs[1]))
			h.server.Advance(2 * time.Hour)
			if got := h.round(t, 0); got != idleRound {
				t.Errorf("before its turn the round took %d requests, want %d: %v", got, idleRound, h.server.RequestCount())
			}
			h.server.Advance(4 * time.Hour)
			// The count; a look at all projects; two pipelines by the documented plan.
			if got, want := h.round(t, 1), idleRound+1+1+2*3; got != want {
				t.Errorf("the reconciliation took %d requests, want %d: %v", got, want, h.server.RequestCount())
			}
			h.compareAll(t) // to the millisecond
			h.server.Advance(time.Hour)
			if got := h.round(t, 0); got != idleRound {
				t.Errorf("the round after it took %d requests, want %d: %v", got, idleRound, h.server.RequestCount())
			}
			h.server.Advance(6 * time.Hour)
			if got, want := h.round(t, 1), idleRound+1+1; got != want {
				t.Errorf("with nothing erased since it took %d requests, want %d: %v", got, want, h.server.RequestCount())
			}
		})
	}
}

// TestErasedLongAgo: history takes its turn, a page at a time: in thirty days all
// of it is looked through, in as many requests as it has pages.
func TestErasedLongAgo(t *testing.T) {
	t.Parallel()
	const pipelines, days = 500, 30
	w := gitlabtest.Uniform(1, pipelines, 1)
	small := w.AddProject("acme/small")
	alone := w.AddPipeline(small, gitlabtest.PipelineSpec{At: w.Now().Add(-time.Hour), Jobs: []gitlabtest.JobSpec{{Name: "a", Took: time.Minute}}})
	w.SetNow(w.Now().Add(10 * 24 * time.Hour))
	h := newErasureHarness(t, openDuckDB(t), w)
	h.settle(t)
	oldest := w.Projects[0].Pipelines[0]
	h.must(t, w.EraseJob(oldest, oldest.Jobs[0]))
	h.must(t, w.EraseJob(alone, alone.Jobs[0]))
	h.server.ResetRequests()
	asked, read, day := 0, 0, 0
	for day = 1; day <= days+1 && !h.erased(t, alone, oldest); day++ {
		h.server.Advance(24 * time.Hour)
		before := h.operations()["Erased"]
		h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
		n := h.operations()["Erased"] - before
		if asked += n; n > 2 {
			t.Errorf("on day %d it was asked %d times", day, n)
		}
		read = h.server.RequestCount()["GET /projects/:id/pipelines/:id/jobs"]
	}
	if !h.erased(t, alone, oldest) {
		t.Errorf("after %d days one of the erased jobs is not known to be", days+1)
	}
	if asked > pipelines/100+1 || read != 2 {
		t.Errorf("it took %d requests for what was erased, and %d for the jobs of pipelines; want at most %d, and 2", asked, read, pipelines/100+1)
	}
	if day < days-1 {
		t.Errorf("all of history was looked through in %d days, not evenly in %d", day, days)
	}
}

// TestErasedAfterAPause: weir that was off for long does not ask for all that it
// missed at once.
func TestErasedAfterAPause(t *testing.T) {
	t.Parallel()
	w := gitlabtest.Uniform(1, 3000, 1) // ten days, 30 pages: one a day
	w.SetNow(w.Now().Add(10 * 24 * time.Hour))
	h := newErasureHarness(t, openDuckDB(t), w)
	h.settle(t)
	h.server.Advance(200 * 24 * time.Hour)
	for n := range 2 {
		before := h.operations()["Erased"]
		h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
		if got, want := h.operations()["Erased"]-before, 2*(1-n); got != want {
			t.Errorf("round %d after the pause looked through %d pages, want %d", n, got, want)
		}
		h.server.Advance(time.Minute)
	}
}

// TestErasedIsBounded: where much is due, a round does a part of it.
func TestErasedIsBounded(t *testing.T) {
	t.Parallel()
	w := gitlabtest.Uniform(30, 51, 1) // no two of them fit one page
	h := newErasureHarness(t, openDuckDB(t), w)
	h.settle(t)
	h.server.Advance(6 * time.Hour)
	for n := range 4 {
		before := h.operations()["Erased"]
		h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
		want := 10
		if n == 3 {
			want = 0
		}
		if got := h.operations()["Erased"] - before; got != want {
			t.Errorf("round %d looked %d times, want %d", n, got, want)
		}
		h.server.Advance(time.Minute)
	}
}

// TestErasedInLongPipelines: of pipelines with more than a hundred builds all are
// looked at.
func TestErasedInLongPipelines(t *testing.T) {
	t.Parallel()
	w := gitlabtest.NewWorld()
	w.SetNow(today)
	jobs := make([]gitlabtest.JobSpec, 150)
	for i := range jobs {
		jobs[i] = gitlabtest.JobSpec{Name: fmt.Sprintf("job-%d", i), Took: time.Minute}
	}
	pl := w.AddPipeline(w.AddProject("acme/a"), gitlabtest.PipelineSpec{At: today.Add(-20 * time.Hour), Jobs: jobs})
	h := newErasureHarness(t, openDuckDB(t), w)
	h.settle(t)
	h.must(t, w.EraseJob(pl, pl.Jobs[0]))
	h.server.Advance(6 * time.Hour)
	h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
	h.compareAll(t)
}

// TestErasedInAnOldOpenRound: a round that leaves out pipelines that have been
// open for long does not leave out those with erased jobs.
func TestErasedInAnOldOpenRound(t *testing.T) {
	t.Parallel()
	w := newSettledWorld()
	h := newErasureHarness(t, openDuckDB(t), w.World)
	h.settle(t)
	h.must(t, w.EraseJob(w.manual, w.manual.Jobs[0]))
	h.server.Advance(6 * time.Hour)
	h.sync(t, importer.Options{Plan: importer.PlanGraphQL, OpenSince: w.Now().Add(-time.Hour)})
	if !h.erased(t, w.manual) {
		t.Error("the erased job is not known to be")
	}
}

// TestErasedUntold: where GitLab cannot tell, the round goes on, says so, and asks
// again by the next reconciliation.
func TestErasedUntold(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		kind  gitlabtest.FaultKind
		times int // that it goes wrong; 0: always
		found bool
		asked int
	}{
		"timed out at first": {gitlabtest.GraphQLTimeout, 2, true, 4}, // four projects, two, one; then one, and two
		"timed out":          {gitlabtest.GraphQLTimeout, 0, false, 5},
		"null":               {gitlabtest.GraphQLNull, 0, false, 1},
		"forbidden":          {gitlabtest.Forbidden, 0, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newSettledWorld()
			h := newErasureHarness(t, openDuckDB(t), w.World)
			h.settle(t)
			h.must(t, w.EraseJob(w.manual, w.manual.Jobs[0]))
			h.server.Advance(6 * time.Hour)
			wrong := 0
			h.server.Fault(func(_ int, r *http.Request) gitlabtest.Fault {
				if r.Header.Get(operationHeader) != "Erased" || tt.times > 0 && wrong == tt.times {
					return gitlabtest.Fault{}
				}
				wrong++
				return gitlabtest.Fault{Kind: tt.kind, Field: "projects"}
			})
			before := h.operations()["Erased"]
			s := h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
			if s.State != ci.SyncComplete {
				t.Errorf("the round ended %s", s.State)
			}
			if got := h.operations()["Erased"] - before; got != tt.asked {
				t.Errorf("it asked %d times, want %d", got, tt.asked)
			}
			if got := h.erased(t, w.manual); got != tt.found {
				t.Errorf("the erased job is known: %t, want %t", got, tt.found)
			}
			rows, err := h.store.SyncErrors(t.Context(), s.ID)
			h.must(t, err)
			if told := slices.ContainsFunc(rows, func(e ci.SyncError) bool { return e.Code == string(ci.PlanFallback) }); told == tt.found {
				t.Errorf("sync_errors %v", rows)
			}
			h.server.Fault(nil)
			h.server.Advance(time.Hour)
			before = h.operations()["Erased"]
			h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
			if got := h.operations()["Erased"] - before; got != 0 {
				t.Errorf("an hour later it asked %d times, want none", got)
			}
			h.server.Advance(6 * time.Hour)
			h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
			if !h.erased(t, w.manual) {
				t.Error("the next reconciliation has not found it")
			}
		})
	}
}

// TestErasedOnSmallPages: a GitLab that puts fewer projects on a page than are
// asked for is asked for fewer.
func TestErasedOnSmallPages(t *testing.T) {
	t.Parallel()
	w := newSettledWorld()
	h := newErasureHarness(t, openDuckDB(t), w.World, gitlabtest.LargestPage(1))
	h.settle(t)
	h.must(t, w.EraseJob(w.manual, w.manual.Jobs[0]))
	h.server.Advance(6 * time.Hour)
	s := h.sync(t, importer.Options{Plan: importer.PlanGraphQL})
	rows, err := h.store.SyncErrors(t.Context(), s.ID)
	h.must(t, err)
	if slices.ContainsFunc(rows, func(e ci.SyncError) bool { return strings.Contains(e.Detail, "erased") }) {
		t.Errorf("sync_errors %v", rows)
	}
	if !h.erased(t, w.manual) {
		t.Error("the erased job is not known to be")
	}
}

// erasureHarness is a harness whose importer goes by GitLab's clock, and that
// tells the operations of GraphQL apart.
type erasureHarness struct {
	*harness
	spy *operationSpy
}

func newErasureHarness(t *testing.T, s *store.Store, w *gitlabtest.World, opts ...gitlabtest.Option) *erasureHarness {
	t.Helper()
	h := &erasureHarness{harness: newHarness(t, s, w, opts...)}
	h.spy = &operationSpy{to: h.server.Transport(), seen: map[string]int{}}
	c, err := gitlab.New(gitlab.Config{
		BaseURL: base, Credentials: []gitlab.Credential{{Token: gitlab.Secret(h.server.DefaultToken())}}, Transport: h.spy, MaxRetries: -1,
	})
	h.must(t, err)
	h.source.Client = c
	h.importer = importer.New(importer.Config{Store: s, Now: w.Now})
	return h
}

// round is an idle round, but for what is erased: it gives its requests, of which
// so many may look for that.
func (h *erasureHarness) round(t *testing.T, looks int) int {
	t.Helper()
	h.server.ResetRequests()
	before := h.operations()["Erased"]
	if s := h.sync(t, importer.Options{Plan: importer.PlanGraphQL}); s.State != ci.SyncComplete {
		t.Errorf("the round ended %s", s.State)
	}
	if got := h.operations()["Erased"] - before; got != looks {
		t.Errorf("the round looked for erased jobs %d times, want %d", got, looks)
	}
	return h.requests()
}

// erased says whether the first erased job of each pipeline is stored so, to the
// millisecond.
func (h *erasureHarness) erased(t *testing.T, list ...*gitlabtest.Pipeline) bool {
	t.Helper()
	rows := stored(t.Context(), t, h.store)["jobs"]
	for _, pl := range list {
		for _, j := range pl.Jobs {
			if row := rows[fmt.Sprint(j.ID)]; row == nil || row["erased_at"] != text(ms(j.ErasedAt)) {
				return false
			}
		}
	}
	return true
}

func (h *erasureHarness) operations() map[string]int {
	h.spy.mu.Lock()
	defer h.spy.mu.Unlock()
	return maps.Clone(h.spy.seen)
}

const operationHeader = "X-Operation"

// operationSpy counts GraphQL's operations, and writes each into a header.
type operationSpy struct {
	to   http.RoundTripper
	mu   sync.Mutex
	seen map[string]int
}

func (s *operationSpy) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return s.to.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var sent struct{ OperationName string }
	if err := json.Unmarshal(body, &sent); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.seen[sent.OperationName]++
	s.mu.Unlock()
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.Header.Set(operationHeader, sent.OperationName)
	return s.to.RoundTrip(r)
}
