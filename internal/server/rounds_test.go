package server_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/server"
	"github.com/weirhq/weir/internal/store/pgtest"
)

// quickly polls as fast as it can: rounds wait for each other, tests for rounds.
func quickly(c *server.Config) {
	c.Poll = &server.Poll{Min: 20 * time.Millisecond, Max: 50 * time.Millisecond, RequestsPerMinute: 1e6}
}

// A server that polls imports what it is connected to, what happens there, and
// what is open until it has ended, without being asked.
func TestServerPolls(t *testing.T) {
	for _, engine := range []string{"duckdb", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			world := smallWorld()
			p := start(t, world, quickly, func(c *server.Config) {
				if engine == "postgres" {
					c.Database = pgtest.Database(t)
				}
			})
			connection := p.connect(t, "gitlab-pipelines").Connection.ID
			r := p.untilRound(t, 0, func(r api.Round) bool { return r.Changed })
			if r.ConnectionID != connection || r.State != ci.SyncComplete || r.Kind != api.RoundAll || r.Shared || r.Requests == 0 || r.Pipelines == 0 {
				t.Errorf("first round: %+v", r)
			}
			if got := p.query(t, api.QueryRequest{SQL: "SELECT count(*) FROM jobs"}); fmt.Sprint(got[0][0]) != "12" {
				t.Errorf("%v jobs after it, want 12", got[0][0])
			}
			running := world.StartPipeline(world.Projects[1], gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "slow"}}})
			r = p.untilRound(t, r.ID, func(r api.Round) bool { return r.Following == 1 })
			status, err := p.client.Status(t.Context())
			if err != nil || status.Connections[0].Poll == nil || status.Connections[0].Poll.Following != 1 || status.Connections[0].Poll.LastRound == nil {
				t.Errorf("status: %+v %v", status.Connections[0].Poll, err)
			}
			if err := world.FinishPipeline(running, "failed"); err != nil {
				t.Fatal(err)
			}
			r = p.untilRound(t, r.ID, func(r api.Round) bool { return r.Following == 0 })
			if got := p.query(t, api.QueryRequest{SQL: fmt.Sprintf("SELECT status FROM pipelines WHERE id = %d", running.ID)}); got[0][0] != "failed" {
				t.Errorf("it is stored as %v", got[0][0])
			}
			// A person's import goes first, whatever runs.
			for range 5 {
				p.importAll(t)
			}
			if got := p.query(t, api.QueryRequest{SQL: "SELECT count(*) FILTER (WHERE polled), count(*) FILTER (WHERE NOT polled), count(*) FROM syncs"})[0]; fmt.Sprint(got[1]) != "5" || fmt.Sprint(got[0]) == "0" {
				t.Errorf("of syncs %v are rounds and %v were asked for, of %v; want 5 asked for", got[0], got[1], got[2])
			}
			// A disabled one is left alone.
			if _, err := p.client.DisableConnection(t.Context(), connection); err != nil {
				t.Fatal(err)
			}
			p.untilStatus(t, func(s api.Status) bool { return s.Connections[0].Poll == nil })
			p.gitLab.ResetRequests()
			if _, err := p.client.Rounds(t.Context(), 1<<40, 200*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			if n := p.gitLab.RequestCount()[""]; n > 0 {
				t.Errorf("a disabled connection was asked %d times", n)
			}
			if _, err := p.client.EnableConnection(t.Context(), connection); err != nil {
				t.Fatal(err)
			}
			list, err := p.client.Rounds(t.Context(), 0, 0)
			if err != nil || !list.Polling {
				t.Fatalf("%+v %v", list, err)
			}
			p.untilRound(t, list.Last, func(r api.Round) bool { return r.ConnectionID == connection && !r.Shared })
		})
	}
}

// A server that does not poll says so.
func TestServerThatDoesNotPoll(t *testing.T) {
	p := start(t, smallWorld())
	p.connect(t, "gitlab-pipelines")
	r, err := p.client.Rounds(t.Context(), 0, time.Minute)
	if err != nil || r.Polling || len(r.Rounds) > 0 {
		t.Errorf("%+v %v", r, err)
	}
	if status, err := p.client.Status(t.Context()); err != nil || status.Connections[0].Poll != nil {
		t.Errorf("status: %+v %v", status.Connections[0].Poll, err)
	}
}

// The end of a server ends its round and those who wait for one, and the next
// server goes on.
func TestEndOfAServerThatPolls(t *testing.T) {
	world := smallWorld()
	p := start(t, world, quickly)
	p.connect(t, "gitlab-pipelines")
	p.untilRound(t, 0, func(api.Round) bool { return true })
	reached, opened := make(chan struct{}, 1), make(chan struct{})
	p.gitLab.EachRequest(func(_ int, r *http.Request) {
		nudge(reached)
		select {
		case <-opened:
		case <-r.Context().Done():
		}
	})
	<-reached
	news := world.AddPipeline(world.Projects[0], gitlabtest.PipelineSpec{At: world.Now(), Jobs: []gitlabtest.JobSpec{{Name: "new"}}})
	waiting := make(chan api.Rounds, 1)
	go func() {
		r, err := p.client.Rounds(t.Context(), 1<<40, time.Minute)
		if err != nil {
			t.Errorf("waiting for a round: %v", err)
		}
		waiting <- r
	}()
	p.untilStatus(t, func(s api.Status) bool {
		return s.Connections[0].Poll != nil && s.Connections[0].Poll.State == api.PollRunning
	})
	p.stop(t)
	if r := <-waiting; r.Polling {
		t.Errorf("who waited for a round heard %+v", r)
	}
	close(opened)
	p.open(t)
	p.untilRound(t, 0, func(r api.Round) bool { return r.State == ci.SyncComplete })
	p.until(t, fmt.Sprintf("SELECT count(*) FROM pipelines WHERE id = %d", news.ID), 1)
}

// nudge leaves a sign in a channel of one place.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Two servers on one PostgreSQL take turns.
func TestTwoServersPoll(t *testing.T) {
	p := start(t, smallWorld(), func(c *server.Config) {
		c.Database = pgtest.Database(t)
		c.Poll = &server.Poll{Min: 300 * time.Millisecond, Max: 300 * time.Millisecond, RequestsPerMinute: 1e6}
	})
	other := &program{dir: t.TempDir(), config: p.config, gitLab: p.gitLab, gitURL: p.gitURL}
	other.config.DataDir, other.config.SecretKeyFile = other.dir, filepath.Join(p.dir, "secret.key")
	other.open(t)
	defer other.stop(t)
	p.connect(t, "gitlab-pipelines")
	p.untilRound(t, 0, func(r api.Round) bool { return r.ID >= 8 })
	last := other.untilRound(t, 0, func(r api.Round) bool { return r.ID >= 6 })
	p.untilRound(t, 0, func(r api.Round) bool { return r.SyncID >= last.SyncID }) // made it, or noticed it
	shared := 0
	for _, one := range []*program{p, other} {
		rounds, err := one.client.Rounds(t.Context(), 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rounds.Rounds {
			if r.Shared {
				shared++
			}
			if r.State != ci.SyncComplete {
				t.Errorf("round %+v", r)
			}
		}
	}
	if shared == 0 {
		t.Error("neither counted from a round of the other's")
	}
	other.stop(t)
	// No two of them were made at the same time, and none right after another.
	if got := p.query(t, api.QueryRequest{SQL: `SELECT count(*) FROM syncs a JOIN syncs b
		ON b.id = a.id + 1 AND b.started_at < a.finished_at`}); fmt.Sprint(got[0][0]) != "0" {
		t.Errorf("%v rounds began before the one before them had ended", got[0][0])
	}
	if got := p.query(t, api.QueryRequest{SQL: `SELECT count(*) FROM syncs a JOIN syncs b
		ON b.id = a.id + 1 AND a.state = 'complete' AND b.started_at < a.finished_at + INTERVAL '150 milliseconds'`}); fmt.Sprint(got[0][0]) != "0" {
		t.Errorf("%v rounds began sooner after the one before than a round may", got[0][0])
	}
}

// A token that GitLab revokes makes the connection failing, and weir waits for
// a person; a check that succeeds ends the wait.
func TestServerPollsWithARevokedToken(t *testing.T) {
	p := start(t, smallWorld(), quickly)
	connection := p.connect(t, "gitlab-pipelines").Connection.ID
	r := p.untilRound(t, 0, func(api.Round) bool { return true })
	p.gitLab.Fault(func(int, *http.Request) gitlabtest.Fault { return gitlabtest.Fault{Kind: gitlabtest.Unauthorized} })
	r = p.untilRound(t, r.ID, func(r api.Round) bool { return r.Problem != nil })
	if r.Problem.Code != ci.InvalidCredentials || r.State != ci.SyncFailed || r.NextAt.Sub(r.FinishedAt) < 30*time.Minute {
		t.Errorf("round %+v", r)
	}
	p.wantState(t, connection, "failing", ci.InvalidCredentials)
	p.untilStatus(t, func(s api.Status) bool { return s.Connections[0].Poll.State == api.PollFailing })
	p.gitLab.Fault(nil)
	if _, err := p.client.CheckConnection(t.Context(), connection); err != nil {
		t.Fatal(err)
	}
	r = p.untilRound(t, r.ID, func(api.Round) bool { return true })
	if r.State != ci.SyncComplete {
		t.Errorf("round after the check: %+v", r)
	}
	if !strings.Contains(p.log.String(), `"msg":"round failed"`) {
		t.Error("the failure is not in the log")
	}
}

// untilRound waits for a round after the one with the id after.
func (p *program) untilRound(t *testing.T, after int64, wanted func(api.Round) bool) api.Round {
	t.Helper()
	for range 1000 {
		list, err := p.client.Rounds(t.Context(), after, 30*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if !list.Polling || len(list.Rounds) == 0 {
			t.Fatalf("no round came: %+v", list)
		}
		for _, r := range list.Rounds {
			if after = r.ID; wanted(r) {
				return r
			}
		}
	}
	t.Fatal("the round that is waited for never came")
	return api.Round{}
}

// untilStatus asks for the status until it is as wanted.
func (p *program) untilStatus(t *testing.T, wanted func(api.Status) bool) {
	t.Helper()
	var s api.Status
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 2000 {
		var err error
		if s, err = p.client.Status(t.Context()); err != nil {
			t.Fatal(err)
		}
		if wanted(s) {
			return
		}
		<-tick.C
	}
	t.Fatalf("the status stays %+v", s.Connections)
}
