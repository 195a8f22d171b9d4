package metric

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/pgtest"
)

func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "3"); err != nil { // each is some four hundred statements; -rapid.checks asks for more
		panic(err)
	}
	flag.Parse()
	os.Exit(pgtest.Run(m))
}

// TestScripts runs testdata/*.txt, one script a metric, and testdata/finding, one
// a finding, on both engines. A
// script is read from top to bottom; # begins a comment, and indented lines
// belong to the line above them:
//
//	now 2026-11-22T09:00:00Z       sets the clock
//	load TABLE                     rows follow: a line with names of columns, then the rows;
//	                               - is NULL, "…" holds spaces, what is not named has a default
//	costs                          the lines that follow are a costs.yaml
//	eval METRIC FLAG…              asks as weir report does; the answer follows: a line with
//	                               names of keys, then its rows in order; . is a key that is not there,
//	                               previous.n a key of the previous period. Before the names may stand
//	                               precision:, overlap:, partial: and currency:, each with a text
//	fail METRIC FLAG…              must be refused; code and parts of the message follow
//	trace PIPELINE                 looks at one run; the answer follows as with eval, or code and parts of
//	                               the message of a refusal
//	reset                          an empty database
func TestScripts(t *testing.T) {
	var names []string
	for _, pattern := range []string{"testdata/*.txt", "testdata/finding/*.txt", "testdata/trace/*.txt"} {
		some, err := filepath.Glob(pattern)
		if err != nil || len(some) == 0 {
			t.Fatalf("no scripts %s: %v", pattern, err)
		}
		names = append(names, some...)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			onBoth(t, func(t *testing.T, open func() *store.Store) { runScript(t, name, open) })
		})
	}
}

// Every metric has a script in which it is asked.
func TestEveryMetricHasAScript(t *testing.T) {
	for _, m := range append(list(), findings()...) {
		name := "testdata/" + m.name + ".txt"
		if m.shape == ranked {
			name = "testdata/finding/" + m.name + ".txt"
		}
		script, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
		} else if !strings.Contains(string(script), "\neval "+m.name) {
			t.Errorf("%s does not ask it", name)
		}
	}
}

func onBoth(t *testing.T, f func(t *testing.T, open func() *store.Store)) {
	t.Run("duckdb", func(t *testing.T) {
		f(t, func() *store.Store { return openStore(t, filepath.Join(t.TempDir(), "weir.duckdb")) })
	})
	t.Run("postgres", func(t *testing.T) {
		f(t, func() *store.Store { return openStore(t, pgtest.Database(t)) })
	})
}

func openStore(t testing.TB, database string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Log: slog.New(slog.DiscardHandler), Database: database, MemoryLimit: "512MB", Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// script is a script under way.
type script struct {
	t     *testing.T
	name  string
	open  func() *store.Store
	store *store.Store
	now   time.Time
	costs *Costs
}

// step is a line of a script with the lines that belong to it.
type step struct {
	line  int
	words []string
	below []string
}

func runScript(t *testing.T, name string, open func() *store.Store) {
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{t: t, name: name, open: open, store: open(), now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}
	for _, step := range stepsOf(t, string(text)) {
		s.run(step)
	}
}

func stepsOf(t *testing.T, text string) []step {
	var steps []step
	for i, line := range strings.Split(text, "\n") {
		switch trimmed := strings.TrimSpace(line); {
		case trimmed == "" || strings.HasPrefix(trimmed, "#"):
		case line[0] == ' ' && len(steps) > 0:
			last := &steps[len(steps)-1]
			last.below = append(last.below, strings.TrimPrefix(line, "  "))
		default:
			steps = append(steps, step{line: i + 1, words: wordsOf(t, line)})
		}
	}
	return steps
}

// wordsOf splits at spaces; "a b" is one word.
func wordsOf(t *testing.T, line string) []string {
	var words []string
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		if quoted, err := strconv.QuotedPrefix(line); err == nil {
			word, err := strconv.Unquote(quoted)
			if err != nil {
				t.Fatal(err)
			}
			words, line = append(words, word), line[len(quoted):]
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		words, line = append(words, word), rest
	}
	return words
}

func (s *script) run(step step) {
	s.t.Helper()
	var err error
	switch step.words[0] {
	case "now":
		s.now, err = time.Parse(time.RFC3339, step.words[1])
	case "reset":
		s.store, s.costs = s.open(), nil
	case "load":
		err = s.load(step.words[1], step.below)
	case "costs":
		s.costs, err = ReadCosts([]byte(strings.Join(step.below, "\n")))
	case "eval":
		err = s.eval(step)
	case "fail":
		err = s.fail(step)
	case "trace":
		err = s.trace(step)
	default:
		err = fmt.Errorf("no step is called %s", step.words[0])
	}
	if err != nil {
		s.t.Errorf("%s:%d: %s: %v", s.name, step.line, strings.Join(step.words, " "), err)
	}
}

// load reads rows and writes them.
func (s *script) load(name string, lines []string) error {
	table, ok := store.TableByName(name)
	if !ok || len(lines) == 0 {
		return errors.New("no such table, or no rows")
	}
	header := wordsOf(s.t, lines[0])
	var rows [][]any
	for _, line := range lines[1:] {
		words := wordsOf(s.t, line)
		if len(words) != len(header) {
			return fmt.Errorf("%d values for %d columns: %s", len(words), len(header), line)
		}
		given := map[string]string{}
		for i, column := range header {
			given[column] = words[i]
		}
		row := make([]any, len(table.Columns))
		for i, c := range table.Columns {
			word, ok := given[c.Name]
			delete(given, c.Name)
			if !ok {
				word = s.fallback(&table, c, row)
			}
			value, err := s.value(c, word)
			if err != nil {
				return fmt.Errorf("%s: %w", c.Name, err)
			}
			row[i] = value
		}
		if len(given) > 0 {
			return fmt.Errorf("no columns: %v", given)
		}
		rows = append(rows, row)
	}
	return s.store.Load(s.t.Context(), name, rows)
}

// fallback is the value of a column that a script does not name.
func (s *script) fallback(table *store.Table, c store.Column, row []any) string {
	value := func(column string) any {
		i := slices.IndexFunc(table.Columns, func(c store.Column) bool { return c.Name == column })
		return row[i]
	}
	switch c.Name {
	case "instance_id", "project_id":
		return "1"
	case "synced_at":
		return s.now.Format(time.RFC3339)
	case "time_precision":
		return "ms"
	case "ref_type":
		return "branch"
	case "status":
		return "success"
	case "kind":
		return "build"
	case "source":
		if table.Name == "pipelines" {
			return "push"
		}
		return "file"
	case "ref":
		return "main"
	case "retried", "allow_failure":
		return "false"
	case "base_name":
		return ci.BaseName(value("name").(string))
	case "username", "name", "identifier", "full_path", "base_url":
		return fmt.Sprintf("%s-%v", c.Name, value("id"))
	case "ci_access":
		return "enabled"
	case "environment", "tier":
		return "production"
	case "created_at", "updated_at", "started_at", "finished_at":
		if c.Nullable {
			return "-"
		}
		return s.now.Format(time.RFC3339)
	}
	if c.Nullable {
		return "-"
	}
	return map[store.Type]string{store.BigInt: "0", store.Boolean: "false", store.Double: "0", store.Text: "x"}[c.Type]
}

func (s *script) value(c store.Column, word string) (any, error) {
	if word == "-" {
		return nil, nil
	}
	switch c.Type {
	case store.BigInt:
		return strconv.ParseInt(word, 10, 64)
	case store.Double:
		return strconv.ParseFloat(word, 64)
	case store.Boolean:
		return strconv.ParseBool(word)
	case store.Timestamp:
		return s.moment(word)
	case store.TextList:
		return strings.FieldsFunc(word, func(r rune) bool { return r == ',' || r == '[' || r == ']' }), nil
	}
	return word, nil
}

// moment reads RFC 3339, or 11-20T10:00[:05[.25]] of the clock's year in UTC.
func (s *script) moment(word string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, word); err == nil {
		return t.UTC(), nil
	}
	full := fmt.Sprintf("%d-%s", s.now.Year(), word)
	if t, err := time.Parse("2006-01-02T15:04", full); err == nil {
		return t, nil
	}
	return time.Parse("2006-01-02T15:04:05", full)
}

func (s *script) engine() *Engine {
	e, err := New(Config{Store: s.store, Now: func() time.Time { return s.now }, Costs: s.costs})
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}

// queryOf reads the flags of weir report.
func queryOf(words []string) (Query, error) {
	q := Query{Metric: words[0]}
	flags := flag.NewFlagSet("eval", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	each := func(list *[]string) func(string) error {
		return func(v string) error { *list = append(*list, v); return nil }
	}
	flags.Func("by", "", each(&q.By))
	flags.Func("where", "", each(&q.Where))
	flags.Func("include", "", each(&q.Include))
	flags.StringVar(&q.From, "from", "", "")
	flags.StringVar(&q.To, "to", "", "")
	flags.StringVar(&q.TZ, "tz", "", "")
	flags.StringVar(&q.Compare, "compare", "", "")
	flags.StringVar(&q.Run, "run", "", "")
	flags.IntVar(&q.Limit, "limit", 0, "")
	return q, flags.Parse(words[1:])
}

// eval asks twice: published tables alone, then what is measured of them too.
func (s *script) eval(step step) error {
	query, err := queryOf(step.words[1:])
	if err != nil {
		return err
	}
	raw := s.engine()
	for i := range raw.metrics {
		raw.metrics[i].measured = ""
	}
	if err := s.answers(raw, query, step.below); err != nil {
		return err
	}
	if _, err := s.store.Measure(s.t.Context(), 1000); err != nil {
		return err
	}
	if err := s.answers(s.engine(), query, step.below); err != nil {
		return fmt.Errorf("with everything measured: %w", err)
	}
	return nil
}

// answers compares what an engine answers with the lines below a question.
func (s *script) answers(e *Engine, query Query, lines []string) error {
	table, err := e.Answer(s.t.Context(), query)
	if err != nil {
		return err
	}
	for ; len(lines) > 0; lines = lines[1:] {
		key, value, ok := strings.Cut(strings.TrimSpace(lines[0]), ": ")
		if !ok {
			break
		}
		if err := attribute(&table, key, value); err != nil {
			return err
		}
	}
	return s.compare(&table, lines)
}

func attribute(table *Table, key, want string) error {
	partial, err := json.Marshal(table.Partial)
	if err != nil {
		return err
	}
	have := map[string]string{
		"precision": string(table.Precision), "overlap": strconv.FormatBool(table.Overlap), "partial": string(partial),
		"currency": table.Currency, "window": timeText(table.Window.From) + " " + timeText(table.Window.To),
	}
	for _, fact := range table.Facts {
		have[fact.Name] = fmt.Sprint(fact.Value)
	}
	if table.Compared != nil {
		have["previous"] = timeText(table.Compared.From) + " " + timeText(table.Compared.To)
	}
	if h, ok := have[key]; !ok || h != want && (key != "partial" || !strings.Contains(h, want)) {
		return fmt.Errorf("%s is %q, want %q", key, h, want)
	}
	return nil
}

func (s *script) compare(table *Table, lines []string) error {
	var header []string
	if len(lines) > 0 {
		header = wordsOf(s.t, lines[0])
		lines = lines[1:]
	}
	var problems []string
	for i := range max(len(lines), len(table.Rows)) {
		switch {
		case i >= len(lines):
			problems = append(problems, fmt.Sprintf("row %d was not expected: %v", i+1, table.Rows[i].Cells))
			continue
		case i >= len(table.Rows):
			problems = append(problems, fmt.Sprintf("row %d is missing: %s", i+1, lines[i]))
			continue
		}
		words := wordsOf(s.t, lines[i])
		if len(words) != len(header) {
			return fmt.Errorf("%d values for %d keys: %s", len(words), len(header), lines[i])
		}
		row := &table.Rows[i]
		for j, name := range header {
			if !sameCell(row, name, words[j]) {
				problems = append(problems, fmt.Sprintf("row %d: %s is not %s: %v, previous %v", i+1, name, words[j], row.Cells, row.Previous))
			}
		}
		if named := len(header); !strings.Contains(strings.Join(header, " "), "previous") && named < len(row.Cells) {
			problems = append(problems, fmt.Sprintf("row %d has more keys than %v: %v", i+1, header, row.Cells))
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("\n  %s\nin\n%s", strings.Join(problems, "\n  "), table.SQL)
	}
	return nil
}

func sameCell(row *Row, name, want string) bool {
	if key, ok := strings.CutPrefix(name, "previous."); ok {
		if row.Previous == nil {
			return want == "."
		}
		row, name = row.Previous, key
	}
	i := slices.IndexFunc(row.Cells, func(c Cell) bool { return c.Name == name })
	if i < 0 {
		return want == "."
	}
	switch value := row.Cells[i].Value.(type) {
	case nil:
		return want == "-"
	case float64:
		w, err := strconv.ParseFloat(want, 64)
		return err == nil && near(value, w)
	default:
		return fmt.Sprint(plainValue(value)) == want
	}
}

// near is the contract's: 1e-9 of the value, or 1e-6 above 1.
func near(a, b float64) bool {
	d := math.Abs(a - b)
	return d <= 1e-9*max(math.Abs(a), math.Abs(b)) || math.Abs(b) > 1 && d <= 1e-6
}

// trace compares what is told of each attempt of a run.
func (s *script) trace(step step) error {
	t, err := s.engine().Trace(s.t.Context(), step.words[1])
	var p *ci.Problem
	if errors.As(err, &p) {
		return saidAll(p, step.below)
	}
	if err != nil {
		return err
	}
	table := Table{Precision: ci.TimePrecision(t.Precision), Facts: []Cell{{"status", t.Status}, {"ended", t.Ended}, {"order", t.Order}}}
	if t.GapAfterSeconds != nil {
		table.Facts = append(table.Facts, Cell{"gap_after", *t.GapAfterSeconds})
	}
	number := func(name string, value *float64) Cell {
		if value == nil {
			return Cell{name, nil}
		}
		return Cell{name, *value}
	}
	for _, j := range t.Jobs {
		row := Row{Cells: []Cell{
			{"depth", j.Depth},
			{"id", j.ID},
			{"name", j.Name},
			{"status", j.Status},
			{"attempt", fmt.Sprintf("%d/%d", j.Attempt, j.Attempts)},
			{"ready", nil},
			{"critical", j.Critical},
			number("exclusive", j.ExclusiveSeconds),
			number("gap", j.GapBeforeSeconds),
		}}
		if j.ReadyAt != nil {
			row.Cells[5].Value = *j.ReadyAt
		}
		table.Rows = append(table.Rows, row)
	}
	lines := step.below
	for ; len(lines) > 0; lines = lines[1:] {
		key, value, ok := strings.Cut(strings.TrimSpace(lines[0]), ": ")
		if !ok {
			break
		}
		if err := attribute(&table, key, value); err != nil {
			return err
		}
	}
	return s.compare(&table, lines)
}

// saidAll holds a refusal against the parts that it must say.
func saidAll(p *ci.Problem, parts []string) error {
	said := string(p.Code) + " " + p.Cause + " " + p.Remedy
	for _, part := range parts {
		if !strings.Contains(said, strings.TrimSpace(part)) {
			return fmt.Errorf("said %q, want %q", said, part)
		}
	}
	return nil
}

func (s *script) fail(step step) error {
	query, err := queryOf(step.words[1:])
	if err != nil {
		return err
	}
	_, err = s.engine().Answer(s.t.Context(), query)
	var p *ci.Problem
	if !errors.As(err, &p) {
		return fmt.Errorf("answered %v, want a problem", err)
	}
	return saidAll(p, step.below)
}
