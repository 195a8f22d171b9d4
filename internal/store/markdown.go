package store

import (
	"fmt"
	"strings"
)

// Markdown gives the published tables and views as a chapter for people, which
// is committed as doc/data-model.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(`# Data model

Written from the descriptions in internal/store by ` + "`go test ./internal/store -run TestDataModel -update`" + `; do not edit.

The tables lie in schema ` + "`main`" + ` of DuckDB and ` + "`weir`" + ` of PostgreSQL. Times are ` + "`timestamptz`" + ` in UTC, spans are seconds,
ids are GitLab's own. NULL means that GitLab did not say. ` + "`instance_id`" + ` tells GitLabs apart: always join by it and the id. Rows that
GitLab has deleted keep their data and have ` + "`deleted_at`" + `.

Where two answers speak of one row, the newer one wins: for pipelines the one with the later ` + "`updated_at`" + ` (in whole seconds if
one of the two is cut to them), else the one asked for later (` + "`synced_at`" + `). A column marked *kept* holds its value when the newer
answer leaves it out.
`)
	section := func(title string, tables []Table) {
		b.WriteString("\n## " + title + "\n")
		for _, t := range tables {
			fmt.Fprintf(&b, "\n### %s\n\n%s\n", t.Name, t.Meaning)
			if keys := t.Keys(); len(keys) > 0 {
				fmt.Fprintf(&b, "Key: `%s`.\n", strings.Join(keys, "`, `"))
			}
			b.WriteString("\n| column | type | NULL | meaning |\n| --- | --- | --- | --- |\n")
			for _, c := range t.Columns {
				null := ""
				if c.Nullable && !t.IsView() {
					null = "yes"
				}
				meaning := c.Meaning
				if c.References != "" {
					meaning += " → `" + c.References + "`"
				}
				if c.keepWhy != "" {
					meaning += "; *kept*: " + c.keepWhy
				}
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", c.Name, c.Type, null, strings.ReplaceAll(meaning, "|", `\|`))
			}
		}
	}
	section("Tables", Tables())
	section("Views", Views())
	return b.String()
}
