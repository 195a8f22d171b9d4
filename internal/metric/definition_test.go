package metric

import (
	"flag"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

//go:generate go test . -run TestDocumentation -update

var update = flag.Bool("update", false, "write doc/metrics.md anew")

func TestDocumentation(t *testing.T) {
	const name = "../../doc/metrics.md"
	e := engineOf(t, append(list(), findings()...), files)
	if *update {
		if err := os.WriteFile(name, []byte(e.Markdown()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e.Markdown(), string(have)); diff != "" {
		t.Errorf("%s is stale; write it anew by go generate ./internal/metric (-want +have):\n%s", name, diff)
	}
}

// A metric or a finding that is one more line and one more file is documented and
// defined, and with that in the API and on the command line, which list what is
// defined (TestReportsListWhatIsDefined in internal/api, TestFindingsAreCommands
// in cmd/weir).
func TestOneLineAddsAMetric(t *testing.T) {
	added := fstest.MapFS{}
	if err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, name)
		added[name] = &fstest.MapFile{Data: text}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	added["sql/speed.sql"] = &fstest.MapFile{Data: []byte(strings.Replace(string(added["sql/runs.sql"].Data), "-- Runs", "-- Speed", 1))}
	added["sql/finding/culprits.sql"] = &fstest.MapFile{Data: []byte(strings.Replace(string(added["sql/finding/red_periods.sql"].Data), "-- Red", "-- Culprits of red", 1))}
	culprits := metric{name: "culprits", over: overPeriods, shape: ranked, unit: listUnit, by: []Dim{}, finding: finding{command: "broken", view: "culprits"}}
	e := engineOf(t, append(list(), metric{name: "speed", over: overRuns, shape: byStatus, unit: "count"}, culprits), added)
	d, err := e.Definition("speed")
	if err != nil || d.Title != "Speed" || !slices.Contains(d.Dimensions, Project) {
		t.Errorf("%+v, %v", d, err)
	}
	if all := e.Findings(); len(all) != 1 || all[0].Name != "culprits" || all[0].Command != "broken" || all[0].View != "culprits" {
		t.Errorf("findings %+v", all)
	}
	for _, part := range []string{"\n## speed\n", "\n## culprits\n", "| [culprits](#culprits) | `weir broken"} {
		if !strings.Contains(e.Markdown(), part) {
			t.Errorf("%q is not documented", part)
		}
	}
}

func TestHeadersAreHeld(t *testing.T) {
	whole := "-- T\n-- measures: a\n-- population: b\n-- leaves out: c\n-- formula: d\n-- empty: e\n-- source: f\nSELECT 1"
	for name, text := range map[string]string{
		"no title": "SELECT 1", "a line is missing": strings.Replace(whole, "-- formula: d\n", "", 1),
		"a line is empty": strings.Replace(whole, "-- empty: e", "-- empty: ", 1), "it ends early": "-- T\n-- measures: a",
	} {
		_, err := newEngine(Config{}, []metric{{name: "x", over: overRuns}}, fstest.MapFS{"sql/x.sql": {Data: []byte(text)}})
		if err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	engineOf(t, []metric{{name: "x", over: overRuns}}, fstest.MapFS{"sql/x.sql": {Data: []byte(whole)}})
}

// One text for both engines: a metric has one file, and every file is a
// metric's or a relation's. A statement that must differ would be NAME.duckdb.sql
// and NAME.postgres.sql, each with a first line that says why; there is none.
func TestStatementsAreShared(t *testing.T) {
	var metrics []string
	for pattern, list := range map[string][]metric{"sql/*.sql": list(), "sql/finding/*.sql": findings()} {
		found, err := fs.Glob(files, pattern)
		if err != nil {
			t.Fatal(err)
		}
		metrics = append(metrics, found...)
		var names []string
		for _, name := range found {
			names = append(names, strings.TrimSuffix(path.Base(name), ".sql"))
		}
		var listed []string
		for _, m := range list {
			listed = append(listed, m.name)
		}
		slices.Sort(listed)
		if diff := cmp.Diff(listed, names); diff != "" {
			t.Errorf("%s: listed (-) and files (+) differ:\n%s", pattern, diff)
		}
	}
	relations, err := fs.Glob(files, "sql/relation/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(metrics, relations...) {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		// What the engines understand differently (doc/decisions/0001).
		for _, trap := range []string{"::", " ~ ", "QUALIFY", "round(", "quantile_cont", "date_bin", "to_char", "strftime", "DATE_TRUNC('day'"} {
			if strings.Contains(string(text), trap) {
				t.Errorf("%s: %s is not the same on both engines", name, trap)
			}
		}
	}
}

// Whatever is asked, no mark of ours is left in a statement.
func TestNoMarkIsLeft(t *testing.T) {
	e := engineOf(t, append(list(), findings()...), files)
	for _, m := range e.metrics {
		for _, by := range append([]Dim{""}, m.divides()...) {
			q := Query{Metric: m.name}
			if by != "" {
				q.By = []string{string(by)}
			}
			read, err := e.read(m, q)
			if err != nil {
				t.Fatal(err)
			}
			sql, err := read.render(files)
			if err != nil {
				t.Fatal(err)
			}
			for _, mark := range []string{"local_day(", " seconds(", "/*", "{", "\x00", ":from", ":to", ":tz", ":now", ":days", ":limit", ":previous"} {
				if strings.Contains(sql, mark) {
					t.Errorf("%s by %q: %s is left in\n%s", m.name, by, mark, sql)
				}
			}
		}
	}
}

func TestDimensionsAreDescribed(t *testing.T) {
	seen := map[Dim]bool{}
	for _, d := range dimensions() {
		if d.means == "" || d.value == "" || seen[d.name] || (d.within == "") != (d.without == "") {
			t.Errorf("%s: twice, or not whole", d.name)
		}
		seen[d.name] = true
	}
	for _, m := range append(list(), findings()...) {
		for _, d := range slices.Concat(m.over.dims, m.more, m.by, m.finding.starts) {
			if !seen[d] {
				t.Errorf("%s: nobody knows %s", m.name, d)
			}
		}
	}
	if got := len(slices.Collect(maps.Keys(seen))); got != 27 {
		t.Errorf("%d dimensions, want the 27 of the contract", got)
	}
}

func engineOf(t *testing.T, list []metric, files fs.FS) *Engine {
	t.Helper()
	e, err := newEngine(Config{}, list, files)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
