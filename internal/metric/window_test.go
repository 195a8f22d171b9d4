package metric

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/ci"
)

func TestReadWindow(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 123456789, time.UTC)
	for _, test := range []struct{ name, from, to, tz, want string }{
		{"defaults", "", "", "", "2026-10-23T09:00:00.123456Z 2026-11-22T09:00:00.123456Z"},
		{"spans", "4w", "12h", "", "2026-10-25T09:00:00.123456Z 2026-11-21T21:00:00.123456Z"},
		{"dates", "2026-11-21", "2026-11-22", "", "2026-11-21T00:00:00Z 2026-11-22T00:00:00Z"},
		{"instants", "2026-11-21T10:00:00+02:00", "2026-11-21T10:00:00.5Z", "Asia/Tokyo", "2026-11-21T08:00:00Z 2026-11-21T10:00:00.5Z"},
		// Thirty days back by the calendar of Berlin are an hour more than 720.
		{"calendar days", "30d", "", "Europe/Berlin", "2026-10-23T08:00:00.123456Z 2026-11-22T09:00:00.123456Z"},
		{"dates in a zone", "2026-10-25", "2026-10-26", "Europe/Berlin", "2026-10-24T22:00:00Z 2026-10-25T23:00:00Z"},
		// In Beirut summer time begins at midnight, which is skipped.
		{"a midnight that is skipped", "2024-03-31", "2024-04-01", "Asia/Beirut", "2024-03-30T22:00:00Z 2024-03-31T21:00:00Z"},
		// In Havana it ends at 01:00, so that midnight comes twice.
		{"a midnight that comes twice", "2024-11-03", "2024-11-04", "America/Havana", "2024-11-03T04:00:00Z 2024-11-04T05:00:00Z"},
		// Samoa skipped 2011-12-30.
		{"a day that is skipped", "2011-12-30", "2012-01-01", "Pacific/Apia", "2011-12-30T10:00:00Z 2011-12-31T10:00:00Z"},
	} {
		w, err := readWindow(test.from, test.to, test.tz, now)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		} else if got := timeText(w.From) + " " + timeText(w.To); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestReadWindowRefuses(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	for _, test := range []struct{ from, to, tz string }{
		{"now", "", ""},
		{"30", "", ""},
		{"30m", "", ""},
		{"-3d", "", ""},
		{"1.5d", "", ""},
		{"99999999999999999999d", "", ""},
		{"1000000w", "", ""},
		{"d", "", ""},
		{"2026-02-30", "", ""},
		{"2026-11-22 10:00", "", ""},
		{"0000-01-01", "", ""},
		{"2026-11-22", "2026-11-22", ""},
		{"0h", "", ""},
		{"", "", "Local"},
		{"", "", "../etc/passwd"},
	} {
		if _, err := readWindow(test.from, test.to, test.tz, now); ci.CodeOf(err) != ci.BadRequest {
			t.Errorf("%q: %v, want bad_request", test, err)
		}
	}
}

func TestPreviousWindow(t *testing.T) {
	for _, test := range []struct {
		name, from, to, tz, want string
		back                     time.Duration
	}{
		{"a day", "2026-11-21", "2026-11-22", "UTC", "2026-11-14T00:00:00Z 2026-11-15T00:00:00Z", 7 * 24 * time.Hour},
		{"a week", "2026-11-15", "2026-11-22", "UTC", "2026-11-08T00:00:00Z 2026-11-15T00:00:00Z", 7 * 24 * time.Hour},
		{"30 days", "2026-10-23", "2026-11-22", "UTC", "2026-09-18T00:00:00Z 2026-10-18T00:00:00Z", 35 * 24 * time.Hour},
		{"49 days", "2026-10-04", "2026-11-22", "UTC", "2026-08-16T00:00:00Z 2026-10-04T00:00:00Z", 49 * 24 * time.Hour},
		// 49 calendar days, although an hour longer.
		{"49 days with 25 hours", "2026-10-04", "2026-11-22", "Europe/Berlin", "2026-08-15T22:00:00Z 2026-10-03T22:00:00Z", 49 * 24 * time.Hour},
		{"50 days", "2026-10-03", "2026-11-22", "UTC", "2026-08-14T00:00:00Z 2026-10-03T00:00:00Z", 50 * 24 * time.Hour},
		{"hours", "2026-11-21T10:00:00Z", "2026-11-21T22:00:00Z", "UTC", "2026-11-14T10:00:00Z 2026-11-14T22:00:00Z", 7 * 24 * time.Hour},
		// 10:00 in Berlin is 09:00 UTC now and 08:00 UTC in summer.
		{"the same hour by the clock", "2026-10-29T09:00:00Z", "2026-10-29T10:00:00Z", "Europe/Berlin", "2026-10-22T08:00:00Z 2026-10-22T09:00:00Z", 7 * 24 * time.Hour},
	} {
		w, err := readWindow(test.from, test.to, test.tz, time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC))
		if err != nil {
			t.Fatal(err)
		}
		p, back := w.previous()
		if got := timeText(p.From) + " " + timeText(p.To); got != test.want || back != test.back {
			t.Errorf("%s: %s (%s back), want %s (%s)", test.name, got, back, test.want, test.back)
		}
	}
}

func TestBuckets(t *testing.T) {
	for _, test := range []struct {
		by           Dim
		from, to, tz string
		want         []string
	}{
		{Day, "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z", "Europe/Berlin", []string{
			"2026-10-24 2026-10-24T12:00:00Z 2026-10-24T22:00:00Z",
			"2026-10-25 2026-10-24T22:00:00Z 2026-10-25T23:00:00Z",
			"2026-10-26 2026-10-25T23:00:00Z 2026-10-26T12:00:00Z",
		}},
		{Week, "2026-11-15", "2026-11-17", "UTC", []string{
			"2026-11-09 2026-11-15T00:00:00Z 2026-11-16T00:00:00Z",
			"2026-11-16 2026-11-16T00:00:00Z 2026-11-17T00:00:00Z",
		}},
		{Month, "2026-10-31", "2026-12-01", "UTC", []string{
			"2026-10-01 2026-10-31T00:00:00Z 2026-11-01T00:00:00Z",
			"2026-11-01 2026-11-01T00:00:00Z 2026-12-01T00:00:00Z",
		}},
		{Day, "2011-12-29", "2012-01-01", "Pacific/Apia", []string{
			"2011-12-29 2011-12-29T10:00:00Z 2011-12-30T10:00:00Z",
			"2011-12-31 2011-12-30T10:00:00Z 2011-12-31T10:00:00Z",
		}},
	} {
		w, err := readWindow(test.from, test.to, test.tz, time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, b := range w.buckets(test.by) {
			got = append(got, b.label+" "+timeText(b.from)+" "+timeText(b.to))
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s of %s %s (-want +got):\n%s", test.by, test.from, test.tz, diff)
		}
	}
}
