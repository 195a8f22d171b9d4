package store

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// tombstoned names the tables whose rows can be deleted, and for each the
// condition by which a tombstone finds its rows there and in the tables below:
// $1 instance, $2 ids, $3 when.
func tombstoned() map[string][]string {
	const live = " SET deleted_at = $3 WHERE deleted_at IS NULL AND synced_at <= $3 AND instance_id = $1 AND "
	return map[string][]string{
		"groups":       {"UPDATE groups" + live + "id = ANY($2)"},
		"repositories": {"UPDATE repositories" + live + "id = ANY($2)"},
		"projects": {"UPDATE projects" + live + "id = ANY($2)",
			"UPDATE pipelines" + live + "project_id = ANY($2)", "UPDATE jobs" + live + "project_id = ANY($2)"},
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
