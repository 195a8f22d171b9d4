package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// What the importer and the API read of weir's own rows.

// Instances gives every GitLab that weir has met, by id.
func (s *Store) Instances(ctx context.Context) ([]ci.Instance, error) {
	return all[ci.Instance](ctx, s, "instances", `ORDER BY id`)
}

// Groups gives every group of an instance, deleted ones too, by id.
func (s *Store) Groups(ctx context.Context, instance ci.InstanceID) ([]ci.Group, error) {
	return all[ci.Group](ctx, s, "groups", `WHERE instance_id = $1 ORDER BY id`, int64(instance))
}

// Projects gives every project of an instance, deleted ones too, by id.
func (s *Store) Projects(ctx context.Context, instance ci.InstanceID) ([]ci.Project, error) {
	return all[ci.Project](ctx, s, "projects", `WHERE instance_id = $1 ORDER BY id`, int64(instance))
}

// Repositories gives every repository of an instance, deleted ones too, by id.
func (s *Store) Repositories(ctx context.Context, instance ci.InstanceID) ([]ci.Repository, error) {
	return all[ci.Repository](ctx, s, "repositories", `WHERE instance_id = $1 ORDER BY id`, int64(instance))
}

// ProjectSyncs gives the cursors of an instance's projects. A project that was
// never visited is not in it.
func (s *Store) ProjectSyncs(ctx context.Context, instance ci.InstanceID) (map[ci.ProjectID]ci.ProjectSync, error) {
	list, err := all[ci.ProjectSync](ctx, s, "project_syncs", `WHERE instance_id = $1`, int64(instance))
	if err != nil {
		return nil, err
	}
	byProject := make(map[ci.ProjectID]ci.ProjectSync, len(list))
	for _, p := range list {
		byProject[p.ProjectID] = p
	}
	return byProject, nil
}

// Syncs gives the last runs of the importer, the latest first; all with limit 0.
func (s *Store) Syncs(ctx context.Context, limit int) ([]ci.Sync, error) {
	tail := "ORDER BY id DESC"
	if limit > 0 {
		tail += fmt.Sprintf(" LIMIT %d", limit)
	}
	return all[ci.Sync](ctx, s, "syncs", tail)
}

// Sync gives one run of the importer; not_found where there is none of that id.
func (s *Store) Sync(ctx context.Context, id ci.SyncID) (ci.Sync, error) {
	list, err := all[ci.Sync](ctx, s, "syncs", "WHERE id = $1", int64(id))
	if err != nil {
		return ci.Sync{}, err
	}
	if len(list) == 0 {
		return ci.Sync{}, problem(ci.NotFound, fmt.Sprintf("There is no sync %d.", id), "weir status lists the last ones.", nil)
	}
	return list[0], nil
}

// SyncErrors gives what a run of the importer could not do, in order.
func (s *Store) SyncErrors(ctx context.Context, id ci.SyncID) ([]ci.SyncError, error) {
	return all[ci.SyncError](ctx, s, "sync_errors", "WHERE sync_id = $1 ORDER BY seq", int64(id))
}

// Version is what the importer compares an answer's pipeline with.
type Version struct {
	UpdatedAt *time.Time
	Status    ci.Status
	DeletedAt *time.Time
}

// Versions gives what is stored of the pipelines with these ids in a project;
// those that are not stored are not in it.
func (s *Store) Versions(ctx context.Context, instance ci.InstanceID, project ci.ProjectID, ids []ci.PipelineID) (map[ci.PipelineID]Version, error) {
	if len(ids) == 0 {
		return map[ci.PipelineID]Version{}, nil
	}
	return s.versions(ctx, ` WHERE instance_id = $1 AND project_id = $2 AND id = ANY($3)`, int64(instance), int64(project), bigints(ids))
}

func (s *Store) versions(ctx context.Context, where string, args ...any) (map[ci.PipelineID]Version, error) {
	versions := make(map[ci.PipelineID]Version)
	err := s.each(ctx, `SELECT id, updated_at, status, deleted_at FROM pipelines`+where, args, func(row []any) error {
		var v Version
		if t, ok := row[1].(time.Time); ok {
			v.UpdatedAt = &t
		}
		v.Status = ci.Status(row[2].(string))
		if t, ok := row[3].(time.Time); ok {
			v.DeletedAt = &t
		}
		versions[ci.PipelineID(row[0].(int64))] = v
		return nil
	})
	return versions, err
}

const pipelinesSince = ` FROM pipelines WHERE instance_id = $1 AND project_id = $2 AND updated_at >= $3
	AND deleted_at IS NULL AND (coalesce(source, '') = 'parent_pipeline') = $4`

// PipelineIDs gives the ids of a project's live pipelines with updated_at >=
// from, in ascending order: of child pipelines (source parent_pipeline), or of
// all others.
func (s *Store) PipelineIDs(ctx context.Context, instance ci.InstanceID, project ci.ProjectID, from time.Time, child bool) ([]ci.PipelineID, error) {
	var ids []ci.PipelineID
	err := s.each(ctx, `SELECT id`+pipelinesSince+` ORDER BY id`, []any{int64(instance), int64(project), from.UTC(), child},
		func(row []any) error {
			ids = append(ids, ci.PipelineID(row[0].(int64)))
			return nil
		})
	return ids, err
}

// CountPipelines gives the number of ids that PipelineIDs would give.
func (s *Store) CountPipelines(ctx context.Context, instance ci.InstanceID, project ci.ProjectID, from time.Time, child bool) (int64, error) {
	var n int64
	err := s.each(ctx, `SELECT count(*)`+pipelinesSince, []any{int64(instance), int64(project), from.UTC(), child},
		func(row []any) error { n = row[0].(int64); return nil })
	return n, err
}

// UndatedPipelineIDs gives the ids of a project's live external pipelines that
// have no updated_at and were created at or after from, in ascending order.
// Others without one were told of by a hook, and wait for a poll.
func (s *Store) UndatedPipelineIDs(ctx context.Context, instance ci.InstanceID, project ci.ProjectID, from time.Time) ([]ci.PipelineID, error) {
	var ids []ci.PipelineID
	err := s.each(ctx, `SELECT id FROM pipelines WHERE instance_id = $1 AND project_id = $2 AND updated_at IS NULL AND source = 'external'
		AND deleted_at IS NULL AND (created_at IS NULL OR created_at >= $3) ORDER BY id`, []any{int64(instance), int64(project), from.UTC()},
		func(row []any) error {
			ids = append(ids, ci.PipelineID(row[0].(int64)))
			return nil
		})
	return ids, err
}

// Counts gives the rows of every published table, deleted ones too.
func (s *Store) Counts(ctx context.Context) (map[string]int64, error) {
	counts := map[string]int64{}
	err := s.engine.read(ctx, func(r reader) error {
		for _, t := range Tables() {
			n, err := oneInt(ctx, r, "SELECT count(*) FROM "+quoteName(t.Name))
			if err != nil {
				return err
			}
			counts[t.Name] = n
		}
		return nil
	})
	if err != nil {
		return nil, s.engine.problem(err)
	}
	return counts, nil
}

// EnsureInstance gives the instance with this base URL (as gitlab.NormalizeBaseURL
// writes it), which it makes, created now, where there is none.
func (s *Store) EnsureInstance(ctx context.Context, baseURL string, now time.Time) (ci.Instance, error) {
	var instance ci.Instance
	err := s.engine.write(ctx, func(w writer) error {
		if err := s.alone(ctx, w, "instances"); err != nil {
			return err
		}
		list, err := rowsOf[ci.Instance](ctx, w, "instances", "WHERE base_url = $1 ORDER BY id LIMIT 1", baseURL)
		if err != nil {
			return err
		}
		if len(list) > 0 {
			instance = list[0]
			return nil
		}
		id, err := oneInt(ctx, w, "SELECT coalesce(max(id), 0) + 1 FROM instances")
		if err != nil {
			return err
		}
		instance = ci.Instance{ID: ci.InstanceID(id), BaseURL: baseURL, CreatedAt: now.UTC().Truncate(time.Microsecond)}
		_, err = w.exec(ctx, "INSERT INTO instances (id, base_url, created_at) VALUES ($1, $2, $3)", id, baseURL, instance.CreatedAt)
		return err
	})
	if err != nil {
		return ci.Instance{}, s.engine.problem(err)
	}
	return instance, nil
}

// BeginSync stores a new run of the importer and gives the id that it handed
// out; the id in sync is not looked at.
func (s *Store) BeginSync(ctx context.Context, sync ci.Sync) (ci.SyncID, error) {
	t, _ := TableByName("syncs")
	err := s.engine.write(ctx, func(w writer) error {
		if err := s.alone(ctx, w, "syncs"); err != nil {
			return err
		}
		id, err := oneInt(ctx, w, "SELECT coalesce(max(id), 0) + 1 FROM syncs")
		if err != nil {
			return err
		}
		sync.ID = ci.SyncID(id)
		rows, err := encode(&t, []ci.Sync{sync})
		if err != nil {
			return err
		}
		if err := w.load(ctx, &t, rows); err != nil {
			return err
		}
		_, err = w.exec(ctx, upsert(&t))
		return err
	})
	if err != nil {
		return 0, s.engine.problem(err)
	}
	return sync.ID, nil
}

// alone keeps other processes from handing out an id of the table at the same
// time, until the transaction ends. DuckDB has one writer anyhow.
func (s *Store) alone(ctx context.Context, w writer, table string) error {
	if s.engine.name() == "duckdb" {
		return nil
	}
	_, err := w.exec(ctx, "LOCK TABLE "+quoteName(table)+" IN SHARE ROW EXCLUSIVE MODE")
	return err
}

// all reads rows of a table into their structs.
func all[T any](ctx context.Context, s *Store, table, tail string, args ...any) ([]T, error) {
	var list []T
	err := s.engine.read(ctx, func(r reader) (err error) {
		list, err = rowsOf[T](ctx, r, table, tail, args...)
		return err
	})
	if err != nil {
		return nil, s.engine.problem(err)
	}
	return list, nil
}

func rowsOf[T any](ctx context.Context, r reader, table, tail string, args ...any) ([]T, error) {
	columns := make([]string, 0, 40)
	for _, f := range fieldsOf(reflect.TypeFor[T]()) {
		columns = append(columns, f.column)
	}
	cursor, err := r.rows(ctx, "SELECT "+quoteNames(columns)+" FROM "+quoteName(table)+" "+tail, args...)
	if err != nil {
		return nil, err
	}
	defer cursor.close()
	var list []T
	for {
		row, err := cursor.next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		one, err := decode[T](row)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", table, err)
		}
		list = append(list, one)
	}
}

// each runs f on every row of an answer.
func (s *Store) each(ctx context.Context, sql string, args []any, f func(row []any) error) error {
	err := s.engine.read(ctx, func(r reader) error { return eachRow(ctx, r, sql, args, f) })
	if err != nil {
		return s.engine.problem(err)
	}
	return nil
}

func bigints[T ~int64](ids []T) []int64 {
	out := make([]int64, len(ids))
	for i := range ids {
		out[i] = int64(ids[i])
	}
	return out
}
