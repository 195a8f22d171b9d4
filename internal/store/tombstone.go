package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// tombstoned names the tables whose rows can be deleted, and for each the
// condition by which a tombstone finds its rows there and in the tables below:
// $1 instance, $2 ids, $3 when.
func tombstoned() map[string][]string {
	const live = " SET deleted_at = $3 WHERE deleted_at IS NULL AND synced_at <= $3 AND instance_id = $1 AND "
	return map[string][]string{
		"groups":       {"UPDATE groups" + live + "id = ANY($2)"},
		"repositories": {"UPDATE repositories" + live + "id = ANY($2)"},
		"projects": {
			"UPDATE projects" + live + "id = ANY($2)",
			"UPDATE pipelines" + live + "project_id = ANY($2)", "UPDATE jobs" + live + "project_id = ANY($2)",
			"UPDATE deployments" + live + "project_id = ANY($2)",
		},
		"pipelines": {"UPDATE pipelines" + live + "id = ANY($2)", "UPDATE jobs" + live + "pipeline_id = ANY($2)"},
		"jobs":      {"UPDATE jobs" + live + "id = ANY($2)"},
	}
}

// bury sets deleted_at. Tombstones of one table, instance and moment go together.
func bury(ctx context.Context, w writer, list []Tombstone) error {
	type group struct {
		table    string
		instance int64
		at       int64 // microseconds
	}
	groups := map[group][]int64{}
	var order []group
	for _, d := range list {
		g := group{d.Table, int64(d.InstanceID), d.At.UnixMicro()}
		if _, ok := groups[g]; !ok {
			order = append(order, g)
		}
		groups[g] = append(groups[g], d.ID)
	}
	slices.SortStableFunc(order, func(a, b group) int {
		return cmp.Or(cmp.Compare(a.table, b.table), cmp.Compare(a.instance, b.instance), cmp.Compare(a.at, b.at))
	})
	statements := tombstoned()
	for _, g := range order {
		for _, statement := range statements[g.table] {
			if _, err := w.exec(ctx, statement, g.instance, groups[g], time.UnixMicro(g.at).UTC()); err != nil {
				return err
			}
		}
	}
	return nil
}

// inherit marks rows of the batch that came after the tombstone of the project
// or pipeline above them, although they were asked for before it: else the
// order of arrival would decide.
func inherit(ctx context.Context, w writer, b *Batch) error {
	pipelines, projects := map[ci.InstanceID][]int64{}, map[ci.InstanceID][]int64{}
	for i := range b.Pipelines {
		p := &b.Pipelines[i]
		projects[p.InstanceID] = append(projects[p.InstanceID], int64(p.ProjectID))
	}
	for i := range b.Jobs {
		j := &b.Jobs[i]
		projects[j.InstanceID] = append(projects[j.InstanceID], int64(j.ProjectID))
		pipelines[j.InstanceID] = append(pipelines[j.InstanceID], int64(j.PipelineID))
	}
	for i := range b.Deployments {
		d := &b.Deployments[i]
		projects[d.InstanceID] = append(projects[d.InstanceID], int64(d.ProjectID))
	}
	if err := inheritFrom(ctx, w, "projects", projects, "pipelines", "jobs", "deployments"); err != nil {
		return err
	}
	return inheritFrom(ctx, w, "pipelines", pipelines, "jobs")
}

func inheritFrom(ctx context.Context, w writer, above string, ids map[ci.InstanceID][]int64, below ...string) error {
	for instance, list := range ids {
		slices.Sort(list)
		list = slices.Compact(list)
		deleted, err := oneInt(ctx, w, "SELECT count(*) FROM "+above+" WHERE instance_id = $1 AND deleted_at IS NOT NULL AND id = ANY($2)",
			int64(instance), list)
		if err != nil {
			return err
		}
		if deleted == 0 {
			continue
		}
		for _, table := range below {
			_, err := w.exec(ctx, fmt.Sprintf(`UPDATE %[1]s SET deleted_at = a.deleted_at FROM %[2]s a
				WHERE a.instance_id = $1 AND a.id = ANY($2) AND %[1]s.instance_id = $1 AND %[1]s.%[3]s = a.id
				AND %[1]s.deleted_at IS NULL AND %[1]s.synced_at <= a.deleted_at`, table, above, strings.TrimSuffix(above, "s")+"_id"),
				int64(instance), list)
			if err != nil {
				return err
			}
		}
	}
	return nil
}
