package metric

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store"
)

// shift is a change of level that was found in a series.
type shift struct {
	series *daily
	ci.Shift
}

// shifts looks for changes of level in every series that the statement gives.
func (e *Engine) shifts(ctx context.Context, v *store.View, q *question) (result, error) {
	sql, err := q.render(e.files)
	if err != nil {
		return result{}, err
	}
	r := result{sql: sql, names: []string{"n", "before", "after", "value", "sha_before", "sha_after"}}
	searching, within := newSearch(ctx)
	err = e.series(within, v, q, &r, func(d *daily) {
		if q.wantsSeries(d) {
			searching.add(d)
		}
	})
	found, failed := searching.end()
	if err := cmp.Or(failed, err); err != nil {
		return result{}, err
	}
	if len(found) == 0 {
		return r, err
	}
	paths, err := projectPaths(ctx, v)
	if err != nil {
		return result{}, err
	}
	commits, err := e.commitsBeside(ctx, v, q, found)
	if err != nil {
		return result{}, err
	}
	for i, s := range found {
		d := s.series
		path, day := paths[[2]int64{d.instance, d.project}], d.day(s.At).Format(time.DateOnly)
		r.rows = append(r.rows, Row{
			Cells: []Cell{
				{"project", path},
				{"base_name", d.name},
				{"day", day},
				{"n", d.runs()},
				{"before", s.Before},
				{"after", s.After},
				{"value", s.After/s.Before - 1},
				{"sha_before", commits[i].before},
				{"sha_after", commits[i].after},
			},
			sort: []any{path, d.name, day, d.instance, d.project},
		})
	}
	slices.SortStableFunc(r.rows, func(a, b Row) int { return compareValues(a.sort, b.sort) })
	return r, nil
}

// search looks for changes of level in series, on all processors and while more
// series come: of ten million jobs there are thousands, and none needs another.
type search struct {
	group *errgroup.Group
	ctx   context.Context
	batch []*daily
	mu    sync.Mutex
	found []shift
}

// searchBatch is how many series are looked at together: one is done too soon to
// be worth the handing over.
const searchBatch = 64

// newSearch begins one, which [search.end] must end. The context that it gives
// is that of who brings the series: it ends with the search.
func newSearch(ctx context.Context) (*search, context.Context) {
	group, ctx := errgroup.WithContext(ctx)
	return &search{group: group, ctx: ctx}, ctx
}

func (s *search) add(d *daily) {
	if d.length() < ci.ShiftDays {
		return // of job names that come and go there are many
	}
	if s.batch = append(s.batch, d); len(s.batch) == searchBatch {
		s.look()
	}
}

// look hands the batch over.
func (s *search) look() {
	batch := s.batch
	s.batch = nil
	s.group.Go(func() error {
		var found []shift
		for _, d := range batch {
			if err := cmp.Or(s.ctx.Err(), d.unpack()); err != nil {
				return err
			}
			for _, one := range ci.Shifts(d.levels) {
				found = append(found, shift{d, one})
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.found = append(s.found, found...)
		return nil
	})
}

// end gives what was found, in no order.
func (s *search) end() ([]shift, error) {
	s.look()
	err := s.group.Wait()
	return s.found, err
}

// seriesKey names a series: that of a job of a project, or that of its runs,
// whose name is nil.
type seriesKey struct {
	instance, project int64
	name              any
}

// wantsSeries says whether a series is asked for: by a filter by base_name, if
// there is one, and by what wants to know of single ones only.
func (q *question) wantsSeries(d *daily) bool {
	if q.series != nil && !q.series[seriesKey{d.instance, d.project, d.name}] {
		return false
	}
	for _, c := range q.where {
		if c.dim.name != BaseName {
			continue
		}
		text, isText := d.name.(string)
		return !isText && c.null || isText && slices.Contains(c.values, text)
	}
	return true
}

// projectPaths gives the full path of every project.
func projectPaths(ctx context.Context, v *store.View) (map[[2]int64]any, error) {
	_, rows, err := v.Select(ctx, "SELECT instance_id, id, full_path FROM projects")
	if err != nil {
		return nil, fmt.Errorf("reading projects: %w", err)
	}
	paths := make(map[[2]int64]any, len(rows))
	for _, row := range rows {
		paths[[2]int64{row[0].(int64), row[1].(int64)}] = row[2]
	}
	return paths, nil
}
