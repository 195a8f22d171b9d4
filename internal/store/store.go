// Package store keeps what weir publishes: the rows of rows.go in package ci,
// in DuckDB (a file owned by one process) or in PostgreSQL (schema weir), under
// the same table names, the same SQL and the same rules.
//
// # What is stored
//
// [Tables] describes every published table and column once; the DDL of both
// engines, the SQL comments, the schema explorer and doc/data-model.md come from
// there. Beside them stands schema_version, which is the migrator's own. All of
// it can be rebuilt by importing again, except rows that GitLab has deleted
// since.
//
// # Writing
//
// [Store.Apply] writes one batch in one transaction: rows, tombstones and the
// cursors that follow them, all or nothing. Writing the same batch twice
// changes nothing, and an older truth never overwrites a newer one, in whatever
// order the two arrive. DuckDB has one writer at a time; PostgreSQL may have
// many.
//
// # Reading
//
// [Store.Query] is the reader's door: one statement that cannot write, with a
// time limit and a row limit. Everything else that reads is for weir's own use
// and answers in the types of package ci.
package store

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"

	"github.com/weirhq/weir/internal/ci"
)

// Config says which database to open, and how.
type Config struct {
	Log *slog.Logger // required

	// Database is the path of the DuckDB file (created when absent, with its
	// directory), or a URL that begins with postgres:// or postgresql://.
	Database string

	// MemoryLimit bounds DuckDB's memory, in its notation ("512MB", "4GB").
	// Empty means 1GB; what does not fit spills to a directory beside the file.
	// PostgreSQL ignores it.
	MemoryLimit string

	// Threads bounds DuckDB's worker threads. 0 means one a CPU. PostgreSQL ignores it.
	Threads int
}

// Store is an open database. It is safe for concurrent use.
type Store struct {
	log    *slog.Logger
	engine engine
}

// Open opens the database and migrates it to this program's schema. Its errors
// are *ci.Problem: database_locked, database_newer, database_corrupt,
// data_dir_unwritable, disk_full, database_unreachable, or bad_request for a
// database that cannot be named so.
func Open(ctx context.Context, c Config) (*Store, error) {
	if c.Log == nil {
		return nil, errors.New("store: Config.Log is missing")
	}
	if c.MemoryLimit == "" {
		c.MemoryLimit = "1GB"
	}
	if c.Threads <= 0 {
		c.Threads = runtime.GOMAXPROCS(0)
	}
	var e engine
	var err error
	if isPostgres(c.Database) {
		e, err = openPostgres(ctx, c)
	} else {
		e, err = openDuckDB(ctx, c)
	}
	if err != nil {
		return nil, err
	}
	s := &Store{log: c.Log, engine: e}
	if err := s.migrate(ctx); err != nil {
		e.close()
		return nil, err
	}
	if err := e.ready(ctx); err != nil {
		e.close()
		return nil, e.problem(err)
	}
	return s, nil
}

func isPostgres(database string) bool {
	return strings.HasPrefix(database, "postgres://") || strings.HasPrefix(database, "postgresql://")
}

// Close ends the use of the database. Results that are still being read must
// be closed before.
func (s *Store) Close() error { return s.engine.close() }

// Engine names the database: "duckdb" or "postgres".
func (s *Store) Engine() string { return s.engine.name() }

// EngineVersion gives the database's own version, as it writes it ("v1.5.5", "15.14").
func (s *Store) EngineVersion(ctx context.Context) (string, error) {
	v, err := s.engine.version(ctx)
	if err != nil {
		return "", s.engine.problem(err)
	}
	return v, nil
}

// Size gives the bytes that the database takes on disk: DuckDB's file and its
// log, or every table and index in PostgreSQL's schema weir.
func (s *Store) Size(ctx context.Context) (int64, error) {
	n, err := s.engine.size(ctx)
	if err != nil {
		return 0, s.engine.problem(err)
	}
	return n, nil
}

// Check is one thing that weir doctor looks at.
type Check struct {
	Name   string
	OK     bool
	Detail string // what was found
	Remedy string // what to do when it is not OK
}

// Checks looks at the database's health: whether it answers, its version and
// size, and whether readers are confined as they should be.
func (s *Store) Checks(ctx context.Context) []Check { return s.engine.checks(ctx) }

func problem(code ci.Code, cause, remedy string, err error) *ci.Problem {
	return &ci.Problem{Code: code, Cause: cause, Remedy: remedy, Err: err}
}
