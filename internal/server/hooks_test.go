package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/server"
	"github.com/weirhq/weir/internal/store/pgtest"
)

// From GitLab's move to a row, with no poll in between; then a poll, and the
// tables are as complete as ever.
func TestHooksEndToEnd(t *testing.T) {
	for _, engine := range []string{"duckdb", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			world := smallWorld()
			p := start(t, world, func(c *server.Config) {
				if engine == "postgres" {
					c.Database = pgtest.Database(t)
				}
			})
			id, secret := p.hooked(t)
			p.importAll(t)
			events := p.gitLab.Hooks(p.gitURL)
			requests := p.gitLab.RequestCount()[""]
			started := world.StartPipeline(world.Projects[0], gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "build"}}})
			list := gitlabtest.Mangle(rand.New(rand.NewPCG(1, 1)), events.Take(), 0, 1)
			var group errgroup.Group
			for _, d := range list {
				group.Go(func() error { return p.deliver(t, id, secret, d, http.StatusOK) })
			}
			if err := group.Wait(); err != nil {
				t.Error(err)
			}
			p.until(t, fmt.Sprintf("SELECT count(*) FROM pipelines p JOIN jobs j ON j.pipeline_id = p.id WHERE p.id = %d AND p.status = 'pending' AND j.status = 'pending'", started.ID), 1)
			if got := p.gitLab.RequestCount()[""]; got != requests {
				t.Errorf("events cost %d requests", got-requests)
			}
			stats, err := p.client.Hooks(t.Context(), id)
			if err != nil || stats.Received != int64(len(list)/2) || stats.Repeated != int64(len(list)/2) || stats.Failed != 0 || stats.LastReceivedAt == nil {
				t.Errorf("stats %+v, %v", stats, err)
			}
			p.importAll(t)
			p.until(t, "SELECT count(*) FROM pipelines WHERE updated_at IS NULL", 0)
			if d, err := p.client.Doctor(t.Context()); err != nil || !strings.Contains(fmt.Sprint(d.Checks), "web hooks of connection") {
				t.Errorf("doctor: %+v %v", d, err)
			}
		})
	}
}

// An event that was answered is written, though the process ended before.
func TestHooksOutliveTheProcess(t *testing.T) {
	world := smallWorld()
	p := start(t, world)
	id, secret := p.hooked(t)
	events := p.gitLab.Hooks(p.gitURL)
	started := world.StartPipeline(world.Projects[0], gitlabtest.PipelineSpec{})
	for _, d := range events.Take() { // the project is not stored: all of them wait
		if err := p.deliver(t, id, secret, d, http.StatusOK); err != nil {
			t.Fatal(err)
		}
	}
	if stats, err := p.client.Hooks(t.Context(), id); err != nil || stats.Waiting == 0 {
		t.Errorf("stats %+v, %v", stats, err)
	}
	p.stop(t)
	p.open(t)
	if stats, err := p.client.Hooks(t.Context(), id); err != nil || stats.Waiting == 0 {
		t.Errorf("after another start: %+v, %v", stats, err)
	}
	p.importAll(t)
	p.untilHooks(t, id, func(s api.Hooks) bool { return s.Waiting == 0 && s.Failed == 0 })
	p.until(t, fmt.Sprintf("SELECT count(*) FROM pipelines WHERE id = %d", started.ID), 1)
}

func TestHooksRefuse(t *testing.T) {
	p := start(t, smallWorld())
	id, secret := p.hooked(t)
	other := p.connect(t, "gitlab").Connection.ID // without a secret
	event := `{"object_kind":"build","build_id":1,"build_name":"a","build_status":"success","build_created_at":"2026-11-20 15:00:00 UTC","pipeline_id":1,"project_id":1}`
	now := fmt.Sprint(time.Now().Unix())
	signature := gitlab.SignHook(gitlab.Secret(secret), "m1", now, []byte(event))
	token := map[string]string{"X-Gitlab-Token": secret}
	var strangers []string
	for _, c := range []struct {
		name   string
		to     any
		header map[string]string
		body   string
		want   int
	}{
		{"token", id, token, event, 200},
		{"signature", id, map[string]string{"webhook-signature": signature, "webhook-id": "m1", "webhook-timestamp": now}, event, 200},
		{"another kind", id, token, `{"object_kind":"push"}`, 202},
		{"garbage", id, token, `{"object_kind":`, 400},
		{"not an event", id, token, `{"object_kind":"build"}`, 400},
		{"too large", id, token, strings.Repeat(" ", gitlab.LargestHook+1), 413},
		{"wrong token", id, map[string]string{"X-Gitlab-Token": "whsec_x"}, event, 401},
		{"wrong signature", id, map[string]string{"webhook-signature": signature, "webhook-id": "m2", "webhook-timestamp": now}, event, 401},
		{"nothing", id, nil, event, 401},
		{"weir's own token", id, map[string]string{"Authorization": "Bearer " + p.token}, event, 401},
		{"no such connection", 99, token, event, 401},
		{"a connection without a secret", other, token, event, 401},
		{"an empty token to it", other, map[string]string{"X-Gitlab-Token": ""}, event, 401},
		{"no number", "x", token, event, 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, fmt.Sprintf("%s/hooks/gitlab/%v", p.url, c.to), strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			for k, v := range c.header {
				req.Header.Set(k, v)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body := readBody(t, res)
			if res.StatusCode != c.want {
				t.Errorf("status %d, want %d: %s", res.StatusCode, c.want, body)
			}
			if c.want == 401 {
				strangers = append(strangers, body)
			}
		})
	}
	for _, body := range strangers {
		if body != strangers[0] {
			t.Errorf("strangers are told different things: %s and %s", strangers[0], body)
		}
	}
	stats, err := p.client.Hooks(t.Context(), id)
	if err != nil || stats.Received != 2 || stats.Dropped != 1 {
		t.Errorf("stats %+v, %v", stats, err)
	}
	status, err := p.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range status.Connections {
		if c.Connection.ID != id {
			if c.Hooks != nil {
				t.Errorf("connection %d has no secret, and %+v", c.Connection.ID, c.Hooks)
			}
			continue
		}
		want := map[api.HookRefusal]int64{api.WrongHookSecret: 4, api.HookNotRead: 3}
		if h := c.Hooks; h == nil || !maps.Equal(h.Refused, want) || h.Received != 2 || h.LastReceivedAt == nil || h.Waiting > 0 && h.OldestAt == nil {
			t.Errorf("status says %+v, want refusals %v", h, want)
		}
	}
	// A rotated secret shuts the old one out at once.
	if _, err := p.client.HookSecret(t.Context(), id, false); ci.CodeOf(err) != ci.Conflict {
		t.Errorf("a second secret: %v", err)
	}
	made, err := p.client.HookSecret(t.Context(), id, true)
	if err != nil || made.Secret == secret {
		t.Fatalf("rotated: %v", err)
	}
	d := gitlabtest.Delivery{Event: "Job Hook", Key: "k", Body: []byte(event)}
	if err := p.deliver(t, id, secret, d, http.StatusUnauthorized); err != nil {
		t.Error(err)
	}
	if err := p.deliver(t, id, made.Secret, d, http.StatusOK); err != nil {
		t.Error(err)
	}
}

// hooked connects and makes a hook secret, which no log may hold.
func (p *program) hooked(t *testing.T) (ci.ConnectionID, string) {
	t.Helper()
	id := p.connect(t, "gitlab-pipelines").Connection.ID
	// Not through the client that keeps answers: this one is to hold a secret.
	made, err := api.NewClient(p.url, api.NewSecret(p.token), nil).HookSecret(t.Context(), id, false)
	if err != nil {
		t.Fatal(err)
	}
	p.secrets = append(p.secrets, made.Secret)
	return id, made.Secret
}

func (p *program) importAll(t *testing.T) {
	t.Helper()
	started, err := p.client.StartSyncs(t.Context(), api.SyncRequest{Since: "all"})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range started {
		p.follow(t, s.ID, 0)
	}
}

func (p *program) deliver(t *testing.T, id ci.ConnectionID, secret string, d gitlabtest.Delivery, want int) error {
	req, err := d.Request(t.Context(), fmt.Sprintf("%s/hooks/gitlab/%d", p.url, id), secret)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != want {
		return fmt.Errorf("%s answered %d, want %d (%w)", d.Event, res.StatusCode, want, err)
	}
	return nil
}

// until asks until a count is what it should be; the test's own time limit ends
// it.
func (p *program) until(t *testing.T, statement string, want int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		if rows := p.query(t, api.QueryRequest{SQL: statement}); rows[0][0] == json.Number(fmt.Sprint(want)) {
			return
		}
	}
	t.Errorf("%s is not %d within a minute", statement, want)
}

func (p *program) untilHooks(t *testing.T, id ci.ConnectionID, ok func(api.Hooks) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		if s, err := p.client.Hooks(t.Context(), id); err == nil && ok(s) {
			return
		}
	}
	t.Error("the inbox is not as it should be within a minute")
}
