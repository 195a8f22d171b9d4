// Package floors keeps the shape of the program: it says which package may
// import which, and its test fails on the first import that breaks the shape.
// Nothing imports this package.
//
// The table is that of doc/design.md §2. A package stands on a floor, may
// import the packages named beside it and the modules named beside it, and
// never a package of a higher floor. A package that is not in the table fails
// the test too: where it belongs is a decision, not an accident.
package floors

import (
	"cmp"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Module is the path of the module whose floors are kept.
const Module = "github.com/weirhq/weir"

// A Rule says where a package stands and what it may import.
type Rule struct {
	Package string   // path below the module
	Floor   int      // 0 is the lowest
	Imports []string // packages of the module, paths below internal/; "*" is every one
	Modules []string // modules outside the standard library; "*" is every one
	// TestOnly: only test files and other TestOnly packages may import it,
	// except those named in OpenTo.
	TestOnly bool
	OpenTo   []string
}

// Drivers of databases, and what they cannot be used without.
var drivers = []string{
	"github.com/duckdb/duckdb-go", "github.com/jackc/pgx",
}

// TestModules are modules that only test files (and TestOnly packages) import.
// Through the simulator, gqlparser is a part of the program all the same.
var TestModules = []string{
	"github.com/google/go-cmp", "github.com/rogpeppe/go-internal",
	"github.com/santhosh-tekuri/jsonschema", "pgregory.net/rapid",
	"github.com/vektah/gqlparser",
}

// Rules is the table of doc/design.md §2.
var Rules = []Rule{
	{Package: "internal/ci", Floor: 0},
	{Package: "internal/gitlab", Floor: 0, Modules: []string{"golang.org/x/time"}},
	{Package: "internal/gitlab/gitlabtest", Floor: 0, Imports: []string{"gitlab"}, TestOnly: true, OpenTo: []string{"cmd/weir"}},

	{Package: "internal/store", Floor: 1, Imports: []string{"ci"}, Modules: slices.Concat(drivers, []string{"golang.org/x/sync"})},
	{Package: "internal/store/pgtest", Floor: 1, Modules: drivers, TestOnly: true},
	{Package: "internal/control", Floor: 1, Imports: []string{"ci"}, Modules: slices.Concat(drivers, []string{"golang.org/x/crypto"})},
	{Package: "internal/catalog", Floor: 1, Imports: []string{"ci"}, Modules: []string{"go.yaml.in/yaml/v3"}},

	{Package: "internal/importer", Floor: 2, Imports: []string{"ci", "gitlab", "store", "catalog"}, Modules: []string{"golang.org/x/sync"}},
	{Package: "internal/metric", Floor: 2, Imports: []string{"ci", "store"}, Modules: []string{"go.yaml.in/yaml", "golang.org/x/sync"}},

	// Never each other, and never gitlab: what people read comes from the store.
	{Package: "internal/api", Floor: 3, Imports: []string{"ci", "store", "control", "catalog", "metric"}, Modules: []string{"github.com/danielgtaylor/huma"}},
	{Package: "internal/web", Floor: 3, Imports: []string{"ci", "store", "control", "catalog", "metric"}},

	// It wires, so it also opens what the packages that it wires are given:
	// the store, and the gitlab client with its governors.
	{
		Package: "internal/server", Floor: 4,
		Imports: []string{"api", "web", "importer", "control", "catalog", "ci", "gitlab", "metric", "store"}, Modules: []string{"golang.org/x/sync"},
	},

	{Package: "cmd/weir", Floor: 5, Imports: []string{"*"}, Modules: []string{"*"}},
	{Package: "internal/floors", Floor: 5},
	// Runs the program, so it imports nothing of it but the simulator, in tests,
	// and what the metrics are asked of.
	{
		Package: "internal/bench", Floor: 5, Imports: []string{"ci", "metric", "store"},
		Modules: append([]string{"golang.org/x/sync"}, drivers...),
	},
}

// Violation is an import that breaks a rule.
type Violation struct {
	File   string // path below the module's root
	Import string
	Rule   string // what is broken, and what to do instead
}

func (v Violation) String() string {
	return fmt.Sprintf("%s imports %s: %s", v.File, v.Import, v.Rule)
}

// Check reads the imports of every Go file below the module's root and gives
// those that break rules, in the order of the files' paths. Directories with a
// go.mod of their own are other modules and are left out, as are testdata and
// names that begin with a dot or an underscore. No files give no violations.
func Check(root fs.FS, rules []Rule) ([]Violation, error) {
	byPackage := make(map[string]Rule, len(rules))
	for _, r := range rules {
		byPackage[r.Package] = r
	}
	var found []Violation
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return enter(root, name)
		case path.Ext(name) != ".go":
			return nil
		}
		source, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ImportsOnly)
		if err != nil {
			return err
		}
		if len(file.Imports) == 0 {
			return nil
		}
		rule, known := byPackage[path.Dir(name)]
		if !known {
			found = append(found, Violation{
				name, "packages",
				fmt.Sprintf("%s stands on no floor: say where it belongs in doc/design.md §2 and in internal/floors", path.Dir(name)),
			})
			return nil
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return fmt.Errorf("%s: import %s: %w", name, spec.Path.Value, err)
			}
			if broken := rule.broken(imported, strings.HasSuffix(name, "_test.go"), byPackage); broken != "" {
				found = append(found, Violation{name, imported, broken})
			}
		}
		return nil
	})
	slices.SortStableFunc(found, func(a, b Violation) int { return cmp.Compare(a.File, b.File) })
	return found, err
}

func enter(root fs.FS, dir string) error {
	if dir == "." {
		return nil
	}
	base := path.Base(dir)
	if base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return fs.SkipDir
	}
	if _, err := fs.Stat(root, path.Join(dir, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

// broken says which rule the import breaks, "" for none.
func (r Rule) broken(imported string, test bool, byPackage map[string]Rule) string {
	below, ours := strings.CutPrefix(imported, Module+"/")
	if !ours {
		return r.brokenModule(imported, test)
	}
	target, known := byPackage[below]
	if !known {
		return below + " stands on no floor"
	}
	if target.Floor > r.Floor {
		return fmt.Sprintf("it stands on floor %d, above floor %d of %s; declare a small interface there and let the upper floor fill it", target.Floor, r.Floor, r.Package)
	}
	if target.TestOnly && !test && !r.TestOnly && !slices.Contains(target.OpenTo, r.Package) {
		return "only test files may import it"
	}
	// A package's tests may use its own package and everything that does not
	// stand above it: the shape of the program is not the shape of its tests.
	if test || below == r.Package {
		return ""
	}
	if !r.allowsPackage(below) {
		return fmt.Sprintf("%s may import only %s of weir's packages", r.Package, list(r.Imports))
	}
	return ""
}

func (r Rule) allowsPackage(below string) bool {
	return slices.ContainsFunc(r.Imports, func(p string) bool { return p == "*" || "internal/"+p == below })
}

func (r Rule) brokenModule(imported string, test bool) string {
	if standard(imported) {
		return ""
	}
	in := func(modules []string) bool {
		return slices.ContainsFunc(modules, func(m string) bool { return imported == m || strings.HasPrefix(imported, m+"/") })
	}
	switch {
	case in(TestModules):
		if test || r.TestOnly {
			return ""
		}
		return "only test files may import it"
	case slices.Contains(r.Modules, "*"), in(r.Modules):
		return ""
	}
	return fmt.Sprintf("outside the standard library %s may import only %s", r.Package, list(r.Modules))
}

// standard says whether a path is of the standard library, by the rule of the
// go command: such a path has no dot in its first element.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

func list(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}
