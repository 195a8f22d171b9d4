package importer_test

import (
	"errors"
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
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChildSync$")
		child.Env = append(os.Environ(), "WEIR_CHILD_DATABASE="+database, "WEIR_CHILD_URL="+front.URL, "WEIR_CHILD_TOKEN="+server.DefaultToken())
		child.Stderr = os.Stderr
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		// Later and later, so that the last one lives.
		death := time.AfterFunc(time.Duration(200+kills*60+random.IntN(400))*time.Millisecond, func() { _ = child.Process.Kill() })
		err := child.Wait()
		death.Stop()
		if err == nil {
			break
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("the child ended by itself, after %d kills: %v", kills, err)
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

// TestChildSync is the process that TestKilledAtRandom kills.
func TestChildSync(t *testing.T) {
	database := os.Getenv("WEIR_CHILD_DATABASE")
	if database == "" {
		t.Skip("runs only as a child of TestKilledAtRandom")
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
	_, err = importer.New(importer.Config{Log: slog.New(slog.DiscardHandler), Store: s}).Sync(t.Context(),
		importer.Source{Connection: 1, Instance: instance, Kind: importer.KindPipelines, Client: client}, importer.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
}
