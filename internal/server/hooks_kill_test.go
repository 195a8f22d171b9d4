package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/server"
)

// TestHooksOutliveAKill: a process that is killed, with no chance to clean up,
// right after it has answered an event, and before the rows of it are written,
// has lost none and writes none twice, GitLab's repeated deliveries included.
func TestHooksOutliveAKill(t *testing.T) {
	world := smallWorld()
	p := start(t, world)
	id, secret := p.hooked(t)
	p.importAll(t)
	events := p.gitLab.Hooks(p.gitURL)
	p.stop(t)
	answered := 0
	var pipelines, jobs []string
	var before []gitlabtest.Delivery
	for life := range 5 {
		started := world.StartPipeline(world.Projects[0], gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{{Name: "build"}, {Name: "test"}}})
		pipelines = append(pipelines, fmt.Sprint(started.ID))
		for _, j := range started.Jobs {
			jobs = append(jobs, fmt.Sprint(j.ID))
		}
		now := events.Take()
		child, url := p.childServer(t)
		for _, d := range append(before, now...) {
			p.url = url
			if err := p.deliver(t, id, secret, d, http.StatusOK); err != nil {
				t.Fatalf("life %d: %v", life, err)
			}
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		var exit *exec.ExitError
		if err := child.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("life %d ended by itself: %v", life, err)
		}
		answered += len(now)
		before = now
	}
	p.open(t)
	p.untilHooks(t, id, func(s api.Hooks) bool { return s.Waiting == 0 && s.Failed == 0 })
	p.until(t, "SELECT count(*) FROM pipelines WHERE id IN ("+strings.Join(pipelines, ", ")+")", int64(len(pipelines)))
	p.until(t, "SELECT count(*) FROM jobs WHERE id IN ("+strings.Join(jobs, ", ")+")", int64(len(jobs)))
	stats, err := p.client.Hooks(t.Context(), id)
	if err != nil || stats.Received != int64(answered) || stats.Repeated == 0 {
		t.Errorf("%d events were answered; %+v, %v", answered, stats, err)
	}
}

// childServer serves the data directory from a process of its own.
func (p *program) childServer(t *testing.T) (child *exec.Cmd, url string) {
	t.Helper()
	child = exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChildServer$")
	child.Env = append(os.Environ(), "WEIR_CHILD_DATA="+p.dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if address, ok := strings.CutPrefix(lines.Text(), "serving at "); ok {
			return child, "http://" + address
		}
	}
	t.Fatalf("the child does not serve: %v", child.Wait())
	return nil, ""
}

// TestChildServer is the process that the test above kills.
func TestChildServer(t *testing.T) {
	dir := os.Getenv("WEIR_CHILD_DATA")
	if dir == "" {
		t.Skip("runs only as a child of the test that kills it")
	}
	s, err := server.Open(t.Context(), server.Config{Log: slog.New(slog.DiscardHandler), DataDir: dir, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("serving at %s\n", s.Addr())
	if err := s.Serve(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
}
