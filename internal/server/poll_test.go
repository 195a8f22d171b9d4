package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/control"
	"github.com/weirhq/weir/internal/importer"
)

// A poller polls while something changes, waits while nothing does, and asks
// about what is open in between.
func TestPollRhythm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPolledWorld(1)
		p := w.start(t, Poll{Min: 20 * time.Second, Max: 10 * time.Minute})
		w.sleep(6 * time.Hour)
		if n := len(w.made(1, importer.ScopeAll)); n < 36 || n > 50 {
			t.Errorf("%d rounds in six quiet hours, want about 40", n)
		}
		if n := len(w.made(1, importer.ScopeOpen)); n != 0 {
			t.Errorf("%d looks at open pipelines, and none is open", n)
		}
		w.answer = func(*call) (ci.Sync, error) {
			return ci.Sync{State: ci.SyncComplete, Rows: map[string]int64{"pipelines": 1}, Requests: 3}, nil
		}
		w.open = importer.Following{Pipelines: 1, Youngest: time.Now()}
		w.sleep(20 * time.Minute) // long enough to notice and to get faster
		w.calls = nil
		w.open.Youngest = time.Now()
		w.sleep(5 * time.Minute)
		if n := len(w.made(1, importer.ScopeAll)); n < 13 || n > 17 {
			t.Errorf("%d rounds in five minutes in which all of them find something, want about 15", n)
		}
		// Until it is 200 s old: from then on a tenth of its age is about as long as a round is away.
		if n := len(w.made(1, importer.ScopeOpen)); n < 8 || n > 17 {
			t.Errorf("%d looks at what is open in five minutes, want one between two rounds of the first 200 s", n)
		}
		for _, c := range w.calls {
			if age := c.at.Sub(c.options.OpenSince); !c.options.OpenSince.IsZero() && age != longOpen {
				t.Errorf("asked for pipelines open since %v ago", age)
			}
		}
		shown := p.shown()[1]
		if shown.State == api.PollFailing || shown.IntervalSeconds != 20 || shown.Following != 1 || shown.LastRound == nil || shown.NextAt == nil {
			t.Errorf("shown: %+v", shown)
		}
	})
}

// What has been open for days is asked about once an hour.
func TestPollAsksForLongOpenOnesRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPolledWorld(1)
		w.open = importer.Following{Pipelines: 1, Youngest: time.Now().Add(-48 * time.Hour)}
		w.start(t, Poll{Min: time.Minute, Max: time.Minute})
		w.sleep(4*time.Hour + time.Minute)
		all := 0
		for _, c := range w.made(1, importer.ScopeAll) {
			if c.options.OpenSince.IsZero() {
				all++
			}
		}
		if all < 4 || all > 5 || len(w.made(1, importer.ScopeOpen)) != 0 {
			t.Errorf("%d rounds in four hours asked for all, want one an hour; %d looks in between", all, len(w.made(1, importer.ScopeOpen)))
		}
	})
}

// History comes in slices, one right after the other, and another connection
// is polled meanwhile.
func TestPollHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPolledWorld(1, 2)
		w.answer = func(c *call) (ci.Sync, error) {
			if c.id != 1 || c.nth > 30 {
				return ci.Sync{State: ci.SyncComplete}, nil
			}
			time.Sleep(c.options.History)
			return ci.Sync{State: ci.SyncPaused, Rows: map[string]int64{"pipelines": 1000}, Requests: 5000}, nil
		}
		p := w.start(t, Poll{Min: time.Minute, Max: time.Minute})
		w.sleep(30 * time.Minute)
		if n := len(w.made(1, importer.ScopeAll)); n < 14 || n > 16 {
			t.Errorf("%d slices in half an hour, want one each two minutes", n)
		}
		if n := len(w.made(2, importer.ScopeAll)); n < 26 || n > 34 {
			t.Errorf("%d rounds of the other connection in half an hour, want one a minute", n)
		}
		if shown := p.shown(); !shown[1].Backfilling || shown[2].Backfilling {
			t.Errorf("backfilling: %+v", shown)
		}
	})
}

func TestPollBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPolledWorld(1, 2)
		refuse := true
		w.answer = func(c *call) (ci.Sync, error) {
			switch {
			case c.id == 1 && refuse:
				w.set(func() { w.connections[0].State = control.Failing })
				return ci.Sync{State: ci.SyncFailed}, &ci.Problem{Code: ci.InvalidCredentials, Cause: "revoked", Remedy: "make one"}
			case c.id == 2:
				return ci.Sync{State: ci.SyncFailed}, &ci.Problem{Code: ci.Unreachable, Cause: "down", Remedy: "wait"}
			}
			return ci.Sync{State: ci.SyncComplete}, nil
		}
		p := w.start(t, Poll{Min: 30 * time.Second, Max: 10 * time.Minute})
		w.sleep(150 * time.Minute)
		if n := len(w.made(1, importer.ScopeAll)); n != 3 {
			t.Errorf("a refused token was tried %d times in two and a half hours, want 3", n)
		}
		if n := len(w.made(2, importer.ScopeAll)); n < 14 || n > 22 {
			t.Errorf("a GitLab that is down was tried %d times in two and a half hours, want about 17", n)
		}
		if shown := p.shown(); shown[1].State != api.PollFailing || shown[1].LastRound.Problem.Code != ci.InvalidCredentials || shown[2].State != api.PollFailing {
			t.Errorf("shown: %+v", shown)
		}
		// A person mends it: the round comes at once.
		w.calls, refuse = nil, false
		w.set(func() { w.connections[0].State = control.Verified })
		nudge(p.changed)
		synctest.Wait()
		if n := len(w.made(1, importer.ScopeAll)); n != 1 {
			t.Errorf("%d rounds after the connection was mended, want one at once", n)
		}
		if state := p.shown()[1].State; state != api.PollWaiting {
			t.Errorf("state %s after it was mended", state)
		}
		w.calls = nil
		w.set(func() { w.connections[1].Credentials = []control.Credential{{ID: 7}} })
		w.sleep(connectionsEvery + time.Second)
		if n := len(w.made(2, importer.ScopeAll)); n != 1 {
			t.Errorf("%d rounds after a connection got another token in another process, want one", n)
		}
	})
}

func TestPollConnectionsComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPolledWorld(1)
		p := w.start(t, Poll{Min: time.Minute, Max: time.Minute})
		w.sleep(time.Second)
		w.set(func() { w.connections = append(w.connections, control.Connection{ID: 2}) })
		nudge(p.changed)
		synctest.Wait()
		if n := len(w.made(2, importer.ScopeAll)); n != 1 {
			t.Errorf("a new connection had %d rounds at once, want 1", n)
		}
		hung := false
		w.answer = func(c *call) (ci.Sync, error) { // a round that runs when its connection goes
			<-c.ctx.Done()
			hung = true
			return ci.Sync{State: ci.SyncInterrupted}, &ci.Problem{Code: ci.Interrupted, Err: context.Cause(c.ctx)}
		}
		w.sleep(2 * time.Minute)
		w.set(func() { w.connections = w.connections[1:] })
		nudge(p.changed)
		synctest.Wait()
		w.answer = nil
		w.calls = nil
		w.sleep(10 * time.Minute)
		if n := len(w.made(1, importer.ScopeAll)); n != 0 || !hung {
			t.Errorf("a connection that is gone had %d rounds; the one that ran was stopped: %v", n, hung)
		}
		if _, still := p.shown()[1]; still {
			t.Error("a connection that is gone is still shown")
		}
	})
}

// A program that starts again goes on where the last one was.
func TestPollTakesUp(t *testing.T) {
	for _, c := range []struct {
		name string
		last ci.Sync
		want int // rounds in the first half minute
	}{
		{"never imported", ci.Sync{}, 1},
		{"just imported", ci.Sync{ID: 4, State: ci.SyncComplete, FinishedAt: new(pollStart.Add(-10 * time.Second))}, 0},
		{"incomplete", ci.Sync{ID: 4, State: ci.SyncIncomplete, FinishedAt: new(pollStart.Add(-10 * time.Second))}, 0},
		{"imported yesterday", ci.Sync{ID: 4, State: ci.SyncComplete, FinishedAt: new(pollStart.Add(-24 * time.Hour))}, 1},
		{"cut off", ci.Sync{ID: 4, State: ci.SyncInterrupted, FinishedAt: new(pollStart.Add(-10 * time.Second))}, 1},
		{"killed", ci.Sync{ID: 4, State: ci.SyncInterrupted}, 1},
		{"in the middle of history", ci.Sync{ID: 4, State: ci.SyncPaused, FinishedAt: new(pollStart.Add(-10 * time.Second))}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newPolledWorld(1)
				w.last[1] = c.last
				w.start(t, Poll{Min: time.Minute, Max: 10 * time.Minute})
				w.sleep(30 * time.Second)
				if n := len(w.made(1, importer.ScopeAll)); n != c.want {
					t.Errorf("%d rounds, want %d", n, c.want)
				}
			})
		})
	}
}

// Two processes on one database make together as many rounds as one alone.
func TestPollersShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPolledWorld(1)
		w.answer = func(*call) (ci.Sync, error) {
			time.Sleep(3 * time.Second)
			return ci.Sync{State: ci.SyncComplete}, nil
		}
		one := w.start(t, Poll{Min: time.Minute, Max: time.Minute})
		two := w.start(t, Poll{Min: time.Minute, Max: time.Minute})
		w.sleep(2 * time.Hour)
		if n := len(w.made(1, importer.ScopeAll)); n < 100 || n > 122 {
			t.Errorf("%d rounds in two hours, want about 114, as of one alone", n)
		}
		rounds := map[bool]int{}
		for _, p := range []*poller{one, two} {
			list, _, _ := p.rounds.After(0)
			for _, r := range list {
				rounds[r.Shared]++
			}
		}
		if rounds[true] == 0 || rounds[false] != len(w.calls) {
			t.Errorf("told of %d rounds of their own and %d of the other's, and %d were made", rounds[false], rounds[true], len(w.calls))
		}
	})
}

// While a person imports, rounds wait; what the person's import brought counts.
func TestPollMakesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPolledWorld(1)
		busy := true
		w.answer = func(c *call) (ci.Sync, error) {
			switch {
			case busy && c.nth == 1:
				return ci.Sync{State: ci.SyncInterrupted}, &ci.Problem{Code: ci.Interrupted, Err: errYielded}
			case busy:
				return ci.Sync{}, &ci.Problem{Code: ci.Conflict}
			}
			return ci.Sync{State: ci.SyncComplete}, nil
		}
		p := w.start(t, Poll{Min: time.Minute, Max: time.Minute})
		w.sleep(time.Minute)
		if rounds, _, _ := p.rounds.After(0); len(rounds) > 0 || p.shown()[1].State != api.PollWaiting {
			t.Errorf("rounds are told that gave way: %+v", rounds)
		}
		w.set(func() {
			w.last[1] = ci.Sync{ID: 99, Kind: "sync", State: ci.SyncComplete, StartedAt: time.Now(), FinishedAt: new(time.Now()), Requests: 42}
			busy, w.calls = false, nil
		})
		w.sleep(30 * time.Second)
		rounds, _, _ := p.rounds.After(0)
		if len(rounds) != 1 || !rounds[0].Shared || rounds[0].SyncID != 99 || rounds[0].Requests != 42 || len(w.calls) != 0 {
			t.Errorf("after the person's import: %+v, %d rounds", rounds, len(w.calls))
		}
		w.sleep(time.Minute)
		if len(w.calls) != 1 {
			t.Errorf("%d rounds a minute later, want 1", len(w.calls))
		}
	})
}

func TestPollBeginsWithWhatSomeoneLooksAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPolledWorld(1)
		p := w.start(t, Poll{Min: time.Minute, Max: time.Minute})
		w.sleep(time.Second)
		p.interest.note("acme/old")
		w.sleep(interestKept - 30*time.Second)
		p.interest.note("acme/shop")
		p.interest.note("acme/web")
		w.sleep(time.Second)
		p.interest.note("acme/shop")
		w.calls = nil
		w.sleep(2 * time.Minute)
		calls := w.made(1, importer.ScopeAll)
		if diff := cmp.Diff([]string{"acme/shop", "acme/web"}, calls[len(calls)-1].options.First); diff != "" {
			t.Errorf("first (-want +got):\n%s", diff)
		}
		for i := range interestMax + 20 {
			w.sleep(time.Millisecond)
			p.interest.note(fmt.Sprintf("acme/%d", i))
		}
		if got := p.interest.first(); len(got) != interestMax || got[0] != fmt.Sprintf("acme/%d", interestMax+19) {
			t.Errorf("%d are remembered, the first one %s", len(got), got[0])
		}
	})
}

// Rounds that find nothing are one line in the log; those that do have one each.
func TestPollLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPolledWorld(1)
		w.start(t, Poll{Min: time.Minute, Max: time.Minute})
		w.sleep(45 * time.Minute)
		if got := strings.Count(w.log.String(), "\n"); got != 2 {
			t.Errorf("%d lines of %d rounds that found nothing, want 2:\n%s", got, len(w.calls), w.log.String())
		}
		w.answer = func(*call) (ci.Sync, error) {
			return ci.Sync{State: ci.SyncComplete, Rows: map[string]int64{"jobs": 2}}, nil
		}
		before, made := strings.Count(w.log.String(), "\n"), len(w.calls)
		w.sleep(10 * time.Minute)
		if got := strings.Count(w.log.String(), "\n") - before; got != len(w.calls)-made || !strings.Contains(w.log.String(), "jobs=2") {
			t.Errorf("%d lines of %d rounds:\n%s", got, len(w.calls)-made, w.log.String())
		}
		w.answer = func(*call) (ci.Sync, error) {
			return ci.Sync{State: ci.SyncFailed}, &ci.Problem{Code: ci.ServerError, Cause: "it is down"}
		}
		w.sleep(2 * time.Minute)
		if !strings.Contains(w.log.String(), "level=WARN") || !strings.Contains(w.log.String(), "it is down") {
			t.Errorf("a failure is not told:\n%s", w.log.String())
		}
	})
}

// polledWorld is the engine as the poller sees it, with a clock of its own.
type polledWorld struct {
	mu          sync.Mutex
	connections []control.Connection
	last        map[ci.ConnectionID]ci.Sync
	calls       []*call
	answer      func(*call) (ci.Sync, error) // nil: complete, nothing new
	open        importer.Following
	busy        map[ci.ConnectionID]bool
	ids         ci.SyncID
	log         strings.Builder
	handler     slog.Handler // one, because it has the lock
}

type call struct {
	ctx     context.Context // the round's own, for answers that wait for its end
	id      ci.ConnectionID
	nth     int
	at      time.Time
	options importer.Options
}

// pollStart is when a bubble of synctest begins.
var pollStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func newPolledWorld(ids ...ci.ConnectionID) *polledWorld {
	w := &polledWorld{last: map[ci.ConnectionID]ci.Sync{}, busy: map[ci.ConnectionID]bool{}, ids: 100}
	w.handler = slog.NewTextHandler(&w.log, nil)
	for _, id := range ids {
		w.connections = append(w.connections, control.Connection{ID: id, State: control.Verified})
	}
	return w
}

// start polls until the test ends.
func (w *polledWorld) start(t *testing.T, config Poll) *poller {
	p := newPoller(slog.New(w.handler), config, w, time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	var group errgroup.Group
	group.Go(func() error { return p.run(ctx) })
	t.Cleanup(func() {
		cancel()
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// sleep lets time pass. What the test has changed before is seen by the
// pollers, and what they have done by the test.
func (w *polledWorld) sleep(d time.Duration) {
	w.set(func() {})
	time.Sleep(d)
	synctest.Wait()
	w.set(func() {})
}

func (w *polledWorld) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *polledWorld) made(id ci.ConnectionID, scope importer.Scope) (list []*call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		if c.id == id && c.options.Only == scope {
			list = append(list, c)
		}
	}
	return list
}

func (w *polledWorld) pollable(context.Context) ([]control.Connection, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]control.Connection(nil), w.connections...), nil
}

func (w *polledWorld) lastRound(_ context.Context, id ci.ConnectionID) (ci.Sync, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last[id], nil
}

func (w *polledWorld) following(context.Context, control.Connection) (importer.Following, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.open, nil
}

func (w *polledWorld) round(ctx context.Context, c control.Connection, seen ci.SyncID, o importer.Options) (ci.Sync, float64, error) {
	w.mu.Lock()
	if w.busy[c.ID] {
		w.mu.Unlock()
		return ci.Sync{}, 0, &ci.Problem{Code: ci.Conflict}
	}
	if w.last[c.ID].ID > seen {
		w.mu.Unlock()
		return ci.Sync{}, 0, errMade
	}
	w.busy[c.ID] = true
	made := &call{ctx: ctx, id: c.ID, nth: 1, at: time.Now(), options: o}
	for _, other := range w.calls {
		if other.id == c.ID {
			made.nth++
		}
	}
	w.calls = append(w.calls, made)
	answer := w.answer
	w.ids++
	id := w.ids
	w.mu.Unlock()
	s, err := ci.Sync{State: ci.SyncComplete}, error(nil)
	if answer != nil {
		s, err = answer(made)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy[c.ID] = false
	if ci.CodeOf(err) == ci.Conflict || errors.Is(err, errYielded) {
		return s, 0, err
	}
	s.ID, s.StartedAt, s.FinishedAt, s.Kind = id, made.at, new(time.Now()), "sync"
	if o.Only == importer.ScopeOpen {
		s.Kind = importer.KindOpen
	} else {
		w.last[c.ID] = s
	}
	return s, 0, err
}
