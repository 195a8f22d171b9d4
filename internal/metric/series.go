package metric

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store"
)

// daily is a series of days of one job or of the runs of one project.
type daily struct {
	instance, project int64
	name              any        // base_name; nil: runs
	packed            string     // days as text, until they are wanted
	days              []int      // since 1970, in order, whatever the zone
	levels            []ci.Level // of those days
}

// day is midnight, in UTC, of the day with that index.
func (d *daily) day(i int) time.Time { return time.Unix(int64(d.days[i])*86400, 0).UTC() }

// length is how many days the series has.
func (d *daily) length() int {
	if d.packed != "" {
		return strings.Count(d.packed, ",") + 1
	}
	return len(d.days)
}

// runs is how many runs or attempts the series counts, once it is unpacked.
func (d *daily) runs() (n int64) {
	for _, level := range d.levels {
		n += level.N
	}
	return n
}

// series gives the series that are looked at, one after the other.
func (e *Engine) series(ctx context.Context, v *store.View, q *question, r *result, f func(*daily)) error {
	if q.measured != "" {
		return e.measuredSeries(ctx, v, q, r, f)
	}
	var current *daily
	err := v.Each(ctx, r.sql, nil, func(row []any) error {
		instance, project, name := row[0].(int64), row[1].(int64), row[2]
		if current == nil || current.instance != instance || current.project != project || current.name != name {
			if current != nil {
				f(current)
			}
			current = &daily{instance: instance, project: project, name: name}
		}
		day, err := time.Parse(time.DateOnly, row[3].(string))
		if err != nil {
			return err
		}
		current.days = append(current.days, int(day.Unix()/86400))
		median, _ := row[5].(float64)
		current.levels = append(current.levels, ci.Level{Median: median, N: row[4].(int64)})
		r.coarse = r.coarse || row[6] == true
		return nil
	})
	if err != nil {
		return fmt.Errorf("metric %s: %w\n%s", q.metric.name, err, r.sql)
	}
	if current != nil {
		f(current)
	}
	return nil
}

// measuredSeries gives them from what the store keeps, each as one row with its
// days packed into a text: a hundred thousand rows would take longer to come
// than to compute.
func (e *Engine) measuredSeries(ctx context.Context, v *store.View, q *question, r *result, f func(*daily)) error {
	r.measured = true
	sql, err := q.renderMeasured(e.files)
	if err != nil {
		return err
	}
	err = v.Each(ctx, sql, nil, func(row []any) error {
		r.coarse = r.coarse || row[4] == true
		f(&daily{instance: row[0].(int64), project: row[1].(int64), name: row[2], packed: row[3].(string)})
		return nil
	})
	if err != nil {
		return fmt.Errorf("metric %s: %w\n%s", q.metric.name, err, sql)
	}
	return nil
}

// unpack reads packed days, which stand nearly in order: days since 1970, runs,
// median. A series that never was packed is left as it is.
func (d *daily) unpack() error {
	if d.packed == "" {
		return nil
	}
	n := d.length()
	d.days, d.levels = make([]int, 0, n), make([]ci.Level, 0, n)
	for rest, more := d.packed, true; more; {
		var text string
		text, rest, more = strings.Cut(rest, ",")
		day, level, err := unpackDay(text)
		if err != nil {
			return fmt.Errorf("a day of a series, %q: %w", text, err)
		}
		at := len(d.days)
		for at > 0 && d.days[at-1] > day {
			at--
		}
		d.days, d.levels = slices.Insert(d.days, at, day), slices.Insert(d.levels, at, level)
	}
	d.packed = ""
	return nil
}

func unpackDay(text string) (day int, level ci.Level, err error) {
	first, rest, _ := strings.Cut(text, " ")
	n, median, _ := strings.Cut(rest, " ")
	if day, err = strconv.Atoi(first); err != nil {
		return 0, level, err
	}
	if level.N, err = strconv.ParseInt(n, 10, 64); err != nil {
		return 0, level, err
	}
	level.Median, err = strconv.ParseFloat(median, 64)
	return day, level, err
}
