package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
)

// The examples in README.md and doc/*.md are run, so that none of them is
// wrong. A fenced block takes part when its info string has a second word:
//
//	```sh test        a bash script; every line has to succeed
//	```console test   "$ " begins a command; the other lines are what it prints,
//	                  in order, "..." standing for anything
//
// The blocks of one file run in order, in one directory and one home. The
// addresses of GitLabs in them stand for a simulated one, $WEIR_TOKEN is a token
// of it, and $SPARE_TOKEN another.

// block is an example.
type block struct {
	line     int // where its first line is, from 1
	commands []command
}

// command is one command of an example with what it prints.
type command struct {
	shell  string
	prints []string // lines; "..." stands for any number of lines, or of characters
}

func TestExamples(t *testing.T) {
	root := "../.."
	files, err := filepath.Glob(filepath.Join(root, "doc", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append([]string{filepath.Join(root, "README.md")}, files...) {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		blocks, err := examples(string(content))
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if len(blocks) == 0 {
			if filepath.Base(file) == "README.md" {
				t.Error("README.md has no example that is run: mark its blocks as ```console test")
			}
			continue
		}
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) { runExamples(t, name, blocks) })
	}
}

// runExamples makes a script of the blocks, one bash for each command.
func runExamples(t *testing.T, name string, blocks []block) {
	t.Helper()
	var script strings.Builder
	script.WriteString("gitlab start\ngitlab token SPARE_TOKEN read_api\n")
	var files strings.Builder
	for _, b := range blocks {
		for i, c := range b.commands {
			file := fmt.Sprintf("line%d_%d", b.line, i)
			fmt.Fprintf(&script, "# %s line %d: %s\nexample %s.sh %s.txt\n", name, b.line, strings.ReplaceAll(c.shell, "\n", " "), file, file)
			fmt.Fprintf(&files, "-- %s.sh --\n%s\n-- %s.txt --\n%s\n", file, c.shell, file, strings.Join(c.prints, "\n"))
		}
	}
	dir := t.TempDir()
	base := strings.TrimSuffix(name, ".md")
	if err := os.WriteFile(filepath.Join(dir, base+".txtar"), []byte(script.String()+files.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	params := scriptParams(dir)
	params.Cmds["example"] = exampleCommand
	testscript.Run(t, params)
}

// exampleCommand runs one command in bash and compares what it prints.
func exampleCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: example SCRIPT OUTPUT")
	}
	shell := ts.ReadFile(args[0])
	for _, stands := range []string{"https://gitlab.example.com", "https://gitlab.com"} {
		shell = strings.ReplaceAll(shell, stands, ts.Getenv("GITLAB_URL"))
	}
	ts.Check(ts.Exec("bash", "-euo", "pipefail", "-c", "{ "+strings.TrimSpace(shell)+"\n} 2>&1"))
	got := ts.ReadFile("stdout")
	if want := strings.TrimSuffix(ts.ReadFile(args[1]), "\n"); want != "" && !prints(strings.Split(want, "\n"), strings.Split(strings.TrimRight(got, "\n"), "\n")) {
		ts.Fatalf("it does not print\n%s\nbut\n%s", want, got)
	}
}

// prints says whether an output is what an example shows.
func prints(want, got []string) bool {
	if len(want) == 0 {
		return len(got) == 0
	}
	if strings.TrimSpace(want[0]) == "..." {
		for i := 0; i <= len(got); i++ {
			if prints(want[1:], got[i:]) {
				return true
			}
		}
		return false
	}
	return len(got) > 0 && alike(strings.TrimRight(want[0], " "), strings.TrimRight(got[0], " ")) && prints(want[1:], got[1:])
}

// alike compares two lines; "..." in the first stands for any characters.
func alike(want, got string) bool {
	parts := strings.Split(want, "...")
	if len(parts) == 1 {
		return want == got
	}
	got, ok := strings.CutPrefix(got, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		_, rest, ok := strings.Cut(got, part)
		if !ok {
			return false
		}
		got = rest
	}
	return strings.HasSuffix(got, parts[len(parts)-1])
}

// examples finds the marked blocks of a document.
func examples(document string) ([]block, error) {
	var all []block
	var open *block
	var kind string
	for n, line := range strings.Split(document, "\n") {
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && open == nil:
			words := strings.Fields(fence)
			kind = ""
			if len(words) == 2 && words[1] == "test" {
				kind = words[0]
				if kind != "sh" && kind != "console" {
					return nil, fmt.Errorf("line %d: a block to be run is sh or console, not %q", n+1, kind)
				}
			}
			open = &block{line: n + 2}
		case isFence:
			if kind != "" {
				if len(open.commands) == 0 {
					return nil, fmt.Errorf("line %d: the block has no command", n+1)
				}
				all = append(all, *open)
			}
			open = nil
		case open == nil || kind == "":
		case kind == "sh":
			if len(open.commands) == 0 {
				open.commands = []command{{}}
			}
			open.commands[0].shell += line + "\n"
		default:
			if err := open.console(line); err != nil {
				return nil, fmt.Errorf("line %d: %w", n+1, err)
			}
		}
	}
	if open != nil {
		return nil, errors.New("the last block is not closed")
	}
	return all, nil
}

// console takes one line of a console block. A command goes on over lines that
// end in a backslash, or that begin with "> ".
func (b *block) console(line string) error {
	last := len(b.commands) - 1
	if shell, ok := strings.CutPrefix(line, "$ "); ok {
		b.commands = append(b.commands, command{shell: shell})
		return nil
	}
	if last < 0 {
		return errors.New("a console block begins with a command after \"$ \"")
	}
	c := &b.commands[last]
	more, goesOn := strings.CutPrefix(line, "> ")
	if len(c.prints) == 0 && (goesOn || strings.HasSuffix(c.shell, `\`)) {
		c.shell += "\n" + more
		return nil
	}
	c.prints = append(c.prints, line)
	return nil
}

func TestExamplesFound(t *testing.T) {
	document := "# Title\n" +
		"```console\n$ not marked\n```\n" +
		"```console test\n$ weir status\nno connections yet\n...\n$ weir query \\\n    'select 1'\n$ weir query '\n> select 2'\n```\n" +
		"```sh test\nweir version\nweir config\n```\n"
	got, err := examples(document)
	if err != nil {
		t.Fatal(err)
	}
	want := []block{
		{line: 6, commands: []command{
			{shell: "weir status", prints: []string{"no connections yet", "..."}},
			{shell: "weir query \\\n    'select 1'"},
			{shell: "weir query '\nselect 2'"},
		}},
		{line: 15, commands: []command{{shell: "weir version\nweir config\n"}}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(block{}, command{})); diff != "" {
		t.Errorf("blocks (-want +got):\n%s", diff)
	}
	for _, wrong := range []string{"```console test\nno command\n```", "```console test\n```", "```python test\nx\n```", "```sh test\nx"} {
		if _, err := examples(wrong); err == nil {
			t.Errorf("examples(%q) gives no error", wrong)
		}
	}
}

func TestPrints(t *testing.T) {
	for _, test := range []struct {
		want, got string
		same      bool
	}{
		{"a\nb", "a\nb", true},
		{"a\nb", "a", false},
		{"a", "a\nb", false},
		{"a\n...", "a\nb\nc", true},
		{"...\nc", "a\nb\nc", true},
		{"a\n...\nc", "a\nc", true},
		{"a\n...\nd", "a\nb\nc", false},
		{"sync ... is complete in ...", "sync 12 is complete in 3 s", true},
		{"sync ... is complete", "sync 12 is incomplete", false},
		{"a  ", "a", true},
	} {
		if got := prints(strings.Split(test.want, "\n"), strings.Split(test.got, "\n")); got != test.same {
			t.Errorf("prints(%q, %q) = %v, want %v", test.want, test.got, got, test.same)
		}
	}
}
