package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weirhq/weir/internal/ci"
)

// Mapping history to services and deployments. Rules are asked in Go for
// values, of which there are few (a project with a ref and a source, a job's
// name with its stage), and SQL joins the answers with the rows, of which there
// are millions. Package catalog has the rules; its Assign says the same for one
// pipeline, and tests hold both to each other.
//
// Whoever maps holds catalog_dirty until the transaction ends: an import that
// has marked its pipelines is waited for, and one that marks them later finds
// its marks in place afterwards.

// Mapper says which rules hold.
type Mapper interface {
	// Uses says which facts the rules look at; others are not read.
	Uses() ci.FactsUsed
	// Candidates gives the rules whose conditions on the run hold.
	Candidates(ci.RunFacts) []ci.Candidate
	// Conditions gives the conditions on jobs that hold for this one.
	Conditions(ci.JobFacts) []int64
}

// CatalogRows is the catalog as it is stored: services, deleted ones too, and rules.
type CatalogRows struct {
	Services []ci.Service
	Rules    []ci.ServiceRule
	Deploys  []ci.DeployRule
}

// Catalog gives the stored catalog, each by id; empty lists before the first is
// put in force.
func (s *Store) Catalog(ctx context.Context) (CatalogRows, error) {
	var c CatalogRows
	err := s.engine.read(ctx, func(r reader) (err error) {
		c, err = readCatalog(ctx, r)
		return err
	})
	if err != nil {
		return CatalogRows{}, s.engine.problem(err)
	}
	return c, nil
}

func readCatalog(ctx context.Context, r reader) (c CatalogRows, err error) {
	if c.Services, err = rowsOf[ci.Service](ctx, r, "services", "ORDER BY id"); err != nil {
		return c, err
	}
	if c.Rules, err = rowsOf[ci.ServiceRule](ctx, r, "service_rules", "ORDER BY id"); err != nil {
		return c, err
	}
	c.Deploys, err = rowsOf[ci.DeployRule](ctx, r, "deploy_rules", "ORDER BY id")
	return c, err
}

var errPreview = errors.New("a preview is not kept")

// ReplaceCatalog puts a catalog in force and maps all history by it, in one
// transaction, and says what changed. build makes the new rows of those stored;
// its error comes back as it is, and nothing is changed then. With preview
// everything happens likewise and is then undone.
func (s *Store) ReplaceCatalog(ctx context.Context, preview bool, build func(CatalogRows) (CatalogRows, Mapper, error)) (Change, error) {
	var change Change
	err := s.engine.write(ctx, func(w writer) error {
		if err := s.alone(ctx, w, "catalog_dirty"); err != nil {
			return err
		}
		old, err := readCatalog(ctx, w)
		if err != nil {
			return err
		}
		next, mapper, err := build(old)
		if err != nil {
			return err
		}
		if err := writeCatalog(ctx, w, next); err != nil {
			return err
		}
		m := &mapping{w: w, mapper: mapper, uses: mapper.Uses(), all: true, analyze: s.engine.name() == "postgres"}
		if err := m.work(ctx); err != nil {
			return err
		}
		if change, err = m.compare(ctx); err != nil {
			return err
		}
		if preview {
			return errPreview
		}
		return m.keep(ctx)
	})
	if err != nil && !errors.Is(err, errPreview) {
		return Change{}, s.engine.problem(err)
	}
	return change, nil
}

// MapChanged maps the pipelines that changed since they were last looked at, by
// the rules in force, and gives their number. compile makes the stored rules
// ready to be asked.
func (s *Store) MapChanged(ctx context.Context, compile func(CatalogRows) (Mapper, error)) (int64, error) {
	var mapped int64
	err := s.engine.write(ctx, func(w writer) error {
		mapped = 0
		if err := s.alone(ctx, w, "catalog_dirty"); err != nil {
			return err
		}
		stored, err := readCatalog(ctx, w)
		if err != nil {
			return err
		}
		mapper, err := compile(stored)
		if err != nil {
			return err
		}
		if len(stored.Rules)+len(stored.Deploys) == 0 {
			// Replacing them has taken every row away; the next that puts rules in force looks at all.
			_, err := w.exec(ctx, "DELETE FROM catalog_dirty")
			return err
		}
		m := &mapping{w: w, mapper: mapper, uses: mapper.Uses(), analyze: s.engine.name() == "postgres"}
		if err := m.markProjects(ctx); err != nil {
			return err
		}
		if mapped, err = oneInt(ctx, w, "SELECT count(*) FROM catalog_dirty"); err != nil || mapped == 0 {
			return err
		}
		if err := m.work(ctx); err != nil {
			return err
		}
		return m.keep(ctx)
	})
	if err != nil {
		return 0, s.engine.problem(err)
	}
	return mapped, nil
}

// writeCatalog replaces the rows of the catalog.
func writeCatalog(ctx context.Context, w writer, c CatalogRows) error {
	if err := replace(ctx, w, "services", c.Services); err != nil {
		return err
	}
	if err := replace(ctx, w, "service_rules", c.Rules); err != nil {
		return err
	}
	return replace(ctx, w, "deploy_rules", c.Deploys)
}

func replace[T any](ctx context.Context, w writer, table string, rows []T) error {
	t, _ := TableByName(table)
	values, err := encode(&t, rows)
	if err != nil {
		return err
	}
	if err := w.load(ctx, &t, values); err != nil {
		return err
	}
	_, err = w.exec(ctx, "DELETE FROM "+quoteName(table)+" WHERE id NOT IN (SELECT id FROM "+quoteName(stage(&t))+")")
	if err != nil || len(rows) == 0 {
		return err
	}
	_, err = w.exec(ctx, upsert(&t))
	return err
}

// mapping is one mapping under way, within its transaction.
type mapping struct {
	w      writer
	mapper Mapper
	uses   ci.FactsUsed
	all    bool // every pipeline, not only those that are marked
	words  int  // numbers that the conditions of a set fill, a bit each
	// analyze has the planner count temporary tables: PostgreSQL guesses badly of
	// what it has not counted, DuckDB needs no telling.
	analyze bool
}

// project is what rules look at in a project.
type projectFacts struct {
	instance, path string
	topics         []string
}

// text is what is kept of the facts, to see when they have changed.
func (p *projectFacts) text() string {
	return p.instance + "\n" + p.path + "\n" + strings.Join(p.topics, "\n")
}

type projectKey struct{ instance, project int64 }

func (m *mapping) projects(ctx context.Context) (map[projectKey]projectFacts, error) {
	facts := map[projectKey]projectFacts{}
	err := m.each(ctx, `SELECT p.instance_id, p.id, p.full_path, p.topics, coalesce(i.base_url, '')
		FROM projects p LEFT JOIN instances i ON i.id = p.instance_id`, func(row []any) {
		one := projectFacts{instance: row[4].(string), path: row[2].(string)}
		if topics, ok := row[3].([]any); ok {
			for _, t := range topics {
				one.topics = append(one.topics, fmt.Sprint(t))
			}
		}
		facts[projectKey{row[0].(int64), row[1].(int64)}] = one
	})
	return facts, err
}

// markProjects marks the pipelines of projects that are not as they were when
// they were last mapped: renamed, moved, or with other topics.
func (m *mapping) markProjects(ctx context.Context) error {
	facts, err := m.projects(ctx)
	if err != nil {
		return err
	}
	err = m.each(ctx, "SELECT instance_id, project_id, facts FROM catalog_projects", func(row []any) {
		key := projectKey{row[0].(int64), row[1].(int64)}
		if one, ok := facts[key]; ok && one.text() == row[2].(string) {
			delete(facts, key)
		}
	})
	if err != nil {
		return err
	}
	changed := map[int64][]int64{}
	for key := range facts {
		changed[key.instance] = append(changed[key.instance], key.project)
	}
	for instance, ids := range changed {
		slices.Sort(ids)
		if _, err := m.w.exec(ctx, `INSERT INTO catalog_dirty (instance_id, pipeline_id)
			SELECT instance_id, id FROM pipelines WHERE instance_id = $1 AND project_id = ANY($2) ON CONFLICT DO NOTHING`, instance, ids); err != nil {
			return err
		}
	}
	return m.noteProjects(ctx, facts)
}

// noteProjects keeps what was looked at of projects.
func (m *mapping) noteProjects(ctx context.Context, facts map[projectKey]projectFacts) error {
	if len(facts) == 0 {
		return nil
	}
	rows := make([][]any, 0, len(facts))
	for key, one := range facts {
		rows = append(rows, []any{key.instance, key.project, one.text()})
	}
	t := catalogProjects()
	if err := m.load(ctx, &t, rows); err != nil {
		return err
	}
	_, err := m.w.exec(ctx, upsert(&t))
	return err
}

// catalogProjects describes the private table of that name, for load and upsert.
func catalogProjects() Table {
	return Table{Name: "catalog_projects", Columns: []Column{
		{Name: "instance_id", Type: BigInt, Key: true}, {Name: "project_id", Type: BigInt, Key: true}, {Name: "facts", Type: Text},
	}}
}

// load fills the staging table of a table that only mapping has.
func (m *mapping) load(ctx context.Context, t *Table, rows [][]any) error {
	// The types that staging wants are the same on both engines but for text and numbers' letter case.
	if _, err := m.w.exec(ctx, duckDialect().createStage(t)); err != nil {
		return err
	}
	if err := m.w.load(ctx, t, rows); err != nil {
		return err
	}
	return m.count(ctx, stage(t))
}

// each runs f on every row of an answer within the transaction.
func (m *mapping) each(ctx context.Context, sql string, f func(row []any)) error {
	return eachRow(ctx, m.w, sql, nil, func(row []any) error {
		f(row)
		return nil
	})
}
