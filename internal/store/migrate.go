package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/weirhq/weir/internal/ci"
)

// The migrator. Each file of migrations/<engine>/ is one step, NNNN_name.sql,
// applied in one transaction together with its row in schema_version: a kill
// between any two instants leaves a step done or not begun. Views and comments
// are no steps; they are written again whenever their text has changed.

//go:embed migrations
var migrations embed.FS

type migration struct {
	version int64
	name    string
	sql     string
}

// loadMigrations reads the steps of an engine, in order from version 1.
func loadMigrations(files fs.FS, engine string) ([]migration, error) {
	names, err := fs.Glob(files, path.Join("migrations", engine, "*.sql"))
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var list []migration
	for _, name := range names {
		number, _, _ := strings.Cut(path.Base(name), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil || version != int64(len(list))+1 {
			return nil, fmt.Errorf("migration %s: want number %04d", name, len(list)+1)
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		list = append(list, migration{version, path.Base(name), string(text)})
	}
	return list, nil
}

// SchemaVersion gives the version that this program brings a database to.
func SchemaVersion() int64 {
	list, err := loadMigrations(migrations, "duckdb")
	if err != nil {
		return 0 // cannot be: the files are embedded, and a test reads them
	}
	return int64(len(list))
}

// SchemaVersion gives the version of the open database.
func (s *Store) SchemaVersion(ctx context.Context) (int64, error) {
	var version int64
	err := s.engine.read(ctx, func(r reader) (err error) {
		version, err = oneInt(ctx, r, "SELECT coalesce(max(version), 0) FROM schema_version")
		return err
	})
	if err != nil {
		return 0, s.engine.problem(err)
	}
	return version, nil
}

// migrate brings the database to this program's version.
func (s *Store) migrate(ctx context.Context) error {
	list, err := loadMigrations(migrations, s.engine.name())
	if err != nil {
		return err
	}
	return s.migrateTo(ctx, list)
}

func (s *Store) migrateTo(ctx context.Context, list []migration) error {
	d := s.engine.dialect()
	latest := int64(len(list))
	for {
		done := false
		err := s.engine.write(ctx, func(w writer) error {
			if d.lockSchema != "" {
				if _, err := w.exec(ctx, d.lockSchema); err != nil {
					return err
				}
			}
			at, err := prepareVersions(ctx, w, d)
			if err != nil {
				return err
			}
			switch {
			case at > latest:
				return problem(ci.DatabaseNewer,
					fmt.Sprintf("The database has schema version %d, this weir knows versions up to %d.", at, latest),
					"Install a newer weir, or name another database.", nil)
			case at == latest:
				done = true
				return describe(ctx, w, d, latest)
			}
			return step(ctx, w, list[at])
		})
		if err != nil {
			return s.engine.problem(err)
		}
		if done {
			return nil
		}
	}
}

// prepareVersions creates schema_version in an empty database and gives the
// version that the database is at. A database with other tables and without
// schema_version is somebody else's.
func prepareVersions(ctx context.Context, w writer, d dialect) (int64, error) {
	known, err := oneInt(ctx, w, d.countTables+" AND table_name = 'schema_version'")
	if err != nil {
		return 0, err
	}
	if known == 0 {
		others, err := oneInt(ctx, w, d.countTables)
		if err != nil {
			return 0, err
		}
		if others > 0 {
			return 0, problem(ci.DatabaseCorrupt, "The database holds tables that are not weir's.",
				"Name another database, or an empty one.", nil)
		}
		_, err = w.exec(ctx, `CREATE TABLE schema_version (version BIGINT NOT NULL PRIMARY KEY, name VARCHAR NOT NULL,
			applied_at TIMESTAMPTZ NOT NULL, descriptions VARCHAR)`)
		return 0, err
	}
	return oneInt(ctx, w, "SELECT coalesce(max(version), 0) FROM schema_version")
}

func step(ctx context.Context, w writer, m migration) error {
	for _, statement := range splitStatements(m.sql) {
		if _, err := w.exec(ctx, statement); err != nil {
			return fmt.Errorf("migration %s: %w", m.name, err)
		}
	}
	_, err := w.exec(ctx, "INSERT INTO schema_version (version, name, applied_at) VALUES ($1, $2, now())", m.version, m.name)
	return err
}

// describe writes views and comments when their text differs from what the
// database has.
func describe(ctx context.Context, w writer, d dialect, version int64) error {
	statements, fingerprint := d.describe()
	same, err := oneInt(ctx, w, "SELECT count(*) FROM schema_version WHERE version = $1 AND descriptions = $2", version, fingerprint)
	if err != nil || same > 0 {
		return err
	}
	for _, statement := range statements {
		if _, err := w.exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	_, err = w.exec(ctx, "UPDATE schema_version SET descriptions = $2 WHERE version = $1", version, fingerprint)
	return err
}

// oneInt gives the single number that a query answers.
func oneInt(ctx context.Context, r reader, sql string, args ...any) (int64, error) {
	rows, err := r.rows(ctx, sql, args...)
	if err != nil {
		return 0, err
	}
	defer rows.close()
	row, err := rows.next()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("no row from %s", sql)
		}
		return 0, err
	}
	n, ok := row[0].(int64)
	if !ok {
		return 0, fmt.Errorf("%T, not a number, from %s", row[0], sql)
	}
	return n, nil
}
