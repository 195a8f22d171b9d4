package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/weirhq/weir/internal/ci"
)

// The temporary tables of a mapping, in the order in which they come about:
//
//	map_run        the pipelines to map, with the facts that rules look at
//	map_sig        each combination of these facts, with the set of rules that hold for it
//	map_candidate  the rules of each set
//	map_mask       the conditions on jobs of each set's service rules, a bit each
//	map_set        pipelines and their sets; those without any rule are left out
//	map_job        each job name and stage that fulfils a condition
//	map_fulfilled  the jobs that do
//	map_bits       the conditions that the jobs of a pipeline fulfil
//	map_kind       the kinds of pipelines: one set, the same conditions fulfilled
//	map_member     pipelines and their kinds
//	map_hit        kinds and the service rules that match, with all conditions
//	map_best       the priority that wins
//	map_result     its rules
//	map_yield      kinds and their services: with map_member, what pipeline_services must hold
//	map_taken      jobs and pipelines that deploy rules take
//	map_owner      their services
//	map_deployment what deployments must hold, but for GitLab's own
//	map_recorded   what GitLab recorded of the pipelines
//
// Which rules win is found for kinds, of which there are few, and only map_run,
// map_set and map_member are as long as history. "" stands for NULL in facts,
// because no pattern matches either.

func text(name string) Column { return Column{Name: name, Type: Text} }

func number(name string) Column {
	return Column{Name: name, Type: BigInt}
}

func mapSig() Table {
	t := Table{Name: "map_sig", Columns: []Column{number("instance_id"), number("project_id")}}
	for _, one := range facts(ci.FactsUsed{}) {
		t.Columns = append(t.Columns, text(one.name))
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

// maskBits is how many conditions go into a number, whose sign stays out of it.
const maskBits = 62

func mapMask() Table {
	return Table{Name: "map_mask", Columns: []Column{number("set_id"), number("cond"), number("word"), number("mask")}}
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
		ON s.instance_id = r.instance_id AND s.project_id = r.project_id`+m.sameFacts("s", "r")); err != nil {
		return err
	}
	if err := m.jobs(ctx); err != nil {
		return err
	}
	for _, step := range []struct{ name, query string }{
		{"map_bits", m.bits()},
		{"map_kind", m.kinds()},
		{"map_member", m.members()},
		{"map_hit", m.hits()},
		{"map_best", `SELECT kind_id, min(place) AS place FROM map_hit GROUP BY kind_id`},
		{"map_result", `SELECT h.kind_id, h.service_id, h.rule_id, h.cond FROM map_hit h JOIN map_best b ON b.kind_id = h.kind_id AND b.place = h.place`},
		{"map_yield", `SELECT kind_id, service_id, min(rule_id) AS rule_id FROM map_result GROUP BY kind_id, service_id`},
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

// fact is something of a pipeline that rules may look at, with the SQL that reads it.
type fact struct {
	name, sql string
	used      bool
	take      func(*ci.RunFacts, string)
}

// facts gives all, and says which of them the rules look at.
func facts(u ci.FactsUsed) []fact {
	return []fact{
		{"ref", "coalesce(p.ref, '')", u.Ref, func(f *ci.RunFacts, v string) { f.Ref = v }},
		{"ref_type", "p.ref_type", u.RefType, func(f *ci.RunFacts, v string) { f.RefType = ci.RefType(v) }},
		{"source", "coalesce(p.source, '')", u.Source, func(f *ci.RunFacts, v string) { f.Source = ci.Source(v) }},
		{"pipeline", "coalesce(p.name, '')", u.Pipeline, func(f *ci.RunFacts, v string) { f.Pipeline = v }},
		{
			"default_branch", "CASE WHEN p.is_default_branch THEN 'true' WHEN NOT p.is_default_branch THEN 'false' ELSE '' END", u.DefaultBranch,
			func(f *ci.RunFacts, v string) {
				if v != "" {
					f.DefaultBranch = new(v == "true")
				}
			},
		},
		{"bridge", "coalesce(b.name, '')", u.Bridge, func(f *ci.RunFacts, v string) { f.Bridge = v }},
	}
}

// looked gives the facts that the rules look at: the columns of map_run.
func (m *mapping) looked() []fact {
	return slices.DeleteFunc(facts(m.uses), func(one fact) bool { return !one.used })
}

// runs reads the pipelines and of their facts those that rules look at.
func (m *mapping) runs() string {
	query := "SELECT p.instance_id, p.id AS pipeline_id, p.project_id"
	for _, one := range m.looked() {
		query += ", CAST(" + one.sql + " AS VARCHAR) AS " + one.name
	}
	query += " FROM pipelines p"
	if !m.all {
		query += " JOIN catalog_dirty d ON d.instance_id = p.instance_id AND d.pipeline_id = p.id"
	}
	if m.uses.Bridge {
		query += ` LEFT JOIN (SELECT instance_id, downstream_pipeline_id AS id, min(name) AS name FROM jobs
			WHERE downstream_pipeline_id IS NOT NULL GROUP BY instance_id, downstream_pipeline_id) b ON b.instance_id = p.instance_id AND b.id = p.id`
	}
	return query
}

func (m *mapping) sameFacts(a, b string) string {
	var s strings.Builder
	for _, one := range m.looked() {
		fmt.Fprintf(&s, " AND %s.%s = %s.%s", a, one.name, b, one.name)
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
	var signatures, candidates, masks [][]any
	columns, looked := "instance_id, project_id", m.looked()
	for _, one := range looked {
		columns += ", " + one.name
	}
	err = m.each(ctx, "SELECT DISTINCT "+columns+" FROM map_run", func(row []any) {
		p := projects[projectKey{row[0].(int64), row[1].(int64)}]
		run := ci.RunFacts{Instance: p.instance, Project: p.path, Topics: p.topics}
		for i, one := range looked {
			one.take(&run, row[2+i].(string))
		}
		list := m.mapper.Candidates(run)
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
			var conditions []int64 // of service rules
			for _, c := range list {
				candidates = append(candidates, []any{set, c.Position, int64(c.Rule), c.Deploy, int64(c.Service), c.Condition, c.Environment, c.Tier})
				if !c.Deploy && c.Condition != 0 && !slices.Contains(conditions, c.Condition) {
					conditions = append(conditions, c.Condition)
				}
			}
			for i, condition := range conditions {
				masks = append(masks, []any{set, condition, int64(i / maskBits), int64(1) << (i % maskBits)})
			}
			m.words = max(m.words, (len(conditions)+maskBits-1)/maskBits)
		}
		signature := []any{row[0], row[1]}
		for _, one := range facts(m.uses) {
			value := any("") // what nobody looks at is the same for all
			if one.used {
				value, row = row[2], append(row[:2:2], row[3:]...)
			}
			signature = append(signature, value)
		}
		signatures = append(signatures, append(signature, set))
	})
	if err != nil {
		return err
	}
	for _, one := range []struct {
		table Table
		rows  [][]any
	}{{mapSig(), signatures}, {mapCandidate(), candidates}, {mapMask(), masks}} {
		if err := m.load(ctx, &one.table, one.rows); err != nil {
			return err
		}
	}
	return nil
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

// word is the column with the bits of map_mask's word of that number.
func word(i int) string { return fmt.Sprintf("word%d", i) }

// bits gathers which conditions of its service rules the jobs of a pipeline fulfil.
func (m *mapping) bits() string {
	query := "SELECT f.instance_id, f.pipeline_id"
	for i := range m.words {
		query += fmt.Sprintf(", bit_or(CASE WHEN k.word = %d THEN k.mask ELSE 0 END) AS %s", i, word(i))
	}
	return query + ` FROM map_fulfilled f JOIN stage_map_mask k ON k.set_id = f.set_id AND k.cond = f.cond GROUP BY f.instance_id, f.pipeline_id`
}

// kinds numbers the sets of rules, each with the conditions that are fulfilled.
func (m *mapping) kinds() string {
	if m.words == 0 {
		return "SELECT DISTINCT set_id AS kind_id, set_id FROM stage_map_candidate"
	}
	var words strings.Builder
	for i := range m.words {
		fmt.Fprintf(&words, ", coalesce(b.%[1]s, 0) AS %[1]s", word(i))
	}
	return "SELECT row_number() OVER () AS kind_id, k.* FROM (SELECT DISTINCT s.set_id" + words.String() + " FROM map_set s" + bitsOf + ") k"
}

const bitsOf = " LEFT JOIN map_bits b ON b.instance_id = s.instance_id AND b.pipeline_id = s.pipeline_id"

// members says of which kind a pipeline is.
func (m *mapping) members() string {
	if m.words == 0 {
		return "SELECT instance_id, pipeline_id, set_id AS kind_id FROM map_set"
	}
	query := "SELECT s.instance_id, s.pipeline_id, k.kind_id FROM map_set s" + bitsOf + " JOIN map_kind k ON k.set_id = s.set_id"
	for i := range m.words {
		query += fmt.Sprintf(" AND k.%[1]s = coalesce(b.%[1]s, 0)", word(i))
	}
	return query
}

// hits pairs kinds with the service rules that match, whoever wins.
func (m *mapping) hits() string {
	fulfilled := "c.cond = 0"
	for i := range m.words {
		fulfilled += fmt.Sprintf(" OR (x.word = %d AND (k.%s & x.mask) <> 0)", i, word(i))
	}
	return `SELECT k.kind_id, c.place, c.rule_id, c.service_id, c.cond FROM map_kind k JOIN stage_map_candidate c ON c.set_id = k.set_id
		LEFT JOIN stage_map_mask x ON x.set_id = c.set_id AND x.cond = c.cond WHERE NOT c.deploy AND (` + fulfilled + `)`
}
