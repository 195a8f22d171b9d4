package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/weirhq/weir/internal/ci"
)

// The temporary tables of a mapping, in the order in which they come about:
//
//	map_run        the pipelines to map, with the facts that rules look at
//	map_sig        each combination of these facts, with the set of rules that hold for it
//	map_candidate  the rules of each set
//	map_job        each job name and stage that fulfils a condition
//	map_hit        pipelines and the service rules that match, with all conditions
//	map_service    what pipeline_services must hold
//	map_taken      jobs and pipelines that deploy rules take
//	map_deployment what deployments must hold, but for GitLab's own
//	map_recorded   what GitLab recorded of the pipelines
//
// "" stands for NULL in facts, because no pattern matches either.

// runColumns are the facts of map_run and map_sig, in order.
const runColumns = "ref, ref_type, source, pipeline, default_branch, bridge"

func text(name string) Column { return Column{Name: name, Type: Text} }
func number(name string) Column {
	return Column{Name: name, Type: BigInt}
}

func mapSig() Table {
	t := Table{Name: "map_sig", Columns: []Column{number("instance_id"), number("project_id")}}
	for _, name := range strings.Split(runColumns, ", ") {
		t.Columns = append(t.Columns, text(name))
	}
	t.Columns = append(t.Columns, number("set_id"))
	return t
}

func mapCandidate() Table {
	return Table{Name: "map_candidate", Columns: []Column{
		number("set_id"), number("place"), number("rule_id"),
		{Name: "deploy", Type: Boolean},
		number("service_id"), number("cond"), text("environment"), text("tier"),
	}}
}

func mapJob() Table {
	return Table{Name: "map_job", Columns: []Column{text("name"), text("stage"), text("environment"), number("cond")}}
}

// work fills the temporary tables.
func (m *mapping) work(ctx context.Context) error {
	if err := m.create(ctx, "map_run", m.runs()); err != nil {
		return err
	}
	if err := m.signatures(ctx); err != nil {
		return err
	}
	if err := m.create(ctx, "map_set", `SELECT r.instance_id, r.pipeline_id, r.project_id, s.set_id FROM map_run r JOIN stage_map_sig s
		ON s.instance_id = r.instance_id AND s.project_id = r.project_id`+sameFacts("s", "r")); err != nil {
		return err
	}
	if err := m.jobs(ctx); err != nil {
		return err
	}
	for _, step := range []struct{ name, query string }{
		{"map_hit", m.hits()},
		{"map_best", `SELECT instance_id, pipeline_id, min(place) AS place FROM map_hit GROUP BY instance_id, pipeline_id`},
		{"map_result", `SELECT h.instance_id, h.pipeline_id, h.service_id, h.rule_id, h.cond FROM map_hit h
			JOIN map_best b ON b.instance_id = h.instance_id AND b.pipeline_id = h.pipeline_id AND b.place = h.place`},
		{"map_service", `SELECT instance_id, pipeline_id, service_id, min(rule_id) AS rule_id FROM map_result GROUP BY instance_id, pipeline_id, service_id`},
		{"map_taken", m.taken()},
		{"map_owner", m.owners()},
		{"map_deployment", m.deployments()},
		{"map_recorded", m.recorded()},
		{"map_recorded_owner", m.recordedOwners()},
	} {
		if err := m.create(ctx, step.name, step.query); err != nil {
			return err
		}
	}
	return nil
}

// create makes a temporary table anew.
func (m *mapping) create(ctx context.Context, name, query string) error {
	for _, statement := range []string{"DROP TABLE IF EXISTS " + name, "CREATE TEMP TABLE " + name + " AS " + query} {
		if _, err := m.w.exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return m.count(ctx, name)
}

// count has the planner look at a temporary table.
func (m *mapping) count(ctx context.Context, table string) error {
	if !m.analyze {
		return nil
	}
	_, err := m.w.exec(ctx, "ANALYZE "+quoteName(table))
	return err
}

// runs reads the pipelines and of their facts those that rules look at.
func (m *mapping) runs() string {
	fact := func(used bool, sql, name string) string {
		if !used {
			sql = "''"
		}
		// One type, used or not: PostgreSQL keeps plans by it.
		return ", CAST(" + sql + " AS VARCHAR) AS " + name
	}
	u := m.uses
	query := "SELECT p.instance_id, p.id AS pipeline_id, p.project_id" +
		fact(u.Ref, "coalesce(p.ref, '')", "ref") + fact(u.RefType, "p.ref_type", "ref_type") +
		fact(u.Source, "coalesce(p.source, '')", "source") + fact(u.Pipeline, "coalesce(p.name, '')", "pipeline") +
		fact(u.DefaultBranch, "CASE WHEN p.is_default_branch THEN 'true' WHEN NOT p.is_default_branch THEN 'false' ELSE '' END", "default_branch") +
		fact(u.Bridge, "coalesce(b.name, '')", "bridge") + " FROM pipelines p"
	if !m.all {
		query += " JOIN catalog_dirty d ON d.instance_id = p.instance_id AND d.pipeline_id = p.id"
	}
	if u.Bridge {
		query += ` LEFT JOIN (SELECT instance_id, downstream_pipeline_id AS id, min(name) AS name FROM jobs
			WHERE downstream_pipeline_id IS NOT NULL GROUP BY instance_id, downstream_pipeline_id) b ON b.instance_id = p.instance_id AND b.id = p.id`
	}
	return query
}

func sameFacts(a, b string) string {
	var s strings.Builder
	for _, name := range strings.Split(runColumns, ", ") {
		fmt.Fprintf(&s, " AND %s.%s = %s.%s", a, name, b, name)
	}
	return s.String()
}

// signatures asks the rules for each combination of facts. Combinations with
// the same rules share a set; those without any are left out.
func (m *mapping) signatures(ctx context.Context) error {
	projects, err := m.projects(ctx)
	if err != nil {
		return err
	}
	if m.all {
		if err := m.noteProjects(ctx, projects); err != nil {
			return err
		}
	}
	sets := map[string]int64{}
	var signatures, candidates [][]any
	err = m.each(ctx, "SELECT DISTINCT instance_id, project_id, "+runColumns+" FROM map_run", func(row []any) {
		p := projects[projectKey{row[0].(int64), row[1].(int64)}]
		facts := ci.RunFacts{
			Instance: p.instance, Project: p.path, Topics: p.topics, Ref: row[2].(string), RefType: ci.RefType(row[3].(string)),
			Source: ci.Source(row[4].(string)), Pipeline: row[5].(string), Bridge: row[7].(string),
		}
		if text := row[6].(string); text != "" {
			facts.DefaultBranch = new(text == "true")
		}
		list := m.mapper.Candidates(facts)
		if len(list) == 0 {
			return
		}
		var key strings.Builder
		for _, c := range list {
			fmt.Fprint(&key, c.Rule, c.Deploy, " ")
		}
		set := sets[key.String()]
		if set == 0 {
			set = int64(len(sets) + 1)
			sets[key.String()] = set
			for _, c := range list {
				candidates = append(candidates, []any{set, c.Position, int64(c.Rule), c.Deploy, int64(c.Service), c.Condition, c.Environment, c.Tier})
			}
		}
		signatures = append(signatures, append(row, set))
	})
	if err != nil {
		return err
	}
	sig, candidate := mapSig(), mapCandidate()
	if err := m.load(ctx, &sig, signatures); err != nil {
		return err
	}
	return m.load(ctx, &candidate, candidates)
}

// conditional is the jobs of pipelines for which a condition on jobs matters.
func (m *mapping) conditional() string {
	environment, join := "''", ""
	if m.uses.Environment {
		environment = "coalesce(e.environment, '')"
		join = ` LEFT JOIN (SELECT instance_id, job_id, min(environment) AS environment FROM deployments
			WHERE source = 'gitlab' AND job_id IS NOT NULL GROUP BY instance_id, job_id) e ON e.instance_id = j.instance_id AND e.job_id = j.id`
	}
	return `SELECT m.instance_id, m.pipeline_id, m.project_id, m.set_id, j.id AS job_id, j.name, coalesce(j.stage, '') AS stage, CAST(` + environment + ` AS VARCHAR) AS environment,
		j.status, j.finished_at, j.deleted_at, j.synced_at
		FROM map_set m JOIN jobs j ON j.instance_id = m.instance_id AND j.pipeline_id = m.pipeline_id` + join + `
		WHERE m.set_id IN (SELECT set_id FROM stage_map_candidate WHERE cond > 0)`
}

// jobs asks the conditions for each job name, stage and environment.
func (m *mapping) jobs(ctx context.Context) error {
	var held [][]any
	if m.uses.Jobs {
		if err := m.create(ctx, "map_names", "SELECT DISTINCT name, stage, environment FROM ("+m.conditional()+") j"); err != nil {
			return err
		}
		err := m.each(ctx, "SELECT name, stage, environment FROM map_names", func(row []any) {
			for _, id := range m.mapper.Conditions(ci.JobFacts{Name: row[0].(string), Stage: row[1].(string), Environment: row[2].(string)}) {
				held = append(held, []any{row[0], row[1], row[2], id})
			}
		})
		if err != nil {
			return err
		}
	}
	t := mapJob()
	if err := m.load(ctx, &t, held); err != nil {
		return err
	}
	query := "SELECT j.*, f.cond FROM (" + m.conditional() + ") j JOIN stage_map_job f ON f.name = j.name AND f.stage = j.stage AND f.environment = j.environment"
	if !m.uses.Jobs {
		query += " WHERE false"
	}
	return m.create(ctx, "map_fulfilled", query)
}

// hits pairs pipelines with the service rules that match, whoever wins.
func (m *mapping) hits() string {
	return `SELECT m.instance_id, m.pipeline_id, c.place, c.rule_id, c.service_id, c.cond
		FROM map_set m JOIN stage_map_candidate c ON c.set_id = m.set_id WHERE NOT c.deploy AND c.cond = 0
	UNION ALL
		SELECT DISTINCT f.instance_id, f.pipeline_id, c.place, c.rule_id, c.service_id, c.cond
		FROM map_fulfilled f JOIN stage_map_candidate c ON c.set_id = f.set_id AND c.cond = f.cond WHERE NOT c.deploy`
}
