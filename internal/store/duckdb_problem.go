package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/weirhq/weir/internal/ci"
)

// openProblem says why a DuckDB file could not be opened.
func (e *duckEngine) openProblem(err error) error {
	text := err.Error()
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(strings.ToLower(text), w) {
				return true
			}
		}
		return false
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case has("conflicting lock", "could not set lock", "being used by another process"):
		return problem(ci.DatabaseLocked, fmt.Sprintf("Another process has %s open.", e.path),
			"Stop the other weir, or let this command talk to it by using the same --data directory.", err)
	case has("newer version of duckdb", "newer duckdb", "version number"):
		return problem(ci.DatabaseNewer, fmt.Sprintf("%s was written by a newer DuckDB than this weir's.", e.path),
			"Install a newer weir.", err)
	case has("no space left", "disk quota", "could not allocate block"):
		return problem(ci.DiskFull, fmt.Sprintf("No space is left for %s.", e.path), "Free some space, or move the data directory.", err)
	case has("permission denied", "read-only file system", "is a directory", "no such file", "cannot open file"):
		return problem(ci.DataDirUnwritable, fmt.Sprintf("weir cannot write %s.", e.path),
			"Name a directory that weir may write to, or correct its permissions.", err)
	case has("invalid input error", "setting"):
		if has("memory_limit", "memory limit") || has("threads") {
			return problem(ci.BadRequest, "The memory limit or the number of threads is not one that DuckDB takes: "+firstLine(text)+".",
				"Write the limit as 512MB or 4GB.", err)
		}
	}
	return problem(ci.DatabaseCorrupt, fmt.Sprintf("%s is damaged or not a DuckDB database: %s.", e.path, strings.TrimSuffix(firstLine(text), ".")),
		"Restore it from a backup, or move it away and import again.", err)
}

// problem says what an error of an open database means. Errors that are
// problems already, cancellations and errors of unknown kind pass as they are.
func (e *duckEngine) problem(err error) error {
	var p *ci.Problem
	var d *duckdb.Error
	switch {
	case err == nil, errors.As(err, &p), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case !errors.As(err, &d):
		return err
	case strings.Contains(d.Msg, "No space left"), strings.Contains(d.Msg, "Disk quota"):
		return problem(ci.DiskFull, fmt.Sprintf("No space is left for %s.", e.path), "Free some space, or move the data directory.", err)
	case d.Type == duckdb.ErrorTypeFatal, d.Type == duckdb.ErrorTypeSerialization, strings.Contains(strings.ToLower(d.Msg), "corrupt"):
		return problem(ci.DatabaseCorrupt, fmt.Sprintf("%s is damaged: %s.", e.path, strings.TrimSuffix(firstLine(d.Msg), ".")),
			"Restart weir; if it says so again, restore the file from a backup or import again.", err)
	}
	return err
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return strings.TrimSpace(line)
}
