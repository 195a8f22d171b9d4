package main

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
)

// TestDemoCommandsFindItsStories imports the demo's organisation as weir demo
// does, by a clock that always begins at the same moment, and asks with the
// commands that its report ends with: what each is said to find stands in the
// first row of its answer.
func TestDemoCommandsFindItsStories(t *testing.T) {
	begin, started := time.Date(2026, 11, 20, 15, 30, 0, 0, time.UTC), time.Now()
	clock := func() time.Time { return begin.Add(time.Since(started)) }
	run := func(args ...string) []byte {
		t.Helper()
		var stdout, stderr bytes.Buffer
		p := newProgram(strings.NewReader(""), &stdout, &stderr, lookup())
		p.now = clock
		if code := p.run(t.Context(), append(args, "-o", "json")); code != 0 {
			t.Fatalf("weir %s: exit code %d: %s", strings.Join(args, " "), code, stderr.String())
		}
		return stdout.Bytes()
	}
	var demo struct {
		Commands []demoCommand `json:"commands"`
	}
	dir := t.TempDir()
	if err := json.Unmarshal(run("demo", "--once", "--data", dir), &demo); err != nil {
		t.Fatal(err)
	}
	stories := gitlabtest.Demo(begin, demoSeed).Stories
	// What the first row of each answer must say, by command without its --data.
	want := map[string]map[string]any{
		"slow":              {"project": stories.SlowProject},
		"flaky":             {"project": stories.FlakyProject, "job_name": stories.FlakyJob},
		"regressions":       {"project": stories.JumpProject},
		"broken":            {"project": stories.BrokenProject},
		"queue":             {"description": stories.SaturatedRunner, "concurrency": 1.0},
		"cost --by service": {"service": "models"},
		"services coverage": {"project": stories.UnmappedProject},
		"failures":          {},
		"dora --by service": {},
	}
	rows := map[string][]map[string]any{}
	for _, c := range demo.Commands {
		words := strings.Fields(c.Command)[1:]
		name, _, _ := strings.Cut(strings.Join(words, " "), " --data ")
		first, ok := want[name]
		if !ok {
			t.Errorf("%q is named and tests do not know what it finds", name)
			continue
		}
		rows[name] = rowsOf(t, run(words...))
		if len(rows[name]) == 0 {
			t.Errorf("weir %s finds nothing", name)
			continue
		}
		for key, value := range first {
			if have := rows[name][0][key]; have != value {
				t.Errorf("weir %s finds first %s %v, want %v: %v", name, key, have, value, rows[name][0])
			}
		}
	}
	if len(rows) != len(want) {
		t.Fatalf("%d commands are named, want %d", len(rows), len(want))
	}

	// The jump: by how much, and on which day, within one.
	var jumped map[string]any
	for _, row := range rows["regressions"] {
		if row["project"] == stories.JumpProject && row["base_name"] == stories.JumpJob {
			jumped = row
			break
		}
	}
	if jumped == nil {
		t.Fatalf("%s of %s is no regression: %v", stories.JumpJob, stories.JumpProject, rows["regressions"])
	}
	if factor := 1 + jumped["change"].(float64); math.Abs(factor-stories.JumpFactor) > stories.JumpFactor/3 {
		t.Errorf("it jumped by %v, want %v", factor, stories.JumpFactor)
	}
	since, err := time.Parse(time.DateOnly, jumped["since"].(string))
	if err != nil || since.Sub(stories.JumpAt).Abs() > 3*24*time.Hour || jumped["sha_before"] == nil || jumped["sha_after"] == nil {
		t.Errorf("it jumped on %v between %v and %v, want %v", jumped["since"], jumped["sha_before"], jumped["sha_after"], stories.JumpAt)
	}
	// The broken branch: when it was broken, and that somebody mended it.
	red := rows["broken"][0]
	from, err := time.Parse(time.RFC3339Nano, red["red_from"].(string))
	if err != nil || from.Before(stories.BrokenFrom) || from.After(stories.BrokenUntil) {
		t.Errorf("it was red from %v, want from %v on", red["red_from"], stories.BrokenFrom)
	}
	for _, key := range []string{"sha", "user", "url", "red_to", "fixed_sha", "fixed_user", "fixed_url"} {
		if red[key] == nil {
			t.Errorf("nobody says %s of the red period: %v", key, red)
		}
	}
	// The saturated runner: always at its limit when it works, as no other is.
	for _, row := range rows["queue"][1:] {
		if row["waited_minutes"].(float64) > rows["queue"][0]["waited_minutes"].(float64)/10 {
			t.Errorf("jobs wait for %v nearly as long: %v", row["description"], row)
		}
	}
	// Deployments of both kinds reach production: what GitLab recorded, and what
	// only a rule finds.
	deploys := map[any]float64{}
	for _, row := range rows["dora --by service"] {
		deploys[row["service"]] = row["n"].(float64)
	}
	var sources []map[string]any
	if err := json.Unmarshal(run("query", "--data", dir, `select s.identifier as service, string_agg(distinct d.source, ',') as sources
		from deployments d join services s on s.id = d.service_id where d.tier = 'production' group by 1`), &sources); err != nil {
		t.Fatal(err)
	}
	found := map[any]any{}
	for _, row := range sources {
		found[row["service"]] = row["sources"]
	}
	for service, source := range map[string]string{"ledger": "gitlab", "checkout": "gitlab", "web": "gitlab", "gateway": "rule", "search": "rule"} {
		if found[service] != source || deploys[service] < 20 {
			t.Errorf("weir dora counts %v deployments of %s, of source %v; want dozens of %s", deploys[service], service, found[service], source)
		}
	}
	// What flaky jobs did: the attempts say it.
	if attempts := rows["flaky"][0]["attempts"].(string); !strings.Contains(attempts, " failed, ") || !strings.HasSuffix(attempts, " success") {
		t.Errorf("the evidence is %q", attempts)
	}
}

// rowsOf gives the rows of an answer: a report's, or a document's list.
func rowsOf(t *testing.T, text []byte) []map[string]any {
	t.Helper()
	var document struct {
		Rows     []map[string]any `json:"rows"`
		Projects []map[string]any `json:"projects"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return append(document.Rows, document.Projects...)
}
