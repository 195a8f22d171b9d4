package metric

import (
	"context"
	"fmt"
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
	for rest := d.packed; rest != ""; {
		day, after, okDay := leadingInt(rest)
		runs, after, okRuns := leadingInt(after)
		ends := strings.IndexByte(after, ',')
		if ends < 0 {
			ends = len(after)
		}
		median, err := strconv.ParseFloat(after[:ends], 64)
		if err != nil || !okDay || !okRuns {
			return fmt.Errorf("days of a series, %q: at %q is no day, number and median", d.packed, rest)
		}
		d.days, d.levels = append(d.days, day), append(d.levels, ci.Level{Median: median, N: int64(runs)})
		for at := len(d.days) - 1; at > 0 && d.days[at-1] > d.days[at]; at-- {
			d.days[at-1], d.days[at] = d.days[at], d.days[at-1]
			d.levels[at-1], d.levels[at] = d.levels[at], d.levels[at-1]
		}
		rest = strings.TrimPrefix(after[ends:], ",")
	}
	d.packed = ""
	return nil
}

// leadingInt reads a number and the space after it. A hundred thousand of them
// take twice as long by strings.Cut and strconv.
func leadingInt(text string) (n int, rest string, ok bool) {
	digits, below := strings.CutPrefix(text, "-") // days before 1970
	for i := range len(digits) {
		c := digits[i]
		if c == ' ' && below {
			return -n, digits[i+1:], i > 0
		}
		if c == ' ' {
			return n, digits[i+1:], i > 0
		}
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + int(c-'0')
	}
	return 0, text, false
}
