package store

import (
	"context"
	"fmt"

	"github.com/weirhq/weir/internal/ci"
)

// Load writes rows of one published table as they are, in one transaction: for
// rows that do not come from GitLab, and for tests and benchmarks. A row's
// values are in the order of the table's columns: nil, bool, int64, float64,
// string (JSON too), time.Time in UTC or []string. A row of a key that is stored
// already follows the table's rule of which is newer. Nothing that follows from
// other rows (links, tombstones below) is looked at: that is Apply's; but what is
// kept for metrics is marked. Internal for a table that there is none of, or a
// row of another length.
func (s *Store) Load(ctx context.Context, table string, rows [][]any) error {
	t, ok := TableByName(table)
	if !ok || t.IsView() {
		return problem(ci.Internal, fmt.Sprintf("There is no table %q to load.", table), "", nil)
	}
	for _, row := range rows {
		if len(row) != len(t.Columns) {
			return problem(ci.Internal, fmt.Sprintf("A row of %s has %d columns, and %d values came.", table, len(t.Columns), len(row)), "", nil)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	err := s.engine.write(ctx, func(w writer) error {
		if _, err := writeTable(ctx, w, &load{t, layers(&t, rows)}); err != nil {
			return err
		}
		return markMeasured(ctx, w, &t, rows)
	})
	if err != nil {
		return s.engine.problem(err)
	}
	return nil
}
