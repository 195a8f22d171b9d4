package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/duckdb/duckdb-go-bindings"
	"github.com/spf13/cobra"
)

// build says what was built.
type build struct {
	Version string `json:"version"` // the module's, or devel
	Commit  string `json:"commit"`  // empty when the build does not know it
	Changed bool   `json:"changed"` // built from a tree with uncommitted changes
	Go      string `json:"go"`
	DuckDB  string `json:"duckdb"` // the DuckDB that is built in
	System  string `json:"system"`
}

func buildVersion() build {
	b := build{
		Version: "devel", Go: runtime.Version(), DuckDB: duckdb_go_bindings.LibraryVersion(),
		System: runtime.GOOS + "/" + runtime.GOARCH,
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Changed = s.Value == "true"
		}
	}
	return b
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say which weir this is",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			b := buildVersion()
			switch f := p.format(); f {
			case asJSON, asNDJSON:
				return writeDocument(p.stdout, f, b)
			case asCSV:
				return writeRows(p.stdout, f, []string{"version", "commit", "changed", "go", "duckdb", "system"},
					[][]any{{b.Version, b.Commit, b.Changed, b.Go, b.DuckDB, b.System}})
			}
			commit := b.Commit
			switch {
			case commit == "":
				commit = "unknown"
			case b.Changed:
				commit += " and uncommitted changes"
			}
			_, err := fmt.Fprintf(p.stdout, "weir %s\ncommit %s\n%s %s\nDuckDB %s\n", b.Version, commit, b.Go, b.System, b.DuckDB)
			return err
		},
	}
}
