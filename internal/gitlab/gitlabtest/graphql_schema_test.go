package gitlabtest_test

import (
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator"
)

// TestSchemaIsGitLabs: whatever the simulator serves, GitLab has, of the same
// type.
func TestSchemaIsGitLabs(t *testing.T) {
	text, err := os.ReadFile("graphql/gitlab.graphql")
	if err != nil {
		t.Fatal(err)
	}
	ours, err := gqlparser.LoadSchema(&ast.Source{Name: "gitlab.graphql", Input: string(text)})
	if err != nil {
		t.Fatal(err)
	}
	theirs := wholeSchema(t)
	fields, arguments, values := 0, 0, 0
	for name, def := range ours.Types {
		if def.BuiltIn {
			continue
		}
		full := theirs.Types[name]
		if full == nil || full.Kind != def.Kind {
			t.Errorf("GitLab has no %s %s", def.Kind, name)
			continue
		}
		for _, f := range def.Fields {
			if f.Name == "__schema" || f.Name == "__type" {
				continue
			}
			fields++
			original := full.Fields.ForName(f.Name)
			if original == nil || original.Type.String() != f.Type.String() {
				t.Errorf("%s.%s is %s; GitLab has %v", name, f.Name, f.Type, original)
				continue
			}
			for _, a := range f.Arguments {
				arguments++
				if o := original.Arguments.ForName(a.Name); o == nil || o.Type.String() != a.Type.String() || o.DefaultValue.String() != a.DefaultValue.String() {
					t.Errorf("%s.%s(%s: %s); GitLab has %v", name, f.Name, a.Name, a.Type, o)
				}
			}
			for _, o := range original.Arguments {
				if o.Type.NonNull && f.Arguments.ForName(o.Name) == nil {
					t.Errorf("%s.%s wants %s, which is left out", name, f.Name, o.Name)
				}
			}
		}
		// An enumeration is whole: a word that is left out would be refused here.
		for _, v := range full.EnumValues {
			values++
			if def.EnumValues.ForName(v.Name) == nil {
				t.Errorf("%s lacks %s", name, v.Name)
			}
		}
		if len(def.EnumValues) > len(full.EnumValues) {
			t.Errorf("%s has %d values, GitLab's %d", name, len(def.EnumValues), len(full.EnumValues))
		}
	}
	if fields < 120 || arguments < 30 || values < 60 {
		t.Errorf("compared %d fields, %d arguments, %d values: too few to be the schema", fields, arguments, values)
	}
}

// wholeSchema is the schema of gitlab.com, about version 18.5.
func wholeSchema(t *testing.T) *ast.Schema {
	t.Helper()
	f, err := contract(t).Open("graphql/schema.graphql.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func(f fs.File) { _ = f.Close() }(f)
	unzip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unzip)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := validator.LoadSchema(&ast.Source{Name: "schema.graphql", Input: string(text)}) // it brings what gqlparser would add
	if err != nil {
		t.Fatal(err)
	}
	return schema
}
