package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
)

// BenchmarkHooks sends job events to weir serve from 64 senders: how many a
// second are on disk and answered, while their rows are written beside.
func BenchmarkHooks(b *testing.B) {
	program := build(b)
	for range b.N {
		b.ReportMetric(hooksASecond(b, program), "events/s")
		b.ReportMetric(0, "ns/op")
	}
}

// hooksASecond is how many events a second a weir serve of its own has answered.
func hooksASecond(b *testing.B, program string) float64 {
	b.Helper()
	const senders, events = 64, 10_000
	of := size{Projects: 10, Pipelines: 100, Jobs: 5}
	g, project := start(b, of), of.world().Projects[0]
	defer g.close()
	data := b.TempDir()
	g.weir(b, program, data, "connect", "gitlab-pipelines", "--url", g.URL, "--since", "all")
	g.weir(b, program, data, "sync")
	made, err := exec.CommandContext(b.Context(), program, "hooks", "secret", "1", "--data", data).Output()
	if err != nil {
		b.Fatal(err)
	}
	address, end := serve(b, program, data)
	defer end()
	deliveries := make([]gitlabtest.Delivery, events)
	for i := range deliveries {
		deliveries[i] = gitlabtest.Delivery{Event: "Job Hook", Key: fmt.Sprint("bench ", i), Body: fmt.Appendf(nil,
			`{"object_kind":"build","build_id":%d,"build_name":"job","build_stage":"test","build_status":"running","build_created_at":"2026-11-20 15:00:00 UTC",
			"build_started_at":"2026-11-20 15:00:01 UTC","build_finished_at":null,"build_duration":1.5,"pipeline_id":%d,"project_id":%d}`,
			900_000_000+i, project.Pipelines[i%100].ID, project.ID)}
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: senders}}
	var group errgroup.Group
	began := time.Now()
	for s := range senders {
		group.Go(func() error {
			for i := s; i < events; i += senders {
				if err := post(b.Context(), client, address+"/hooks/gitlab/1", strings.TrimSpace(string(made)), deliveries[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	return events / time.Since(began).Seconds()
}

// serve starts weir serve on a free port, and gives its address and what ends it.
func serve(b *testing.B, program, data string) (address string, end func()) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	run := exec.CommandContext(ctx, program, "serve", "--listen", "127.0.0.1:0", "--log-level", "error", "--data", data)
	run.Cancel = func() error { return run.Process.Signal(os.Interrupt) }
	if err := run.Start(); err != nil {
		b.Fatal(err)
	}
	end = func() { cancel(); _ = run.Wait() }
	for b.Context().Err() == nil {
		content, err := os.ReadFile(filepath.Join(data, "server.json"))
		if _, rest, ok := bytes.Cut(content, []byte(`"address":"`)); err == nil && ok {
			address, _, _ := bytes.Cut(rest, []byte(`"`))
			return string(address), end
		}
	}
	end()
	b.Fatal("weir serve does not announce itself")
	return "", nil
}

func post(ctx context.Context, client *http.Client, url, secret string, d gitlabtest.Delivery) error {
	req, err := d.Request(ctx, url, secret)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %s", res.Status)
	}
	return nil
}
