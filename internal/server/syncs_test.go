package server_test

import (
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/server"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/pgtest"
)

func TestSyncsAreOneAConnection(t *testing.T) {
	p := start(t, smallWorld())
	ctx := t.Context()
	_, err := p.client.StartSyncs(ctx, api.SyncRequest{})
	wantProblem(t, err, ci.NotFound) // no connection yet
	connection := p.connect(t, "gitlab-pipelines").Connection.ID
	_, err = p.client.StartSyncs(ctx, api.SyncRequest{Connections: []ci.ConnectionID{connection, 99}})
	wantProblem(t, err, ci.NotFound)
	_, err = p.client.StartSyncs(ctx, api.SyncRequest{Since: "never"})
	wantProblem(t, err, ci.BadRequest)

	gate := newGate(p.gitLab)
	started, err := p.client.StartSyncs(ctx, api.SyncRequest{Connections: []ci.ConnectionID{connection, connection}})
	if err != nil || len(started) != 1 {
		t.Fatalf("started %v: %v", started, err)
	}
	<-gate.reached
	_, err = p.client.StartSyncs(ctx, api.SyncRequest{})
	wantProblem(t, err, ci.Conflict)
	status, err := p.client.Status(ctx)
	if err != nil || status.Connections[0].Running == nil || *status.Connections[0].Running != started[0].ID {
		t.Errorf("status while it runs: %+v %v", status.Connections, err)
	}
	if s, err := p.client.CancelSync(ctx, started[0].ID); err != nil || s.ID != started[0].ID {
		t.Errorf("cancel: %+v %v", s, err)
	}
	events := p.follow(t, started[0].ID, 0)
	last := events[len(events)-1]
	if last.Sync.State != ci.SyncInterrupted || last.Problem == nil || last.Problem.Code != ci.Interrupted {
		t.Errorf("after the cancel: %+v, problem %+v", last.Sync, last.Problem)
	}
	gate.open()
	if _, err := p.client.CancelSync(ctx, started[0].ID); err != nil {
		t.Errorf("cancel of one that has ended: %v", err)
	}
	_, err = p.client.CancelSync(ctx, 99)
	wantProblem(t, err, ci.NotFound)

	again, err := p.client.StartSyncs(ctx, api.SyncRequest{})
	if err != nil {
		t.Fatal(err)
	}
	events = p.follow(t, again[0].ID, 0)
	if last := events[len(events)-1]; last.Sync.State != ci.SyncComplete {
		t.Errorf("the next one is %s: %+v", last.Sync.State, last.Sync.Errors)
	}
}

func TestRemovingStopsTheImport(t *testing.T) {
	p := start(t, smallWorld())
	connection := p.connect(t, "gitlab-pipelines").Connection.ID
	gate := newGate(p.gitLab)
	defer gate.open()
	started, err := p.client.StartSyncs(t.Context(), api.SyncRequest{})
	if err != nil {
		t.Fatal(err)
	}
	<-gate.reached
	if err := p.client.RemoveConnection(t.Context(), connection); err != nil {
		t.Fatal(err)
	}
	if s, err := p.client.Sync(t.Context(), started[0].ID); err != nil || s.State != ci.SyncInterrupted {
		t.Errorf("the import is %s: %v", s.State, err)
	}
	_, err = p.client.Connection(t.Context(), connection)
	wantProblem(t, err, ci.NotFound)
}

func TestDisabledConnections(t *testing.T) {
	p := start(t, smallWorld())
	ctx := t.Context()
	one, two := p.connect(t, "gitlab").Connection.ID, p.connect(t, "gitlab-pipelines").Connection.ID
	gate := newGate(p.gitLab)
	defer gate.open()
	started, err := p.client.StartSyncs(ctx, api.SyncRequest{Connections: []ci.ConnectionID{two}})
	if err != nil {
		t.Fatal(err)
	}
	<-gate.reached
	c, err := p.client.DisableConnection(ctx, two)
	if err != nil || c.DisabledAt == nil || c.State != "verified" {
		t.Errorf("disabled: %+v %v", c, err)
	}
	if s, err := p.client.Sync(ctx, started[0].ID); err != nil || s.State != ci.SyncInterrupted {
		t.Errorf("its import is %s: %v", s.State, err)
	}
	_, err = p.client.StartSyncs(ctx, api.SyncRequest{Connections: []ci.ConnectionID{two}})
	wantProblem(t, err, ci.Conflict)
	if started, err = p.client.StartSyncs(ctx, api.SyncRequest{}); err != nil || len(started) != 1 || started[0].ConnectionID != one {
		t.Errorf("an import of all: %+v %v", started, err)
	}
	p.follow(t, started[0].ID, 0)
	if _, err = p.client.DisableConnection(ctx, one); err != nil {
		t.Error(err)
	}
	_, err = p.client.StartSyncs(ctx, api.SyncRequest{})
	wantProblem(t, err, ci.Conflict)
	_, err = p.client.DisableConnection(ctx, 99)
	wantProblem(t, err, ci.NotFound)
	if c, err = p.client.EnableConnection(ctx, two); err != nil || c.DisabledAt != nil {
		t.Errorf("enabled: %+v %v", c, err)
	}
	gate.open()
	if started, err = p.client.StartSyncs(ctx, api.SyncRequest{}); err != nil || len(started) != 1 || started[0].ConnectionID != two {
		t.Errorf("an import of all that are enabled: %+v %v", started, err)
	}
	p.follow(t, started[0].ID, 0)
}

func TestEndOfTheProgramStopsImports(t *testing.T) {
	p := start(t, smallWorld())
	p.connect(t, "gitlab-pipelines")
	gate := newGate(p.gitLab)
	started, err := p.client.StartSyncs(t.Context(), api.SyncRequest{})
	if err != nil {
		t.Fatal(err)
	}
	<-gate.reached
	p.stop(t)
	gate.open()
	if _, err := server.Dial(t.Context(), p.dir); !errors.Is(err, server.ErrNotRunning) {
		t.Errorf("dial after the end: %v", err)
	}
	p.open(t)
	s, err := p.client.Sync(t.Context(), started[0].ID)
	if err != nil || s.State != ci.SyncInterrupted || s.FinishedAt == nil {
		t.Errorf("%+v %v", s, err)
	}
	// It ran in another life: its events are its end alone.
	if events := p.follow(t, s.ID, 7); len(events) != 1 || events[0].Kind != "done" || events[0].Sync == nil {
		t.Errorf("events: %+v", events)
	}
}

func TestLeftoversOfACrash(t *testing.T) {
	for _, engine := range []string{"duckdb", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			p := start(t, smallWorld(), func(c *server.Config) {
				if engine == "postgres" {
					c.Database = pgtest.Database(t)
				}
			})
			connection := p.connect(t, "gitlab-pipelines").Connection
			p.stop(t)
			database := p.config.Database
			if database == "" {
				database = filepath.Join(p.dir, "weir.duckdb")
			}
			db, err := store.Open(t.Context(), store.Config{Log: slog.New(slog.DiscardHandler), Database: database})
			if err != nil {
				t.Fatal(err)
			}
			id, err := db.BeginSync(t.Context(), ci.Sync{
				InstanceID: connection.InstanceID, ConnectionID: connection.ID, Kind: "sync", State: ci.SyncRunning, StartedAt: time.Now(), Plan: "documented",
			})
			if err = errors.Join(err, db.Close()); err != nil {
				t.Fatal(err)
			}
			p.open(t)
			s, err := p.client.Sync(t.Context(), id)
			if err != nil || s.State != ci.SyncInterrupted || s.FinishedAt != nil || len(s.Errors) != 1 || s.Errors[0].Code != string(ci.Interrupted) {
				t.Errorf("%+v %v", s, err)
			}
		})
	}
}

// Two processes on one PostgreSQL respect each other's imports.
func TestTwoProcesses(t *testing.T) {
	p := start(t, smallWorld(), func(c *server.Config) { c.Database = pgtest.Database(t) })
	p.connect(t, "gitlab-pipelines")
	gate := newGate(p.gitLab)
	started, err := p.client.StartSyncs(t.Context(), api.SyncRequest{})
	if err != nil {
		t.Fatal(err)
	}
	<-gate.reached
	config := p.config
	config.DataDir, config.SecretKeyFile = t.TempDir(), filepath.Join(p.dir, "secret.key")
	second, err := server.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	client := api.NewClient("http://weir.internal", api.NewSecret(second.LocalToken()), &http.Client{Transport: server.Transport(second.Handler())})
	if s, err := client.Sync(t.Context(), started[0].ID); err != nil || s.State != ci.SyncRunning {
		t.Errorf("seen from the other process: %s, %v", s.State, err)
	}
	_, err = client.StartSyncs(t.Context(), api.SyncRequest{})
	wantProblem(t, err, ci.Conflict)
	gate.open()
	p.follow(t, started[0].ID, 0)
	again, err := client.StartSyncs(t.Context(), api.SyncRequest{})
	if err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	for event, err := range client.SyncEvents(t.Context(), again[0].ID, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if event.Kind == "done" && event.Sync.State != ci.SyncComplete {
			t.Errorf("the second process's import: %+v", event.Sync)
		}
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
}

func TestTokenThatGitLabRefusesLater(t *testing.T) {
	p := start(t, smallWorld())
	ctx := t.Context()
	connection := p.connect(t, "gitlab-pipelines").Connection.ID
	p.gitLab.Fault(func(int, *http.Request) gitlabtest.Fault { return gitlabtest.Fault{Kind: gitlabtest.Unauthorized} })
	v, err := p.client.CheckConnection(ctx, connection)
	problem := wantProblem(t, err, ci.InvalidCredentials)
	if len(v.Steps) == 0 || problem.Request == "" || !strings.Contains(problem.Curl, "$WEIR_TOKEN") {
		t.Errorf("steps %+v, problem %+v", v.Steps, problem)
	}
	p.wantState(t, connection, "failing", ci.InvalidCredentials)
	p.gitLab.Fault(nil)
	if _, err := p.client.CheckConnection(ctx, connection); err != nil {
		t.Fatal(err)
	}
	p.wantState(t, connection, "verified", "")

	p.gitLab.Fault(func(int, *http.Request) gitlabtest.Fault { return gitlabtest.Fault{Kind: gitlabtest.Unauthorized} })
	started, err := p.client.StartSyncs(ctx, api.SyncRequest{})
	if err != nil {
		t.Fatal(err)
	}
	events := p.follow(t, started[0].ID, 0)
	last := events[len(events)-1]
	if last.Sync.State != ci.SyncFailed || last.Problem == nil || last.Problem.Code != ci.InvalidCredentials || last.Problem.Remedy == "" {
		t.Errorf("state %s, problem %+v", last.Sync.State, last.Problem)
	}
	p.wantState(t, connection, "failing", ci.InvalidCredentials)
	p.gitLab.Fault(nil)
	if started, err = p.client.StartSyncs(ctx, api.SyncRequest{}); err != nil {
		t.Fatal(err)
	}
	p.follow(t, started[0].ID, 0)
	p.wantState(t, connection, "verified", "")
}

func TestCredentials(t *testing.T) {
	p := start(t, smallWorld())
	ctx := t.Context()
	first := p.connect(t, "gitlab-pipelines")
	second := p.gitLab.Token(gitlabtest.TokenSpec{Value: "glpat-secondsecondsecond2222"})
	p.secrets = append(p.secrets, second)
	_, err := p.client.AddCredential(ctx, first.Connection.ID, api.CredentialRequest{Token: api.NewSecret("glpat-wrongwrongwrongwrong")})
	wantProblem(t, err, ci.InvalidCredentials)
	v, err := p.client.AddCredential(ctx, first.Connection.ID, api.CredentialRequest{Token: api.NewSecret(second), Label: "two"})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(v.Connection.Credentials); n != 2 || v.Connection.Credentials[1].Last4 != "2222" || v.Connection.Credentials[1].Label != "two" {
		t.Errorf("%d credentials: %+v", n, v.Connection.Credentials)
	}
	if v, err = p.client.CheckConnection(ctx, first.Connection.ID); err != nil {
		t.Errorf("check of both: %v", err)
	}
	if err := p.client.RemoveCredential(ctx, first.Connection.ID, first.CredentialID); err != nil {
		t.Error(err)
	}
	wantProblem(t, p.client.RemoveCredential(ctx, first.Connection.ID, v.Connection.Credentials[1].ID), ci.Conflict)
}

// TestCheckAsksForGraphQLAnew: that a GitLab answers no GraphQL is remembered
// until somebody has the connection checked, as one does after an update.
func TestCheckAsksForGraphQLAnew(t *testing.T) {
	p := start(t, smallWorld())
	connection := p.connect(t, "gitlab-pipelines").Connection.ID
	p.gitLab.Fault(func(_ int, r *http.Request) gitlabtest.Fault {
		if strings.HasSuffix(r.URL.Path, "/api/graphql") {
			return gitlabtest.Fault{Kind: gitlabtest.NotFound}
		}
		return gitlabtest.Fault{}
	})
	for _, tt := range []struct {
		check bool
		want  int
	}{{false, 1}, {false, 0}, {true, 1}, {false, 0}} {
		if tt.check {
			if _, err := p.client.CheckConnection(t.Context(), connection); err != nil {
				t.Fatal(err)
			}
		}
		p.gitLab.ResetRequests()
		p.importAll(t)
		if got := p.gitLab.RequestCount()["POST /graphql"]; got != tt.want {
			t.Errorf("after a check: %v. An import asked for GraphQL %d times, want %d", tt.check, got, tt.want)
		}
	}
}
