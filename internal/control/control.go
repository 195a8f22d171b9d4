// Package control keeps weir's private state: which GitLabs it is connected
// to, and the sealed tokens. It is apart from package store so that a person
// with SQL can never reach a secret: embedded, it is a DuckDB file of its own
// (DATA/control.duckdb) that no query of a reader is ever run on; on PostgreSQL
// it is the schema weir_control, which only weir's own role can see.
//
// # What is stored
//
//   - connections: a way into a GitLab. Made by a person, so it cannot be
//     rebuilt: back this file up. A removed one keeps its row (its id stands in
//     syncs) and gets deleted_at.
//   - credentials: a token of a connection. `sealed` is the token under
//     AES-256-GCM, bound to its row; `fingerprint` is a keyed hash, by which two
//     connections with the same token are noticed. Both are emptied when the
//     credential is removed. What GitLab says of a token (username, scopes,
//     expiry) is as of the last check.
//   - hooks: the sealed secret of a connection's web hooks, and how many events
//     came. Made by weir; when it is lost, the hooks in GitLab want another.
//   - hook_events: events that have arrived and are not written yet, in order of
//     arrival, and those that could not be written, with why. Polls bring the same.
//   - hook_keys: which events have arrived, so that one that comes twice is
//     noticed; forgotten after days.
//   - control_version: one row, the version of these tables.
//
// The key is not in the database (see Key): whoever has only a copy of it has
// no token.
package control

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	_ "github.com/duckdb/duckdb-go/v2" // the driver "duckdb"
	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/weirhq/weir/internal/ci"
)

// Config says where the private state lies.
type Config struct {
	Log *slog.Logger // nil: silent
	// Database is the URL of a PostgreSQL (postgres://… or postgresql://…);
	// anything else, also "", means a DuckDB file in DataDir.
	Database string
	// DataDir holds control.duckdb and secret.key. It must exist.
	DataDir string
	// KeyFile holds the key that seals tokens. Empty: DataDir/secret.key, which
	// is made when there is none and nothing is sealed yet.
	KeyFile string
	Now     func() time.Time // nil: time.Now
}

// Control is the private state, open. It is safe for use by several goroutines.
type Control struct {
	log    *slog.Logger
	db     *sql.DB
	engine string
	now    func() time.Time
	key    *Key // nil: lost, and credentials are sealed with it
	lost   error
	// writing lets one transaction write at a time: DuckDB fails the second
	// writer of a row at once instead of letting it wait.
	writing sync.Mutex

	claiming sync.Mutex
	claimed  map[ci.ConnectionID]bool
}

// The file of the embedded engine and the schema of PostgreSQL.
const (
	fileName   = "control.duckdb"
	schemaName = "weir_control"
)

// Open opens the private state, makes or migrates its tables, and reads the
// key. Errors are *ci.Problem: database_locked, database_newer,
// database_corrupt, database_unreachable, data_dir_unwritable,
// secret_key_missing (KeyFile is named but not there, or is not a key, or other
// people may read it).
//
// A lost DataDir/secret.key is no error here, so that data can be read without
// it; every call that needs a token then answers secret_key_missing.
func Open(ctx context.Context, cfg Config) (*Control, error) {
	c := &Control{log: cfg.Log, engine: "duckdb", now: cfg.Now, claimed: map[ci.ConnectionID]bool{}}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.now == nil {
		c.now = time.Now
	}
	if IsPostgres(cfg.Database) {
		c.engine = "postgres"
	}
	if err := c.open(ctx, cfg); err != nil {
		return nil, err
	}
	if err := c.migrate(ctx); err != nil {
		return nil, errors.Join(err, c.db.Close())
	}
	if err := c.loadKey(ctx, cfg); err != nil {
		return nil, errors.Join(err, c.db.Close())
	}
	return c, nil
}

// IsPostgres says whether the setting --database names a PostgreSQL.
func IsPostgres(database string) bool {
	return strings.HasPrefix(database, "postgres://") || strings.HasPrefix(database, "postgresql://")
}

// Close closes the database.
func (c *Control) Close() error { return c.db.Close() }

func (c *Control) open(ctx context.Context, cfg Config) error {
	if c.engine == "postgres" {
		return c.openPostgres(ctx, cfg.Database)
	}
	path := filepath.Join(cfg.DataDir, fileName)
	// A DuckDB file that is not there is made with the umask's mode; this one is
	// nobody else's business from its first byte on.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return &ci.Problem{
			Code:   ci.DataDirUnwritable,
			Cause:  fmt.Sprintf("weir cannot write %s.", path),
			Remedy: "Make the directory writable for the user that runs weir, or give another one by --data.",
			Err:    err,
		}
	}
	info, err := f.Stat()
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if info.Size() == 0 {
		// DuckDB refuses an empty file; it keeps the mode of none.
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	// A handful of rows: no reason to take the machine's memory and cores.
	c.db, err = sql.Open("duckdb", path+"?memory_limit=64MB&threads=1&autoinstall_known_extensions=false&autoload_known_extensions=false")
	if err == nil {
		err = c.db.PingContext(ctx)
	}
	if err != nil {
		return duckProblem(path, err)
	}
	return errors.Join(os.Chmod(path, 0o600), c.exec(ctx, `SET TimeZone = 'UTC'`))
}

// duckProblem says why DuckDB would not open a file.
func duckProblem(path string, err error) error {
	if strings.Contains(err.Error(), "Could not set lock") {
		return &ci.Problem{
			Code:   ci.DatabaseLocked,
			Cause:  fmt.Sprintf("Another process has %s open.", path),
			Remedy: "Stop that process, or use its data directory through it: a running weir serve answers every command.",
			Err:    err,
		}
	}
	return &ci.Problem{
		Code:   ci.DatabaseCorrupt,
		Cause:  fmt.Sprintf("%s is not a database of weir's, or is damaged.", path),
		Remedy: "Restore it from a backup, or move it away and connect again: imported data is not in it.",
		Err:    err,
	}
}

func (c *Control) openPostgres(ctx context.Context, database string) error {
	u, err := url.Parse(database)
	if err != nil {
		return &ci.Problem{
			Code:   ci.BadRequest,
			Cause:  "The database URL cannot be read.",
			Remedy: "Write it as postgres://user:password@host:5432/name.", // err would repeat the password
		}
	}
	q := u.Query()
	q.Set("search_path", schemaName)
	q.Set("TimeZone", "UTC")
	u.RawQuery = q.Encode()
	c.db, err = sql.Open("pgx", u.String())
	if err == nil {
		err = c.db.PingContext(ctx)
	}
	if err != nil {
		return &ci.Problem{
			Code:   ci.DatabaseUnreachable,
			Cause:  fmt.Sprintf("PostgreSQL at %s does not let weir in.", u.Host),
			Remedy: "Check host, port, user, password and database name, and that the server runs.",
			Err:    err,
		}
	}
	c.db.SetMaxIdleConns(2) // no upper bound: each running import keeps a session for its claim
	return nil
}

// exec runs one statement outside any transaction.
func (c *Control) exec(ctx context.Context, statement string) error {
	_, err := c.db.ExecContext(ctx, statement)
	return err
}

// write runs f in one transaction, alone: all of it is stored, or nothing.
func (c *Control) write(ctx context.Context, f func(*sql.Tx) error) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return c.problem(err)
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback()
		return c.problem(err)
	}
	return c.problem(tx.Commit())
}

// problem words what a person can do something about; other errors stay.
func (c *Control) problem(err error) error {
	var known *ci.Problem
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var refused *pgconn.PgError
	switch {
	case strings.Contains(err.Error(), "No space left on device"), errors.As(err, &refused) && refused.Code == "53100":
		return &ci.Problem{
			Code:   ci.DiskFull,
			Cause:  "No space is left for weir's private state.",
			Remedy: "Free some space and repeat the command; nothing was half stored.",
			Err:    err,
		}
	case c.engine == "postgres" && refused == nil:
		return &ci.Problem{
			Code:   ci.DatabaseUnreachable,
			Cause:  "PostgreSQL does not answer.",
			Remedy: "See whether the server runs, and repeat the command.",
			Err:    err,
		}
	}
	return err
}

// told gives the two sentences of an error.
func told(err error) (cause, remedy string) {
	var p *ci.Problem
	if errors.As(err, &p) {
		return p.Cause, p.Remedy
	}
	return err.Error(), "See weir's log."
}
