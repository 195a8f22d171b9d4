package server_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/server"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// The whole way, on both engines: connect, import, look at it, take it out.
func TestConnectImportRead(t *testing.T) {
	for _, engine := range []string{"duckdb", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			world := gitlabtest.Generate(1, gitlabtest.Size{Groups: 2, Projects: 6, PipelinesPerProject: 5, JobsPerPipeline: 4, Days: 20})
			p := start(t, world, func(c *server.Config) {
				if engine == "postgres" {
					c.Database = pgtest.Database(t)
				}
			})
			ctx := t.Context()
			repositories := p.connect(t, "gitlab")
			pipelines := p.connect(t, "gitlab-pipelines")
			if len(pipelines.Steps) < 6 || pipelines.Version == "" || pipelines.Connection.State != "verified" {
				t.Errorf("verified: %+v", pipelines)
			}
			if codes := warningCodes(pipelines.Connection); !slices.Contains(codes, ci.SharedToken) {
				t.Errorf("warnings of two connections with one token: %v", codes)
			}
			started, err := p.client.StartSyncs(ctx, api.SyncRequest{Since: "all"})
			if err != nil || len(started) != 2 {
				t.Fatalf("started %v: %v", started, err)
			}
			for _, s := range started {
				done := p.follow(t, s.ID, 0)
				last := done[len(done)-1]
				if done[0].Kind != "started" || last.Kind != "done" || last.Sync == nil || last.Sync.FinishedAt == nil || last.Problem != nil {
					t.Errorf("events of sync %d: first %+v, last %+v", s.ID, done[0], last)
				}
				stored, err := p.client.Sync(ctx, s.ID)
				if diff := cmp.Diff(last.Sync, &stored); diff != "" || err != nil {
					t.Errorf("the summary is not the stored row (-event +row):\n%s%v", diff, err)
				}
				// Whoever comes late hears the same, whoever lost the stream the rest.
				if again := p.follow(t, s.ID, 0); len(again) != len(done) {
					t.Errorf("%d events at the second look, %d at the first", len(again), len(done))
				}
				if rest := p.follow(t, s.ID, last.ID-1); len(rest) != 1 || rest[0].Kind != "done" {
					t.Errorf("after the one before the last: %+v", rest)
				}
			}
			want := world.Count()

			status, err := p.client.Status(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if status.Engine != engine || status.Bytes == 0 || len(status.Connections) != 2 || len(status.Syncs) != 2 {
				t.Errorf("status: %+v", status)
			}
			for _, c := range status.Connections {
				if c.LastSync == nil || c.Running != nil {
					t.Errorf("connection %d: last sync %v, running %v", c.Connection.ID, c.LastSync, c.Running)
				}
			}
			if got := status.Rows["pipelines"]; got == 0 || got > int64(want.Pipelines) {
				t.Errorf("%d pipelines of %d", got, want.Pipelines)
			}
			if len(status.Projects) == 0 || status.Projects[0].FullPath == "" {
				t.Errorf("projects: %+v", status.Projects)
			}

			rows := p.query(t, api.QueryRequest{SQL: "SELECT count(*) AS n FROM pipelines WHERE status = :s", Variables: map[string]string{"s": "success"}})
			if len(rows) != 1 || rows[0][0] == json.Number("0") {
				t.Errorf("rows: %v", rows)
			}
			schema, err := p.client.Schema(ctx)
			if err != nil || len(schema) != len(store.Tables())+len(store.Views()) {
				t.Fatalf("%d tables: %v", len(schema), err)
			}
			for _, table := range schema {
				n := p.exportNDJSON(t, table)
				if table.Rows != nil && n != *table.Rows {
					t.Errorf("%s: %d rows exported of %d", table.Name, n, *table.Rows)
				}
				csv := p.export(t, table.Name, "csv")
				if header, _, _ := strings.Cut(string(csv), "\n"); strings.Count(header, ",") != len(table.Columns)-1 {
					t.Errorf("%s: header %s", table.Name, header)
				}
			}
			if parquet := p.export(t, "jobs", "parquet"); !bytes.HasPrefix(parquet, []byte("PAR1")) || !bytes.HasSuffix(parquet, []byte("PAR1")) {
				t.Errorf("%d bytes that are no Parquet", len(parquet))
			}
			if left, _ := filepath.Glob(filepath.Join(p.dir, "export-*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			if d, err := p.client.Doctor(ctx); err != nil || len(d.Checks) < 6 {
				t.Errorf("doctor: %+v %v", d, err)
			}
			if v, err := p.client.Version(ctx); err != nil || v.Engine != engine || v.SchemaVersion == 0 || v.EngineVersion == "" {
				t.Errorf("version: %+v %v", v, err)
			}

			if err := p.client.RemoveConnection(ctx, repositories.Connection.ID); err != nil {
				t.Fatal(err)
			}
			left, err := p.client.Connection(ctx, pipelines.Connection.ID)
			if codes := warningCodes(left); err != nil || slices.Contains(codes, ci.SharedToken) || !slices.Contains(codes, ci.MissingGitLabConnection) {
				t.Errorf("warnings of the one that is left: %v %v", codes, err)
			}
		})
	}
}

func TestConnectRefuses(t *testing.T) {
	world := smallWorld()
	html := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html>a wiki</html>")
	}))
	t.Cleanup(html.Close)
	p := start(t, world)
	scopeless := p.gitLab.Token(gitlabtest.TokenSpec{Value: "glpat-scopelessscopelessless", Scopes: []string{"read_user"}})
	revoked := p.gitLab.Token(gitlabtest.TokenSpec{Value: "glpat-revokedrevokedrevoked1", Revoked: true})
	p.secrets = append(p.secrets, scopeless, revoked)
	for _, c := range []struct {
		name   string
		change func(*api.ConnectRequest)
		want   ci.Code
		steps  bool
	}{
		{"wrong token", func(r *api.ConnectRequest) { r.Token = api.NewSecret("glpat-wrongwrongwrongwrong") }, ci.InvalidCredentials, true},
		{"revoked token", func(r *api.ConnectRequest) { r.Token = api.NewSecret(revoked) }, ci.InvalidCredentials, true},
		{"no read_api", func(r *api.ConnectRequest) { r.Token = api.NewSecret(scopeless) }, ci.InvalidPermissions, true},
		{"no such group", func(r *api.ConnectRequest) { r.Groups = []string{"nobody"} }, ci.GroupNotFound, true},
		{"not GitLab", func(r *api.ConnectRequest) { r.BaseURL = html.URL }, ci.NotGitLab, true},
		{"nobody there", func(r *api.ConnectRequest) { r.BaseURL = "http://127.0.0.1:1" }, ci.Unreachable, true},
		{"no URL", func(r *api.ConnectRequest) { r.BaseURL = "https://user:pw@example.com" }, ci.BadRequest, false},
		{"horizon", func(r *api.ConnectRequest) { r.Since = "soon" }, ci.BadRequest, false},
		{"kind", func(r *api.ConnectRequest) { r.Kind = "github" }, ci.BadRequest, false},
		{"empty token", func(r *api.ConnectRequest) { r.Token = api.NewSecret("") }, ci.BadRequest, false},
		{"empty group", func(r *api.ConnectRequest) { r.Groups = []string{" / "} }, ci.BadRequest, false},
		{"CA file", func(r *api.ConnectRequest) { r.CAFile = "/nowhere/ca.pem" }, ci.BadRequest, false},
		{"ceiling", func(r *api.ConnectRequest) { r.MaxRequestsPerMinute = new(0.0) }, ci.BadRequest, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := p.request("gitlab-pipelines")
			c.change(&r)
			v, err := p.client.Connect(t.Context(), r)
			wantProblem(t, err, c.want)
			if c.steps != (len(v.Steps) > 0) {
				t.Errorf("steps: %+v", v.Steps)
			}
			if c.steps && v.Steps[len(v.Steps)-1].OK {
				t.Errorf("the last step did not fail: %+v", v.Steps)
			}
			if list, err := p.client.Connections(t.Context()); err != nil || len(list) != 0 {
				t.Errorf("something was stored: %v %v", list, err)
			}
		})
	}
	p.connect(t, "gitlab-pipelines")
	_, err := p.client.Connect(t.Context(), p.request("gitlab-pipelines"))
	wantProblem(t, err, ci.Conflict)
}

// Whatever is wrong with a request, the token in it is not told back.
func TestRefusedRequestsAreNotEchoed(t *testing.T) {
	p := start(t, smallWorld())
	const token = "glpat-echoechoechoechoecho"
	p.secrets = append(p.secrets, token)
	for _, body := range []string{
		`{"kind":"gitlab","base_url":"https://x.example.com","token":["` + token + `"]}`,
		`{"kind":"gitlab","base_url":"https://x.example.com","token":{"value":"` + token + `"}}`,
		`{"kind":"` + token + `","base_url":"https://x.example.com","token":"` + token + `"}`,
		`{"kind":"gitlab","base_url":1,"token":"` + token + `"}`,
		`{"kind":"gitlab","token":"` + token + `"}`,
		`{"kind":"gitlab","base_url":"https://x.example.com","token":"` + token + `","groups":"` + token + `"}`,
		`{"token":"` + token,
		`["` + token + `"]`,
		`"` + token + `"`,
		`token=` + token,
	} {
		res := p.raw(t, http.MethodPost, "/connections", body, p.token)
		problem := readBody(t, res)
		if res.StatusCode < 400 || res.StatusCode >= 500 || strings.Contains(problem, "echoecho") {
			t.Errorf("%s\n  answered %s %s", body, res.Status, problem)
		}
		var told api.Problem
		if err := json.Unmarshal([]byte(problem), &told); err != nil || told.Code != ci.BadRequest || told.Remedy == "" || told.Detail == "" {
			t.Errorf("%s\n  is no problem of ours: %v %s", body, err, problem)
		}
		if got := res.Header.Get("Content-Type"); got != "application/problem+json" {
			t.Errorf("content type %s", got)
		}
	}
}

func TestWhoMay(t *testing.T) {
	p := start(t, smallWorld())
	for _, c := range []struct {
		name, path, token string
		header            map[string]string
		method            string
		want              int
	}{
		{"health", "/health", "", nil, http.MethodGet, 200},
		{"nothing shown", "/status", "", nil, http.MethodGet, 401},
		{"wrong", "/status", p.token + "x", nil, http.MethodGet, 401},
		{"right", "/status", p.token, nil, http.MethodGet, 200},
		{"the description", "/openapi.yaml", "", nil, http.MethodGet, 401},
		{"nothing there", "/nothing", p.token, nil, http.MethodGet, 404},
		{"no such method", "/status", p.token, nil, http.MethodDelete, 404},
		{"a page elsewhere", "/syncs", p.token, map[string]string{"Sec-Fetch-Site": "cross-site"}, http.MethodPost, 403},
		{"unknown parameter", "/status?x=1", p.token, nil, http.MethodGet, 422},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), c.method, p.url+api.Prefix+c.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			for k, v := range c.header {
				req.Header.Set(k, v)
			}
			if c.token != "" {
				req.Header.Set("Authorization", "Bearer "+c.token)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body := readBody(t, res)
			if res.StatusCode != c.want {
				t.Errorf("%s: %s", res.Status, body)
			}
			if res.Header.Get("X-Content-Type-Options") != "nosniff" || res.Header.Get("Content-Security-Policy") == "" {
				t.Errorf("headers: %v", res.Header)
			}
			var told api.Problem
			if c.want >= 400 && (json.Unmarshal([]byte(body), &told) != nil || told.Code == "" || told.Status != c.want) {
				t.Errorf("no problem: %s", body)
			}
		})
	}
	if res, err := http.Get(p.url + "/elsewhere"); err != nil || res.StatusCode != 404 {
		t.Errorf("outside of the API: %v %v", res, err)
	}
}

// SQL reaches neither the private state nor the key, on either engine.
func TestQueriesReachNoSecret(t *testing.T) {
	for _, engine := range []string{"duckdb", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			p := start(t, smallWorld(), func(c *server.Config) {
				if engine == "postgres" {
					c.Database = pgtest.Database(t)
				}
			})
			p.connect(t, "gitlab-pipelines")
			for _, sql := range []string{
				"SELECT sealed FROM weir_control.credentials",
				"SELECT sealed FROM credentials",
				"ATTACH '" + filepath.Join(p.dir, "control.duckdb") + "' AS c",
				"SELECT * FROM read_text('" + filepath.Join(p.dir, "secret.key") + "')",
				"SELECT pg_read_file('" + filepath.Join(p.dir, "secret.key") + "')",
				"SELECT * FROM read_json('" + filepath.Join(p.dir, "server.json") + "')",
				"DELETE FROM syncs",
				"SELECT 1; SELECT 2",
			} {
				rows, err := p.client.Query(t.Context(), api.QueryRequest{SQL: sql})
				if err == nil {
					_, err = collect(rows)
				}
				if code := ci.CodeOf(err); code != ci.BadSQL && code != ci.ReadOnlySQL {
					t.Errorf("%s: %v", sql, err)
				}
			}
		})
	}
}

func TestQueryAnswers(t *testing.T) {
	p := start(t, smallWorld())
	for _, c := range []struct {
		sql  string
		want string
	}{
		{"SELECT 9007199254740993 AS a, 1.5::double precision AS b, NULL AS c, 'x\"ü' AS d, true AS e", `[9007199254740993,1.5,null,"x\"ü",true]`},
		{"SELECT TIMESTAMPTZ '2026-01-02 03:04:05.678+02' AS t", `["2026-01-02T01:04:05.678Z"]`},
		{"SELECT TIMESTAMPTZ '2026-01-02 03:04:05.678901+00' AS t", `["2026-01-02T03:04:05.678901Z"]`},
		{"SELECT DATE '2026-01-02' AS d", `["2026-01-02"]`},
	} {
		b, err := json.Marshal(p.query(t, api.QueryRequest{SQL: c.sql})[0])
		if err != nil || string(b) != c.want {
			t.Errorf("%s: %s, %v, want %s", c.sql, b, err, c.want)
		}
	}
	rows, err := p.client.Query(t.Context(), api.QueryRequest{SQL: "SELECT * FROM generate_series(1, 1000) AS t(n)", MaxRows: 10})
	if err != nil {
		t.Fatal(err)
	}
	all, err := collect(rows)
	if err != nil || len(all) != 10 || !rows.Summary().Truncated || rows.Summary().Rows != 10 {
		t.Errorf("%d rows, %+v, %v", len(all), rows.Summary(), err)
	}
	for _, c := range []struct {
		request api.QueryRequest
		want    ci.Code
	}{
		{api.QueryRequest{SQL: "SELEC 1"}, ci.BadSQL},
		{api.QueryRequest{SQL: "SELECT * FROM nothing"}, ci.BadSQL},
		{api.QueryRequest{SQL: "DROP TABLE jobs"}, ci.ReadOnlySQL},
		{api.QueryRequest{SQL: "SELECT :x"}, ci.BadRequest},
		{api.QueryRequest{SQL: ""}, ci.BadRequest},
		{api.QueryRequest{SQL: "SELECT 1", TimeoutSeconds: 1e9}, ci.BadRequest},
		{api.QueryRequest{SQL: "SELECT count(*) FROM generate_series(1, 100000) a(x), generate_series(1, 10000000) b(y) WHERE x * y % 7 = 3", TimeoutSeconds: 0.2}, ci.QueryTimeout},
	} {
		rows, err := p.client.Query(t.Context(), c.request)
		if err == nil {
			_, err = collect(rows)
		}
		wantProblem(t, err, c.want)
	}
	_, err = p.client.Table(t.Context(), "nothing")
	wantProblem(t, err, ci.NotFound)
	_, err = p.client.Export(t.Context(), "nothing", "csv")
	wantProblem(t, err, ci.NotFound)
	_, err = p.client.Export(t.Context(), "jobs", "xlsx")
	wantProblem(t, err, ci.BadRequest)
}

// A command without a running server calls the same handler in memory.
func TestInMemory(t *testing.T) {
	p := start(t, smallWorld())
	inside := api.NewClient("http://weir.internal", api.NewSecret(p.server.LocalToken()), &http.Client{Transport: server.Transport(p.server.Handler())})
	p.connect(t, "gitlab-pipelines")
	started, err := inside.StartSyncs(t.Context(), api.SyncRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var last api.SyncEvent
	for event, err := range inside.SyncEvents(t.Context(), started[0].ID, 0) {
		if err != nil {
			t.Fatal(err)
		}
		last = event
	}
	if last.Kind != "done" || last.Sync.State != ci.SyncComplete {
		t.Errorf("last event %+v", last)
	}
	body, err := inside.Export(t.Context(), "pipelines", "ndjson")
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(body)
	if err = errors.Join(err, body.Close()); err != nil || bytes.Count(b, []byte("\n")) == 0 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	// A reader who has had enough of a long answer ends it.
	rows, err := inside.Query(t.Context(), api.QueryRequest{SQL: "SELECT * FROM generate_series(1, 5000000) AS t(n)"})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range rows.All() {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	if err := rows.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		config server.Config
		want   ci.Code
	}{
		{"no directory", server.Config{}, ci.DataDirUnwritable},
		{"a file in its place", server.Config{DataDir: file}, ci.DataDirUnwritable},
		{"an address for others", server.Config{DataDir: t.TempDir(), Listen: "0.0.0.0:0"}, ci.BadRequest},
		{"no address", server.Config{DataDir: t.TempDir(), Listen: "nonsense"}, ci.Conflict},
		{"no key", server.Config{DataDir: t.TempDir(), SecretKeyFile: "/nowhere/key"}, ci.SecretKeyMissing},
		{"no database", server.Config{DataDir: t.TempDir(), Database: "postgres://weir:hunter2@127.0.0.1:1/weir"}, ci.DatabaseUnreachable},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := server.Open(t.Context(), c.config)
			wantProblem(t, err, c.want)
			if strings.Contains(fmt.Sprint(err), "hunter2") {
				t.Errorf("the error holds a password: %v", err)
			}
		})
	}
}

func TestAnnouncement(t *testing.T) {
	p := start(t, smallWorld())
	path := filepath.Join(p.dir, "server.json")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(p.dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode of the directory %v, %v", info.Mode(), err)
	}
	p.stop(t)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after the end: %v", err)
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the token was shown to a stranger")
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"status":"ok","version":"x","pid":1}`)
	}))
	t.Cleanup(other.Close)
	for name, content := range map[string]string{
		"nobody there":  `{"address":"http://127.0.0.1:1","token":"t","pid":1}`,
		"somebody else": `{"address":"` + other.URL + `","token":"t","pid":2}`,
		"half a file":   `{"address":"http`,
		"empty":         ``,
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := server.Dial(t.Context(), p.dir); !errors.Is(err, server.ErrNotRunning) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p.open(t) // writes over what is there
}
