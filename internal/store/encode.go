package store

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// field is a struct field that is a column.
type field struct {
	index  int
	column string
}

// fieldsOf gives the fields of a row struct, in order; the tag `db` names the column.
func fieldsOf(t reflect.Type) []field {
	var list []field
	for i := range t.NumField() {
		if column, ok := t.Field(i).Tag.Lookup("db"); ok {
			list = append(list, field{i, column})
		}
	}
	return list
}

// encode turns rows (structs of rows.go) into values in the order of t's columns.
func encode[T any](t *Table, rows []T) ([][]any, error) {
	byColumn := map[string]int{}
	for _, f := range fieldsOf(reflect.TypeFor[T]()) {
		byColumn[f.column] = f.index
	}
	order := make([]int, len(t.Columns))
	for i, c := range t.Columns {
		index, ok := byColumn[c.Name]
		if !ok {
			return nil, fmt.Errorf("%T has no field for %s.%s", *new(T), t.Name, c.Name)
		}
		order[i] = index
	}
	values := make([]any, len(rows)*len(order))
	out := make([][]any, len(rows))
	for r := range rows {
		row := values[r*len(order) : (r+1)*len(order) : (r+1)*len(order)]
		v := reflect.ValueOf(&rows[r]).Elem()
		for i, index := range order {
			value, err := encodeValue(v.Field(index))
			if err != nil {
				return nil, fmt.Errorf("%s.%s: %w", t.Name, t.Columns[i].Name, err)
			}
			row[i] = value
		}
		out[r] = row
	}
	return out, nil
}

var timeType = reflect.TypeFor[time.Time]()

// encodeValue gives nil, bool, int64, float64, string, time.Time (UTC, whole
// microseconds), []string, or a string of JSON for a map. v is addressable, or a
// pointer.
func encodeValue(v reflect.Value) (any, error) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil, nil
		}
		v = v.Elem()
	}
	if v.Type() == timeType {
		return v.Addr().Interface().(*time.Time).UTC().Truncate(time.Microsecond), nil
	}
	switch v.Kind() {
	case reflect.Bool:
		return v.Bool(), nil
	case reflect.Int64:
		return v.Int(), nil
	case reflect.Float64:
		return v.Float(), nil
	case reflect.String:
		return storable(v.String()), nil
	case reflect.Slice:
		list, ok := v.Interface().([]string)
		if !ok {
			break
		}
		if list == nil {
			return nil, nil
		}
		clean := make([]string, len(list))
		for i := range list {
			clean[i] = storable(list[i])
		}
		return clean, nil
	case reflect.Map:
		if v.IsNil() {
			return nil, nil
		}
		text, err := json.Marshal(v.Interface())
		return string(text), err
	}
	return nil, fmt.Errorf("cannot store a %s", v.Type())
}

// storable replaces what PostgreSQL cannot hold in a text (NUL, bytes that are
// no UTF-8) by U+FFFD, on both engines alike. GitLab keeps its own data in
// PostgreSQL, so nothing of GitLab's is changed; a broken proxy's may be.
func storable(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
}

// decode fills a row struct from values in the order of its fields.
func decode[T any](row []any) (T, error) {
	var out T
	v := reflect.ValueOf(&out).Elem()
	for i, f := range fieldsOf(v.Type()) {
		if err := decodeValue(v.Field(f.index), row[i]); err != nil {
			return out, fmt.Errorf("%s: %w", f.column, err)
		}
	}
	return out, nil
}

func decodeValue(dst reflect.Value, value any) error {
	if value == nil {
		return nil // the zero of a pointer, slice or map is NULL
	}
	if dst.Kind() == reflect.Pointer {
		dst.Set(reflect.New(dst.Type().Elem()))
		dst = dst.Elem()
	}
	switch value := value.(type) {
	case bool:
		dst.SetBool(value)
	case int64:
		dst.SetInt(value)
	case float64:
		dst.SetFloat(value)
	case time.Time:
		dst.Set(reflect.ValueOf(value))
	case string:
		dst.SetString(value)
	case json.RawMessage:
		return json.Unmarshal(value, dst.Addr().Interface())
	case map[string]any: // DuckDB's driver has decoded the JSON already
		text, err := json.Marshal(value)
		if err != nil {
			return err
		}
		return json.Unmarshal(text, dst.Addr().Interface())
	case []any:
		list := make([]string, len(value))
		for i := range value {
			list[i], _ = value[i].(string)
		}
		dst.Set(reflect.ValueOf(list))
	default:
		return fmt.Errorf("cannot read a %T into a %s", value, dst.Type())
	}
	return nil
}
