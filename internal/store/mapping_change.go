package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/weirhq/weir/internal/ci"
)

// Change is what a catalog changes in what history belongs to.
type Change struct {
	Pipelines    int64 // all that are stored
	MappedBefore int64 // those with a service, before …
	Mapped       int64 // … and after
	NewlyMapped  int64 // had no service and get one
	Remapped     int64 // had services and get others
	Orphaned     int64 // had services and get none

	Deployments        int64 // that rules find, after
	DeploymentsAdded   int64
	DeploymentsRemoved int64
	DeploymentsChanged int64 // to another environment, tier or service

	Examples  []ChangeExample // up to five of each kind, the newest first
	Conflicts []RuleConflict  // pairs of rules, those that meet most often first; up to 20
	Wins      map[ci.RuleID]int64
	// Takes is how many jobs and pipelines each deploy rule took, by its id.
	Takes map[ci.RuleID]int64
}

// ChangeExample is a pipeline whose services change.
type ChangeExample struct {
	Kind       string // newly_mapped, remapped or orphaned
	InstanceID ci.InstanceID
	Pipeline   ci.PipelineID
	Project    string // full path
	Ref        string // "" if unknown
	Before     string // identifiers, by comma
	After      string
}

// RuleConflict is two rules that match the same pipelines and yield different
// services, so that their order decides.
type RuleConflict struct {
	Winner, Loser ci.RuleID
	Pipelines     int64
	InstanceID    ci.InstanceID
	Example       ci.PipelineID // the newest of them
}

const (
	// changed are the pipelines that get other services than they have.
	changed = `SELECT * FROM (SELECT coalesce(o.instance_id, n.instance_id) AS instance_id, coalesce(o.pipeline_id, n.pipeline_id) AS pipeline_id,
			CASE WHEN o.had IS NULL THEN 'newly_mapped' WHEN n.has IS NULL THEN 'orphaned' WHEN o.kept < o.had OR o.kept < n.has THEN 'remapped' END AS kind
		FROM (SELECT p.instance_id, p.pipeline_id, count(*) AS had, count(y.service_id) AS kept FROM pipeline_services p
			LEFT JOIN map_member m ON m.instance_id = p.instance_id AND m.pipeline_id = p.pipeline_id
			LEFT JOIN map_yield y ON y.kind_id = m.kind_id AND y.service_id = p.service_id GROUP BY p.instance_id, p.pipeline_id) o
		FULL JOIN (SELECT m.instance_id, m.pipeline_id, y.has FROM map_member m JOIN (SELECT kind_id, count(*) AS has FROM map_yield GROUP BY kind_id) y ON y.kind_id = m.kind_id) n
			ON n.instance_id = o.instance_id AND n.pipeline_id = o.pipeline_id) x WHERE kind IS NOT NULL`

	// sizes are the pipelines of each kind.
	sizes = `SELECT kind_id, instance_id, count(*) AS n, max(pipeline_id) AS newest FROM map_member GROUP BY kind_id, instance_id`

	countChanged = `SELECT (SELECT count(*) FROM (SELECT DISTINCT instance_id, pipeline_id FROM pipeline_services) b),
			(SELECT CAST(coalesce(sum(n), 0) AS BIGINT) FROM map_size WHERE kind_id IN (SELECT kind_id FROM map_yield)),
			count(CASE WHEN kind = 'newly_mapped' THEN 1 END), count(CASE WHEN kind = 'remapped' THEN 1 END), count(CASE WHEN kind = 'orphaned' THEN 1 END),
			(SELECT count(*) FROM map_run) FROM map_change`

	countDeployments = `SELECT (SELECT count(*) FROM map_deployment),
			(SELECT count(*) FROM map_deployment n LEFT JOIN deployments d ON d.instance_id = n.instance_id AND d.id = n.id WHERE d.id IS NULL),
			(SELECT count(*) FROM deployments d LEFT JOIN map_deployment n ON d.instance_id = n.instance_id AND d.id = n.id WHERE d.source = 'rule' AND n.id IS NULL),
			(SELECT count(*) FROM map_deployment n JOIN deployments d ON d.instance_id = n.instance_id AND d.id = n.id
				WHERE d.environment <> n.environment OR d.tier IS DISTINCT FROM n.tier OR d.service_id IS DISTINCT FROM n.service_id)`

	changeExamples = `SELECT x.kind, x.instance_id, x.pipeline_id, coalesce(j.full_path, ''), coalesce(p.ref, ''),
			(SELECT coalesce(string_agg(s.identifier, ', ' ORDER BY s.identifier), '') FROM pipeline_services b JOIN services s ON s.id = b.service_id
				WHERE b.instance_id = x.instance_id AND b.pipeline_id = x.pipeline_id),
			(SELECT coalesce(string_agg(s.identifier, ', ' ORDER BY s.identifier), '') FROM map_member a JOIN map_yield y ON y.kind_id = a.kind_id JOIN services s ON s.id = y.service_id
				WHERE a.instance_id = x.instance_id AND a.pipeline_id = x.pipeline_id)
		FROM ({newest}) x
		JOIN pipelines p ON p.instance_id = x.instance_id AND p.id = x.pipeline_id
		LEFT JOIN projects j ON j.instance_id = p.instance_id AND j.id = p.project_id
		ORDER BY x.kind, x.pipeline_id DESC, x.instance_id`

	// newestOfKind are the first five of a kind, which are much sooner found than
	// the order of all.
	newestOfKind = `(SELECT kind, instance_id, pipeline_id FROM map_change WHERE kind = '%s' ORDER BY pipeline_id DESC, instance_id LIMIT 5)`

	conflicts = `SELECT winner, loser, CAST(sum(n) AS BIGINT) AS pipelines, max(CASE WHEN first = 1 THEN newest END), max(CASE WHEN first = 1 THEN instance_id END) FROM (
			SELECT x.winner, x.loser, z.n, z.newest, z.instance_id,
				row_number() OVER (PARTITION BY x.winner, x.loser ORDER BY z.newest DESC, z.instance_id) AS first
			FROM (SELECT DISTINCT w.rule_id AS winner, l.rule_id AS loser, w.kind_id
				FROM map_result w JOIN map_best b ON b.kind_id = w.kind_id JOIN map_hit l ON l.kind_id = w.kind_id AND l.place > b.place
				WHERE NOT EXISTS (SELECT 1 FROM map_yield s WHERE s.kind_id = l.kind_id AND s.service_id = l.service_id)) x
			JOIN map_size z ON z.kind_id = x.kind_id
		) c GROUP BY winner, loser ORDER BY pipelines DESC, winner, loser LIMIT 20`

	wins = `SELECT r.rule_id, CAST(sum(z.n) AS BIGINT) FROM map_result r JOIN map_size z ON z.kind_id = r.kind_id GROUP BY r.rule_id`
)

// compare says what keep will change.
func (m *mapping) compare(ctx context.Context) (Change, error) {
	c := Change{Wins: map[ci.RuleID]int64{}, Takes: map[ci.RuleID]int64{}}
	for _, step := range []struct{ name, query string }{{"map_change", changed}, {"map_size", sizes}} {
		if err := m.create(ctx, step.name, step.query); err != nil {
			return c, err
		}
	}
	for _, one := range []struct {
		sql  string
		take func(row []any)
	}{
		{countChanged, func(row []any) {
			for i, n := range []*int64{&c.MappedBefore, &c.Mapped, &c.NewlyMapped, &c.Remapped, &c.Orphaned, &c.Pipelines} {
				*n = row[i].(int64)
			}
		}},
		{countDeployments, func(row []any) {
			for i, n := range []*int64{&c.Deployments, &c.DeploymentsAdded, &c.DeploymentsRemoved, &c.DeploymentsChanged} {
				*n = row[i].(int64)
			}
		}},
		{strings.Replace(changeExamples, "{newest}", fmt.Sprintf(newestOfKind+" UNION ALL "+newestOfKind+" UNION ALL "+newestOfKind, "newly_mapped", "remapped", "orphaned"), 1), func(row []any) {
			c.Examples = append(c.Examples, ChangeExample{
				Kind: row[0].(string), InstanceID: ci.InstanceID(row[1].(int64)), Pipeline: ci.PipelineID(row[2].(int64)),
				Project: row[3].(string), Ref: row[4].(string), Before: row[5].(string), After: row[6].(string),
			})
		}},
		{conflicts, func(row []any) {
			c.Conflicts = append(c.Conflicts, RuleConflict{
				Winner: ci.RuleID(row[0].(int64)), Loser: ci.RuleID(row[1].(int64)), Pipelines: row[2].(int64),
				Example: ci.PipelineID(row[3].(int64)), InstanceID: ci.InstanceID(row[4].(int64)),
			})
		}},
		{wins, func(row []any) { c.Wins[ci.RuleID(row[0].(int64))] = row[1].(int64) }},
		{"SELECT rule_id, count(*) FROM map_taken GROUP BY rule_id", func(row []any) { c.Takes[ci.RuleID(row[0].(int64))] = row[1].(int64) }},
	} {
		if err := m.each(ctx, one.sql, one.take); err != nil {
			return c, err
		}
	}
	for _, table := range []string{"map_change", "map_size"} {
		if _, err := m.w.exec(ctx, "DROP TABLE "+table); err != nil {
			return c, err
		}
	}
	return c, nil
}
