package gitlabtest

import (
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// jsonWriter writes JSON key by key, so that the order is GitLab's. It checks
// nothing: the schemas in the tests do.
type jsonWriter struct{ b []byte }

// expect makes room for n more bytes.
func (w *jsonWriter) expect(n int) { w.b = slices.Grow(w.b, n) }

// sep writes the comma between two members.
func (w *jsonWriter) sep() {
	if n := len(w.b); n > 0 && w.b[n-1] != '{' && w.b[n-1] != '[' && w.b[n-1] != ':' {
		w.b = append(w.b, ',')
	}
}

func (w *jsonWriter) key(k string) {
	w.sep()
	w.b = append(w.b, '"')
	w.b = append(w.b, k...)
	w.b = append(w.b, '"', ':')
}

func (w *jsonWriter) open(c byte)  { w.sep(); w.b = append(w.b, c) }
func (w *jsonWriter) close(c byte) { w.b = append(w.b, c) }

func (w *jsonWriter) object(k string) { w.key(k); w.b = append(w.b, '{') }
func (w *jsonWriter) array(k string)  { w.key(k); w.b = append(w.b, '[') }

func (w *jsonWriter) null(k string) { w.key(k); w.b = append(w.b, "null"...) }

// value writes an element that is JSON already.
func (w *jsonWriter) value(v []byte) { w.sep(); w.b = append(w.b, v...) }

// raw writes a member that is JSON already.
func (w *jsonWriter) raw(k string, v []byte) { w.key(k); w.b = append(w.b, v...) }

func (w *jsonWriter) str(k, v string) { w.key(k); w.b = appendString(w.b, v) }

func (w *jsonWriter) optStr(k string, v *string) {
	if v == nil {
		w.null(k)
		return
	}
	w.str(k, *v)
}

func (w *jsonWriter) int(k string, v int64) { w.key(k); w.b = strconv.AppendInt(w.b, v, 10) }

func (w *jsonWriter) optInt(k string, v *int64) {
	if v == nil {
		w.null(k)
		return
	}
	w.int(k, *v)
}

func (w *jsonWriter) bool(k string, v bool) { w.key(k); w.b = strconv.AppendBool(w.b, v) }

// optFloat writes a float as Ruby does: always with a decimal point.
func (w *jsonWriter) optFloat(k string, v *float64) {
	if v == nil {
		w.null(k)
		return
	}
	w.key(k)
	w.b = appendFloat(w.b, *v)
}

// optSpan writes a span as seconds with up to six decimals.
func (w *jsonWriter) optSpan(k string, v *time.Duration) {
	if v == nil {
		w.null(k)
		return
	}
	seconds := float64(v.Microseconds()) / 1e6
	w.optFloat(k, &seconds)
}

// timeFormat is what GitLab's API writes: milliseconds, cut off and not rounded.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

func (w *jsonWriter) time(k string, v time.Time) {
	w.key(k)
	w.b = append(w.b, '"')
	w.b = appendTime(w.b, v.UTC())
	w.b = append(w.b, '"')
}

// appendTime does what AppendFormat would, three times as fast; a page of jobs
// has a thousand times.
func appendTime(b []byte, v time.Time) []byte {
	year, month, day := v.Date()
	if year < 1000 || year > 9999 {
		return v.AppendFormat(b, timeFormat)
	}
	hour, minute, second := v.Clock()
	two := func(n int) { b = append(b, byte('0'+n/10), byte('0'+n%10)) }
	two(year / 100)
	two(year % 100)
	b = append(b, '-')
	two(int(month))
	b = append(b, '-')
	two(day)
	b = append(b, 'T')
	two(hour)
	b = append(b, ':')
	two(minute)
	b = append(b, ':')
	two(second)
	ms := v.Nanosecond() / 1e6
	return append(b, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}

func (w *jsonWriter) optTime(k string, v *time.Time) {
	if v == nil {
		w.null(k)
		return
	}
	w.time(k, *v)
}

// localTime writes a git time, which keeps its offset.
func (w *jsonWriter) localTime(k string, v time.Time) {
	w.key(k)
	w.b = append(w.b, '"')
	w.b = v.AppendFormat(w.b, "2006-01-02T15:04:05.000-07:00")
	w.b = append(w.b, '"')
}

func (w *jsonWriter) strings(k string, list []string) {
	w.array(k)
	for _, s := range list {
		w.sep()
		w.b = appendString(w.b, s)
	}
	w.close(']')
}

func appendFloat(b []byte, v float64) []byte {
	from := len(b)
	b = strconv.AppendFloat(b, v, 'f', -1, 64)
	for _, c := range b[from:] {
		if c == '.' {
			return b
		}
	}
	return append(b, '.', '0')
}

// appendString quotes s as Rails does: <, > and & become escapes too. Bytes
// that are no UTF-8 become U+FFFD.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' {
				i++
				continue
			}
			b = append(b, s[from:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, '\\', 'n')
			case '\r':
				b = append(b, '\\', 'r')
			case '\t':
				b = append(b, '\\', 't')
			default:
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
			i++
			from = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			b = append(append(b, s[from:i]...), "\uFFFD"...)
			i++
			from = i
			continue
		}
		i += size
	}
	b = append(b, s[from:]...)
	return append(b, '"')
}
