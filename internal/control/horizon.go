package control

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// DefaultSince is how far back history is imported when nobody says otherwise.
const DefaultSince = "90d"

var span = regexp.MustCompile(`^([1-9][0-9]{0,5})([hdwy])$`)

// ParseSince gives the time that a horizon names: a span before now (36h, 90d,
// 12w, 2y), a day (2026-01-31, its start in UTC), a time (RFC 3339), or "all",
// which is the zero time. Its error is a *ci.Problem, bad_request, also for an
// empty text and for a time to come.
func ParseSince(text string, now time.Time) (time.Time, error) {
	now = now.UTC()
	if text == "all" {
		return time.Time{}, nil
	}
	if m := span.FindStringSubmatch(text); m != nil {
		n, _ := strconv.Atoi(m[1]) // at most six digits
		switch m[2] {
		case "h":
			return sinceGitLab(now.Add(-time.Duration(n) * time.Hour)), nil
		case "d":
			return sinceGitLab(now.AddDate(0, 0, -n)), nil
		case "w":
			return sinceGitLab(now.AddDate(0, 0, -7*n)), nil
		}
		return sinceGitLab(now.AddDate(-n, 0, 0)), nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		t, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		if t.After(now) {
			return time.Time{}, &ci.Problem{
				Code:   ci.BadRequest,
				Cause:  fmt.Sprintf("%s lies in the future.", text),
				Remedy: "Give a time in the past: there is nothing to import before it has happened.",
			}
		}
		return sinceGitLab(t.UTC()), nil
	}
	return time.Time{}, &ci.Problem{
		Code:   ci.BadRequest,
		Cause:  fmt.Sprintf("%q does not say how far back to go.", text),
		Remedy: "Write a span (36h, 90d, 12w, 2y), a day (2026-01-31), or all.",
	}
}

// sinceGitLab makes a time before there was any GitLab (2011) mean all history:
// GitLab refuses to read years of three or five digits.
func sinceGitLab(t time.Time) time.Time {
	if t.Year() < 2000 {
		return time.Time{}
	}
	return t
}
