package store

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2"
)

// plain turns a driver's value into one of nil, bool, int64, float64,
// json.Number (an exact number that neither holds), string, time.Time (a
// moment, UTC), []any and map[string]any of these, or json.RawMessage.
// Dates, times and timestamps without a zone are text: a moment would be
// invented. NaN and the infinities are text, because JSON has no numbers for them.
func plain(v any, kind string) any {
	switch v := v.(type) {
	case string:
		if kind == string(JSON) {
			return json.RawMessage(v)
		}
		return v
	case nil, bool, int64, json.Number, json.RawMessage:
		return v
	case int8:
		return int64(v)
	case int16:
		return int64(v)
	case int32:
		return int64(v)
	case int:
		return int64(v)
	case uint8:
		return int64(v)
	case uint16:
		return int64(v)
	case uint32:
		return int64(v)
	case uint64:
		if v <= math.MaxInt64 {
			return int64(v)
		}
		return json.Number(fmt.Sprint(v))
	case *big.Int:
		if v.IsInt64() {
			return v.Int64()
		}
		return json.Number(v.String())
	case float32:
		return plainFloat(float64(v))
	case float64:
		return plainFloat(v)
	case duckdb.Decimal:
		return json.Number(v.String())
	case time.Time:
		return plainTime(v, kind)
	case duckdb.Interval:
		return plainInterval(v.Months, v.Days, v.Micros)
	case []byte:
		if kind == "uuid" && len(v) == 16 {
			return fmt.Sprintf("%x-%x-%x-%x-%x", v[:4], v[4:6], v[6:8], v[8:10], v[10:])
		}
		return `\x` + hex.EncodeToString(v)
	case []any:
		inner := strings.TrimSuffix(kind, "[]")
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(v[i], inner)
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for k := range v {
			m[k] = plain(v[k], "")
		}
		return m
	case duckdb.OrderedMap:
		m := make(map[string]any, v.Len())
		for i, k := range v.Keys() {
			m[fmt.Sprint(plain(k, ""))] = plain(v.Values()[i], "")
		}
		return m
	case duckdb.Map:
		m := make(map[string]any, len(v))
		for k := range v {
			m[fmt.Sprint(plain(k, ""))] = plain(v[k], "")
		}
		return m
	case duckdb.Union:
		return plain(v.Value, "")
	}
	if r := reflect.ValueOf(v); r.Kind() == reflect.Slice || r.Kind() == reflect.Array {
		list := make([]any, r.Len())
		for i := range list {
			list[i] = plain(r.Index(i).Interface(), "")
		}
		return list
	}
	return fmt.Sprint(v)
}

func plainFloat(f float64) any {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return f
}

func plainTime(t time.Time, kind string) any {
	switch kind {
	case "date":
		return t.Format("2006-01-02")
	case "timestamp":
		return t.Format("2006-01-02 15:04:05.999999")
	case "time":
		return t.Format("15:04:05.999999")
	case "timetz":
		return t.Format("15:04:05.999999Z07:00")
	}
	return t.UTC()
}

// plainInterval writes an interval in ISO 8601, which both engines read.
func plainInterval(months, days int32, micros int64) string {
	if months == 0 && days == 0 && micros == 0 {
		return "PT0S"
	}
	var b strings.Builder
	b.WriteString("P")
	if months != 0 {
		fmt.Fprintf(&b, "%dM", months)
	}
	if days != 0 {
		fmt.Fprintf(&b, "%dD", days)
	}
	if micros != 0 {
		seconds := new(big.Rat).SetFrac64(micros, 1e6).FloatString(6)
		b.WriteString("T" + strings.TrimSuffix(strings.TrimRight(seconds, "0"), ".") + "S")
	}
	return b.String()
}

// duckType gives DuckDB's type name in the words that both engines share.
func duckType(name string) string {
	base, lists := strings.TrimRight(name, "[]"), strings.Count(name, "[]")
	if plain, _, ok := strings.Cut(base, "("); ok && strings.HasPrefix(base, "DECIMAL") {
		base = plain
	}
	word := map[string]string{
		"TINYINT": "smallint", "SMALLINT": "smallint", "INTEGER": "integer", "BIGINT": "bigint", "HUGEINT": "numeric",
		"UTINYINT": "smallint", "USMALLINT": "integer", "UINTEGER": "bigint", "UBIGINT": "numeric", "UHUGEINT": "numeric",
		"FLOAT": "real", "DOUBLE": "double precision", "DECIMAL": "numeric", "VARCHAR": "text", "BOOLEAN": "boolean",
		"TIMESTAMP WITH TIME ZONE": "timestamptz", "TIMESTAMPTZ": "timestamptz", "TIMESTAMP": "timestamp",
		"TIMESTAMP_S": "timestamp", "TIMESTAMP_MS": "timestamp", "TIMESTAMP_NS": "timestamp",
		"TIME WITH TIME ZONE": "timetz", "TIMETZ": "timetz", "DATE": "date", "TIME": "time", "BLOB": "bytea", "JSON": "json",
	}[base]
	if word == "" {
		word = strings.ToLower(base)
	}
	return word + strings.Repeat("[]", lists)
}
