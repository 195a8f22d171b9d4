package store

import (
	"context"

	"github.com/weirhq/weir/internal/ci"
)

// What the importer reads to place the events of web hooks.

// ProjectsByID gives those of an instance's projects that have one of the ids,
// deleted ones too, by id; no ids give none.
func (s *Store) ProjectsByID(ctx context.Context, instance ci.InstanceID, ids []ci.ProjectID) ([]ci.Project, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	return all[ci.Project](ctx, s, "projects", `WHERE instance_id = $1 AND id = ANY($2) ORDER BY id`, int64(instance), bigints(ids))
}

// StoredPipelines says which of the ids are those of live stored pipelines; no
// ids give none.
func (s *Store) StoredPipelines(ctx context.Context, instance ci.InstanceID, ids []ci.PipelineID) (map[ci.PipelineID]bool, error) {
	there := make(map[ci.PipelineID]bool, len(ids))
	if len(ids) == 0 {
		return there, nil
	}
	err := s.each(ctx, `SELECT id FROM pipelines WHERE instance_id = $1 AND id = ANY($2) AND deleted_at IS NULL`, []any{int64(instance), bigints(ids)},
		func(row []any) error {
			there[ci.PipelineID(row[0].(int64))] = true
			return nil
		})
	return there, err
}

// HookedPipelineIDs gives the ids of a project's live pipelines of whose last
// change only a hook has told, in ascending order.
func (s *Store) HookedPipelineIDs(ctx context.Context, instance ci.InstanceID, project ci.ProjectID) ([]ci.PipelineID, error) {
	var ids []ci.PipelineID
	err := s.each(ctx, `SELECT id FROM pipelines WHERE instance_id = $1 AND project_id = $2 AND updated_at IS NULL
		AND source IS DISTINCT FROM 'external' AND deleted_at IS NULL ORDER BY id`, []any{int64(instance), int64(project)},
		func(row []any) error {
			ids = append(ids, ci.PipelineID(row[0].(int64)))
			return nil
		})
	return ids, err
}

// HookedProjects says which of an instance's projects have pipelines that
// HookedPipelineIDs would give; no ids give none.
func (s *Store) HookedProjects(ctx context.Context, instance ci.InstanceID, ids []ci.ProjectID) (map[ci.ProjectID]bool, error) {
	hooked := make(map[ci.ProjectID]bool)
	if len(ids) == 0 {
		return hooked, nil
	}
	err := s.each(ctx, `SELECT DISTINCT project_id FROM pipelines WHERE instance_id = $1 AND project_id = ANY($2) AND updated_at IS NULL
		AND source IS DISTINCT FROM 'external' AND deleted_at IS NULL`, []any{int64(instance), bigints(ids)},
		func(row []any) error {
			hooked[ci.ProjectID(row[0].(int64))] = true
			return nil
		})
	return hooked, err
}
