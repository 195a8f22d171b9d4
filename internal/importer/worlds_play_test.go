package importer_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
	"github.com/weirhq/weir/internal/store"
)

// proof plays a script.
type proof struct {
	script
	t        *testing.T
	database string // file, or URL
	files    int
	world    *gitlabtest.World
	server   *gitlabtest.Server
	events   *gitlabtest.Hooks
	ear      *ear
	poisonID string // what the path of a request of the poisoned project holds
	moved    atomic.Int64

	mu       sync.Mutex
	store    *store.Store // nil: cut off
	importer *importer.Importer
	instance ci.Instance
	oracle   *oracle
}

func newProof(t *testing.T, s script, database string) *proof {
	t.Helper()
	time.Sleep(time.Until(today)) // a bubble's time begins in 2000
	p := &proof{script: s, t: t, database: database, world: gitlabtest.Generate(s.seed, s.size)}
	if database == "" {
		p.database = filepath.Join(t.TempDir(), "weir-0.duckdb")
	}
	p.world.SetClock(p.clock)
	options := []gitlabtest.Option{gitlabtest.ExternalURL(base), gitlabtest.WithoutGzip(), gitlabtest.LargestPage(s.page), gitlabtest.WithoutLog()}
	if s.concurrency > 0 {
		options = append(options, gitlabtest.Concurrency(s.concurrency))
	}
	p.server = gitlabtest.NewServer(p.world, options...)
	p.server.Latency("", s.latency)
	p.events = p.server.Hooks(base)
	if s.poison >= 0 && s.poison < len(p.world.Projects) {
		p.poisonID = fmt.Sprintf("/projects/%d/", p.world.Projects[s.poison].ID)
	}
	p.ear = newEar()
	t.Cleanup(func() { p.close() })
	p.open()
	return p
}

// clock is GitLab's, in microseconds as its database has them. It goes on with
// every move: what happens in one instant GitLab itself cannot tell apart.
func (p *proof) clock() time.Time {
	return time.Now().Add(p.skew + time.Duration(p.moved.Load())*7*time.Millisecond).Truncate(time.Microsecond)
}

// move lets something happen.
func (p *proof) move(random *rand.Rand) string {
	p.moved.Add(1)
	return happen(random, p.world)
}

// play disturbs, lets the world come to rest, and compares.
func (p *proof) play(t *testing.T) {
	t.Logf("%s, plan %q, page %d, latency %s, skew %s, hooks %v, poison %q", p.engine, p.plan, p.page, p.latency, p.skew, p.hooks, p.poisonID)
	for i := range p.rounds {
		p.disturbed(i)
		if t.Failed() {
			return
		}
	}
	p.rest()
}

// disturbed lets the world move, hears events, and syncs while things go wrong.
func (p *proof) disturbed(i int) {
	d := p.rounds[i]
	random := p.random(i, 0)
	for n := range d.moves {
		p.t.Log(p.move(random))
		if p.hooks && random.Float64() < d.hearing {
			p.hear(i, -1-n)
		}
		if random.Float64() < 0.2 {
			time.Sleep(time.Duration(random.Int64N(int64(time.Minute))))
		}
	}
	time.Sleep(d.pause)
	if p.hooks && random.IntN(2) == 0 {
		p.hear(i, 0)
	}
	o := importer.Options{Plan: d.plan, Full: d.full}
	if d.named && len(p.world.Projects) > 0 {
		o.Projects = []string{fmt.Sprint(p.world.Projects[random.IntN(len(p.world.Projects))].ID)}
	}
	since := time.Time{}
	if p.since > 0 {
		since = time.Now().Add(-p.since)
	}
	p.t.Logf("sync %d: %+v", i, d)
	s, err := p.sync(i, o, since, &d)
	p.t.Logf("sync %d: %s, %d requests, %v", i, s.State, s.Requests, err)
	if d.cut == 0 && err != nil && ci.CodeOf(err) == ci.Internal {
		p.t.Errorf("sync %d: an error that says nothing: %v", i, err)
	}
	p.reopen()
	p.check(true)
}

// rest compares the tables once nothing moves any more.
func (p *proof) rest() {
	p.world.SetNow(p.world.Now())
	if p.hooks {
		p.hear(len(p.rounds), 0)
	}
	for n := range 3 {
		before := p.server.RequestCount()[""]
		s, err := p.sync(len(p.rounds), importer.Options{Plan: p.lastPlan()}, time.Time{}, nil)
		if err != nil {
			p.t.Fatalf("the undisturbed sync: %s, %v", s.State, err)
		}
		p.t.Logf("undisturbed: %s, %d requests", s.State, s.Requests)
		if got, most := p.server.RequestCount()[""]-before, p.idle(); n > 1 && got > most {
			p.t.Errorf("an idle sync took %d requests, at most %d were expected", got, most)
		}
		if p.hooks && n == 0 {
			p.hearHeld()
		}
		time.Sleep(25 * time.Hour) // what is asked for once a day is due
	}
	p.check(true)
	p.erasuresKnown(p.world.Now().Add(-40 * time.Hour))
	p.compare(false)
	if p.page >= 20 { // one that holds all pipelines of a project, as GitLab's own would
		time.Sleep(31 * 24 * time.Hour)
		if _, err := p.sync(len(p.rounds), importer.Options{Plan: p.lastPlan()}, time.Time{}, nil); err != nil {
			p.t.Fatal(err)
		}
		p.erasuresKnown(time.Time{})
	}
	if p.full {
		if _, err := p.sync(len(p.rounds), importer.Options{Plan: p.lastPlan(), Full: true}, time.Time{}, nil); err != nil {
			p.t.Fatal(err)
		}
		p.compare(true)
	}
}

func (p *proof) lastPlan() string { return p.rounds[len(p.rounds)-1].plan }

// sync runs one; with d, things go wrong.
func (p *proof) sync(number int, o importer.Options, since time.Time, d *round) (ci.Sync, error) {
	client, err := gitlab.New(gitlab.Config{
		BaseURL: base, Transport: p.server.Transport(), Credentials: []gitlab.Credential{{Token: gitlab.Secret(p.server.DefaultToken())}},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(p.t.Context())
	defer cancel()
	var asked atomic.Int64
	most := p.most()
	p.server.EachRequest(func(_ int, r *http.Request) {
		n := int(asked.Add(1))
		p.t.Logf("request %d: %s", n, r.URL.RequestURI())
		if n > most {
			p.t.Errorf("sync %d has run away: more than %d requests", number, most)
			cancel()
		}
		if d == nil {
			return
		}
		random := p.random(number, n)
		if random.Float64() < d.moving {
			for range 1 + random.IntN(3) {
				p.t.Logf("at request %d: %s", n, p.move(random))
			}
		}
		if p.hooks && random.Float64() < d.hearing {
			p.hear(number, n)
		}
		if n == d.stop {
			cancel()
		}
	})
	faults := 0
	p.server.Fault(func(_ int, r *http.Request) gitlabtest.Fault {
		if d == nil {
			return gitlabtest.Fault{}
		}
		faults++
		return p.faultOf(number, *d, faults, r, p.poisonID)
	})
	p.importer.WatchCommits(func(turn int, committed bool) {
		if d != nil && turn == d.cut && committed == d.after {
			p.cutOff()
			return
		}
		if committed {
			p.check(false)
		}
	})
	defer p.importer.WatchCommits(nil)
	warn := func(e importer.Event) {
		if e.Kind == importer.EventWarning {
			p.t.Logf("sync error %s: %s", e.Code, e.Message)
		}
	}
	return p.importer.Sync(ctx, importer.Source{Connection: 1, Instance: p.instance, Kind: importer.KindPipelines, Client: client, Since: since}, o, warn)
}

// most is more requests than a sync can need: each pipeline read whole some
// times over, each request tried again as often as it may be.
func (p *proof) most() int {
	c := p.world.Count()
	return 400 + 40*c.Projects + 60*c.Pipelines + (c.Builds+c.Bridges)/p.page*20
}

// idle is how many requests a sync may take that finds nothing new: pages of
// groups and projects, the first pages of three lists a project, and what
// runs, read again.
func (p *proof) idle() int {
	c := p.world.Count()
	pages := func(rows int) int { return rows/p.page + 1 }
	most := 4 + 3*pages(c.Groups) + 2*len(p.world.Groups)*pages(c.Projects) + 2*c.Projects
	for _, project := range p.world.Projects {
		near, open, external := 0, 0, 0
		newest := time.Time{}
		for _, pl := range project.Pipelines {
			if pl.UpdatedAt != nil && pl.UpdatedAt.After(newest) {
				newest = *pl.UpdatedAt
			}
		}
		for _, pl := range project.Pipelines {
			if pl.UpdatedAt != nil && newest.Sub(*pl.UpdatedAt) < 2*time.Minute {
				near++
			}
			if pl.Source == "external" {
				external++
			}
			open += 3 + 2*pages(len(pl.Jobs))
		}
		most += 3 + 2*pages(near) + pages(external) + open
	}
	return most
}

// open opens the database, and what works on it.
func (p *proof) open() {
	s, err := store.Open(p.t.Context(), store.Config{Log: slog.New(slog.DiscardHandler), Database: p.database, Threads: 1})
	if err != nil {
		p.t.Fatal(err)
	}
	instance, err := s.EnsureInstance(p.t.Context(), base, today)
	if err != nil {
		p.t.Fatal(err)
	}
	p.store, p.instance = s, instance
	p.importer = importer.New(importer.Config{Log: slog.New(slog.DiscardHandler), Store: s})
	p.oracle = &oracle{store: s, instance: instance.ID}
}

func (p *proof) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.store != nil {
		_ = p.store.Close()
		p.store = nil
	}
}

// cutOff does to the database what kill -9 does: what is not on disk by now is
// lost. Of DuckDB the files as they are at this moment are the next database.
func (p *proof) cutOff() {
	if p.engine == "duckdb" {
		p.files++
		next := filepath.Join(filepath.Dir(p.database), fmt.Sprintf("weir-%d.duckdb", p.files))
		for _, suffix := range []string{"", ".wal"} {
			if err := copyFile(next+suffix, p.database+suffix); err != nil && !os.IsNotExist(err) {
				p.t.Error(err)
			}
		}
		defer func() { p.database = next }()
	}
	p.close()
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}

// reopen opens what was cut off.
func (p *proof) reopen() {
	if p.store == nil {
		p.open()
	}
}
