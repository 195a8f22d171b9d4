package gitlabtest_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
)

// TestNumbersAsRecorded recomputes the durations of real pipelines from their
// jobs.
func TestNumbersAsRecorded(t *testing.T) {
	dir, err := fs.Sub(contract(t), "recorded/gitlab-exporter")
	if err != nil {
		t.Fatal(err)
	}
	s, err := gitlabtest.Replay(dir)
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, pl := range s.World().Projects[0].Pipelines {
		var recorded struct {
			Duration       *int64
			QueuedDuration *int64 `json:"queued_duration"`
		}
		decode(t, get(t, s, path("projects/50817395/pipelines/%d", pl.ID)), &recorded)
		if diff := cmp.Diff(recorded.Duration, pl.Duration(time.Now())); diff != "" {
			t.Errorf("duration of %d (-recorded +ours):\n%s", pl.ID, diff)
		}
		if diff := cmp.Diff(recorded.QueuedDuration, pl.QueuedDuration()); diff != "" {
			t.Errorf("queued_duration of %d (-recorded +ours):\n%s", pl.ID, diff)
		}
		checked++
	}
	if checked != 28 {
		t.Errorf("%d of 28 pipelines", checked)
	}
}

// TestReplay reads a recorded project the way an importer does, and gets back
// what was recorded.
func TestReplay(t *testing.T) {
	dir, err := fs.Sub(contract(t), "recorded/gitlab-exporter")
	if err != nil {
		t.Fatal(err)
	}
	s, err := gitlabtest.Replay(dir)
	if err != nil {
		t.Fatal(err)
	}
	groups := rows(t, get(t, s, path("groups")))
	if len(groups) != 1 || groups[0].FullPath != "cluttrdev" {
		t.Fatalf("groups: %+v", groups)
	}
	projects := rows(t, get(t, s, path("groups/%d/projects?include_subgroups=true", groups[0].ID)))
	if len(projects) != 1 || projects[0].ID != 50817395 {
		t.Fatalf("projects: %+v", projects)
	}
	pipelines := all(t, s, path("projects/cluttrdev%%2Fgitlab-exporter/pipelines?per_page=5&sort=asc&order_by=updated_at&updated_after=2000-01-01T00:00:00Z"))
	const folder = "api/v4/projects/50817395/pipelines"
	builds := 0
	for _, raw := range pipelines {
		var pl row
		if err := json.Unmarshal(raw, &pl); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{".json", "/jobs.json", "/bridges.json"} {
			want, err := fs.ReadFile(dir, fmt.Sprintf("%s/%d%s", folder, pl.ID, file))
			if err != nil {
				t.Fatal(err)
			}
			got := get(t, s, path("projects/50817395/pipelines/%d%s?include_retried=true&per_page=100", pl.ID, strings.TrimSuffix(file, ".json")))
			if diff := cmp.Diff(plain(t, want), plain(t, []byte(got.body))); diff != "" {
				t.Errorf("%d%s (-recorded +replayed):\n%s", pl.ID, file, diff)
			}
			if file == "/jobs.json" {
				builds += len(rows(t, got))
			}
		}
	}
	if len(pipelines) != 28 || builds != 111 {
		t.Errorf("%d of 28 pipelines, %d of 111 jobs", len(pipelines), builds)
	}
	if got := len(all(t, s, path("projects/50817395/jobs?pagination=keyset&per_page=7"))); got != 111 {
		t.Errorf("%d of 111 jobs by keyset", got)
	}
}

func TestReplayWithoutRecordings(t *testing.T) {
	if _, err := gitlabtest.Replay(contractless{}); err == nil || !strings.Contains(err.Error(), "api/v4/projects") {
		t.Errorf("an empty folder: %v", err)
	}
}

// The same seed gives the same world, another seed another one, and either has
// every odd case.
func TestGenerate(t *testing.T) {
	render := func(seed uint64) string {
		s := gitlabtest.NewServer(gitlabtest.Generate(seed, gitlabtest.Size{PipelinesPerProject: 5}))
		return get(t, s, path("projects/1/jobs?per_page=100")).body + get(t, s, path("projects/1/pipelines?per_page=100")).body
	}
	once := render(7)
	if again := render(7); again != once {
		t.Error("the same seed gives different worlds")
	}
	if once == render(8) {
		t.Error("different seeds give the same world")
	}
	for seed := range uint64(5) {
		w := gitlabtest.Generate(seed, gitlabtest.Size{Projects: 5, PipelinesPerProject: 2, JobsPerPipeline: 1, Days: 3})
		seen := map[string]int{}
		lastPipeline, lastJob := int64(0), int64(0)
		for _, pl := range w.Projects[0].Pipelines {
			if pl.ID <= lastPipeline {
				t.Errorf("seed %d: ids are out of order", seed)
			}
			lastPipeline = pl.ID
			seen["status "+pl.Status]++
			seen["source "+pl.Source]++
			if pl.Parent != nil && pl.Parent.Source == "parent_pipeline" {
				seen["grandchild"]++
			}
			if pl.UpdatedAt == nil {
				seen["updated_at null"]++
			}
			if pl.YAMLErrors != nil {
				seen["yaml errors"]++
			}
			if pl.Commit == nil {
				seen["commit gone"]++
			}
			if len(pl.Jobs) > 100 {
				seen["more than 100 jobs"]++
			}
			if strings.HasPrefix(pl.Ref, "refs/merge-requests/") {
				seen["ref "+pl.Ref[strings.LastIndex(pl.Ref, "/"):]]++
			}
			for _, j := range pl.Jobs {
				seen["job "+j.Status]++
				seen["kind "+j.Kind]++
				if j.Retried {
					seen["retried"]++
				}
				if j.ID < lastJob && !j.Retried {
					seen["job younger than the next pipeline's"]++
				}
				lastJob = max(lastJob, j.ID)
				if j.Downstream != nil && j.Downstream.ProjectID != j.ProjectID {
					seen["downstream elsewhere"]++
				}
				if d := j.Duration(w.Now()); d != nil && *d == 0 {
					seen["duration 0"]++
				}
				if j.Status == "failed" && j.StartedAt == nil {
					seen["stuck"]++
				}
			}
		}
		want := []string{
			"grandchild", "updated_at null", "yaml errors", "commit gone", "more than 100 jobs", "retried", "downstream elsewhere", "duration 0", "stuck",
			"ref /head", "ref /merge", "ref /train", "kind external", "kind bridge", "source external", "source parent_pipeline",
			"source " + gitlabtest.StrangeSource, "status " + gitlabtest.StrangeStatus, "job " + gitlabtest.StrangeStatus,
		}
		for _, status := range gitlabtest.Statuses() {
			want = append(want, "status "+status, "job "+status)
		}
		for _, k := range want {
			if seen[k] == 0 {
				t.Errorf("seed %d: no %s", seed, k)
			}
		}
	}
}

// TestCutAt stops a pipeline at every stage of its life.
func TestCutAt(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		after    time.Duration
		pipeline string
		jobs     string
	}{
		{-time.Second, "gone", ""},
		{2 * time.Second, "pending", "pending created created"}, // in the queue until 0:05
		{30 * time.Second, "running", "running created created"},
		{70 * time.Second, "running", "success running created"},
		{200 * time.Second, "failed", "success failed skipped"},
	} {
		w := gitlabtest.NewWorld()
		p := w.AddProject("acme/shop")
		w.AddPipeline(p, gitlabtest.PipelineSpec{At: at, Jobs: []gitlabtest.JobSpec{
			{Name: "a", Stage: "build", Wait: 5 * time.Second, Took: time.Minute},
			{Name: "b", Took: time.Minute, Status: "failed"},
			{Name: "c", Stage: "deploy", Status: "skipped"},
		}})
		cut := at.Add(c.after)
		w.CutAt(cut)
		if c.pipeline == "gone" {
			if len(p.Pipelines) > 0 {
				t.Errorf("%v: a pipeline of the future", c.after)
			}
			continue
		}
		pl := p.Pipelines[0]
		var jobs []string
		for _, j := range pl.Jobs {
			jobs = append(jobs, j.Status)
		}
		if got := strings.Join(jobs, " "); got != c.jobs || pl.Status != c.pipeline {
			t.Errorf("%v: %s with jobs %s, want %s with %s", c.after, pl.Status, got, c.pipeline, c.jobs)
		}
		if pl.UpdatedAt.After(cut) {
			t.Errorf("%v: updated in the future", c.after)
		}
	}
}

// TestUpdatedAt: what raises a pipeline's updated_at, and what does not.
func TestUpdatedAt(t *testing.T) {
	w := gitlabtest.NewWorld()
	w.SetNow(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	p := w.AddProject("acme/shop")
	pl := w.StartPipeline(p, gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{
		{Name: "a"}, {Name: "b"}, {Name: "later", Stage: "deploy"}, {Name: "by hand", Stage: "deploy", Status: "manual", AllowFailure: true},
	}})
	a, b := pl.Job("a"), pl.Job("b")
	for _, c := range []struct {
		name   string
		move   func() error
		raises bool
		status string
	}{
		{"the first job starts", func() error { return w.StartJob(pl, a, nil) }, true, "running"},
		{"another job starts", func() error { return w.StartJob(pl, b, nil) }, false, "running"},
		{"one of two ends", func() error { return w.FinishJob(pl, a, "success") }, false, "running"},
		{"the stage fails", func() error { return w.FinishJob(pl, b, "failed") }, true, "failed"},
		{"a job is erased", func() error { return w.EraseJob(pl, a) }, false, "failed"},
		{"the failed job is retried", func() error { _, err := w.RetryJob(pl, b, nil); return err }, true, "running"},
		{"the retry starts", func() error { return w.StartJob(pl, pl.Job("b"), nil) }, false, "running"},
		{"it succeeds, and the next stage begins", func() error { return w.FinishJob(pl, pl.Job("b"), "success") }, false, "running"},
		{"the rest ends", func() error { return w.FinishPipeline(pl, "success") }, true, "success"},
		{"a manual job is played", func() error { return w.PlayJob(pl, pl.Job("by hand"), nil) }, true, "running"},
		{"all is canceled", func() error { return w.CancelPipeline(pl) }, true, "success"}, // a job that may fail was all that was left
	} {
		w.Advance(time.Minute)
		before := *pl.UpdatedAt
		if err := c.move(); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := pl.UpdatedAt.After(before); got != c.raises {
			t.Errorf("%s: raised updated_at: %v", c.name, got)
		}
		if pl.Status != c.status {
			t.Errorf("%s: status %s, want %s", c.name, pl.Status, c.status)
		}
		if (pl.FinishedAt == nil) != (pl.Status == "running") {
			t.Errorf("%s: %s with finished_at %v", c.name, pl.Status, pl.FinishedAt)
		}
	}
	for name, move := range map[string]func() error{
		"start a job that ended":   func() error { return w.StartJob(pl, pl.Job("b"), nil) },
		"retry a retried job":      func() error { _, err := w.RetryJob(pl, b, nil); return err },
		"cancel what ended":        func() error { return w.CancelPipeline(pl) },
		"a job of somewhere else":  func() error { return w.EraseJob(pl, &gitlabtest.Job{ID: 9}) },
		"move to a path in use":    func() error { w.AddProject("acme/b"); return w.MoveProject(p, "acme/b") },
		"move out of every group":  func() error { return w.MoveProject(p, "alone") },
		"delete what is not there": func() error { return w.DeletePipeline(&gitlabtest.Pipeline{ID: 3, ProjectID: p.ID}) },
	} {
		if err := move(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A bridge that starts a child, and what is not one.
func TestTriggerPipeline(t *testing.T) {
	w := gitlabtest.NewWorld()
	p, other := w.AddProject("acme/shop"), w.AddProject("acme/tools")
	for _, c := range []struct {
		into   *gitlabtest.Project
		source string
	}{{p, "parent_pipeline"}, {other, "pipeline"}} {
		pl := w.StartPipeline(p, gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "go", Kind: gitlabtest.Bridge}, {Name: "build"}}})
		if _, err := w.TriggerPipeline(pl, pl.Job("build"), c.into, gitlabtest.PipelineSpec{}); err == nil {
			t.Error("a build has started a pipeline")
		}
		child, err := w.TriggerPipeline(pl, pl.Job("go"), c.into, gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "test"}}})
		if err != nil {
			t.Fatal(err)
		}
		if child.Source != c.source || child.Parent != pl || child.ProjectID != c.into.ID || pl.Job("go").Downstream != child || pl.Job("go").Status != "running" || pl.Status != "running" {
			t.Errorf("into %s: %+v, its bridge %+v", c.into.FullPath, child, pl.Job("go"))
		}
		if _, err := w.TriggerPipeline(pl, pl.Job("go"), c.into, gitlabtest.PipelineSpec{}); err == nil {
			t.Error("a bridge has started twice")
		}
	}
}

// A sparse world is as small as it was asked to be.
func TestGenerateSparse(t *testing.T) {
	for seed := range uint64(20) {
		w := gitlabtest.Generate(seed, gitlabtest.Size{Groups: 1, Projects: 2, PipelinesPerProject: 3, JobsPerPipeline: 2, Sparse: true})
		// Nine that are frozen, and an odd case may be up to four pipelines.
		if c := w.Count(); c.Projects != 2 || c.Pipelines > 2*3*4+9 {
			t.Errorf("seed %d: %+v", seed, c)
		}
	}
}

// TestSteps lets a world move at random and looks whether it stays one that
// GitLab could have: this is what imports are tested against.
func TestSteps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := gitlabtest.Generate(rapid.Uint64Range(0, 3).Draw(t, "world"), gitlabtest.Size{Projects: 3, PipelinesPerProject: 2, JobsPerPipeline: 3})
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		var moves []string
		for n := range 60 {
			w.Advance(time.Duration(r.IntN(90)) * time.Second)
			moves = append(moves, w.Step(r))
			if n%10 != 9 {
				continue
			}
			what := strings.Join(moves[n-9:], "; ")
			for _, p := range w.Projects {
				for _, pl := range p.Pipelines {
					checkPipeline(t, what, w.Now(), pl)
				}
			}
		}
	})
}

func checkPipeline(t *rapid.T, what string, now time.Time, pl *gitlabtest.Pipeline) {
	latest := map[string]int64{}
	for _, j := range pl.Jobs {
		latest[j.Kind+j.Name] = max(latest[j.Kind+j.Name], j.ID)
	}
	for _, j := range pl.Jobs {
		if j.Retried != (latest[j.Kind+j.Name] != j.ID) {
			t.Fatalf("%s: retried of job %d is %v", what, j.ID, j.Retried)
		}
		if j.StartedAt != nil && j.FinishedAt != nil && j.FinishedAt.Before(*j.StartedAt) {
			t.Fatalf("%s: job %d ends before it starts", what, j.ID)
		}
		for _, at := range []*time.Time{j.QueuedAt, j.StartedAt, j.FinishedAt, pl.UpdatedAt, pl.StartedAt, pl.FinishedAt} {
			if at != nil && at.After(now) {
				t.Fatalf("%s: pipeline %d or its job %d has a time in the future", what, pl.ID, j.ID)
			}
		}
		if j.Status == "running" && (j.StartedAt == nil || j.FinishedAt != nil) {
			t.Fatalf("%s: job %d runs from %v to %v", what, j.ID, j.StartedAt, j.FinishedAt)
		}
	}
	if running := pl.Status == "running" || pl.Status == "pending"; running && pl.FinishedAt != nil {
		t.Fatalf("%s: pipeline %d is %s and has ended", what, pl.ID, pl.Status)
	}
}

// TestMovesWhileServed is for the race detector: readers, moves and hooks at
// once, and every answer whole.
func TestMovesWhileServed(t *testing.T) {
	w := gitlabtest.Generate(1, gitlabtest.Size{PipelinesPerProject: 5})
	s := gitlabtest.NewServer(w, gitlabtest.Concurrency(4))
	r := rand.New(rand.NewPCG(1, 2))
	s.EachRequest(func(int, *http.Request) { w.Step(r) })
	var readers sync.WaitGroup
	for n := range 6 {
		readers.Go(func() {
			for i := range 25 {
				p := path("projects/%d/%s", i%8+1, []string{"pipelines?per_page=100", "jobs?pagination=keyset", ""}[n%3])
				if r := get(t, s, strings.TrimSuffix(p, "/")); !json.Valid([]byte(r.body)) {
					t.Errorf("%s: %d %s", p, r.status, r.body)
				}
			}
		})
	}
	readers.Wait()
	if got := s.RequestCount()[""]; got != 150 {
		t.Errorf("%d of 150 requests were counted", got)
	}
}

// TestDemoStories looks for each story of the demo with the plainest means, so
// that reports have something to find.
func TestDemoStories(t *testing.T) {
	now := time.Date(2026, 11, 20, 15, 30, 0, 0, time.UTC)
	w := gitlabtest.Demo(now, 1)
	st := w.Stories
	if c := w.Count(); c.Projects < 12 || c.Pipelines < 2000 || c.Pipelines > 3200 {
		t.Errorf("counts %+v", c)
	}
	jobs := func(project string, each func(pl *gitlabtest.Pipeline, j *gitlabtest.Job)) {
		p := w.Project(project)
		if p == nil {
			t.Fatalf("no project %s", project)
		}
		for _, pl := range p.Pipelines {
			for _, j := range pl.Jobs {
				each(pl, j)
			}
		}
	}
	mean := func(list []float64) float64 {
		sum := 0.0
		for _, v := range list {
			sum += v
		}
		return sum / float64(len(list))
	}
	durations := map[string]float64{}
	minutes := map[string]float64{}
	for _, p := range w.Projects {
		var list []float64
		for _, pl := range p.Pipelines {
			if d := pl.Duration(now); d != nil {
				list = append(list, float64(*d))
			}
		}
		durations[p.FullPath] = mean(append(list, 0))
		jobs(p.FullPath, func(_ *gitlabtest.Pipeline, j *gitlabtest.Job) {
			if d := j.Duration(now); d != nil {
				minutes[p.FullPath] += d.Minutes()
			}
		})
	}
	for p, m := range minutes {
		if m > minutes[st.CostlyProject] {
			t.Errorf("%s costs more than %s", p, st.CostlyProject)
		}
		if p != st.CostlyProject && durations[p] > durations[st.SlowProject] {
			t.Errorf("%s is slower than %s", p, st.SlowProject)
		}
	}
	flaky := 0
	jobs(st.FlakyProject, func(pl *gitlabtest.Pipeline, j *gitlabtest.Job) {
		if j.Name == st.FlakyJob && j.Retried && j.Status == "failed" && pl.Job(j.Name).Status == "success" {
			flaky++
		}
	})
	if flaky < 20 {
		t.Errorf("the flaky job failed and passed %d times", flaky)
	}
	var before, after []float64
	jobs(st.JumpProject, func(pl *gitlabtest.Pipeline, j *gitlabtest.Job) {
		if d := j.Duration(now); j.Name == st.JumpJob && d != nil {
			if pl.CreatedAt.Before(st.JumpAt) {
				before = append(before, d.Seconds())
			} else {
				after = append(after, d.Seconds())
			}
		}
	})
	if ratio := mean(after) / mean(before); ratio < st.JumpFactor*0.85 || ratio > st.JumpFactor*1.15 {
		t.Errorf("the jump is %.2f, want about %.2f", ratio, st.JumpFactor)
	}
	good := 0
	for _, pl := range w.Project(st.BrokenProject).Pipelines {
		if pl.Ref == "main" && !pl.CreatedAt.Before(st.BrokenFrom) && pl.CreatedAt.Before(st.BrokenUntil) && pl.Status == "success" {
			good++
		}
	}
	if good > 0 {
		t.Errorf("%d good pipelines on a broken main", good)
	}
	waits := map[string][]float64{}
	for _, p := range w.Projects {
		jobs(p.FullPath, func(_ *gitlabtest.Pipeline, j *gitlabtest.Job) {
			if q := j.QueuedDuration(now); j.Runner != nil && q != nil {
				waits[*j.Runner.Description] = append(waits[*j.Runner.Description], q.Minutes())
			}
		})
	}
	for runner, list := range waits {
		if saturated := mean(list) > 10; saturated != (runner == st.SaturatedRunner) {
			t.Errorf("jobs wait %.1f min for %s", mean(list), runner)
		}
	}
	if !w.Project(st.ForbiddenProject).Forbidden || w.Project(st.DisabledProject).BuildsAccess != "disabled" {
		t.Error("the projects that nobody may read can be read")
	}
	if !slices.ContainsFunc(w.Projects, func(p *gitlabtest.Project) bool { return p.FullPath == st.UnmappedProject }) {
		t.Error("no unmapped project")
	}
}

// FuzzRequest: whatever is asked, the server answers, and below /api/v4 it
// answers JSON.
func FuzzRequest(f *testing.F) {
	s := gitlabtest.NewServer(gitlabtest.Generate(1, gitlabtest.Size{PipelinesPerProject: 1}), gitlabtest.WithoutLog())
	for _, seed := range []string{"projects/1/jobs?pagination=keyset&cursor=eyJpZCI6IjEifQ==&per_page=-1", "projects/1/pipelines?page=-5&per_page=0", "projects/%41cme%2Fx", "groups?page=99999999999999999999", "projects/1/pipelines?scope[]=a&sort=&order_by=", "projects/-1/pipelines/-1/jobs?page=9223372036854775807&per_page=100"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, p string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://gitlab.example/api/v4/"+p, nil)
		if err != nil {
			t.Skip("no HTTP client could ask that")
		}
		r.Header.Set("PRIVATE-TOKEN", s.DefaultToken())
		resp, err := s.Transport().RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if !strings.HasPrefix(r.URL.EscapedPath(), "/api/v4/") || resp.StatusCode == http.StatusMovedPermanently {
			return
		}
		if err := json.NewDecoder(resp.Body).Decode(new(any)); err != nil {
			t.Fatalf("%d, no JSON: %v", resp.StatusCode, err)
		}
	})
}

// contractless is an empty file system.
type contractless struct{}

func (contractless) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

func plain(t *testing.T, raw []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}
