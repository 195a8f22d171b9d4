package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
)

func TestStand(t *testing.T) {
	for _, test := range []struct {
		event api.SyncEvent
		want  string
	}{
		{api.SyncEvent{Requests: 1}, "1 request"},
		{api.SyncEvent{ProjectsDone: 2, ProjectsTotal: 1200, Requests: 43, Phase: "day"}, "2 of 1,200 projects, 43 requests (day)"},
		{
			api.SyncEvent{ProjectsTotal: 1, PipelinesDone: 1000, Requests: 3000, ThrottledSeconds: 75, Phase: "week\x1b"},
			`0 of 1 project, 1,000 pipelines, 3,000 requests, waited 1m15s for GitLab's limits (week\x1b)`,
		},
	} {
		if got := stand(test.event); got != test.want {
			t.Errorf("stand = %q, want %q", got, test.want)
		}
	}
}

// TestProgressLines shows an import where no bar can move: a line every ten
// seconds of it, and each warning at once.
func TestProgressLines(t *testing.T) {
	var stderr bytes.Buffer
	p := newProgram(nil, nil, &stderr, lookup())
	p.settings = &settings{values: map[string]settingValue{"output": {value: "table"}}}
	view := p.newProgress(map[ci.ConnectionID]string{1: "acme"})
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, e := range []api.SyncEvent{
		{Kind: "started"},
		{Kind: "progress", ProjectsTotal: 9, Requests: 5, At: begin.Add(9 * time.Second)},
		{Kind: "progress", ProjectsTotal: 9, Requests: 6, At: begin.Add(10 * time.Second)},
		{Kind: "warning", Project: "a/b", Message: "refused", At: begin.Add(11 * time.Second)},
		{Kind: "progress", ProjectsTotal: 9, Requests: 7, At: begin.Add(19 * time.Second)},
		{Kind: "progress", ProjectsTotal: 9, Requests: 8, At: begin.Add(21 * time.Second)},
		{Kind: "done", ProjectsTotal: 9, Requests: 9, At: begin.Add(99 * time.Second)},
	} {
		if e.At.IsZero() {
			e.At = begin
		}
		view.event(api.StartedSync{ID: 1, ConnectionID: 1}, e)
	}
	view.end()
	want := "acme: 0 of 9 projects, 6 requests\nacme: warning: a/b: refused\nacme: 0 of 9 projects, 8 requests\n"
	if diff := cmp.Diff(want, stderr.String()); diff != "" {
		t.Errorf("stderr (-want +got):\n%s", diff)
	}
}
