package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/weirhq/weir/internal/metric"
)

// What is defined is a command: a finding more shows here without a line of
// ours, as its command's view, in the command's help and in the list of reports.
func TestFindingsAreCommands(t *testing.T) {
	engine, err := metric.New(metric.Config{})
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		var stdout, stderr bytes.Buffer
		if code := newProgram(strings.NewReader(""), &stdout, &stderr, lookup()).run(t.Context(), args); code != 0 {
			t.Fatalf("weir %s: exit code %d: %s", strings.Join(args, " "), code, stderr.String())
		}
		return stdout.String()
	}
	list := run("report", "--data", t.TempDir())
	for _, d := range append(engine.Definitions(), engine.Findings()...) {
		if !strings.Contains("\n"+list, "\n"+d.Name+" ") {
			t.Errorf("weir report does not list %s", d.Name)
		}
	}
	for _, d := range engine.Findings() {
		cmd, _, err := newProgram(nil, nil, nil, lookup()).command().Find([]string{d.Command})
		if err != nil || cmd.Name() != d.Command {
			t.Errorf("%s: there is no weir %s", d.Name, d.Command)
			continue
		}
		for _, example := range d.Examples {
			if !strings.Contains(cmd.Long, "\n  "+example) {
				t.Errorf("the help of weir %s lacks %s", d.Command, example)
			}
			parsed, rest, err := newProgram(nil, nil, nil, lookup()).command().Find(strings.Fields(example)[1:])
			if err == nil {
				err = parsed.ParseFlags(rest)
			}
			if err != nil {
				t.Errorf("the example %s cannot be run: %v", example, err)
			}
		}
		if show := cmd.Flags().Lookup("show"); show != nil && !strings.Contains(show.Usage, d.View) {
			t.Errorf("weir %s --show does not name %s", d.Command, d.View)
		}
	}
}

func TestViewOf(t *testing.T) {
	views := []metric.Definition{
		{Name: "busy_runners", Command: "queue", View: "runners"},
		{Name: "queue_waits", Command: "queue", View: "waits", Dimensions: []metric.Dim{metric.Project, metric.RunnerTag}},
	}
	for _, test := range []struct {
		show string
		by   []string
		want string
	}{
		{"", nil, "busy_runners"},
		{"waits", nil, "queue_waits"},
		{"", []string{"project"}, "queue_waits"},
		{"", []string{"project, runner_tag"}, "queue_waits"},
		{"runners", []string{"project"}, "busy_runners"}, // which the engine refuses
		{"", []string{"user"}, "queue_waits"},            // which the engine refuses, with what fits
	} {
		if have, err := viewOf(views, test.show, test.by); err != nil || have != test.want {
			t.Errorf("--show %q --by %q: %s, %v; want %s", test.show, test.by, have, err, test.want)
		}
	}
	if _, err := viewOf(views, "trains", nil); err == nil || !strings.Contains(err.Error(), "trains") {
		t.Errorf("--show trains: %v", err)
	}
}
