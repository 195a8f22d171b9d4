package store

import (
	"iter"
	"slices"
)

// Type is a column's type, in the words that both engines share.
type Type string

// The types of published columns.
const (
	BigInt    Type = "bigint"
	Text      Type = "text"
	Boolean   Type = "boolean"
	Double    Type = "double precision"
	Timestamp Type = "timestamptz" // UTC, microseconds
	TextList  Type = "text[]"
	JSON      Type = "json"
)

// Table is a published table or view.
type Table struct {
	Name    string
	Meaning string // one sentence
	Columns []Column

	newest newest // which of two rows of one key is kept
	// keyless: DuckDB keeps no index of its key, so that no row may be written
	// whose key is there (migration 0008).
	keyless bool
	query   string // of a view: its defining query
}

// Column is a column of a published table or view.
type Column struct {
	Name       string
	Type       Type
	Nullable   bool   // NULL means that GitLab did not say
	Key        bool   // part of the primary key
	Meaning    string // one line
	References string // "table.column" that its values are found in, where there is one

	added int // number of the migration that adds it; 0: it was there from the first

	// keep says when a known value outlives a NULL of a newer row, and
	// keepWhy why that is true and no invention.
	keep    keep
	keepWhy string
}

// keep is a rule by which a NULL of a newer row does not wipe out a known value.
type keep int

const (
	keepNever keep = iota
	// keepAlways is for facts that never change, and for the last known value of
	// what some answers leave out.
	keepAlways
	// keepSameVersion keeps while a pipeline's updated_at (in whole seconds: one
	// of the two may be cut) and status are the same.
	keepSameVersion
	// keepSameRun keeps while a job's started_at is the same, or, before it
	// started, its status.
	keepSameRun
	// keepSameState keeps while both started_at and status are the same.
	keepSameState
)

// newest is a rule by which the newer of two rows of one key is known.
type newest int

const (
	// newestLast: the row written last; rows of weir's own, which nobody races for.
	newestLast newest = iota
	// newestAsked: the row that was asked for later (synced_at).
	newestAsked
	// newestVersion: the row with the later updated_at, in whole seconds if one
	// of the two is cut to them; when equal or unknown, the one asked for later.
	newestVersion
)

// Tables describes every published table, in the order in which a reader
// meets them. The slice is the caller's.
func Tables() []Table {
	return slices.Concat(gitlabTables(), catalogTables(), importTables())
}

// Views describes every published view: the names that users of DX know.
func Views() []Table { return dxViews() }

// TableByName gives the published table or view of that name.
func TableByName(name string) (Table, bool) {
	for _, t := range slices.Concat(Tables(), Views()) {
		if t.Name == name {
			return t, true
		}
	}
	return Table{}, false
}

// IsView says whether the rows are computed from tables.
func (t *Table) IsView() bool { return t.query != "" }

// Keys gives the names of the primary key's columns, in order; none for a view.
func (t *Table) Keys() []string {
	return slices.Collect(t.names(func(c *Column) bool { return c.Key }))
}

// ColumnNames gives the names of all columns, in schema order.
func (t *Table) ColumnNames() []string {
	return slices.Collect(t.names(func(*Column) bool { return true }))
}

func (t *Table) names(want func(*Column) bool) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range t.Columns {
			if want(&t.Columns[i]) && !yield(t.Columns[i].Name) {
				return
			}
		}
	}
}

func (t *Table) has(column string) bool {
	return slices.ContainsFunc(t.Columns, func(c Column) bool { return c.Name == column })
}
