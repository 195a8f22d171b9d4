package store

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// DDL from the descriptions. The tables of schema version 1 are committed as
// files (migrations/), because a description may change and a migration that
// ran may not; a test keeps the two together.

func duckDialect() dialect {
	return dialect{
		engine: "duckdb", types: map[Type]string{
			BigInt: "BIGINT", Text: "VARCHAR", Boolean: "BOOLEAN", Double: "DOUBLE",
			Timestamp: "TIMESTAMPTZ", TextList: "VARCHAR[]", JSON: "JSON",
		}, countTables: `SELECT count(*) FROM information_schema.tables
		WHERE table_schema = 'main' AND table_catalog = current_database()`,
		pages: "hash(%s) %% %d = 0",
	}
}

func postgresDialect() dialect {
	return dialect{
		engine: "postgres", types: map[Type]string{
			BigInt: "bigint", Text: "text", Boolean: "boolean", Double: "double precision",
			Timestamp: "timestamptz", TextList: "text[]", JSON: "jsonb",
		}, lockSchema: `SELECT pg_advisory_xact_lock(hashtext('weir'))`,
		countTables: `SELECT count(*) FROM information_schema.tables WHERE table_schema = 'weir'`,
		indexes:     postgresIndexes(),
	}
}

// createTable gives the statement that creates t.
func (d dialect) createTable(t *Table) string {
	var b strings.Builder
	b.WriteString("CREATE TABLE " + quoteName(t.Name) + " (\n")
	for _, c := range t.Columns {
		b.WriteString("  " + quoteName(c.Name) + " " + d.types[c.Type])
		if !c.Nullable {
			b.WriteString(" NOT NULL")
		}
		b.WriteString(",\n")
	}
	b.WriteString("  PRIMARY KEY (" + quoteNames(t.Keys()) + ")\n)")
	return b.String()
}

// createStage gives the statement that creates t's staging table where it is
// not there yet: no constraint, and text for JSON, which both engines' fast
// paths take as it is.
func (d dialect) createStage(t *Table) string {
	var b strings.Builder
	b.WriteString("CREATE TEMP TABLE IF NOT EXISTS " + quoteName(stage(t)) + " (")
	for i, c := range t.Columns {
		if i > 0 {
			b.WriteString(", ")
		}
		kind := d.types[c.Type]
		if c.Type == JSON {
			kind = d.types[Text]
		}
		b.WriteString(quoteName(c.Name) + " " + kind)
	}
	b.WriteString(")")
	return b.String()
}

// describe gives the statements that bring views and comments up to date, and
// a fingerprint of them.
func (d dialect) describe() (statements []string, fingerprint string) {
	views, tables := Views(), Tables()
	for i := range views {
		statements = append(statements,
			"DROP VIEW IF EXISTS "+quoteName(views[i].Name),
			"CREATE VIEW "+quoteName(views[i].Name)+" AS "+views[i].query)
	}
	comment := func(kind string, t *Table) {
		statements = append(statements, "COMMENT ON "+kind+" "+quoteName(t.Name)+" IS "+quoteText(t.Meaning))
		for _, c := range t.Columns {
			statements = append(statements, "COMMENT ON COLUMN "+quoteName(t.Name)+"."+quoteName(c.Name)+" IS "+quoteText(c.Meaning))
		}
	}
	for i := range tables {
		comment("TABLE", &tables[i])
	}
	for i := range views {
		comment("VIEW", &views[i])
	}
	sum := sha256.Sum256([]byte(strings.Join(statements, ";\n")))
	return statements, hex.EncodeToString(sum[:])
}

func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func quoteText(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func quoteNames(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quoteName(n)
	}
	return strings.Join(quoted, ", ")
}

// schemaFile gives the text of migration 1: every table, and on PostgreSQL the
// indexes. DuckDB gets none: it scans faster than they would help, and refuses
// most ALTERs of a table that has one.
func (d dialect) schemaFile() string {
	var b strings.Builder
	b.WriteString("-- Schema version 1, written from the descriptions by `go test ./internal/store -run TestSchemaFile -update`.\n")
	b.WriteString("-- Once released it does not change any more: what comes later is another file.\n")
	tables := Tables()
	for i := range tables {
		t := tables[i]
		t.Columns = slices.DeleteFunc(slices.Clone(t.Columns), func(c Column) bool { return c.added > 0 })
		b.WriteString("\n" + d.createTable(&t) + ";\n")
	}
	for _, index := range d.indexes {
		b.WriteString("\n" + index + ";\n")
	}
	return b.String()
}

func postgresIndexes() []string {
	return []string{
		`CREATE INDEX jobs_pipeline ON jobs (instance_id, pipeline_id)`,
		`CREATE INDEX jobs_project_created ON jobs (instance_id, project_id, created_at)`,
		`CREATE INDEX jobs_downstream ON jobs (instance_id, downstream_pipeline_id) WHERE downstream_pipeline_id IS NOT NULL`,
		`CREATE INDEX jobs_created ON jobs USING brin (created_at)`,
		`CREATE INDEX pipelines_project_created ON pipelines (instance_id, project_id, created_at)`,
		`CREATE INDEX pipelines_project_updated ON pipelines (instance_id, project_id, updated_at)`,
		`CREATE INDEX pipelines_created ON pipelines USING brin (created_at)`,
	}
}
