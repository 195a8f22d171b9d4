package floors

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// TestFloors reads the whole program.
func TestFloors(t *testing.T) {
	root := os.DirFS("../..")
	mod, err := fs.ReadFile(root, "go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(mod), "module "+Module+"\n") {
		t.Fatalf("the test does not stand in %s: go.mod begins with %.60q", Module, mod)
	}
	violations, err := Check(root, Rules)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range violations {
		t.Error(v)
	}
}

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name, file string
		imports    []string
		want       []string // beginnings of the violations
	}{
		{"standard library", "internal/ci/a.go", []string{"net/http", "encoding/json"}, nil},
		{"what the table names", "internal/importer/a.go", []string{Module + "/internal/ci", Module + "/internal/gitlab", Module + "/internal/store", Module + "/internal/catalog"}, nil},
		{"a module that the table names", "internal/gitlab/a.go", []string{"golang.org/x/time/rate"}, nil},
		{"a module of another version", "internal/store/a.go", []string{"github.com/jackc/pgx/v5/pgxpool"}, nil},
		{"the command imports everything", "cmd/weir/a.go", []string{"github.com/spf13/cobra", Module + "/internal/gitlab/gitlabtest", Module + "/internal/server"}, nil},
		{"tests use the simulator", "internal/importer/a_test.go", []string{Module + "/internal/gitlab/gitlabtest", "github.com/google/go-cmp/cmp"}, nil},
		{"tests use their own package", "internal/api/a_test.go", []string{Module + "/internal/api"}, nil},
		{"tests use what stands beside", "internal/control/a_test.go", []string{Module + "/internal/store/pgtest"}, nil},
		{"another module is not ours", "witness/a.go", []string{"example.com/x"}, nil},
		{"test data is not ours", "internal/ci/testdata/a.go", []string{"example.com/x"}, nil},

		{"a module on the ground floor", "internal/ci/a.go", []string{"golang.org/x/time/rate"}, []string{"internal/ci/a.go imports golang.org/x/time/rate: outside the standard library"}},
		{"a module whose name begins alike", "internal/gitlab/a.go", []string{"golang.org/x/timeless"}, []string{"internal/gitlab/a.go imports golang.org/x/timeless: outside"}},
		{"a higher floor", "internal/store/a.go", []string{Module + "/internal/importer"}, []string{"internal/store/a.go imports " + Module + "/internal/importer: it stands on floor 2, above floor 1"}},
		{"a higher floor, in a test", "internal/store/a_test.go", []string{Module + "/internal/api"}, []string{"internal/store/a_test.go imports " + Module + "/internal/api: it stands on floor 3"}},
		{"api and gitlab", "internal/api/a.go", []string{Module + "/internal/gitlab"}, []string{"internal/api/a.go imports " + Module + "/internal/gitlab: internal/api may import only ci, store"}},
		{"api and web", "internal/api/a.go", []string{Module + "/internal/web"}, []string{"internal/api/a.go imports " + Module + "/internal/web: internal/api may import only"}},
		{"web and api", "internal/web/a.go", []string{Module + "/internal/api"}, []string{"internal/web/a.go imports " + Module + "/internal/api: internal/web may import only"}},
		{"control and store", "internal/control/a.go", []string{Module + "/internal/store"}, []string{"internal/control/a.go imports " + Module + "/internal/store: internal/control may import only ci"}},
		{"the simulator outside tests", "internal/server/a.go", []string{Module + "/internal/gitlab/gitlabtest"}, []string{"internal/server/a.go imports " + Module + "/internal/gitlab/gitlabtest: only test files may"}},
		{"a test module outside tests", "internal/store/a.go", []string{"github.com/google/go-cmp/cmp"}, []string{"internal/store/a.go imports github.com/google/go-cmp/cmp: only test files may"}},
		{"a package of no floor", "internal/util/a.go", []string{"fmt"}, []string{"internal/util/a.go imports packages: internal/util stands on no floor"}},
		{"an import of no floor", "cmd/weir/a.go", []string{Module + "/internal/util"}, []string{"cmd/weir/a.go imports " + Module + "/internal/util: internal/util stands on no floor"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := fstest.MapFS{
				"witness/go.mod": {Data: []byte("module other\n")},
				test.file:        {Data: source(test.imports)},
			}
			violations, err := Check(root, Rules)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i, v := range violations {
				line := v.String()
				if i < len(test.want) && strings.HasPrefix(line, test.want[i]) {
					line = test.want[i]
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRules finds slips in the table itself.
func TestRules(t *testing.T) {
	floor := map[string]int{}
	for _, r := range Rules {
		if _, twice := floor[r.Package]; twice {
			t.Errorf("%s stands in the table twice", r.Package)
		}
		floor[r.Package] = r.Floor
	}
	for _, r := range Rules {
		for _, imported := range r.Imports {
			if imported == "*" {
				continue
			}
			at, known := floor["internal/"+imported]
			if !known {
				t.Errorf("%s may import %s, which is not in the table", r.Package, imported)
			}
			if at > r.Floor {
				t.Errorf("%s may import %s, which stands above it", r.Package, imported)
			}
		}
	}
}

func source(imports []string) []byte {
	var b strings.Builder
	b.WriteString("package p\n")
	for _, i := range imports {
		fmt.Fprintf(&b, "import _ %q\n", i)
	}
	return []byte(b.String())
}
