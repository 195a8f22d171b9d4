package gitlab_test

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/weirhq/weir/internal/gitlab"
)

func TestQuietHours(t *testing.T) {
	const never = ""
	for _, tt := range []struct {
		hours string
		at    string
		quiet bool
		until string
	}{
		// 2026-11-23 is a Monday.
		{"08:00-18:00 Mon-Fri Europe/Berlin", "2026-11-23T06:59:59Z", false, "2026-11-23T07:00:00Z"},
		{"08:00-18:00 Mon-Fri Europe/Berlin", "2026-11-23T07:00:00Z", true, "2026-11-23T17:00:00Z"},
		{"08:00-18:00 Mon-Fri Europe/Berlin", "2026-11-27T16:59:59Z", true, "2026-11-27T17:00:00Z"},
		{"08:00-18:00 Mon-Fri Europe/Berlin", "2026-11-27T17:00:00Z", false, "2026-11-30T07:00:00Z"},
		{"08:00-18:00 mon-fri Europe/Berlin", "2026-07-06T06:00:00Z", true, "2026-07-06T16:00:00Z"}, // summer time
		// Over midnight: the night belongs to the day on which it begins.
		{"22:00-06:00 Fri UTC", "2026-11-27T21:59:00Z", false, "2026-11-27T22:00:00Z"},
		{"22:00-06:00 Fri UTC", "2026-11-28T05:59:30Z", true, "2026-11-28T06:00:00Z"},
		{"22:00-06:00 Fri UTC", "2026-11-27T05:00:00Z", false, "2026-11-27T22:00:00Z"},
		{"22:00-06:00 Fri UTC", "2026-11-28T23:00:00Z", false, "2026-12-04T22:00:00Z"},
		{"22:00-24:00 UTC", "2026-11-28T23:00:00Z", true, "2026-11-29T00:00:00Z"},
		// A range of days round the week's end, and a list.
		{"00:00-24:00 Sat-Mon UTC", "2026-11-28T12:00:00Z", true, "2026-12-01T00:00:00Z"},
		{"00:00-24:00 Sat,Mon UTC", "2026-11-28T12:00:00Z", true, "2026-11-29T00:00:00Z"},
		// Two places of work.
		{"09:00-17:00 Europe/Berlin; 09:00-17:00 America/New_York", "2026-11-23T15:30:00Z", true, "2026-11-23T22:00:00Z"},
		{"00:00-24:00 UTC", "2026-11-23T15:30:00Z", true, never},
		{"", "2026-11-23T15:30:00Z", false, never},
		// 2026-03-29 Europe/Berlin: 02:00 is 03:00. The hour that is left out
		// neither begins nor is quiet.
		{"02:00-03:00 Europe/Berlin", "2026-03-29T00:30:00Z", false, "2026-03-30T00:00:00Z"},
		{"02:30-04:00 Europe/Berlin", "2026-03-29T00:59:00Z", false, "2026-03-29T01:00:00Z"},
		{"02:30-04:00 Europe/Berlin", "2026-03-29T01:00:00Z", true, "2026-03-29T02:00:00Z"},
		// 2026-10-25 Europe/Berlin: 03:00 is 02:00 again. What comes twice is
		// quiet twice.
		{"02:00-03:00 Europe/Berlin", "2026-10-25T00:00:00Z", true, "2026-10-25T02:00:00Z"},
		{"02:00-02:30 Europe/Berlin", "2026-10-25T00:10:00Z", true, "2026-10-25T00:30:00Z"},
		{"02:00-02:30 Europe/Berlin", "2026-10-25T00:40:00Z", false, "2026-10-25T01:00:00Z"},
		// A zone that is not ahead by whole hours.
		{"09:00-10:00 Asia/Kathmandu", "2026-11-23T03:14:59Z", false, "2026-11-23T03:15:00Z"},
	} {
		q, err := gitlab.ParseQuietHours(tt.hours, 0)
		if err != nil {
			t.Errorf("%q: %v", tt.hours, err)
			continue
		}
		at, err := time.Parse(time.RFC3339, tt.at)
		if err != nil {
			t.Fatal(err)
		}
		quiet, until := q.At(at)
		told := never
		if !until.IsZero() {
			told = until.UTC().Format(time.RFC3339)
		}
		if quiet != tt.quiet || told != tt.until {
			t.Errorf("%q at %s: quiet %v until %q, want %v until %q", tt.hours, tt.at, quiet, told, tt.quiet, tt.until)
		}
	}
}

func TestQuietHoursThatCannotBeRead(t *testing.T) {
	for text, want := range map[string]string{
		"08:00-18:00":                       "a time zone",
		"8-18 UTC":                          `"8" is no time of the day`,
		"08:00-25:00 UTC":                   `"25:00" is no time of the day`,
		"08:00 UTC":                         `"08:00" is no span`,
		"08:00-08:00 UTC":                   "no length",
		"24:00-08:00 UTC":                   "no length",
		"08:00-18:00 Mo-Fr UTC":             `"Mo" is no day`,
		"08:00-18:00 Mon-Fri Europe/Berlyn": `"Europe/Berlyn" is no time zone`,
		"08:00-18:00 Mon-Fri Local":         `"Local" is no time zone`,
		"08:00-18:00 Mon Tue UTC":           "too many",
		"08:00-18:00 UTC;":                  "needed at least",
	} {
		_, err := gitlab.ParseQuietHours(text, 0)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := gitlab.ParseQuietHours("08:00-18:00 UTC", -1); err == nil {
		t.Error("a ceiling below zero was taken")
	}
}

// FuzzQuietHours: whatever is read can be asked about any time, and changes
// exactly when it says.
func FuzzQuietHours(f *testing.F) {
	for _, text := range []string{"08:00-18:00 Mon-Fri Europe/Berlin", "22:00-06:00 Fri UTC;00:00-24:00 Sat-Sun Asia/Kathmandu", "02:30-03:30 Africa/Casablanca", "x"} {
		f.Add(text, int64(1_700_000_000))
	}
	f.Fuzz(func(t *testing.T, text string, second int64) {
		q, err := gitlab.ParseQuietHours(text, 1)
		if err != nil || len(text) > 200 {
			return
		}
		at := time.Unix(second%4_000_000_000, 0)
		quiet, until := q.At(at)
		if until.IsZero() {
			return
		}
		before, _ := q.At(until.Add(-time.Second))
		after, _ := q.At(until)
		if !until.After(at) || before != quiet || after == quiet {
			t.Errorf("%q at %v: quiet %v until %v, there %v and then %v", text, at, quiet, until, before, after)
		}
	})
}
