package gitlabtest

import (
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"
)

func TestAppendTime(t *testing.T) {
	for _, at := range []time.Time{
		{}, time.Unix(0, 999_999_999).UTC(), time.Date(2026, 12, 31, 23, 59, 59, 7_999_999, time.UTC), time.Date(2024, 2, 29, 0, 0, 0, 70e6, time.UTC), time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		if got, want := string(appendTime(nil, at)), at.Format(timeFormat); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestAppendFloat(t *testing.T) {
	for v, want := range map[float64]string{0: "0.0", 17: "17.0", 84.557115: "84.557115", 0.000001: "0.000001", 11839478.849331: "11839478.849331"} {
		if got := string(appendFloat(nil, v)); got != want {
			t.Errorf("%v gives %s, want %s", v, got, want)
		}
	}
}

// FuzzString: whatever a name holds, its JSON is JSON and says the same.
func FuzzString(f *testing.F) {
	for _, seed := range []string{"", `a"b\c`, "<b>&\n\t\x00\x1f", "ü 🦫 \u2028", "\xff\xfe", "\xed\xa0\x80"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := appendString(nil, s)
		var got string
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		if utf8.ValidString(s) && got != s {
			t.Errorf("%q came back as %q", s, got)
		}
	})
}
