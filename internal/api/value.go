package api

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// How the store's values look outside. JSON keeps every digit; a time is RFC
// 3339 in UTC with milliseconds, and with more digits where it has them.

// timeText writes a time with three digits of seconds, or with six or nine
// where three would cut something off.
func timeText(t time.Time) string {
	t = t.UTC()
	switch {
	case t.Nanosecond()%1e6 == 0:
		return t.Format("2006-01-02T15:04:05.000Z")
	case t.Nanosecond()%1e3 == 0:
		return t.Format("2006-01-02T15:04:05.000000Z")
	}
	return t.Format("2006-01-02T15:04:05.000000000Z")
}

// appendJSON writes one value of the store as JSON.
func appendJSON(b []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return strconv.AppendQuote(b, strconv.FormatFloat(v, 'g', -1, 64)), nil // JSON has no number for it
		}
		return strconv.AppendFloat(b, v, 'g', -1, 64), nil
	case time.Time:
		return strconv.AppendQuote(b, timeText(v)), nil
	case []any:
		b = append(b, '[')
		for i, element := range v {
			if i > 0 {
				b = append(b, ',')
			}
			var err error
			if b, err = appendJSON(b, element); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case map[string]any:
		b = append(b, '{')
		for i, name := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b = append(b, ',')
			}
			var err error
			if b, err = appendJSON(b, name); err != nil {
				return nil, err
			}
			if b, err = appendJSON(append(b, ':'), v[name]); err != nil {
				return nil, err
			}
		}
		return append(b, '}'), nil
	}
	text, err := json.Marshal(value)
	return append(b, text...), err
}

// appendRow writes one row as a JSON array.
func appendRow(b []byte, row []any) ([]byte, error) { return appendJSON(b, row) }

// appendObject writes one row as a JSON object, in the order of the columns.
func appendObject(b []byte, names []string, row []any) ([]byte, error) {
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(strconv.AppendQuote(b, name), ':')
		var err error
		if b, err = appendJSON(b, row[i]); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// appendCSV writes one row as a line of CSV. NULL is nothing at all, and the
// empty text is "", so that the two stay apart for who looks.
func appendCSV(b []byte, row []any) ([]byte, error) {
	for i, value := range row {
		if i > 0 {
			b = append(b, ',')
		}
		switch v := value.(type) {
		case nil:
		case string:
			b = appendField(b, v)
		case time.Time:
			b = append(b, timeText(v)...)
		default:
			text, err := appendJSON(nil, v)
			if err != nil {
				return nil, err
			}
			b = appendField(b, string(text))
		}
	}
	return append(b, '\n'), nil
}

func appendField(b []byte, text string) []byte {
	if text != "" && !strings.ContainsAny(text, ",\"\r\n") && text[0] != ' ' && text[len(text)-1] != ' ' {
		return append(b, text...)
	}
	b = append(b, '"')
	b = append(b, strings.ReplaceAll(text, `"`, `""`)...)
	return append(b, '"')
}
