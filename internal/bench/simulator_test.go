package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
)

// The simulated GitLab runs in a process of its own, which is this test binary
// again: Linux counts what a process had in memory before it became another
// program as that program's, so weir's peak would be that of the world.

// size of a uniform world.
type size struct {
	Projects, Pipelines, Jobs int
	Latency                   time.Duration // of each answer
}

func (s size) world() *gitlabtest.World {
	return gitlabtest.Uniform(s.Projects, s.Pipelines, s.Jobs)
}

const (
	simulateEnv = "WEIR_BENCH_SIMULATE" // a size, as JSON
	askedPath   = "/bench/asked"        // gives asked, and begins to count anew
)

// announced is what the simulator's process says first.
type announced struct{ URL, Token string }

// asked is what the simulator was asked for.
type asked struct {
	Requests int
	Counts   int64 // of Requests: those of GraphQL that counted pipelines
}

// simulate is that process; it ends with its standard input.
func simulate(wanted string) error {
	var s size
	if err := json.Unmarshal([]byte(wanted), &s); err != nil {
		return err
	}
	server := gitlabtest.NewServer(s.world(), gitlabtest.WithoutLog())
	server.Latency("", s.Latency)
	debug.SetGCPercent(400) // it shares the processors with what is measured
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var counts atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc(askedPath, func(w http.ResponseWriter, _ *http.Request) {
		a := asked{server.RequestCount()[""], counts.Swap(0)}
		server.ResetRequests()
		_ = json.NewEncoder(w).Encode(a)
	})
	mux.HandleFunc("POST /api/graphql", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if bytes.Contains(body, []byte(`"operationName":"Counts"`)) {
			counts.Add(1)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		server.ServeHTTP(w, r)
	})
	mux.Handle("/", server)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		listener.Close()
	}()
	if err := json.NewEncoder(os.Stdout).Encode(announced{"http://" + listener.Addr().String(), server.DefaultToken()}); err != nil {
		return err
	}
	_ = http.Serve(listener, mux)
	return nil
}

// simulated is a simulated GitLab on loopback.
type simulated struct {
	announced
	run   *exec.Cmd
	stdin io.Closer
}

func start(b *testing.B, s size) *simulated {
	b.Helper()
	wanted, err := json.Marshal(s)
	if err != nil {
		b.Fatal(err)
	}
	g := &simulated{run: exec.CommandContext(b.Context(), os.Args[0])}
	g.run.Env = append(os.Environ(), simulateEnv+"="+string(wanted))
	g.run.Stderr = os.Stderr
	if g.stdin, err = g.run.StdinPipe(); err != nil {
		b.Fatal(err)
	}
	out, err := g.run.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := g.run.Start(); err != nil {
		b.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &g.announced)
	}
	if err != nil {
		g.close()
		b.Fatal("the simulator does not announce itself: ", err)
	}
	return g
}

func (g *simulated) close() {
	_ = g.stdin.Close()
	_ = g.run.Wait()
}

// asked gives what was asked for since the last call.
func (g *simulated) asked(b *testing.B) (a asked) {
	b.Helper()
	res, err := http.Get(g.URL + askedPath)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := json.NewDecoder(res.Body).Decode(&a); err != nil {
		b.Fatal(fmt.Errorf("%s: %w", askedPath, err))
	}
	return a
}
