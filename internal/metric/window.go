package metric

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a container has often no zones of its own

	"github.com/weirhq/weir/internal/ci"
)

// Window is the stretch of time that an answer is about: [From, To).
type Window struct {
	From, To time.Time // UTC
	TZ       string    // IANA name of the zone that days are counted in

	zone *time.Location
}

// defaultFrom is where a window begins that names no beginning.
const defaultFrom = "30d"

// readWindow reads a window as people write it: a time is RFC 3339, a date (its
// first instant in the zone) or a span back from now (30d, 12h, 4w; days and
// weeks are the calendar's). Empty means 30d, now and UTC. Errors are bad_request.
func readWindow(from, to, tz string, now time.Time) (Window, error) {
	if tz == "" {
		tz = "UTC"
	}
	zone, err := time.LoadLocation(tz)
	if err != nil || tz == "Local" {
		return Window{}, badRequest(fmt.Sprintf("%q is no time zone.", tz), "Name one as the IANA does: Europe/Berlin, UTC.")
	}
	now = now.UTC().Truncate(time.Microsecond) // what both databases keep
	w := Window{TZ: tz, zone: zone, To: now}
	if from == "" {
		from = defaultFrom
	}
	if w.From, err = readTime(from, zone, now); err != nil {
		return Window{}, err
	}
	if to != "" {
		if w.To, err = readTime(to, zone, now); err != nil {
			return Window{}, err
		}
	}
	if !w.From.Before(w.To) {
		return Window{}, badRequest(
			fmt.Sprintf("The window begins at %s and ends at %s.", w.From.Format(time.RFC3339), w.To.Format(time.RFC3339)),
			"Give a beginning before the end; the end itself is not part of the window.",
		)
	}
	return w, nil
}

func readTime(s string, zone *time.Location, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t.UTC().Truncate(time.Microsecond), bounded(s, t)
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return startOfDay(t.Year(), t.Month(), t.Day(), zone).UTC(), bounded(s, t)
	}
	if digits, unit := s[:max(0, len(s)-1)], s[max(0, len(s)-1):]; digits != "" && strings.Trim(digits, "0123456789") == "" {
		n, err := strconv.Atoi(digits)
		const most = 1_000_000 // hours, more than a century
		if err == nil && n <= most {
			switch unit {
			case "h":
				return now.Add(-time.Duration(n) * time.Hour), nil
			case "d":
				t := now.In(zone).AddDate(0, 0, -n).UTC()
				return t, bounded(s, t)
			case "w":
				t := now.In(zone).AddDate(0, 0, -7*n).UTC()
				return t, bounded(s, t)
			}
		}
	}
	return time.Time{}, badRequest(fmt.Sprintf("%q is no time.", s),
		"Write a date (2026-11-22), a time (2026-11-22T09:00:00Z), or a span back from now (12h, 30d, 4w).")
}

// bounded refuses years that the databases would not read.
func bounded(s string, t time.Time) error {
	if t.Year() < 1000 || t.Year() > 9999 {
		return badRequest(fmt.Sprintf("%q is no time that weir can look at.", s), "Give a year of four digits.")
	}
	return nil
}

// startOfDay gives the first instant of a day in a zone. Where midnight is
// skipped that is the instant of the jump, and where it comes twice the first.
func startOfDay(year int, month time.Month, day int, zone *time.Location) time.Time {
	midnight := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	for at := midnight.Add(-36 * time.Hour).In(zone); ; {
		begins, ends := at.ZoneBounds()
		_, offset := at.Zone()
		first := midnight.Add(-time.Duration(offset) * time.Second).In(zone)
		if first.Before(begins) {
			first = begins
		}
		if (ends.IsZero() || first.Before(ends)) && !wall(first).Before(midnight) {
			return first
		}
		if ends.IsZero() {
			return first // cannot be: the last bounds have no end
		}
		at = ends
	}
}

// wall gives what a clock in t's zone shows, as if that were UTC.
func wall(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// clock gives what a calendar in the zone shows at t: midnight for the first
// instant of a day, also where midnight itself is skipped.
func (w *Window) clock(t time.Time) time.Time {
	t = t.In(w.zone)
	if t.Equal(startOfDay(t.Year(), t.Month(), t.Day(), w.zone)) {
		return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	}
	return wall(t)
}

// instant is the reverse of clock.
func (w *Window) instant(clock time.Time) time.Time {
	if clock.Equal(clock.Truncate(24 * time.Hour)) {
		return startOfDay(clock.Year(), clock.Month(), clock.Day(), w.zone).UTC()
	}
	return time.Date(clock.Year(), clock.Month(), clock.Day(), clock.Hour(), clock.Minute(), clock.Second(), clock.Nanosecond(), w.zone).UTC()
}

// length gives the window's length by the zone's calendar: a day in which the
// clock is set back is one day.
func (w *Window) length() time.Duration { return w.clock(w.To).Sub(w.clock(w.From)) }

// Days gives the window's length in calendar days of its zone.
func (w *Window) Days() float64 { return w.length().Hours() / 24 }

// The longest window whose previous one is rounded up to whole weeks.
const weeklyUpTo = 49 * 24 * time.Hour

// previous gives the window before, and how far it lies back by the calendar:
// the window's own length, rounded up to whole weeks in windows of at most 49
// days, so that weekdays are compared with their like.
func (w *Window) previous() (Window, time.Duration) {
	const week = 7 * 24 * time.Hour
	back := w.length()
	if back <= weeklyUpTo {
		back = (back + week - 1) / week * week
	}
	p := Window{TZ: w.TZ, zone: w.zone, From: w.instant(w.clock(w.From).Add(-back)), To: w.instant(w.clock(w.To).Add(-back))}
	return p, back
}

// bucket is a stretch of a window with the day that names it.
type bucket struct {
	label    string
	from, to time.Time
}

// buckets cuts the window into days, weeks or months of its zone; the first and
// the last may be cut short by the window.
func (w *Window) buckets(by Dim) []bucket {
	next := func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }
	begin := w.clock(w.From).Truncate(24 * time.Hour)
	switch by {
	case Week:
		begin = begin.AddDate(0, 0, -(int(begin.Weekday())+6)%7)
		next = func(t time.Time) time.Time { return t.AddDate(0, 0, 7) }
	case Month:
		begin = begin.AddDate(0, 0, 1-begin.Day())
		next = func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }
	}
	var list []bucket
	for day := begin; ; day = next(day) {
		from, to := w.instant(day), w.instant(next(day))
		if !from.Before(w.To) {
			return list
		}
		if from.Before(w.From) {
			from = w.From
		}
		if to.After(w.To) {
			to = w.To
		}
		if from.Before(to) { // a day that a zone skipped is none
			list = append(list, bucket{day.Format(time.DateOnly), from, to})
		}
	}
}

func badRequest(cause, remedy string) *ci.Problem {
	return &ci.Problem{Code: ci.BadRequest, Cause: cause, Remedy: remedy}
}
