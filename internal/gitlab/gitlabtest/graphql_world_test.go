package gitlabtest_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
)

// TestGraphQLGivesTheWorld reads generated worlds through weir's client, in
// pages of any size, and gets back every row with every value that GraphQL has.
func TestGraphQLGivesTheWorld(t *testing.T) {
	kinds := map[string]int{}
	for seed := range uint64(6) {
		w := gitlabtest.Generate(seed, gitlabtest.Size{Projects: 6, PipelinesPerProject: 25, KnownWords: seed%2 == 0})
		s := gitlabtest.NewServer(w, gitlabtest.RelativeRoot("/git"), gitlabtest.ExternalURL("https://git.example.com"))
		c, err := gitlab.New(gitlab.Config{
			BaseURL: "http://inside.example/git", Transport: s.Transport(), Credentials: []gitlab.Credential{{Token: gitlab.Secret(s.DefaultToken())}},
		})
		if err != nil {
			t.Fatal(err)
		}
		random := rand.New(rand.NewPCG(seed, 1))
		for _, p := range w.Projects {
			if p.Forbidden || p.BuildsAccess == "disabled" {
				if _, err := c.Runs(t.Context(), gitlab.RunQuery{ProjectPath: p.FullPath}); gitlab.KindOf(err) != gitlab.Forbidden {
					t.Errorf("%s: %v, want forbidden", p.FullPath, err)
				}
				continue
			}
			q := gitlab.RunQuery{ProjectPath: p.FullPath, ProjectID: p.ID, First: 1 + random.IntN(100), JobsFirst: 1 + random.IntN(100), Needs: true}
			asked := []gitlab.RunQuery{q, q, q}
			asked[0].UpdatedAfter = time.Unix(0, 0)
			asked[1].Source = "parent_pipeline"
			asked[2].Source, asked[2].WithoutUpdatedAt = "external", true
			got := map[int64]runRow{}
			for _, q := range asked {
				for _, run := range readRuns(t, c, q) {
					row := gotRun(run)
					before, twice := got[row.ID]
					switch {
					case q.WithoutUpdatedAt && row.Updated != "absent":
						t.Errorf("pipeline %d has updatedAt %s, which was not asked for", row.ID, row.Updated)
					case twice:
						row.Updated = before.Updated
						if diff := cmp.Diff(before, row); diff != "" {
							t.Errorf("pipeline %d was read twice (-first +second):\n%s", row.ID, diff)
						}
					case q.WithoutUpdatedAt:
						row.Updated = "-" // the first question had every one that has it
					}
					got[row.ID] = row
				}
			}
			want := map[int64]runRow{}
			for _, pl := range p.Pipelines {
				want[pl.ID] = wantRun(w, p, pl)
				for _, j := range pl.Jobs {
					kinds[j.Kind]++
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("seed %d, %s, %d×%d (-world +graphql):\n%s", seed, p.FullPath, q.First, q.JobsFirst, diff)
			}
		}
	}
	for _, kind := range []string{gitlabtest.Build, gitlabtest.Bridge, gitlabtest.External} {
		if kinds[kind] == 0 {
			t.Errorf("no %s in any world", kind)
		}
	}
}

// TestGraphQLWithoutBuilds: only trigger jobs come, and the number of the builds
// beside them, as far as GitLab counts.
func TestGraphQLWithoutBuilds(t *testing.T) {
	w := gitlabtest.Generate(3, gitlabtest.Size{Projects: 6, PipelinesPerProject: 25})
	large := w.AddProject("acme/large")
	w.AddPipeline(large, gitlabtest.PipelineSpec{At: w.Now(), Jobs: slices.Repeat([]gitlabtest.JobSpec{{Name: "a"}}, 1_001)})
	w.AddPipeline(large, gitlabtest.PipelineSpec{At: w.Now(), Jobs: slices.Repeat([]gitlabtest.JobSpec{{Name: "a"}}, 1_000)})
	s := gitlabtest.NewServer(w)
	c, err := gitlab.New(gitlab.Config{BaseURL: "http://gitlab.example", Transport: s.Transport(), Credentials: []gitlab.Credential{{Token: gitlab.Secret(s.DefaultToken())}}})
	if err != nil {
		t.Fatal(err)
	}
	bridges, builds := 0, int64(0)
	for _, p := range w.Projects {
		if p.Forbidden || p.BuildsAccess == "disabled" {
			continue
		}
		for _, run := range readRuns(t, c, gitlab.RunQuery{ProjectPath: p.FullPath, UpdatedAfter: time.Unix(0, 0), First: 20, OnlyBridges: true}) {
			var want []int64
			counted := int64(0)
			pl := p.Pipelines[slices.IndexFunc(p.Pipelines, func(pl *gitlabtest.Pipeline) bool { return pl.ID == run.ID })]
			for _, j := range slices.Backward(pl.Jobs) {
				switch j.Kind {
				case gitlabtest.Bridge:
					want = append(want, j.ID)
				case gitlabtest.Build:
					counted++
				}
			}
			var got []int64
			for _, j := range run.Jobs {
				got = append(got, j.ID)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("bridges of pipeline %d (-world +graphql):\n%s", run.ID, diff)
			}
			if n, ok := run.Builds.Get(); ok != (counted <= 1_000) || ok && n != counted {
				t.Errorf("pipeline %d has %d builds (said: %v), want %d", run.ID, n, ok, counted)
			}
			bridges, builds = bridges+len(got), builds+counted
		}
	}
	if bridges == 0 || builds < 2_000 {
		t.Errorf("%d bridges and %d builds were compared, too few", bridges, builds)
	}
}

// readRuns reads a whole list with all its jobs.
func readRuns(t *testing.T, c *gitlab.Client, q gitlab.RunQuery) (runs []gitlab.Run) {
	t.Helper()
	for {
		page, err := c.Runs(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Runs) > q.First {
			t.Errorf("%d runs on a page of %d", len(page.Runs), q.First)
		}
		for _, run := range page.Runs {
			for run.JobsNext != "" {
				more, next, _, err := c.RunJobs(t.Context(), q.ProjectPath, run.IID.Or(0), run.JobsNext, q.Needs)
				if err != nil {
					t.Fatal(err)
				}
				run.Jobs, run.JobsNext = append(run.Jobs, more...), next
			}
			runs = append(runs, run)
		}
		if page.Next == "" {
			return runs
		}
		q.After = page.Next
	}
}

// runRow and jobRow are the values of a row as texts, "-" for null.
type runRow struct {
	ID, IID, Project                                     int64
	Updated                                              string // apart: it may be left out
	Name, Status, Source, Ref, SHA, Before, URL, Tag     string
	Created, Started, Finished, Committed                string
	Duration, Queued, Coverage, YAML, Reason             string
	Warnings, Child, User, Commit, CommittedAt, Upstream string
	Jobs                                                 []jobRow
}

type jobRow struct {
	ID, Pipeline                                                       int64
	Kind, Name, Stage, Status, AllowFailure, Retried, Manual, Coverage string
	Created, Queued, Scheduled, Started, Finished, Erased              string
	Duration, QueuedFor, Message, Exit, URL, Runner, Tags, Artifacts   string
	Downstream, Needs                                                  string
}

func gotRun(r gitlab.Run) runRow {
	row := runRow{
		ID: r.ID, IID: r.IID.Or(0), Project: r.ProjectID.Or(0), Updated: show(r.UpdatedAt),
		Name: show(r.Name), Status: r.Status, Source: show(r.Source), Ref: show(r.Ref), SHA: show(r.SHA), Before: show(r.BeforeSHA), URL: show(r.WebURL), Tag: show(r.Tag),
		Created: show(r.CreatedAt), Started: show(r.StartedAt), Finished: show(r.FinishedAt), Committed: show(r.CommittedAt),
		Duration: show(r.Duration), Queued: show(r.QueuedDuration), Coverage: show(r.Coverage), YAML: show(r.YAMLErrors), Reason: show(r.FailureReason),
		Warnings: show(r.Warnings), Child: show(r.Child), User: "-", Commit: "-", CommittedAt: "-", Upstream: show(r.UpstreamID),
	}
	if u, ok := r.User.Get(); ok {
		row.User = fmt.Sprint(u.ID, u.Username, show(u.Name), show(u.State), show(u.Bot), show(u.WebURL))
	}
	if c, ok := r.Commit.Get(); ok {
		row.Commit, row.CommittedAt = c.ID, show(c.CommittedDate)
	}
	for _, j := range r.Jobs {
		job := jobRow{
			ID: j.ID, Pipeline: j.PipelineID, Kind: j.Kind, Name: j.Name, Stage: show(j.Stage), Status: j.Status, AllowFailure: show(j.AllowFailure),
			Retried: show(j.Retried), Manual: show(j.Manual), Coverage: show(j.Coverage),
			Created: show(j.CreatedAt), Queued: show(j.QueuedAt), Scheduled: show(j.ScheduledAt), Started: show(j.StartedAt), Finished: show(j.FinishedAt), Erased: show(j.ErasedAt),
			Duration: show(j.Duration), QueuedFor: show(j.QueuedDuration), Message: show(j.FailureMessage), Exit: show(j.ExitCode), URL: show(j.WebURL),
			Runner: "-", Tags: show(j.TagList), Artifacts: "-", Downstream: "-", Needs: show(j.Needs),
		}
		if r, ok := j.Runner.Get(); ok {
			job.Runner = fmt.Sprint(r.ID, show(r.Description), show(r.RunnerType))
		}
		if files, ok := j.Artifacts.Get(); ok {
			job.Artifacts = ""
			for _, a := range files {
				job.Artifacts += fmt.Sprint(a.FileType, a.Size.Or(-1), ";")
			}
		}
		if d, ok := j.DownstreamPipeline.Get(); ok {
			job.Downstream = fmt.Sprint(d.ID)
		}
		row.Jobs = append(row.Jobs, job)
	}
	return row
}

func wantRun(w *gitlabtest.World, p *gitlabtest.Project, pl *gitlabtest.Pipeline) runRow {
	now := w.Now()
	web := "https://git.example.com/git/" + p.FullPath + "/-/"
	row := runRow{
		ID: pl.ID, IID: pl.IID, Project: p.ID, Updated: seconds(pl.UpdatedAt),
		Name: opt(pl.Name), Status: pl.Status, Source: pl.Source, Ref: pl.Ref, SHA: pl.SHA, Before: pl.BeforeSHA,
		URL: web + fmt.Sprint("pipelines/", pl.ID), Tag: fmt.Sprint(pl.Tag),
		Created: seconds(&pl.CreatedAt), Started: seconds(pl.StartedAt), Finished: seconds(pl.FinishedAt), Committed: seconds(pl.CommittedAt),
		Duration: opt(pl.Duration(now)), Queued: opt(pl.QueuedDuration()), Coverage: "-", YAML: opt(pl.YAMLErrors), Reason: opt(pl.FailureReason),
		Warnings: fmt.Sprint(pl.HasWarnings()), Child: fmt.Sprint(pl.Parent != nil && pl.Source == "parent_pipeline"), Commit: "-", CommittedAt: "-", Upstream: "-",
		User: fmt.Sprint(pl.User.ID, pl.User.Username, pl.User.Name, pl.User.State, pl.User.Bot, "https://git.example.com/git/"+pl.User.Username),
	}
	if c := pl.Coverage(); c != nil {
		row.Coverage = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(*c, "0"), "0"), ".")
	}
	if pl.Commit != nil {
		row.Commit, row.CommittedAt = pl.Commit.ID, seconds(&pl.Commit.CommittedDate)
	}
	open := func(other *gitlabtest.Pipeline) string {
		if other == nil {
			return "-"
		}
		for _, p := range w.Projects {
			if p.ID == other.ProjectID && !p.Forbidden && p.BuildsAccess != "disabled" {
				return fmt.Sprint(other.ID)
			}
		}
		return "-"
	}
	row.Upstream = open(pl.Parent)
	jobs := slices.Clone(pl.Jobs)
	slices.SortFunc(jobs, func(a, b *gitlabtest.Job) int { return int(b.ID - a.ID) })
	for _, j := range jobs {
		job := jobRow{
			ID: j.ID, Pipeline: pl.ID, Kind: j.Kind, Name: j.Name, Stage: j.Stage, Status: j.Status, AllowFailure: fmt.Sprint(j.AllowFailure),
			Retried: fmt.Sprint(j.Retried), Manual: fmt.Sprint(j.Manual), Coverage: opt(j.Coverage),
			Created: seconds(&j.CreatedAt), Queued: seconds(j.QueuedAt), Scheduled: seconds(j.ScheduledAt), Started: seconds(j.StartedAt), Finished: seconds(j.FinishedAt), Erased: seconds(j.ErasedAt),
			Duration: "-", QueuedFor: "-", Message: opt(j.FailureMessage()), Exit: opt(j.ExitCode), URL: web + fmt.Sprint("jobs/", j.ID),
			Runner: "-", Tags: fmt.Sprint(j.Tags), Artifacts: "", Downstream: open(j.Downstream), Needs: fmt.Sprint(j.Needs),
		}
		if d := j.Duration(now); d != nil {
			job.Duration = fmt.Sprint(float64(int(d.Seconds())))
		}
		if d := j.QueuedDuration(now); d != nil {
			job.QueuedFor = fmt.Sprint(float64(d.Microseconds()) / 1e6)
		}
		if j.Runner != nil {
			job.Runner = fmt.Sprint(j.Runner.ID, opt(j.Runner.Description), j.Runner.Type)
		}
		for _, a := range j.Artifacts {
			job.Artifacts += fmt.Sprint(a.FileType, a.Size, ";")
		}
		switch j.Kind {
		case gitlabtest.Bridge:
			job.URL, job.Tags, job.Artifacts = "-", "-", "-"
		case gitlabtest.External:
			job.Manual, job.Tags, job.Artifacts, job.Exit = "-", "-", "-", "-"
		}
		row.Jobs = append(row.Jobs, job)
	}
	return row
}

// show writes what a field holds: "-" for null, "absent" when it is missing.
func show[T any](f gitlab.Field[T]) string {
	v, ok := f.Get()
	switch {
	case f.Absent():
		return "absent"
	case !ok:
		return "-"
	}
	if at, ok := any(v).(gitlab.Time); ok {
		return at.Format(time.RFC3339Nano)
	}
	return fmt.Sprint(v)
}

func opt[T any](v *T) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprint(*v)
}

// seconds is a time of the world as GraphQL shows it.
func seconds(at *time.Time) string {
	if at == nil {
		return "-"
	}
	return at.UTC().Truncate(time.Second).Format(time.RFC3339Nano)
}
