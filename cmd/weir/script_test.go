package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/store/pgtest"
)

// TestMain lets the test's own binary be weir, for scripts, and ends the
// PostgreSQL that tests may have started.
func TestMain(m *testing.M) { testscript.Main(tests{m}, map[string]func(){"weir": main}) }

type tests struct{ m *testing.M }

func (t tests) Run() int { return pgtest.Run(t.m) }

// TestScripts runs testdata/script/*.txtar. Beside testscript's own commands a
// script may use
//
//	gitlab start              starts a simulated GitLab (small world: see smallWorld),
//	                          and sets GITLAB_URL and WEIR_TOKEN
//	gitlab replay             starts one that gives the recorded answers of a real project
//	[recordings]              whether those are to be had
//	gitlab token VAR [scope…] issues a token into a variable; without scopes read_api,
//	                          "revoked", "expires-soon", "guest" and "maintainer" say otherwise
//	gitlab fault KIND [PART]  breaks requests whose path has PART: html, 500, 502, 401, 403, 429, hang; none ends it
//	gitlab move KIND          changes the world: pipeline (one more)
//	gitlab requests N         fails unless N requests came since the last time it was asked
//	gitlab await PART         waits until a request comes whose path has PART
//	gitlab stop               ends it: nobody answers at GITLAB_URL any more
//	exit CODE COMMAND...      runs a command and fails unless it ends with that code
//	until REGEXP COMMAND...   runs a command again and again until its stdout matches
//	[!] await FILE            waits until a file is there, or is not
//	secretless FILE|stdout... fails when a file, a directory's files or an output hold $WEIR_TOKEN
//	replace FILE OLD NEW      replaces text in a file
//	duckdb FILE STATEMENT     runs a statement in a DuckDB file
//	hold FILE                 keeps a DuckDB file open in another process, to the script's end
func TestScripts(t *testing.T) {
	testscript.Run(t, scriptParams("testdata/script"))
}

func scriptParams(dir string) testscript.Params {
	return testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Condition: func(name string) (bool, error) {
			if name != "recordings" {
				return false, fmt.Errorf("no condition is called %q", name)
			}
			_, err := fs.Stat(recordings(), "api")
			if err != nil && os.Getenv("CI") == "true" {
				return false, fmt.Errorf("the recordings are missing: %w", err)
			}
			return err == nil, nil
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("DATA", filepath.Join(env.WorkDir, ".local", "share", "weir"))
			env.Values[simulatorKey{}] = &simulator{}
			env.Defer(env.Values[simulatorKey{}].(*simulator).stop)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"gitlab":     gitlabCommand,
			"await":      awaitCommand,
			"until":      untilCommand,
			"hangup":     hangupCommand,
			"secretless": secretlessCommand,
			"replace":    replaceCommand,
			"exit":       exitCommand,
			"duckdb":     duckdbCommand,
			"hold":       holdCommand,
		},
	}
}

// recordings gives the folder of a recorded project. It is not part of the
// repository: it lies beside it, or where WEIR_SHARED says.
func recordings() fs.FS {
	dir := os.Getenv("WEIR_SHARED")
	if dir == "" {
		dir = filepath.Join(sourceDir(), "..", "..", "..", "shared")
	}
	return os.DirFS(filepath.Join(dir, "gitlab-contract", "recorded", "gitlab-exporter"))
}

// sourceDir is where this file was compiled; scripts run elsewhere.
func sourceDir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

type simulatorKey struct{}

// simulator is the GitLab of one script.
type simulator struct {
	world  *gitlabtest.World
	server *gitlabtest.Server
	http   *httptest.Server
	seen   int // requests that were asked about

	mu   sync.Mutex
	came []string // paths of requests, answered or not, since the last await
}

func (s *simulator) stop() {
	if s.http != nil {
		s.http.CloseClientConnections()
		s.http.Close()
		s.http = nil
	}
}

// await waits for a request, answered or not.
func (s *simulator) await(ts *testscript.TestScript, part string) {
	soon(ts, "a request of "+part, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		i := slices.IndexFunc(s.came, func(path string) bool { return strings.Contains(path, part) })
		if i >= 0 {
			s.came = nil
		}
		return i >= 0
	})
}

func (s *simulator) note(_ int, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.came = append(s.came, r.URL.EscapedPath())
}

// smallWorld is what scripts import: 3 projects in 2 groups, of which one
// refuses to show its pipelines when withForbidden says so.
func smallWorld(withForbidden bool) *gitlabtest.World {
	w := gitlabtest.NewWorld()
	runner := w.AddRunner("builder", "linux")
	at := time.Now().Add(-5 * time.Hour).Truncate(time.Second)
	for i, path := range []string{"acme/shop", "acme/tools/lint"} {
		p := w.AddProject(path)
		for n := range 3 {
			w.AddPipeline(p, gitlabtest.PipelineSpec{
				At: at.Add(time.Duration(n) * time.Hour),
				Jobs: []gitlabtest.JobSpec{
					{Name: "build", Stage: "build", Took: time.Minute, Runner: runner},
					{Name: "test", Stage: "test", Took: 90 * time.Second, FailedFirst: (n + i) % 2, Runner: runner},
				},
			})
		}
	}
	if withForbidden {
		w.AddProject("acme/vault").Forbidden = true
	}
	return w
}

func gitlabCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: gitlab start|token|fault|move|requests|stop ...")
	}
	s := ts.Value(simulatorKey{}).(*simulator)
	rest := args[1:]
	switch args[0] {
	case "start":
		s.world = smallWorld(len(rest) > 0 && rest[0] == "forbidden")
		s.server = gitlabtest.NewServer(s.world)
		s.server.EachRequest(s.note)
		s.http = httptest.NewServer(s.server)
		ts.Setenv("GITLAB_URL", s.http.URL)
		ts.Setenv("WEIR_TOKEN", s.server.DefaultToken())
		ts.Setenv("SPARE_TOKEN", s.server.Token(gitlabtest.TokenSpec{}))
	case "replay":
		recorded, err := gitlabtest.Replay(recordings())
		ts.Check(err)
		s.server = recorded
		s.http = httptest.NewServer(s.server)
		ts.Setenv("GITLAB_URL", s.http.URL)
		ts.Setenv("WEIR_TOKEN", s.server.DefaultToken())
	case "token":
		ts.Setenv(rest[0], s.server.Token(tokenSpec(rest[1:])))
	case "fault":
		kinds := map[string]gitlabtest.FaultKind{
			"none": gitlabtest.NoFault, "html": gitlabtest.HTMLPage, "500": gitlabtest.ServerError, "502": gitlabtest.BadGateway,
			"401": gitlabtest.Unauthorized, "403": gitlabtest.Forbidden, "429": gitlabtest.TooManyRequests, "hang": gitlabtest.Hang,
		}
		kind, ok := kinds[rest[0]]
		if !ok {
			ts.Fatalf("no fault is called %s", rest[0])
		}
		part := strings.Join(rest[1:], "")
		s.server.Fault(func(_ int, r *http.Request) gitlabtest.Fault {
			if !strings.Contains(r.URL.EscapedPath(), part) {
				return gitlabtest.Fault{}
			}
			return gitlabtest.Fault{Kind: kind}
		})
	case "move":
		p := s.world.Project("acme/shop")
		switch rest[0] {
		case "pipeline":
			s.world.AddPipeline(p, gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "build"}}})
		default:
			ts.Fatalf("no move is called %s", rest[0])
		}
	case "requests":
		want, err := strconv.Atoi(rest[0])
		ts.Check(err)
		total := len(s.server.Requests())
		if got := total - s.seen; got != want {
			ts.Fatalf("%d requests came, want %d", got, want)
		}
		s.seen = total
	case "await":
		s.await(ts, rest[0])
	case "stop":
		s.stop()
	default:
		ts.Fatalf("gitlab %s is no command", args[0])
	}
}

func tokenSpec(words []string) gitlabtest.TokenSpec {
	var spec gitlabtest.TokenSpec
	for _, w := range words {
		switch w {
		case "revoked":
			spec.Revoked = true
		case "guest":
			spec.Role = gitlabtest.Guest
		case "maintainer":
			spec.Role = gitlabtest.Maintainer
		case "expires-soon":
			soon := time.Now().AddDate(0, 0, 5)
			spec.ExpiresAt = &soon
		default:
			spec.Scopes = append(spec.Scopes, w)
		}
	}
	return spec
}

// awaitCommand waits for a file.
func awaitCommand(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] await FILE")
	}
	name := ts.MkAbs(args[0])
	soon(ts, args[0], func() bool {
		_, err := os.Stat(name)
		return (err == nil) != neg
	})
}

// untilCommand runs a command until what it prints matches.
func untilCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until REGEXP COMMAND...")
	}
	wanted := regexp.MustCompile(args[0])
	soon(ts, args[0], func() bool {
		return ts.Exec(args[1], args[2:]...) == nil && wanted.MatchString(ts.ReadFile("stdout"))
	})
}

// hangupCommand sends SIGHUP to what runs in the background.
func hangupCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: hangup")
	}
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(syscall.SIGHUP))
	}
}

// soon asks again and again, for a minute at most: neither a file nor another
// process can signal.
func soon(ts *testscript.TestScript, what string, there func() bool) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-tick.C {
		if there() {
			return
		}
	}
	ts.Fatalf("waited for %s in vain", what)
}

// secretlessCommand looks for the token in files, in directories of files, and
// in what the last command printed (stdout, stderr).
func secretlessCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: secretless FILE|DIR|stdout|stderr ...")
	}
	token := ts.Getenv("WEIR_TOKEN")
	if token == "" {
		ts.Fatalf("WEIR_TOKEN is not set")
	}
	look := func(name, content string) {
		if strings.Contains(content, token) {
			ts.Fatalf("%s holds the token", name)
		}
	}
	for _, arg := range args {
		if arg == "stdout" || arg == "stderr" {
			look(arg, ts.ReadFile(arg))
			continue
		}
		found := 0
		ts.Check(filepath.WalkDir(ts.MkAbs(arg), func(name string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			found++
			content, err := os.ReadFile(name)
			look(name, string(content))
			return err
		}))
		if found == 0 {
			ts.Fatalf("%s holds no files", arg)
		}
	}
}

func replaceCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace FILE OLD NEW")
	}
	content := ts.ReadFile(args[0])
	if !strings.Contains(content, args[1]) {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(content, args[1], args[2])), 0o600))
}

// exitCommand runs a command and wants one exit code: exit 3 weir sync.
func exitCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit CODE COMMAND [ARG]...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got, err := exitOf(ts.Exec(args[1], args[2:]...))
	ts.Check(err)
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func exitOf(err error) (int, error) {
	var ended interface{ ExitCode() int }
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &ended):
		return ended.ExitCode(), nil
	}
	return 0, fmt.Errorf("the command did not run: %w", err)
}

func duckdbCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: duckdb FILE STATEMENT")
	}
	db, err := sql.Open("duckdb", ts.MkAbs(args[0]))
	ts.Check(err)
	_, err = db.ExecContext(context.Background(), args[1])
	ts.Check(errors.Join(err, db.Close()))
}

// holdCommand opens the file in the test's process, which is not weir's.
func holdCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hold FILE")
	}
	db, err := sql.Open("duckdb", ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(db.PingContext(context.Background()))
	ts.Defer(func() { _ = db.Close() })
}
