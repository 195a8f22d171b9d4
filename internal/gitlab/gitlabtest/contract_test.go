package gitlabtest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
)

// Every row of every list of generated worlds must be as GitLab's contract
// says, whatever the seed and the version.
func TestAnswersValidate(t *testing.T) {
	dir := contract(t)
	schemas := map[string]*jsonschema.Schema{}
	for _, name := range []string{"group", "project_simple", "pipeline_list_item", "pipeline_detail", "job", "bridge"} {
		schemas[name] = compile(t, dir, name)
	}
	for seed, version := range []string{"18.5.1-ee", "16.10.0", "14.0.0-ee", "17.0.2"} {
		t.Run(version, func(t *testing.T) {
			w := gitlabtest.Generate(uint64(seed), gitlabtest.Size{Projects: 6, PipelinesPerProject: 12, KnownWords: seed%2 == 0})
			s := gitlabtest.NewServer(w, gitlabtest.Version(version))
			counts := map[string]int{}
			check := func(schema string, list []json.RawMessage) {
				t.Helper()
				for _, raw := range list {
					counts[schema]++
					v, err := jsonschema.UnmarshalJSON(bytes.NewReader(knownWords(raw)))
					if err != nil {
						t.Fatalf("%v in %s", err, raw)
					}
					if err := schemas[schema].Validate(v); err != nil {
						t.Fatalf("%s: %v\n%s", schema, err, raw)
					}
				}
			}
			check("group", all(t, s, path("groups?per_page=3")))
			check("project_simple", all(t, s, path("projects?simple=true&per_page=2")))
			check("project_simple", all(t, s, path("projects?per_page=3"))) // the full form has these keys too
			for _, p := range w.Projects {
				if p.Forbidden || p.BuildsAccess == "disabled" {
					continue
				}
				pipelines := all(t, s, path("projects/%d/pipelines?per_page=100", p.ID))
				pipelines = append(pipelines, all(t, s, path("projects/%d/pipelines?source=parent_pipeline", p.ID))...)
				check("pipeline_list_item", pipelines)
				check("job", all(t, s, path("projects/%d/jobs?pagination=keyset&order_by=id&sort=desc&per_page=100", p.ID)))
				for _, pl := range p.Pipelines {
					check("pipeline_detail", []json.RawMessage{json.RawMessage(get(t, s, path("projects/%d/pipelines/%d", p.ID, pl.ID)).body)})
					check("job", all(t, s, path("projects/%d/pipelines/%d/jobs?include_retried=true&per_page=50", p.ID, pl.ID)))
					check("bridge", all(t, s, path("projects/%d/pipelines/%d/bridges", p.ID, pl.ID)))
				}
			}
			for schema := range schemas {
				if counts[schema] == 0 {
					t.Errorf("no %s was checked", schema)
				}
			}
		})
	}
}

// Where GitLab's answers were recorded, ours have the same keys in the same
// order.
func TestKeysAsRecorded(t *testing.T) {
	dir := contract(t)
	const recorded = "recorded/gitlab-exporter/api/v4/projects/50817395"
	w := gitlabtest.NewWorld()
	p := w.AddProject("~somebody/shop")
	p.Visibility = "public"
	runner := w.AddRunner("r")
	pl := w.AddPipeline(p, gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{
		{Name: "good", Took: time.Second, Runner: runner}, {Name: "bad", Status: "failed", Runner: runner}, {Name: "skipped", Stage: "later", Status: "skipped"},
	}})
	s := gitlabtest.NewServer(w, gitlabtest.Version("16.10.0")) // the version of the recording
	ours := func(format string, args ...any) json.RawMessage {
		return json.RawMessage(get(t, s, path(format, args...)).body)
	}
	first := func(list json.RawMessage, want func(row) bool) json.RawMessage {
		t.Helper()
		var raws []json.RawMessage
		var parsed []row
		if err := json.Unmarshal(list, &raws); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(list, &parsed); err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(parsed, want)
		if i < 0 {
			t.Fatal("no such row")
		}
		return raws[i]
	}
	read := func(name string) json.RawMessage {
		t.Helper()
		b, err := fs.ReadFile(dir, recorded+name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	status := func(s string) func(row) bool { return func(r row) bool { return r.Status == s } }
	anyRow := func(row) bool { return true }
	for _, c := range []struct {
		name       string
		got, want  json.RawMessage
		onlyTheirs string // keys that only owners and administrators get
	}{
		{"pipeline item", first(ours("projects/%d/pipelines", p.ID), anyRow), first(read("/pipelines.json"), anyRow), ""},
		{"pipeline", ours("projects/%d/pipelines/%d", p.ID, pl.ID), read("/pipelines/1053349645.json"), ""},
		{"job", first(ours("projects/%d/pipelines/%d/jobs", p.ID, pl.ID), status("success")), first(read("/pipelines/1053688581/jobs.json"), status("success")), ""},
		{"failed job", first(ours("projects/%d/pipelines/%d/jobs", p.ID, pl.ID), status("failed")), first(read("/pipelines/1053349645/jobs.json"), status("failed")), ""},
		{"skipped job", first(ours("projects/%d/pipelines/%d/jobs", p.ID, pl.ID), status("skipped")), first(read("/pipelines/1053733851/jobs.json"), status("skipped")), ""},
		{"project", ours("projects/%d", p.ID), read(".json"), "statistics"},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := slices.DeleteFunc(keys(t, c.want, ""), func(k string) bool {
				return c.onlyTheirs != "" && strings.HasPrefix(k, "."+c.onlyTheirs)
			})
			got := slices.DeleteFunc(keys(t, c.got, ""), func(k string) bool {
				return strings.HasPrefix(k, ".marked_for_deletion") // came after the recording
			})
			// One side has null there, which shows no keys.
			nullable := func(k string) bool {
				return strings.HasPrefix(k, ".permissions.") || strings.HasPrefix(k, ".runner.") && c.name == "skipped job"
			}
			want, got = slices.DeleteFunc(want, nullable), slices.DeleteFunc(got, nullable)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("keys (-recorded +ours):\n%s", diff)
			}
		})
	}
}

func compile(t *testing.T, dir fs.FS, name string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	for _, file := range []string{name, "pipeline_embedded_in_job"} {
		b, err := fs.ReadFile(dir, "schemas/effective/"+file+".json")
		if err != nil {
			t.Fatal(err)
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource("file:///"+file+".json", v); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := c.Compile("file:///" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// knownWords replaces the one status that the schema cannot know.
func knownWords(raw []byte) []byte {
	return bytes.ReplaceAll(raw, []byte(`"status":"`+gitlabtest.StrangeStatus+`"`), []byte(`"status":"success"`))
}

// keys lists the keys of an object in their order, nested ones as .a.b; of
// arrays, those of the first element.
func keys(t *testing.T, raw json.RawMessage, prefix string) []string {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(raw))
	open, err := dec.Token()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	switch open {
	case json.Delim('{'):
		for dec.More() {
			k, err := dec.Token()
			if err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprintf("%s.%s", prefix, k)
			list = append(list, name)
			var v json.RawMessage
			if err := dec.Decode(&v); err != nil {
				t.Fatal(err)
			}
			list = append(list, keys(t, v, name)...)
		}
	case json.Delim('['):
		if dec.More() {
			var v json.RawMessage
			if err := dec.Decode(&v); err != nil {
				t.Fatal(err)
			}
			list = append(list, keys(t, v, prefix+"[]")...)
		}
	}
	return list
}
