package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/server"
)

// program is a whole weir and the GitLab that it is to import.
type program struct {
	dir     string
	config  server.Config
	server  *server.Server
	client  *api.Client
	url     string
	token   string
	gitLab  *gitlabtest.Server
	gitURL  string
	log     lockedBuffer
	told    lockedBuffer // every answer, as it came
	secrets []string     // that must be in neither
	end     func() error
}

func start(t *testing.T, world *gitlabtest.World, change ...func(*server.Config)) *program {
	p := &program{dir: filepath.Join(t.TempDir(), "data"), gitLab: gitlabtest.NewServer(world)}
	web := httptest.NewServer(p.gitLab)
	t.Cleanup(web.Close)
	p.gitURL = web.URL
	p.secrets = []string{p.gitLab.DefaultToken()}
	p.config = server.Config{
		Log: slog.New(slog.NewJSONHandler(&p.log, &slog.HandlerOptions{Level: slog.LevelDebug})), DataDir: p.dir, Version: "test",
	}
	for _, c := range change {
		c(&p.config)
	}
	p.open(t)
	t.Cleanup(func() {
		p.stop(t)
		for _, secret := range append(p.secrets, p.token) {
			for name, text := range map[string]string{"the log": p.log.String(), "an answer": p.told.String()} {
				if at := strings.Index(text, secret); at >= 0 {
					t.Errorf("%s holds a token: …%s…", name, text[max(0, at-200):at+len(secret)])
				}
			}
		}
	})
	return p
}

func (p *program) open(t *testing.T) {
	t.Helper()
	s, err := server.Open(t.Context(), p.config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var group errgroup.Group
	group.Go(func() error { return s.Serve(ctx) })
	p.end = func() error {
		cancel()
		return errors.Join(group.Wait(), s.Close())
	}
	p.server, p.url, p.token = s, "http://"+s.Addr(), s.LocalToken()
	p.client = api.NewClient(p.url, api.NewSecret(p.token), &http.Client{Transport: tee{&p.told}})
	for { // Serve announces when it begins
		if _, err := server.Dial(t.Context(), p.dir); err == nil {
			return
		} else if !errors.Is(err, server.ErrNotRunning) {
			t.Fatal(err)
		}
	}
}

func (p *program) stop(t *testing.T) {
	t.Helper()
	if p.end == nil {
		return
	}
	if err := p.end(); err != nil {
		t.Errorf("end: %v", err)
	}
	p.end = nil
}

func (p *program) request(kind string) api.ConnectRequest {
	return api.ConnectRequest{Kind: kind, BaseURL: p.gitURL + "/", Token: api.NewSecret(p.gitLab.DefaultToken())}
}

func (p *program) connect(t *testing.T, kind string) api.Verified {
	t.Helper()
	v, err := p.client.Connect(t.Context(), p.request(kind))
	if err != nil {
		t.Fatalf("connect %s: %v; steps %+v", kind, err, v.Steps)
	}
	return v
}

func (p *program) follow(t *testing.T, id ci.SyncID, after int64) []api.SyncEvent {
	t.Helper()
	var events []api.SyncEvent
	for event, err := range p.client.SyncEvents(t.Context(), id, after) {
		if err != nil {
			t.Fatal(err)
		}
		if event.ID <= after && after > 0 && len(events) > 0 {
			t.Errorf("event %d after %d", event.ID, after)
		}
		events = append(events, event)
	}
	return events
}

func (p *program) query(t *testing.T, q api.QueryRequest) [][]any {
	t.Helper()
	rows, err := p.client.Query(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	all, err := collect(rows)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func collect(rows *api.Rows) (all [][]any, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for row, err := range rows.All() {
		if err != nil {
			return all, err
		}
		all = append(all, row)
	}
	return all, nil
}

func (p *program) export(t *testing.T, table, format string) []byte {
	t.Helper()
	body, err := p.client.Export(t.Context(), table, format)
	if err != nil {
		t.Fatalf("%s as %s: %v", table, format, err)
	}
	b, err := io.ReadAll(body)
	if err = errors.Join(err, body.Close()); err != nil {
		t.Fatalf("%s as %s: %v", table, format, err)
	}
	return b
}

// exportNDJSON counts the rows; each must have every column.
func (p *program) exportNDJSON(t *testing.T, table api.Table) (n int64) {
	t.Helper()
	lines := bufio.NewScanner(bytes.NewReader(p.export(t, table.Name, "ndjson")))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var row map[string]any
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil || len(row) != len(table.Columns) {
			t.Fatalf("%s: %d columns, %v: %s", table.Name, len(row), err, lines.Text())
		}
		n++
	}
	return n
}

func (p *program) raw(t *testing.T, method, path, body, token string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, p.url+api.Prefix+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := (&http.Client{Transport: tee{&p.told}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func (p *program) wantState(t *testing.T, id ci.ConnectionID, state string, code ci.Code) {
	t.Helper()
	c, err := p.client.Connection(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var got ci.Code
	if c.LastErrorCode != nil {
		got = *c.LastErrorCode
	}
	if c.State != state || got != code {
		t.Errorf("connection is %s (%s), want %s (%s)", c.State, got, state, code)
	}
}

// gate holds GitLab's answers to lists of pipelines back until it opens.
type gate struct {
	reached chan struct{}
	open    func()
}

func newGate(s *gitlabtest.Server) gate {
	opened := make(chan struct{})
	g := gate{reached: make(chan struct{}), open: sync.OnceFunc(func() { close(opened) })}
	reached := sync.OnceFunc(func() { close(g.reached) })
	s.EachRequest(func(_ int, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/pipelines") {
			reached()
			select {
			case <-opened:
			case <-r.Context().Done():
			}
		}
	})
	return g
}

func smallWorld() *gitlabtest.World { return gitlabtest.Uniform(2, 3, 2) }

func warningCodes(c api.Connection) (codes []ci.Code) {
	for _, w := range c.Warnings {
		codes = append(codes, w.Code)
	}
	return codes
}

func wantProblem(t *testing.T, err error, code ci.Code) *ci.Problem {
	t.Helper()
	var p *ci.Problem
	if !errors.As(err, &p) || p.Code != code {
		t.Errorf("error %v, want %s", err, code)
		return &ci.Problem{}
	}
	if p.Cause == "" || p.Remedy == "" {
		t.Errorf("%s has no cause or no remedy: %+v", code, p)
	}
	return p
}

func readBody(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// tee keeps a copy of every answer.
type tee struct{ to io.Writer }

func (tr tee) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	_, _ = fmt.Fprintln(tr.to, res.Header)
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.TeeReader(res.Body, tr.to), res.Body}
	return res, nil
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
