package store

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// layers splits rows so that no key is twice in one layer, because ON CONFLICT
// cannot touch a row twice in one statement. Which row of a key wins is then
// left to the one rule in upsert.go. Rows of one key that say the same (a user
// comes with each of his jobs) are folded first, to the one asked for last.
// The rows of a layer are ordered by key, so that two writers lock in one order.
func layers(t *Table, rows [][]any) [][][]any {
	if len(rows) == 0 {
		return nil
	}
	keys := columnIndexes(t, func(c *Column) bool { return c.Key })
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b []any) int { return compareKeys(a, b, keys) })
	if distinct(rows, keys) {
		return [][][]any{rows} // nearly always
	}
	asked := slices.Index(t.ColumnNames(), "synced_at")
	byKey := make(map[string][][]any, len(rows))
	for _, row := range rows {
		k := textOf(row, keys)
		byKey[k] = fold(byKey[k], row, asked, t.newest)
	}
	var out [][][]any
	for _, same := range byKey {
		for i, row := range same {
			if i == len(out) {
				out = append(out, nil)
			}
			out[i] = append(out[i], row)
		}
	}
	for _, layer := range out {
		slices.SortFunc(layer, func(a, b []any) int { return compareKeys(a, b, keys) })
	}
	return out
}

// distinct says whether no key is twice among rows that are ordered by keys.
func distinct(rows [][]any, keys []int) bool {
	for i := range rows {
		if i > 0 && compareKeys(rows[i-1], rows[i], keys) == 0 {
			return false
		}
	}
	return true
}

// fold adds a row to the rows of its key.
func fold(same [][]any, row []any, asked int, rule newest) [][]any {
	if rule == newestLast {
		if len(same) == 0 {
			return [][]any{row}
		}
		return append(same, row)
	}
	for i, other := range same {
		if !equalBut(other, row, asked) {
			continue
		}
		if other[asked].(time.Time).After(row[asked].(time.Time)) {
			row = other
		}
		same = slices.Delete(same, i, i+1)
		break
	}
	return append(same, row)
}

func equalBut(a, b []any, except int) bool {
	for i := range a {
		if i != except && !equalValue(a[i], b[i]) {
			return false
		}
	}
	return true
}

func equalValue(a, b any) bool {
	switch a := a.(type) {
	case []string:
		other, ok := b.([]string)
		return ok && slices.Equal(a, other)
	case time.Time:
		other, ok := b.(time.Time)
		return ok && a.Equal(other)
	}
	if _, ok := b.([]string); ok {
		return false
	}
	return a == b
}

func columnIndexes(t *Table, want func(*Column) bool) []int {
	var list []int
	for i := range t.Columns {
		if want(&t.Columns[i]) {
			list = append(list, i)
		}
	}
	return list
}

// textOf gives different text for different keys.
func textOf(row []any, columns []int) string {
	text := make([]byte, 0, 40)
	for _, i := range columns {
		switch v := row[i].(type) {
		case int64:
			text = strconv.AppendInt(text, v, 10)
		case string:
			text = strconv.AppendQuote(text, v)
		}
		text = append(text, ',')
	}
	return string(text)
}

func compareKeys(a, b []any, keys []int) int {
	for _, i := range keys {
		var c int
		switch x := a[i].(type) {
		case int64:
			c = cmp.Compare(x, b[i].(int64))
		case string:
			c = cmp.Compare(x, b[i].(string))
		}
		if c != 0 {
			return c
		}
	}
	return 0
}
