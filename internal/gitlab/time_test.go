package gitlab_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/gitlab"
)

func TestParseTime(t *testing.T) {
	utc := func(y, mo, d, h, mi, s, ms int) time.Time {
		return time.Date(y, time.Month(mo), d, h, mi, s, ms*int(time.Millisecond), time.UTC)
	}
	for _, tt := range []struct {
		text string
		want time.Time
	}{
		{"2023-10-28T19:17:06.123Z", utc(2023, 10, 28, 19, 17, 6, 123)},
		{"2023-10-28T19:17:06Z", utc(2023, 10, 28, 19, 17, 6, 0)},
		{"2023-10-28T21:17:06.000+02:00", utc(2023, 10, 28, 19, 17, 6, 0)},
		{"2016-08-12 15:23:28 UTC", utc(2016, 8, 12, 15, 23, 28, 0)},
		{"2021-04-28 21:50:00 +0200", utc(2021, 4, 28, 19, 50, 0, 0)},
		{"2024-02-29T00:00:00.000Z", utc(2024, 2, 29, 0, 0, 0, 0)},
	} {
		got, err := gitlab.ParseTime(tt.text)
		if err != nil || !got.Time.Equal(tt.want) || got.Location() != time.UTC {
			t.Errorf("ParseTime(%q) = %v, %v; want %v", tt.text, got, err, tt.want)
		}
	}
	for _, text := range []string{"", "2023-10-28", "2023-10-28T19:17:06", "2016-08-12 15:23:28 CEST", "2023-02-30T00:00:00.000Z", "1700000000", " 2023-10-28T19:17:06Z"} {
		if got, err := gitlab.ParseTime(text); err == nil {
			t.Errorf("ParseTime(%q) = %v, want an error", text, got)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, seed := range []string{"2023-10-28T19:17:06.123Z", "2016-08-12 15:23:28 UTC", "2021-04-28 21:50:00 +0200", "2023-02-30T24:61:00.000Z"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := gitlab.ParseTime(text)
		if err != nil {
			return
		}
		if got.Location() != time.UTC {
			t.Errorf("ParseTime(%q) is not in UTC", text)
		}
		again, err := gitlab.ParseTime(got.Format(time.RFC3339Nano))
		if err != nil || !again.Time.Equal(got.Time) {
			t.Errorf("ParseTime(%q) = %v, which reads back as %v, %v", text, got, again, err)
		}
	})
}

func TestFieldKeepsAbsentNullAndZeroApart(t *testing.T) {
	var got struct {
		Absent, Null, Zero, Value gitlab.Field[int64]
		Bad                       gitlab.Field[gitlab.Time]
	}
	if err := json.Unmarshal([]byte(`{"Null":null,"Zero":0,"Value":7}`), &got); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		field   gitlab.Field[int64]
		absent  bool
		present bool
		value   int64
		json    string
	}{
		{"absent", got.Absent, true, false, 0, "null"},
		{"null", got.Null, false, false, 0, "null"},
		{"zero", got.Zero, false, true, 0, "0"},
		{"value", got.Value, false, true, 7, "7"},
		{"Of", gitlab.Of(int64(7)), false, true, 7, "7"},
		{"Null", gitlab.Null[int64](), false, false, 0, "null"},
	} {
		v, ok := tt.field.Get()
		if ok != tt.present || v != tt.value || tt.field.Absent() != tt.absent || (tt.field.Ptr() != nil) != tt.present {
			t.Errorf("%s: Get() = %d, %t, Absent() = %t, Ptr() = %v", tt.name, v, ok, tt.field.Absent(), tt.field.Ptr())
		}
		if want := map[bool]int64{true: tt.value, false: 42}[tt.present]; tt.field.Or(42) != want {
			t.Errorf("%s: Or(42) = %d, want %d", tt.name, tt.field.Or(42), want)
		}
		if b, err := json.Marshal(tt.field); err != nil || string(b) != tt.json {
			t.Errorf("%s: JSON %s, %v; want %s", tt.name, b, err, tt.json)
		}
	}
	if err := json.Unmarshal([]byte(`{"Bad":"soon"}`), &got); err == nil {
		t.Error("a time that is none was accepted")
	}
	*got.Value.Ptr() = 9
	if v, _ := got.Value.Get(); v != 7 {
		t.Error("Ptr() leads into the field itself")
	}
}

func TestCoverage(t *testing.T) {
	for text, want := range map[string]float64{`68.49`: 68.49, `"68.49"`: 68.49, `0`: 0, `"100.00"`: 100} {
		var c gitlab.Coverage
		if err := json.Unmarshal([]byte(text), &c); err != nil || float64(c) != want {
			t.Errorf("%s = %v, %v", text, c, err)
		}
	}
	for _, text := range []string{`""`, `"NaN"`, `"Inf"`, `"68,49"`, `true`, `null`, `{}`} {
		var c gitlab.Coverage
		if err := c.UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("%s = %v, want an error", text, c)
		}
	}
}
