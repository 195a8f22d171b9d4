package importer_test

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
	"github.com/weirhq/weir/internal/store/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// TestKilledAtRandom runs syncs in a process of their own and kills it, with
// no chance to clean up, again and again, until one comes to its end.
func TestKilledAtRandom(t *testing.T) {
	const seed = 7
	w := gitlabtest.Generate(seed, gitlabtest.Size{Groups: 3, Projects: 5, PipelinesPerProject: 40, JobsPerPipeline: 5, Days: 40, Until: today})
	w.SetNow(today)
	server := gitlabtest.NewServer(w, gitlabtest.ExternalURL(base))
	server.Latency("", 2*time.Millisecond)
	front := httptest.NewServer(server)
	defer front.Close()
	database := filepath.Join(t.TempDir(), "weir.duckdb")
	random := rand.New(rand.NewPCG(seed, 0))
	kills := 0
	for {
		child := childSync(t, front.URL, server.DefaultToken(), database, "")
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		// Later and later, so that the last one lives.
		death := time.AfterFunc(time.Duration(200+kills*60+random.IntN(400))*time.Millisecond, func() { _ = child.Process.Kill() })
		err := child.Wait()
		death.Stop()
		if !killed(t, err) {
			break
		}
		if kills++; kills > 100 {
			t.Fatal("no sync came to its end in 100 tries: nothing is kept")
		}
	}
	if kills < 3 {
		t.Errorf("only %d kills: the world is too small for this test", kills)
	}
	s := open(t, database)
	compareTables(t, truth(w, 1, base), stored(t.Context(), t, s))
}

// TestKilledAtEveryCommit kills the process just before and just after each
// commit of a sync, in turn; the next sync goes on.
func TestKilledAtEveryCommit(t *testing.T) {
	t.Parallel()
	w := smallWorld()
	server := gitlabtest.NewServer(w, gitlabtest.ExternalURL(base))
	front := httptest.NewServer(server)
	defer front.Close()
	turn := 1
	for ended := false; !ended; turn++ {
		for _, after := range []string{"before", "after"} {
			database := filepath.Join(t.TempDir(), "weir.duckdb")
			at := fmt.Sprintf("%s %d", after, turn)
			ended = !killed(t, childSync(t, front.URL, server.DefaultToken(), database, at).Run())
			if !ended && killed(t, childSync(t, front.URL, server.DefaultToken(), database, "").Run()) {
				t.Fatalf("%s: the second sync was killed too", at)
			}
			compareTables(t, truth(w, 1, base), stored(t.Context(), t, open(t, database)))
			if t.Failed() {
				t.Fatalf("killed %s", at)
			}
		}
	}
	if turn < 5 {
		t.Errorf("only %d commits: the world is too small for this test", turn-1)
	}
}

// childSync is a sync in a process of its own, which kills itself "before N" or
// "after N", its Nth commit.
func childSync(t *testing.T, url, token, database, killAt string) *exec.Cmd {
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChildSync$")
	child.Env = append(os.Environ(), "WEIR_CHILD_DATABASE="+database, "WEIR_CHILD_URL="+url, "WEIR_CHILD_TOKEN="+token, "WEIR_CHILD_KILL="+killAt)
	child.Stderr = os.Stderr
	return child
}

// killed says whether a child was killed; any other end but success fails the test.
func killed(t *testing.T, err error) bool {
	t.Helper()
	if err == nil {
		return false
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended by itself: %v", err)
	}
	return true
}

// TestChildSync is the process that the tests above kill.
func TestChildSync(t *testing.T) {
	database := os.Getenv("WEIR_CHILD_DATABASE")
	if database == "" {
		t.Skip("runs only as a child of the tests that kill it")
	}
	s := open(t, database)
	instance, err := s.EnsureInstance(t.Context(), base, today)
	if err != nil {
		t.Fatal(err)
	}
	client, err := gitlab.New(gitlab.Config{
		BaseURL: os.Getenv("WEIR_CHILD_URL"), Credentials: []gitlab.Credential{{Token: gitlab.Secret(os.Getenv("WEIR_CHILD_TOKEN"))}},
	})
	if err != nil {
		t.Fatal(err)
	}
	i := importer.New(importer.Config{Log: slog.New(slog.DiscardHandler), Store: s})
	i.WatchCommits(func(turn int, committed bool) {
		stage := map[bool]string{false: "before", true: "after"}[committed]
		if fmt.Sprintf("%s %d", stage, turn) == os.Getenv("WEIR_CHILD_KILL") {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
	_, err = i.Sync(t.Context(),
		importer.Source{Connection: 1, Instance: instance, Kind: importer.KindPipelines, Client: client}, importer.Options{Plan: os.Getenv("WEIR_CHILD_PLAN")}, nil)
	if err != nil {
		t.Fatal(err)
	}
}
