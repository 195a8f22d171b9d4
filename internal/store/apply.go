package store

import (
	"context"
	"fmt"

	"github.com/weirhq/weir/internal/ci"
)

// Apply writes a batch in one transaction: all of it or, on any error, nothing.
// When it returns without error the batch survives a kill of the process.
// Afterwards the links between pipelines are right for all rows of the batch,
// whichever of bridge and pipeline came first.
func (s *Store) Apply(ctx context.Context, b Batch) (Written, error) {
	loads, err := b.loads()
	if err != nil {
		return nil, err
	}
	patches := make([][]load, len(b.Patches))
	for i := range b.Patches {
		if patches[i], err = b.Patches[i].loads(); err != nil {
			return nil, err
		}
	}
	touched := b.touched()
	for _, d := range b.Deleted {
		if _, ok := tombstoned()[d.Table]; !ok {
			return nil, problem(ci.Internal, fmt.Sprintf("Rows of %q cannot be deleted.", d.Table), "", nil)
		}
	}
	if len(loads)+len(patches)+len(b.Reaches)+len(b.Moved)+len(b.Deleted) == 0 {
		return Written{}, nil
	}
	var written Written
	err = s.engine.write(ctx, func(w writer) error {
		written = Written{}
		for i := range loads {
			n, err := writeTable(ctx, w, &loads[i])
			if err != nil {
				return fmt.Errorf("write %s: %w", loads[i].table.Name, err)
			}
			if n > 0 {
				written[loads[i].table.Name] = n
			}
		}
		for i := range patches {
			for j := range patches[i] {
				l := &patches[i][j]
				n, err := patchTable(ctx, w, l, b.Patches[i].Said)
				if err != nil {
					return fmt.Errorf("patch %s: %w", l.table.Name, err)
				}
				if n > 0 {
					written[l.table.Name] += n
				}
			}
		}
		if err := link(ctx, w, &touched); err != nil {
			return fmt.Errorf("link pipelines: %w", err)
		}
		if err := mark(ctx, w, &touched); err != nil {
			return fmt.Errorf("mark pipelines for the catalog: %w", err)
		}
		if err := writeReach(ctx, w, b.Reaches); err != nil {
			return fmt.Errorf("write what a connection saw: %w", err)
		}
		if err := move(ctx, w, b.Moved); err != nil {
			return fmt.Errorf("move projects: %w", err)
		}
		if err := bury(ctx, w, b.Deleted); err != nil {
			return fmt.Errorf("mark deleted rows: %w", err)
		}
		if err := inherit(ctx, w, &touched); err != nil {
			return fmt.Errorf("mark rows below deleted ones: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, s.engine.problem(err)
	}
	return written, nil
}

func writeTable(ctx context.Context, w writer, l *load) (int64, error) {
	t := &l.table
	var total int64
	for _, rows := range l.layers {
		known, err := w.insert(ctx, t, rows)
		if err != nil {
			return 0, err
		}
		total += int64(len(rows) - len(known))
		if rows = known; len(rows) == 0 {
			continue
		}
		if err := w.load(ctx, t, rows); err != nil {
			return 0, err
		}
		if t.keyless {
			if _, err := w.exec(ctx, clearStaged(t)); err != nil {
				return 0, err
			}
		}
		n, err := w.exec(ctx, upsert(t))
		if err != nil {
			return 0, err
		}
		total += n
		if n == int64(len(rows)) {
			continue // none of them was late
		}
		if statement := late(t); statement != "" {
			if _, err := w.exec(ctx, statement); err != nil {
				return 0, err
			}
		}
		if t.Name == "jobs" {
			if _, err := w.exec(ctx, unsettleLost); err != nil {
				return 0, err
			}
		}
	}
	return total, nil
}
