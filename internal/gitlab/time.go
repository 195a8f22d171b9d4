package gitlab

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Time is an instant of GitLab's, in UTC whatever offset it came with.
type Time struct{ time.Time }

// timeLayouts are the forms in which GitLab writes an instant: REST and
// GraphQL first, then the two of web hooks (gitlab-api §7). "UTC" is a literal
// here: Go's MST would take any abbreviation and count it as offset zero.
var timeLayouts = [...]string{
	time.RFC3339,
	"2006-01-02 15:04:05 UTC",
	"2006-01-02 15:04:05 -0700",
	"2006-01-02 15:04:05 -07:00",
}

// ParseTime reads an instant in any form that GitLab uses:
//
//	2023-10-28T19:17:06.000Z, 2023-10-28T21:17:06.000+02:00   REST
//	2016-08-12 15:23:28 UTC, 2021-04-28 21:50:00 +0200        web hooks
//
// It gives UTC. A text without an offset, or an empty one, is an error: weir
// does not guess.
func ParseTime(s string) (Time, error) {
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return Time{t.UTC()}, nil
		}
	}
	return Time{}, fmt.Errorf("%q is not a time in any form that GitLab uses", s)
}

// UnmarshalJSON reads a string in any form of ParseTime. Null is an error:
// what may be null is a Field.
func (t *Time) UnmarshalJSON(b []byte) error {
	var s *string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	if s == nil {
		return fmt.Errorf("null where a time must be")
	}
	parsed, err := ParseTime(*s)
	if err != nil {
		return err
	}
	*t = parsed
	return nil
}

// Coverage is a test coverage in percent. GitLab writes it as a number on jobs
// and as a string with two decimals on pipelines.
type Coverage float64

// UnmarshalJSON reads 68.49 and "68.49". Null is an error, as in Time.
func (c *Coverage) UnmarshalJSON(b []byte) error {
	text := string(b)
	if len(b) > 0 && b[0] == '"' {
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Errorf("%s is not a coverage: a number, or a string that holds one, is", b)
	}
	*c = Coverage(v)
	return nil
}
