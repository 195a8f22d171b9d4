package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
)

func (p *program) exportCommand() *cobra.Command {
	var kind string
	var force bool
	cmd := &cobra.Command{
		Use:   "export DIR",
		Short: "Write every published table to a file of its own",
		Long: `Write every published table to DIR/<table>.<format>, with every column.

ndjson: one object a row, times in RFC 3339 (UTC, milliseconds), NULL as null.
csv: a header line, NULL as an empty field. parquet: with the tables' own types.
A file is there whole or not at all.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] != "" {
				return nil
			}
			return &usageError{cause: "weir export wants one directory", remedy: "Name it: weir export --format parquet DIR."}
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch kind {
			case "parquet", "csv", "ndjson":
			default:
				return &usageError{cause: fmt.Sprintf("the export format is %q, which is none", kind), remedy: "Use --format parquet, csv or ndjson."}
			}
			return p.withClient(cmd.Context(), func(ctx context.Context, client *api.Client) error {
				return p.export(ctx, client, args[0], kind, force)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&kind, "format", "parquet", "parquet, csv or ndjson")
	flags.BoolVar(&force, "force", false, "replace files that are there")
	return cmd
}

// export writes all tables. Files that are there already are found before the
// first one is written.
func (p *program) export(ctx context.Context, client *api.Client, dir, kind string, force bool) error {
	all, err := client.Schema(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil { //nolint:gosec // the umask is the user's
		return unwritable(dir, err)
	}
	var tables []api.Table
	for _, t := range all {
		if t.Kind != "table" {
			continue
		}
		tables = append(tables, t)
		name := exportName(dir, t.Name, kind)
		if _, err := os.Lstat(name); err == nil && !force {
			return &ci.Problem{
				Code: ci.Conflict, Cause: name + " is there already",
				Remedy: "Name another directory, or replace the files by --force.",
			}
		}
	}
	var rows [][]any
	for _, t := range tables {
		name := exportName(dir, t.Name, kind)
		size, err := exportTable(ctx, client, t.Name, kind, name)
		if err != nil {
			return err
		}
		rows = append(rows, []any{t.Name, name, size})
	}
	return writeRows(p.stdout, p.format(), []string{"table", "file", "bytes"}, rows)
}

func exportName(dir, table, kind string) string { return filepath.Join(dir, table+"."+kind) }

// exportTable writes one file under a name of its own and gives it its final
// name when it is whole and on the disk.
func exportTable(ctx context.Context, client *api.Client, table, kind, name string) (size int64, err error) {
	stream, err := client.Export(ctx, table, kind)
	if err != nil {
		return 0, err
	}
	defer func() { _ = stream.Close() }()
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return 0, unwritable(filepath.Dir(name), err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if size, err = io.Copy(f, stream); err != nil {
		return 0, err
	}
	// CreateTemp gives 0600; an export is for others to read as far as their
	// directory lets them.
	if err := f.Chmod(0o644); err != nil {
		return 0, unwritable(name, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return 0, unwritable(name, err)
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return 0, unwritable(name, err)
	}
	return size, nil
}

// unwritable words an error of the file system that is not about space.
func unwritable(name string, err error) error {
	var at *fs.PathError
	reason := err
	if errors.As(err, &at) {
		reason = at.Err
	}
	if problemOf(err).Code == ci.DiskFull {
		return err
	}
	return &ci.Problem{
		Code: ci.DataDirUnwritable, Cause: fmt.Sprintf("%s cannot be written: %v", name, reason),
		Remedy: "Name a directory that this user can write to.", Err: err,
	}
}
