package metric

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
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
	var list []*daily
	err = e.series(ctx, v, q, &r, func(d *daily) {
		if q.wantsSeries(d) {
			list = append(list, d)
		}
	})
	if err != nil {
		return result{}, err
	}
	found, err := search(ctx, list)
	if err != nil || len(found) == 0 {
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

// search looks for changes of level in each series, on all processors: of ten
// million jobs there are thousands of series, and none needs another. What it
// finds stands in the order of the list.
func search(ctx context.Context, list []*daily) ([]shift, error) {
	var group errgroup.Group
	shares := make([][]shift, min(runtime.GOMAXPROCS(0), len(list)))
	for i := range shares {
		group.Go(func() error {
			for _, d := range list[i*len(list)/len(shares) : (i+1)*len(list)/len(shares)] {
				if d.length() < ci.ShiftDays {
					continue // of job names that come and go there are many
				}
				if err := cmp.Or(ctx.Err(), d.unpack()); err != nil {
					return err
				}
				for _, s := range ci.Shifts(d.levels) {
					shares[i] = append(shares[i], shift{d, s})
				}
			}
			return nil
		})
	}
	err := group.Wait()
	return slices.Concat(shares...), err
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
