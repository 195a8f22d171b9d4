package store

import (
	"fmt"
	"strings"
)

// The rule by which rows meet, in SQL that both engines run. `stored` is the
// row in the table, `incoming` the one in the staging table.

// upsert gives the statement that writes t's staging table into t; of a keyless
// one clearStaged goes before it.
func upsert(t *Table) string {
	if t.keyless {
		return copyStaged(t)
	}
	var set []string
	for i := range t.Columns {
		if c := &t.Columns[i]; !c.Key {
			set = append(set, quoteName(c.Name)+" = "+merged(t, c))
		}
	}
	if len(set) == 0 {
		return insertStaged(t) + "NOTHING"
	}
	statement := insertStaged(t) + "UPDATE SET " + strings.Join(set, ",\n  ")
	if newer := storedIsNewer(t, "excluded"); newer != "" {
		statement += "\nWHERE NOT (" + newer + ")"
	}
	return statement
}

// insertStaged is a statement up to what is to be done with rows whose key is
// there already.
func insertStaged(t *Table) string {
	return copyStaged(t) + "\nON CONFLICT (" + quoteNames(t.Keys()) + ") DO "
}

// copyStaged writes the staged rows, none of whose keys may be there.
func copyStaged(t *Table) string {
	var selected []string
	for i := range t.Columns {
		selected = append(selected, stagedValue(&t.Columns[i]))
	}
	return fmt.Sprintf("INSERT INTO %s (%s)\nSELECT %s FROM %s\nORDER BY %s",
		quoteName(t.Name), quoteNames(t.ColumnNames()), strings.Join(selected, ", "), quoteName(stage(t)), quoteNames(t.Keys()))
}

// clearStaged takes away the rows that have the keys of staged ones.
func clearStaged(t *Table) string {
	return fmt.Sprintf("DELETE FROM %s WHERE EXISTS (SELECT 1 FROM %s s WHERE %s)", quoteName(t.Name), quoteName(stage(t)), sameKey(t, quoteName(t.Name), "s"))
}

// merged is the value that a column gets when incoming replaces stored.
func merged(t *Table, c *Column) string {
	stored, incoming := quoteName(t.Name)+"."+quoteName(c.Name), "excluded."+quoteName(c.Name)
	switch {
	case c.Name == "deleted_at" && t.has("synced_at"):
		return undeleted(t, "excluded")
	case c.keep == keepAlways:
		return fmt.Sprintf("coalesce(%s, %s)", incoming, stored)
	case c.keep != keepNever:
		return fmt.Sprintf("CASE WHEN %s IS NULL AND %s THEN %s ELSE %s END", incoming, keepCondition(t, c.keep, "excluded"), stored, incoming)
	}
	return incoming
}

// undeleted is deleted_at after a live row came: an answer asked for before the
// deletion does not raise the dead.
func undeleted(t *Table, incoming string) string {
	stored := quoteName(t.Name) + `."deleted_at"`
	return fmt.Sprintf(`CASE WHEN %[1]s >= %[2]s."synced_at" AND %[2]s."deleted_at" IS NULL THEN %[1]s ELSE %[2]s."deleted_at" END`, stored, incoming)
}

func keepCondition(t *Table, k keep, incoming string) string {
	same := func(column string) string {
		return fmt.Sprintf("%s.%s IS NOT DISTINCT FROM %s.%s", quoteName(t.Name), column, incoming, column)
	}
	// One of the two may be cut to whole seconds.
	sameStart := fmt.Sprintf("date_trunc('second', %s.started_at) IS NOT DISTINCT FROM date_trunc('second', %s.started_at)", quoteName(t.Name), incoming)
	switch k {
	case keepSameVersion:
		return fmt.Sprintf("date_trunc('second', %[1]s.updated_at) = date_trunc('second', %[2]s.updated_at) AND %[3]s",
			quoteName(t.Name), incoming, same("status"))
	case keepSameRun:
		return fmt.Sprintf("%s AND (%s.started_at IS NOT NULL OR %s)", sameStart, quoteName(t.Name), same("status"))
	case keepSameState:
		return sameStart + " AND " + same("status")
	}
	return "true"
}

// storedIsNewer is the condition under which incoming is an older truth; ""
// where every row replaces the one before. It is never NULL.
func storedIsNewer(t *Table, incoming string) string {
	stored := quoteName(t.Name)
	asked := fmt.Sprintf("%s.synced_at > %s.synced_at", stored, incoming)
	switch t.newest {
	case newestAsked:
		return asked
	case newestVersion:
		// Times cut to whole seconds compare as such: else a pipeline that ended
		// in the same second in which it was last read would stay as it was.
		cut := func(row string) string {
			return fmt.Sprintf("CASE WHEN %[1]s.time_precision = 's' OR %[2]s.time_precision = 's' THEN date_trunc('second', %[3]s.updated_at) ELSE %[3]s.updated_at END",
				stored, incoming, row)
		}
		return fmt.Sprintf("coalesce(%[1]s > %[2]s, false) OR (coalesce(%[1]s = %[2]s, true) AND %[3]s)", cut(stored), cut(incoming), asked)
	}
	return ""
}

// late gives the statement that takes from staged rows that lost what the
// newer stored row does not know, and brings back a deleted row that was seen
// alive later; "" where there is nothing of the kind.
func late(t *Table) string {
	newer := storedIsNewer(t, "s")
	if newer == "" {
		return ""
	}
	var set, useful []string
	for i := range t.Columns {
		c := &t.Columns[i]
		stored, incoming := quoteName(t.Name)+"."+quoteName(c.Name), "s."+quoteName(c.Name)
		switch {
		case c.Name == "deleted_at":
			set = append(set, quoteName(c.Name)+" = "+fmt.Sprintf("CASE WHEN %s < s.synced_at THEN s.deleted_at ELSE %s END", stored, stored))
			useful = append(useful, stored+" < s.synced_at")
		case c.keep != keepNever:
			useful = append(useful, fmt.Sprintf("(%s IS NULL AND %s IS NOT NULL AND %s)", stored, incoming, keepCondition(t, c.keep, "s")))
			set = append(set, fmt.Sprintf("%s = CASE WHEN %s IS NULL AND %s THEN %s ELSE %s END",
				quoteName(c.Name), stored, keepCondition(t, c.keep, "s"), incoming, stored))
		}
	}
	if len(set) == 0 {
		return ""
	}
	return fmt.Sprintf("UPDATE %s SET %s\nFROM %s s\nWHERE %s AND (%s) AND (%s)", quoteName(t.Name), strings.Join(set, ",\n  "),
		quoteName(stage(t)), sameKey(t, quoteName(t.Name), "s"), newer, strings.Join(useful, " OR "))
}

// stagedValue reads a column from the staging table, where JSON is text.
func stagedValue(c *Column) string {
	if c.Type == JSON {
		return "CAST(" + quoteName(c.Name) + " AS json)"
	}
	return quoteName(c.Name)
}

func sameKey(t *Table, a, b string) string {
	var list []string
	for _, k := range t.Keys() {
		list = append(list, fmt.Sprintf("%[1]s.%[3]s = %[2]s.%[3]s", a, b, quoteName(k)))
	}
	return strings.Join(list, " AND ")
}
