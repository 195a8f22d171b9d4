package store

import (
	"context"

	"github.com/weirhq/weir/internal/ci"
)

// Which pipelines the catalog's rules have not seen as they are now stands in
// catalog_dirty, written in the transaction that changes them: a kill between
// an import and its mapping forgets nothing. What rules see of a project is
// compared instead (mapping.go), because every sync writes every project. What
// is kept for metrics (measure.go) is marked beside it.

const markDirty = `INSERT INTO catalog_dirty (instance_id, pipeline_id)
SELECT $1, id FROM unnest(CAST($2 AS BIGINT[])) AS t(id) ON CONFLICT DO NOTHING`

// mark notes the pipelines of a batch, those of its jobs and deployments, and
// those that its bridges started.
func mark(ctx context.Context, w writer, b *Batch) error {
	changed := map[ci.InstanceID][]int64{}
	for i := range b.Pipelines {
		p := &b.Pipelines[i]
		changed[p.InstanceID] = append(changed[p.InstanceID], int64(p.ID))
	}
	for i := range b.Jobs {
		j := &b.Jobs[i]
		changed[j.InstanceID] = append(changed[j.InstanceID], int64(j.PipelineID))
		if j.DownstreamPipelineID != nil {
			changed[j.InstanceID] = append(changed[j.InstanceID], int64(*j.DownstreamPipelineID))
		}
	}
	for i := range b.Deployments {
		if d := &b.Deployments[i]; d.PipelineID != nil {
			changed[d.InstanceID] = append(changed[d.InstanceID], int64(*d.PipelineID))
		}
	}
	if err := markIn(ctx, w, markDirty, changed); err != nil {
		return err
	}
	for i := range b.JobNeeds {
		n := &b.JobNeeds[i]
		changed[n.InstanceID] = append(changed[n.InstanceID], int64(n.PipelineID))
	}
	return markIn(ctx, w, measureDirty, changed)
}

// PendingMappings says whether pipelines wait for the catalog's rules.
func (s *Store) PendingMappings(ctx context.Context) (bool, error) {
	pending := false
	err := s.each(ctx, "SELECT EXISTS (SELECT 1 FROM catalog_dirty)", nil, func(row []any) error {
		pending = row[0].(bool)
		return nil
	})
	return pending, err
}
