package main

import (
	"math"
	"testing"
	"time"
)

func TestThousands(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -999: "-999",
		math.MinInt64: "-9,223,372,036,854,775,808",
	} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for _, test := range []struct {
		n          int64
		noun, want string
	}{{0, "row", "0 rows"}, {1, "row", "1 row"}, {2000, "row", "2,000 rows"}, {1, "entry", "1 entry"}, {2, "entry", "2 entries"}} {
		if got := count(test.n, test.noun); got != test.want {
			t.Errorf("count(%d, %q) = %q, want %q", test.n, test.noun, got, test.want)
		}
	}
}

func TestSpanText(t *testing.T) {
	for seconds, want := range map[float64]string{
		0: "0 ms", 0.0042: "4 ms", 0.099: "99 ms", 0.0996: "0.1 s", 1.25: "1.2 s", 9.96: "10 s", 59.4: "59 s", 59.6: "1m0s",
		190: "3m10s", 3599.6: "1h0m", 7260: "2h1m", 3 * 86400: "3d0h",
	} {
		if got := spanText(seconds); got != want {
			t.Errorf("spanText(%v) = %q, want %q", seconds, got, want)
		}
	}
}

func TestBytesText(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1 kB", 123456: "123 kB", 999_600: "1 MB", 2_500_000_000: "2.5 GB", 1_234_000_000_000_000: "1234 TB",
	} {
		if got := bytesText(n); got != want {
			t.Errorf("bytesText(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestRoundedNumber(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0", "12345678901234567890": "12345678901234567890", "0.5": "0.5", "2.0005": "2.001", "-2.0005": "-2.001",
		"3.0": "3", "0.00012345": "0.000123", "1e300": "1e300", "1e2": "100", "0.0": "0",
	} {
		if got := roundedNumber(in); got != want {
			t.Errorf("roundedNumber(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCounts(t *testing.T) {
	if got, want := counts(map[string]int64{"jobs": 1200, "pipelines": 300, "users": 0, "groups": 300}), "jobs 1,200, groups 300, pipelines 300"; got != want {
		t.Errorf("counts = %q, want %q", got, want)
	}
	if got := counts(nil); got != "nothing" {
		t.Errorf("counts of none = %q, want nothing", got)
	}
}

func TestAtText(t *testing.T) {
	at := time.Date(2026, 3, 1, 1, 2, 3, 4, time.FixedZone("", 7200))
	if got, want := atText(&at), "2026-02-28 23:02:03Z"; got != want {
		t.Errorf("atText = %q, want %q", got, want)
	}
	if got := atText(nil); got != "never" {
		t.Errorf("atText(nil) = %q, want never", got)
	}
}
