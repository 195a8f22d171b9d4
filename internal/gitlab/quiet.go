package gitlab

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// QuietHours are the hours of the week in which nobody is to feel weir: then
// its background work keeps to a lower ceiling of its own. What a person asks
// for is not touched. The zero value has no quiet hours.
type QuietHours struct {
	spans []quietSpan
	text  string

	// PerMinute is the ceiling of background requests a credential in these
	// hours, fractions allowed; 0 or less: none go.
	PerMinute float64
}

// quietSpan is "22:00-06:00 Mon-Fri Europe/Berlin".
type quietSpan struct {
	from, to int     // minutes of the day on the wall clock; to <= from: on the day after
	days     [7]bool // on which it begins
	zone     *time.Location
}

// QuietForm says to a person how quiet hours are written.
const QuietForm = "Write them as 08:00-18:00 Mon-Fri Europe/Berlin: a span of the wall clock, days (left out: every day), a time zone (UTC, or a name such as Europe/Berlin); several with ; between them."

// ParseQuietHours reads quiet hours: "08:00-18:00 Mon-Fri Europe/Berlin", and
// several such with ";" between them. A span that ends before it begins ends on
// the day after, and belongs to the day on which it begins. Empty text has no
// quiet hours. The error says what cannot be read, QuietForm how to write it.
func ParseQuietHours(text string, perMinute float64) (QuietHours, error) {
	q := QuietHours{text: strings.Join(strings.Fields(text), " "), PerMinute: perMinute}
	if math.IsNaN(perMinute) || math.IsInf(perMinute, 0) || perMinute < 0 {
		return QuietHours{}, fmt.Errorf("%v is no number of requests a minute; use 0 (none) or more", perMinute)
	}
	if q.text == "" {
		return QuietHours{}, nil
	}
	for part := range strings.SplitSeq(q.text, ";") {
		span, err := parseQuietSpan(strings.Fields(part))
		if err != nil {
			return QuietHours{}, fmt.Errorf("the quiet hours %q cannot be read: %w", strings.TrimSpace(part), err)
		}
		q.spans = append(q.spans, span)
	}
	return q, nil
}

func parseQuietSpan(words []string) (s quietSpan, err error) {
	if len(words) < 2 {
		return s, errors.New("a span and a time zone are needed at least")
	}
	if len(words) > 3 {
		return s, fmt.Errorf("%q is one word too many", words[3])
	}
	from, to, ok := strings.Cut(words[0], "-")
	if !ok {
		return s, fmt.Errorf("%q is no span of hours", words[0])
	}
	if s.from, err = minuteOfDay(from); err != nil {
		return s, err
	}
	if s.to, err = minuteOfDay(to); err != nil {
		return s, err
	}
	if s.from == s.to || s.from == 24*60 {
		return s, fmt.Errorf("%s has no length (a whole day is 00:00-24:00)", words[0])
	}
	days := "Mon-Sun"
	if len(words) == 3 {
		days = words[1]
	}
	if s.days, err = parseDays(days); err != nil {
		return s, err
	}
	name := words[len(words)-1]
	// Local would mean another thing on another machine.
	if s.zone, err = time.LoadLocation(name); err != nil || strings.EqualFold(name, "local") {
		return s, fmt.Errorf("%q is no time zone", name)
	}
	return s, nil
}

// minuteOfDay reads "08:00"; "24:00" is the day's end.
func minuteOfDay(text string) (int, error) {
	if text == "24:00" {
		return 24 * 60, nil
	}
	at, err := time.Parse("15:04", text)
	if err != nil {
		return 0, fmt.Errorf("%q is no time of the day", text)
	}
	return at.Hour()*60 + at.Minute(), nil
}

// parseDays reads "Mon-Fri", "Sat,Sun", "Fri-Mon"; a range may go round the
// week's end.
func parseDays(text string) (days [7]bool, err error) {
	for part := range strings.SplitSeq(text, ",") {
		first, last, ok := strings.Cut(part, "-")
		if !ok {
			last = first
		}
		from, err := parseDay(first)
		if err != nil {
			return days, err
		}
		to, err := parseDay(last)
		if err != nil {
			return days, err
		}
		for d := from; ; d = (d + 1) % 7 {
			days[d] = true
			if d == to {
				break
			}
		}
	}
	return days, nil
}

func parseDay(text string) (int, error) {
	for d := range 7 {
		if strings.EqualFold(time.Weekday(d).String()[:3], text) {
			return d, nil
		}
	}
	return 0, fmt.Errorf("%q is no day: Mon Tue Wed Thu Fri Sat Sun", text)
}

// String gives the hours as they were written; "" for none.
func (q QuietHours) String() string { return q.text }

// At says whether a time lies in the quiet hours, and when that next changes;
// zero: never. What counts is the wall clock of each span's zone: on the day on
// which clocks go back, an hour that comes twice is quiet twice.
func (q QuietHours) At(t time.Time) (quiet bool, until time.Time) {
	quiet = q.covers(t)
	if len(q.spans) == 0 {
		return false, time.Time{}
	}
	// Clocks change by whole minutes, so every change is at one; and every span
	// begins or ends within a week and a day, if it ever does.
	next := t.Truncate(time.Minute)
	for range 8 * 24 * 60 {
		next = next.Add(time.Minute)
		if q.covers(next) != quiet {
			return quiet, next
		}
	}
	return quiet, time.Time{}
}

func (q QuietHours) covers(t time.Time) bool {
	return slices.ContainsFunc(q.spans, func(s quietSpan) bool {
		local := t.In(s.zone)
		minute, today := local.Hour()*60+local.Minute(), int(local.Weekday())
		if s.from < s.to {
			return s.days[today] && s.from <= minute && minute < s.to
		}
		return s.days[today] && s.from <= minute || s.days[(today+6)%7] && minute < s.to
	})
}
