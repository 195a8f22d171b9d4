package importer_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
)

// TestHooksBesidePolls lets a world move while events come in disorder, twice
// and not at all, between polls. After a last poll the tables are those of a
// store that never heard an event.
func TestHooksBesidePolls(t *testing.T) {
	t.Parallel()
	exact := importer.Options{Plan: importer.PlanDocumented} // GraphQL does not say whose job it was, and hooks do
	for engine, open := range engines {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s/seed %d", engine, seed), func(t *testing.T) {
				w := gitlabtest.Generate(seed, gitlabtest.Size{Groups: 2, Projects: 4, PipelinesPerProject: 6, JobsPerPipeline: 4, Days: 10, Until: today, Environments: true})
				// With the clock of the machine: polls are stamped with it.
				w.Advance(time.Since(today))
				h := newHarness(t, open(t), w)
				deaf := newHarness(t, openDuckDB(t), w)
				events := h.server.Hooks(base)
				random := rand.New(rand.NewPCG(seed, 7))
				h.sync(t, exact)
				deaf.sync(t, exact)
				var late []gitlabtest.Delivery
				for range 6 {
					var round []gitlabtest.Delivery
					for range 12 {
						w.Step(random)
						round = append(round, events.Take()...)
					}
					mangled := gitlabtest.Mangle(random, append(round, late...), 0.2, 0.3)
					half := len(mangled) / 2
					h.hear(t, mangled[:half])
					if random.IntN(2) == 0 {
						h.sync(t, exact)
						deaf.sync(t, exact)
					}
					h.hear(t, mangled[half:])
					late = round[:len(round)/3] // heard once more in the next round, whatever came since
				}
				h.sync(t, exact)
				deaf.sync(t, exact)
				h.hear(t, late)
				sameButForWhatHooksKnow(t, deaf, h)
				h.sync(t, importer.Options{Full: true, Plan: importer.PlanDocumented})
				deaf.sync(t, importer.Options{Full: true, Plan: importer.PlanDocumented})
				sameButForWhatHooksKnow(t, deaf, h)
			})
		}
	}
}

// TestHookShowsAPipelineAtOnce and the next poll reads it as if there had been
// none.
func TestHookShowsAPipelineAtOnce(t *testing.T) {
	for engine, open := range engines {
		t.Run(engine, func(t *testing.T) {
			w := smallWorld()
			w.SetNow(time.Now().Truncate(time.Second))
			h := newHarness(t, open(t), w)
			events := h.server.Hooks(base)
			h.sync(t, importer.Options{})
			pl := w.StartPipeline(w.Projects[0], gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "build"}}})
			h.server.ResetRequests()
			h.hear(t, events.Take())
			if h.requests() != 0 {
				t.Errorf("an event cost %d requests", h.requests())
			}
			id := fmt.Sprint(pl.ID)
			row := stored(t.Context(), t, h.store)["pipelines"][id]
			if row == nil || row["status"] != "pending" || row["updated_at"] != "NULL" || row["web_url"] == "NULL" {
				t.Fatalf("the pipeline is stored as %v", row)
			}
			h.sync(t, importer.Options{})
			if got := h.server.RequestCount()["GET /projects/:id/pipelines/:id"]; got != 1 {
				t.Errorf("the next poll read %d pipelines, want the one that only a hook told of", got)
			}
			h.compare(t)
			// An ended pipeline too: its status alone would look current.
			h.server.Advance(time.Minute) // or the event proves no more than that it is as old as the poll
			if err := w.FinishPipeline(pl, "success"); err != nil {
				t.Fatal(err)
			}
			h.hear(t, events.Take())
			if row := stored(t.Context(), t, h.store)["pipelines"][id]; row["status"] != "success" {
				t.Errorf("after the poll and the event: %v", row)
			}
			h.sync(t, importer.Options{})
			h.compareButForManual(t)
		})
	}
}

// TestHooksOfUnknownProjects wait, and cost nothing.
func TestHooksOfUnknownProjects(t *testing.T) {
	w := smallWorld()
	h := newHarness(t, openDuckDB(t), w)
	events := h.server.Hooks(base)
	w.StartPipeline(w.Projects[0], gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "build"}}})
	list := h.events(t, events.Take())
	outcomes, err := h.importer.ApplyHooks(t.Context(), 1, list)
	if err != nil || slices.ContainsFunc(outcomes, func(o importer.HookOutcome) bool { return !o.Waiting || o.Err != nil }) {
		t.Errorf("outcomes %+v, error %v", outcomes, err)
	}
	if len(stored(t.Context(), t, h.store)["pipelines"]) != 0 || h.requests() != 0 {
		t.Error("something was written or asked")
	}
	h.sync(t, importer.Options{})
	if outcomes, err := h.importer.ApplyHooks(t.Context(), 1, list); err != nil || outcomes[0].Waiting {
		t.Errorf("after the poll: %+v, %v", outcomes, err)
	}
	h.compare(t)
	// Under another path it is not the project that we know.
	list[0].Hook = parse(t, strings.Replace(string(list[0].Hook.Reduced()), "acme/shop", "other/shop", 1))
	if outcomes, err := h.importer.ApplyHooks(t.Context(), 1, list[:1]); err != nil || !outcomes[0].Waiting {
		t.Errorf("under another path: %+v, %v", outcomes, err)
	}
	list[0].Hook = parse(t, `{"object_kind":"build","build_id":1,"build_name":"a","build_status":"x","pipeline_id":1,"project_id":`+fmt.Sprint(w.Projects[0].ID)+`}`)
	if outcomes, err := h.importer.ApplyHooks(t.Context(), 1, list[:1]); err != nil || outcomes[0].Err == nil {
		t.Errorf("without a time: %+v, %v", outcomes, err)
	}
	if outcomes, err := h.importer.ApplyHooks(t.Context(), 1, nil); err != nil || len(outcomes) != 0 {
		t.Errorf("of nothing: %v, %v", outcomes, err)
	}
}

// TestHookOfAGitLabWhoseClockIsAhead must not outlive the next poll.
func TestHookOfAGitLabWhoseClockIsAhead(t *testing.T) {
	w := smallWorld()
	w.Advance(time.Since(today) + 10*time.Minute)
	h := newHarness(t, openDuckDB(t), w)
	events := h.server.Hooks(base)
	h.sync(t, importer.Options{})
	pl := w.StartPipeline(w.Projects[0], gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "build"}}})
	h.hear(t, events.Take())
	if err := w.FinishPipeline(pl, "failed"); err != nil {
		t.Fatal(err)
	}
	h.sync(t, importer.Options{})
	h.compareButForManual(t)
}

// TestHookOfADeletedProject waits, even if GitLab's clock makes it newer than the
// deletion: a pipeline that it raised no poll would ever read.
func TestHookOfADeletedProject(t *testing.T) {
	w := smallWorld()
	w.Advance(time.Since(today) + 10*time.Minute)
	h := newHarness(t, openDuckDB(t), w)
	events := h.server.Hooks(base)
	h.sync(t, importer.Options{})
	w.StartPipeline(w.Projects[0], gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "build"}}})
	list := h.events(t, events.Take())
	w.DeleteProject(w.Projects[0])
	h.sync(t, importer.Options{})
	for i := range list {
		list[i].ReceivedAt = time.Now() // late
	}
	outcomes, err := h.importer.ApplyHooks(t.Context(), 1, list)
	if err != nil || len(outcomes) == 0 || slices.ContainsFunc(outcomes, func(o importer.HookOutcome) bool { return !o.Waiting || o.Err != nil }) {
		t.Errorf("outcomes %+v, error %v", outcomes, err)
	}
	h.compareButForManual(t)
}

// TestHookWords: what an event says in other words than the API.
func TestHookWords(t *testing.T) {
	h := newHarness(t, openDuckDB(t), smallWorld())
	h.sync(t, importer.Options{})
	project := fmt.Sprintf(`"project":{"id":%d,"default_branch":"main"}`, h.server.World().Projects[0].ID)
	for i, c := range []struct {
		name, attributes, more string
		want                   map[string]string
	}{
		{"a branch", `"ref":"main","source":"push"`, "", map[string]string{"ref": "main", "ref_type": "branch", "is_default_branch": "true", "has_warnings": "NULL", "name": "NULL", "time_precision": "s"}},
		{"a tag", `"ref":"v1","tag":true,"source":"push"`, "", map[string]string{"ref": "v1", "ref_type": "tag", "is_default_branch": "false"}},
		{"a merge request: the ref is another", `"ref":"feature","source":"merge_request_event"`, `,"merge_request":{"iid":5}`, map[string]string{"ref": "NULL", "ref_type": "merge_request", "merge_request_iid": "5"}},
		{"a child", `"ref":"main","source":"parent_pipeline"`, `,"source_pipeline":{"pipeline_id":77}`, map[string]string{"parent_pipeline_id": "77", "upstream_pipeline_id": "NULL"}},
		{"a downstream pipeline", `"ref":"main","source":"pipeline"`, `,"source_pipeline":{"pipeline_id":78}`, map[string]string{"parent_pipeline_id": "NULL", "upstream_pipeline_id": "78"}},
		{"warnings", `"detailed_status":"passed with warnings"`, "", map[string]string{"has_warnings": "true"}},
		{"no warnings", `"detailed_status":"passed"`, "", map[string]string{"has_warnings": "false"}},
		{"an unknown status is kept", `"source":"push"`, "", map[string]string{"status": "levitating"}},
	} {
		id := int64(900_000 + i)
		e := importer.HookEvent{ReceivedAt: time.Now(), Hook: parse(t, fmt.Sprintf(
			`{"object_kind":"pipeline","object_attributes":{"id":%d,"status":"levitating","created_at":"2026-11-20 15:00:00 UTC",%s},%s%s}`, id, c.attributes, project, c.more))}
		if _, err := h.importer.ApplyHooks(t.Context(), 1, []importer.HookEvent{e}); err != nil {
			t.Fatal(err)
		}
		row, got := stored(t.Context(), t, h.store)["pipelines"][fmt.Sprint(id)], map[string]string{}
		for column := range c.want {
			got[column] = row[column]
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	external := parse(t, `{"object_kind":"pipeline","object_attributes":{"id":999999,"status":"success","source":"external","created_at":"2026-11-20 15:00:00 UTC"},`+project+`}`)
	if o, err := h.importer.ApplyHooks(t.Context(), 1, []importer.HookEvent{{Hook: external, ReceivedAt: time.Now()}}); err != nil || o[0].Waiting || o[0].Err != nil {
		t.Errorf("an external pipeline: %+v, %v", o, err)
	}
	if stored(t.Context(), t, h.store)["pipelines"]["999999"] != nil {
		t.Error("an external pipeline is stored, and no poll would ever complete it")
	}
}

func (h *harness) hear(t *testing.T, list []gitlabtest.Delivery) {
	t.Helper()
	outcomes, err := h.importer.ApplyHooks(t.Context(), h.source.Instance.ID, h.events(t, list))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range outcomes {
		if o.Err != nil {
			t.Error(o.Err)
		}
	}
}

func (h *harness) events(t *testing.T, list []gitlabtest.Delivery) []importer.HookEvent {
	t.Helper()
	events := make([]importer.HookEvent, len(list))
	for i, d := range list {
		events[i] = importer.HookEvent{ID: int64(i), Hook: parse(t, string(d.Body)), ReceivedAt: time.Now()}
	}
	return events
}

func parse(t *testing.T, body string) gitlab.Hook {
	t.Helper()
	hook, err := gitlab.ParseHook([]byte(body))
	if err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return hook
}

// compareButForManual is compare where events have told more than REST does.
func (h *harness) compareButForManual(t *testing.T) {
	t.Helper()
	want, got := truth(h.server.World(), h.source.Instance.ID, base), stored(t.Context(), t, h.store)
	traceless(want, got)
	forgetWhatHooksKnow(got)
	compareTables(t, want, got)
}

func sameButForWhatHooksKnow(t *testing.T, deaf, h *harness) {
	t.Helper()
	want, got := stored(t.Context(), t, deaf.store), stored(t.Context(), t, h.store)
	for id, row := range want["jobs"] {
		if g := got["jobs"][id]; g != nil && row["manual"] == "NULL" {
			g["manual"] = "NULL" // REST says it while a job waits, events always
		}
	}
	for _, table := range []string{"pipelines", "jobs", "deployments"} {
		maps.DeleteFunc(got[table], func(_ string, row map[string]string) bool {
			p := want["projects"][row["project_id"]]
			return p == nil || p["ci_access"] != "enabled" // GitLab tells by hooks what it refuses to the token
		})
		maps.DeleteFunc(want[table], func(_ string, row map[string]string) bool {
			p := want["projects"][row["project_id"]]
			return p == nil || p["ci_access"] != "enabled"
		})
	}
	traceless(want, got)
	for _, table := range slices.Sorted(maps.Keys(want)) {
		if table == "runners" || table == "users" {
			continue // of attempts that were gone before the deaf one looked
		}
		if diff := cmp.Diff(want[table], got[table]); diff != "" {
			t.Errorf("%s (-polls only +with hooks):\n%s", table, diff[:min(len(diff), 3000)])
		}
	}
}

func forgetWhatHooksKnow(got tables) {
	for _, row := range got["jobs"] {
		if row["manual"] == "false" {
			row["manual"] = "NULL"
		}
	}
	for _, row := range got["runners"] {
		row["tags"] = "NULL"
	}
}
