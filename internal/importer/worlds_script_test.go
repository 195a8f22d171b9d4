package importer_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
)

// script is all that a seed decides before the first request.
type script struct {
	seed        uint64
	engine      string
	plan        string // "" draws one for each sync
	size        gitlabtest.Size
	page        int           // rows of GitLab's largest page
	concurrency int           // requests that GitLab works on at once; 0: no bound
	latency     time.Duration // of every answer
	skew        time.Duration // by which GitLab's clock is ahead of ours
	hooks       bool
	inbox       bool // events go through control's inbox on disk
	lies        bool // GitLab says 404 of what is there
	poison      int  // index of a project that always fails; -1: none
	poisoned    gitlabtest.FaultKind
	since       time.Duration // the horizon of the disturbed syncs; 0: all there is
	rounds      []round
	full        bool // read everything again at the end
}

// round is what happens around one sync.
type round struct {
	moves   int // before it
	pause   time.Duration
	moving  float64 // moves a request while it runs
	plan    string
	full    bool
	named   bool // one project only
	faults  []fault
	stop    int // the request after which it is stopped; 0: none
	cut     int // the commit at which the database is cut off; 0: none
	after   bool
	hearing float64 // batches of events a request
}

// fault is a stretch of requests of which some go wrong in one way.
type fault struct {
	from, to int
	share    float64
	only     string // the end of the paths that it befalls; empty: all
	fault    gitlabtest.Fault
}

// passingFaults are those that GitLab recovers from by itself.
var passingFaults = []gitlabtest.Fault{
	{Kind: gitlabtest.TooManyRequests},
	{Kind: gitlabtest.TooManyRequests, RetryAfter: 3 * time.Second},
	{Kind: gitlabtest.EndpointLimited},
	{Kind: gitlabtest.ServerError},
	{Kind: gitlabtest.BadGateway},
	{Kind: gitlabtest.Unavailable},
	{Kind: gitlabtest.Hang},
	{Kind: gitlabtest.Reset},
	{Kind: gitlabtest.Truncated},
	{Kind: gitlabtest.SlowDrip, Drip: time.Second},
	{Kind: gitlabtest.GarbageJSON},
	{Kind: gitlabtest.HTMLPage},
	{Kind: gitlabtest.GzipDamage},
	{Kind: gitlabtest.Forbidden},
	{Delay: 40 * time.Second},
	{Kind: gitlabtest.GraphQLNull},
	{Kind: gitlabtest.GraphQLNull, Field: "pipelines"},
	{Kind: gitlabtest.GraphQLNull, Field: "project"},
	{Kind: gitlabtest.GraphQLNull, Field: "projects"},
	{Kind: gitlabtest.GraphQLComplex},
	{Kind: gitlabtest.GraphQLTimeout},
}

func drawScript(seed uint64) script {
	r := rand.New(rand.NewPCG(seed, 0x77656972))
	chance := func(n int) bool { return r.IntN(n) == 0 }
	s := script{
		seed: seed, engine: "duckdb", page: []int{2, 3, 5, 20, 100}[r.IntN(5)], concurrency: []int{0, 0, 1, 3}[r.IntN(4)],
		latency: []time.Duration{time.Millisecond, time.Millisecond, 70 * time.Millisecond, 3 * time.Second}[r.IntN(4)],
		skew:    []time.Duration{0, 0, 10 * time.Minute, -10 * time.Minute, 700 * time.Millisecond}[r.IntN(5)],
		hooks:   chance(2), inbox: chance(3), lies: chance(6), poison: -1, full: chance(4),
	}
	if chance(6) {
		s.engine = "postgres"
	}
	plans := importer.Plans()
	if !chance(4) {
		s.plan = plans[r.IntN(len(plans))]
	}
	s.size = gitlabtest.Size{
		Groups: 1 + r.IntN(3), Projects: []int{1, 1, 1, 2, 2, 4}[r.IntN(6)], PipelinesPerProject: r.IntN(8) + 1, JobsPerPipeline: 1 + r.IntN(3),
		Days: []int{1, 3, 20, 100}[r.IntN(4)], Odd: 0.1 + 0.6*r.Float64(), Sparse: !chance(10),
		Until: today.Add(min(s.skew, 0)), // nothing lies ahead of GitLab's clock
	}
	if chance(5) {
		s.poison = r.IntN(s.size.Projects)
		s.poisoned = []gitlabtest.FaultKind{gitlabtest.ServerError, gitlabtest.Forbidden, gitlabtest.GarbageJSON, gitlabtest.Hang}[r.IntN(4)]
	}
	if chance(5) {
		s.since = time.Duration(1+r.IntN(s.size.Days)) * 24 * time.Hour
	}
	for range 1 + r.IntN(3) {
		s.rounds = append(s.rounds, s.drawRound(r))
	}
	return s
}

func (s script) drawRound(r *rand.Rand) round {
	plans := importer.Plans()
	d := round{
		moves: r.IntN(25), pause: time.Duration(r.Int64N(int64([]time.Duration{time.Second, time.Minute, 20 * time.Hour}[r.IntN(3)]))),
		plan: s.plan, full: r.IntN(8) == 0, named: r.IntN(10) == 0, hearing: []float64{0, 0.05, 0.3}[r.IntN(3)],
	}
	if d.plan == "" {
		d.plan = plans[r.IntN(len(plans))]
	}
	if r.IntN(4) > 0 {
		d.moving = []float64{0.02, 0.1, 0.5}[r.IntN(3)]
	}
	draw := func() gitlabtest.Fault {
		if s.lies && r.IntN(4) == 0 {
			return gitlabtest.Fault{Kind: gitlabtest.NotFound}
		}
		return passingFaults[r.IntN(len(passingFaults))]
	}
	switch r.IntN(4) {
	case 0: // here and there
		for range 1 + r.IntN(4) {
			d.faults = append(d.faults, fault{1, 1 << 30, 0.01 + 0.05*r.Float64(), "", draw()})
		}
	case 1: // a bad hour, of all or of one kind of answers
		from := 1 + r.IntN(40)
		only := []string{"", "", "/pipelines", "/pipelines", "/jobs", "/bridges", "/graphql"}[r.IntN(7)]
		hour := fault{from, from + 1 + r.IntN(60), 0.9, only, draw()}
		if only != "" { // longer than anybody tries again
			hour.to, hour.share = from+200, 1
		}
		d.faults = append(d.faults, hour)
	case 2: // the token is revoked, or GitLab goes down for good
		kind := []gitlabtest.FaultKind{gitlabtest.Unauthorized, gitlabtest.Unavailable, gitlabtest.Reset}[r.IntN(3)]
		if r.IntN(2) == 0 {
			d.faults = append(d.faults, fault{1 + r.IntN(120), 1 << 30, 1, "", gitlabtest.Fault{Kind: kind}})
		}
	}
	switch r.IntN(3) {
	case 0:
		d.stop = 1 + r.IntN(100)
	case 1:
		d.cut, d.after = 1+r.IntN(12), r.IntN(2) == 0
	}
	return d
}

// random gives the numbers of one request of one sync: the same whatever came
// before, so that requests in another order draw the same.
func (s script) random(sync, n int) *rand.Rand {
	return rand.New(rand.NewPCG(s.seed<<8|uint64(sync), uint64(n)))
}

// faultOf says what goes wrong with a request.
func (s script) faultOf(sync int, d round, n int, r *http.Request, poison string) gitlabtest.Fault {
	if poison != "" && strings.Contains(r.URL.Path, poison) {
		return gitlabtest.Fault{Kind: s.poisoned}
	}
	random := s.random(sync, -n)
	for _, f := range d.faults {
		if n >= f.from && n < f.to && strings.HasSuffix(r.URL.Path, f.only) && random.Float64() < f.share {
			return f.fault
		}
	}
	return gitlabtest.Fault{}
}

// happen makes a move that Step does not know of, or takes a Step.
func happen(r *rand.Rand, w *gitlabtest.World) string {
	var projects []*gitlabtest.Project
	var running []*gitlabtest.Pipeline
	w.View(func() {
		projects = slices.Clone(w.Projects)
		for _, p := range projects {
			for _, pl := range p.Pipelines {
				if pl.Status == "running" || pl.Status == "pending" {
					running = append(running, pl)
				}
			}
		}
	})
	if len(projects) == 0 {
		return w.Step(r)
	}
	p := projects[r.IntN(len(projects))]
	now := w.Now()
	ago := 3*time.Second + time.Duration(r.Int64N(int64(50*time.Second)))
	switch r.IntN(24) {
	case 0:
		return lateChange(w, p, r.IntN(100), now.Add(-ago))
	case 1:
		pl := w.AddPipeline(p, gitlabtest.PipelineSpec{At: now.Add(-ago)})
		return fmt.Sprintf("commit pipeline %d of %s late, made at %s", pl.ID, p.FullPath, pl.CreatedAt.Format(time.RFC3339Nano))
	case 2, 3:
		pl := w.StartPipeline(p, gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "child", Kind: gitlabtest.Bridge}, {Name: "build"}}})
		return fmt.Sprintf("start pipeline %d of %s with a bridge", pl.ID, p.FullPath)
	case 4, 5, 6:
		return trigger(r, w, running, projects)
	case 7:
		spec := gitlabtest.PipelineSpec{At: now.Add(-ago), Source: "external", NullUpdated: r.IntN(2) == 0, Jobs: []gitlabtest.JobSpec{{Name: "jenkins", Kind: gitlabtest.External}}}
		return fmt.Sprintf("external pipeline %d of %s", w.AddPipeline(p, spec).ID, p.FullPath)
	case 8:
		forbidden := r.IntN(3) == 0
		w.Forbid(p, forbidden)
		return fmt.Sprintf("forbid %s: %v", p.FullPath, forbidden)
	case 9:
		w.SetBuildsAccess(p, "enabled")
		return "enable builds of " + p.FullPath
	case 13, 14:
		if n := len(p.Pipelines); n > 0 {
			pl := p.Pipelines[r.IntN(n)]
			return outcomeOf(fmt.Sprintf("delete pipeline %d", pl.ID), w.DeletePipeline(pl))
		}
	case 15:
		return erase(r, w, p)
	case 16, 17:
		pl := w.StartPipeline(p, gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "build", Stage: "build"}, {Name: "deploy", Stage: "deploy"}}})
		return fmt.Sprintf("start pipeline %d of %s with two stages", pl.ID, p.FullPath)
	case 18, 19:
		if len(running) > 0 {
			return failFirst(w, running[r.IntN(len(running))])
		}
	case 10, 11, 12: // what runs goes on, or nothing ever ends in a world of many
		if len(running) > 0 {
			pl := running[r.IntN(len(running))]
			for _, j := range pl.Jobs {
				switch {
				case j.Status == "pending" && w.StartJob(pl, j, nil) == nil:
					return fmt.Sprintf("start job %d of pipeline %d", j.ID, pl.ID)
				case j.Status == "running" && w.FinishJob(pl, j, "success") == nil:
					return fmt.Sprintf("finish job %d of pipeline %d", j.ID, pl.ID)
				}
			}
		}
	}
	return w.Step(r)
}

func outcomeOf(what string, err error) string {
	if err != nil {
		return "nothing: " + err.Error()
	}
	return what
}

// erase erases a build of a pipeline that has ended, mostly of a new one.
func erase(r *rand.Rand, w *gitlabtest.World, p *gitlabtest.Project) string {
	if len(p.Pipelines) == 0 {
		return "nothing: no pipeline to erase in"
	}
	back := r.IntN(len(p.Pipelines))
	pl := p.Pipelines[len(p.Pipelines)-1-min(back, r.IntN(len(p.Pipelines)))]
	for _, j := range pl.Jobs {
		if ci.Status(pl.Status).Complete() && j.Kind == gitlabtest.Build && j.ErasedAt == nil && r.IntN(2) == 0 {
			return outcomeOf(fmt.Sprintf("erase job %d of pipeline %d", j.ID, pl.ID), w.EraseJob(pl, j))
		}
	}
	return fmt.Sprintf("nothing: no job of pipeline %d to erase", pl.ID)
}

// failFirst lets the first job of a pipeline that has not ended fail, so that
// those of later stages are skipped.
func failFirst(w *gitlabtest.World, pl *gitlabtest.Pipeline) string {
	for _, j := range pl.Jobs {
		if j.Kind != gitlabtest.Build || j.Status != "pending" && j.Status != "running" {
			continue
		}
		if j.Status == "pending" {
			if err := w.StartJob(pl, j, nil); err != nil {
				return "nothing: " + err.Error()
			}
		}
		return outcomeOf(fmt.Sprintf("fail job %d of pipeline %d", j.ID, pl.ID), w.FinishJob(pl, j, "failed"))
	}
	return fmt.Sprintf("nothing: no job of pipeline %d to fail", pl.ID)
}

// trigger has a bridge that waits start a pipeline, here or elsewhere.
func trigger(r *rand.Rand, w *gitlabtest.World, running []*gitlabtest.Pipeline, projects []*gitlabtest.Project) string {
	for _, pl := range running {
		for _, j := range pl.Jobs {
			if j.Kind != gitlabtest.Bridge || j.Status != "pending" {
				continue
			}
			into := projects[r.IntN(len(projects))]
			for _, p := range projects {
				if p.ID == pl.ProjectID && r.IntN(3) > 0 {
					into = p
				}
			}
			child, err := w.TriggerPipeline(pl, j, into, gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "test"}}})
			if err != nil {
				return "nothing: " + err.Error()
			}
			return fmt.Sprintf("pipeline %d starts %d of %s", pl.ID, child.ID, into.FullPath)
		}
	}
	return "nothing: no bridge waits"
}

// lateChange is a transaction that ends later than others which began after it:
// the row shows up with an updated_at that lies behind rows seen already.
func lateChange(w *gitlabtest.World, p *gitlabtest.Project, pick int, at time.Time) string {
	what := "nothing: no pipeline for a late change"
	w.Edit(func() {
		if len(p.Pipelines) == 0 {
			return
		}
		pl := p.Pipelines[pick%len(p.Pipelines)]
		next := map[string]string{"success": "failed", "failed": "canceled", "canceled": "success"}[pl.Status]
		if next == "" || pl.UpdatedAt == nil || !pl.UpdatedAt.Before(at) || pl.FinishedAt == nil || !pl.FinishedAt.Before(at) {
			return
		}
		pl.Status, pl.UpdatedAt, pl.FinishedAt = next, &at, &at
		what = fmt.Sprintf("pipeline %d turns %s late, at %s", pl.ID, next, at.Format(time.RFC3339Nano))
	})
	return what
}
