package store

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/ci"
)

func TestSchemaFile(t *testing.T) {
	for _, d := range []dialect{duckDialect(), postgresDialect()} {
		compareFile(t, filepath.Join("migrations", d.engine, "0001_schema.sql"), d.schemaFile())
	}
}

// TestRowsAndColumns sees to it that every field of a row has its column, and
// the reverse, with the same idea of NULL.
func TestRowsAndColumns(t *testing.T) {
	for table, row := range map[string]any{
		"instances": ci.Instance{}, "groups": ci.Group{}, "projects": ci.Project{}, "repositories": ci.Repository{}, "users": ci.User{},
		"runners": ci.Runner{}, "pipelines": ci.Pipeline{}, "jobs": ci.Job{}, "job_needs": ci.JobNeed{}, "project_syncs": ci.ProjectSync{},
		"syncs": ci.Sync{}, "sync_errors": ci.SyncError{}, "services": ci.Service{}, "service_rules": ci.ServiceRule{}, "deploy_rules": ci.DeployRule{},
		"deployments": ci.Deployment{},
	} {
		described, ok := TableByName(table)
		if !ok {
			t.Errorf("no table %s", table)
			continue
		}
		type column struct {
			Name     string
			Type     Type
			Nullable bool
		}
		var want, have []column
		rt := reflect.TypeOf(row)
		for i := range rt.NumField() {
			kind, nullable := typeOfField(t, rt.Field(i).Type)
			want = append(want, column{rt.Field(i).Tag.Get("db"), kind, nullable})
		}
		for _, c := range described.Columns {
			have = append(have, column{c.Name, c.Type, c.Nullable})
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("%s: fields (-) and columns (+) differ:\n%s", table, diff)
		}
	}
}

func TestDescriptions(t *testing.T) {
	seen := map[string]bool{}
	for _, table := range append(Tables(), Views()...) {
		if seen[table.Name] {
			t.Errorf("%s is described twice", table.Name)
		}
		seen[table.Name] = true
		if !strings.HasSuffix(table.Meaning, ".") {
			t.Errorf("%s: the meaning is no sentence: %q", table.Name, table.Meaning)
		}
		if len(table.Keys()) == 0 != table.IsView() {
			t.Errorf("%s: keys %v, view %v", table.Name, table.Keys(), table.IsView())
		}
		columns := map[string]bool{}
		for _, c := range table.Columns {
			if columns[c.Name] || c.Name == "" || c.Meaning == "" || strings.Contains(c.Meaning, "\n") {
				t.Errorf("%s.%s: twice, or without a meaning of one line", table.Name, c.Name)
			}
			columns[c.Name] = true
			if c.Key && c.Nullable {
				t.Errorf("%s.%s: a key cannot be NULL", table.Name, c.Name)
			}
			if (c.keep != keepNever) != (c.keepWhy != "") {
				t.Errorf("%s.%s: a kept column says why, and no other does", table.Name, c.Name)
			}
			if c.keep != keepNever && !c.Nullable {
				t.Errorf("%s.%s: only a column that may be NULL can be kept", table.Name, c.Name)
			}
			if c.References == "" {
				continue
			}
			other, column, _ := strings.Cut(c.References, ".")
			target, ok := TableByName(other)
			if !ok || !target.has(column) {
				t.Errorf("%s.%s references %s, which is not there", table.Name, c.Name, c.References)
			}
		}
		if table.newest != newestLast && !table.has("synced_at") {
			t.Errorf("%s: the newest row is told by synced_at, which it has not", table.Name)
		}
	}
}

func typeOfField(t *testing.T, kind reflect.Type) (Type, bool) {
	if kind.Kind() == reflect.Pointer {
		inner, _ := typeOfField(t, kind.Elem())
		return inner, true
	}
	if kind.String() == "time.Time" {
		return Timestamp, false
	}
	switch kind.Kind() {
	case reflect.Int64:
		return BigInt, false
	case reflect.Float64:
		return Double, false
	case reflect.Bool:
		return Boolean, false
	case reflect.String:
		return Text, false
	case reflect.Slice:
		return TextList, true
	case reflect.Map:
		return JSON, true
	}
	t.Errorf("no column type for %s", kind)
	return "", false
}

// compareFile compares a committed file with what it should hold.
func compareFile(t *testing.T, path, want string) {
	t.Helper()
	if update() {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(have)); diff != "" {
		t.Errorf("%s is stale; run go test ./internal/store -update (-want +have):\n%s", path, diff)
	}
}
