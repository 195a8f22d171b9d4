package store

import (
	"context"
	"fmt"
	"strings"
)

// keep makes pipeline_services and deployments what the temporary tables say,
// touching only what differs, and takes the marks away.
func (m *mapping) keep(ctx context.Context) error {
	t, _ := TableByName("deployments")
	columns := t.ColumnNames()
	var set, differ []string
	for _, c := range t.Columns {
		if !c.Key {
			name := quoteName(c.Name)
			set = append(set, name+" = excluded."+name)
			differ = append(differ, "d."+name+" IS DISTINCT FROM n."+name)
		}
	}
	scoped := func(table string) string {
		if m.all {
			return "true"
		}
		return fmt.Sprintf("EXISTS (SELECT 1 FROM map_run r WHERE r.instance_id = %[1]s.instance_id AND r.pipeline_id = %[1]s.pipeline_id)", table)
	}
	for _, statement := range []string{
		`DELETE FROM pipeline_services WHERE ` + scoped("pipeline_services") + ` AND NOT EXISTS (SELECT 1 FROM map_member m JOIN map_yield n ON n.kind_id = m.kind_id
			WHERE m.instance_id = pipeline_services.instance_id AND m.pipeline_id = pipeline_services.pipeline_id
			AND n.service_id = pipeline_services.service_id AND n.rule_id = pipeline_services.rule_id)`,
		// What is left is as it must be; what is not there is missing. DuckDB has no key that would refuse a pair that comes twice.
		`INSERT INTO pipeline_services (instance_id, pipeline_id, service_id, rule_id)
			SELECT m.instance_id, m.pipeline_id, n.service_id, n.rule_id FROM map_member m JOIN map_yield n ON n.kind_id = m.kind_id
			WHERE NOT EXISTS (SELECT 1 FROM pipeline_services o WHERE o.instance_id = m.instance_id AND o.pipeline_id = m.pipeline_id AND o.service_id = n.service_id)`,
		`DELETE FROM deployments WHERE source = 'rule' AND ` + scoped("deployments") + ` AND NOT EXISTS (SELECT 1 FROM map_deployment n
			WHERE n.instance_id = deployments.instance_id AND n.id = deployments.id)`,
		`INSERT INTO deployments (` + quoteNames(columns) + `) SELECT n.` + strings.Join(columns, ", n.") + ` FROM map_deployment n
			LEFT JOIN deployments d ON d.instance_id = n.instance_id AND d.id = n.id WHERE d.id IS NULL OR ` + strings.Join(differ, " OR ") + `
			ON CONFLICT (instance_id, id) DO UPDATE SET ` + strings.Join(set, ", "),
		// GitLab does not know services: what its own rows say of them comes from rules alone.
		`UPDATE deployments SET service_id = o.service_id, rule_id = o.rule_id FROM map_recorded_owner o
			WHERE deployments.source = 'gitlab' AND deployments.instance_id = o.instance_id AND deployments.id = o.id
			AND (deployments.service_id IS DISTINCT FROM o.service_id OR deployments.rule_id IS DISTINCT FROM o.rule_id)`,
		`DELETE FROM catalog_dirty`,
		"DROP TABLE map_run", "DROP TABLE map_set", "DROP TABLE map_fulfilled", "DROP TABLE map_bits", "DROP TABLE map_kind", "DROP TABLE map_member",
		"DROP TABLE map_hit", "DROP TABLE map_best", "DROP TABLE map_result", "DROP TABLE map_yield", "DROP TABLE map_taken", "DROP TABLE map_owner", "DROP TABLE map_deployment",
		"DROP TABLE map_recorded", "DROP TABLE map_recorded_owner",
	} {
		if _, err := m.w.exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}
