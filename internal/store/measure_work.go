package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// The temporary tables of a measuring, in the order in which they come about:
//
//	fresh_pipeline  the pipelines to look at: marked ones, and those whose bridges
//	                started a marked one
//	fresh_commit    what they ran on, and which bridge started them
//	fresh_shared    pipelines on whose commit, of its project and kind of ref, several ran
//	fresh_twice     the job names of which a pipeline has several attempts
//	fresh_day       the days of their attempts and their own, before and after
//	fresh_downstream  what their bridges started
//
// Their jobs are read anew by each statement that wants some of their columns:
// a copy of them takes longer to write than three times to read.

// utcDay is the SQL of a time's UTC date. Arithmetic on numbers, because DuckDB's
// on times with zones goes through a calendar.
func utcDay(at string) string {
	return "DATE '1970-01-01' + CAST(floor(CAST(extract(epoch FROM " + at + ") AS double precision) / 86400) AS integer)"
}

const (
	freshPipelines = `SELECT instance_id, pipeline_id FROM measure_dirty ORDER BY instance_id, pipeline_id DESC LIMIT %d`

	// A bridge's piece of a path begins when its downstream pipeline was created.
	freshUpstream = `INSERT INTO fresh_pipeline SELECT DISTINCT j.instance_id, j.pipeline_id
		FROM jobs j JOIN fresh_pipeline f ON f.instance_id = j.instance_id AND f.pipeline_id = j.downstream_pipeline_id
		WHERE j.downstream_pipeline_id IS NOT NULL
			AND NOT EXISTS (SELECT 1 FROM fresh_pipeline k WHERE k.instance_id = j.instance_id AND k.pipeline_id = j.pipeline_id)`

	freshJobs = `jobs j JOIN fresh_pipeline f ON f.instance_id = j.instance_id AND f.pipeline_id = j.pipeline_id AND j.pipeline_id {between}`

	freshCommits = `SELECT p.instance_id, p.id AS pipeline_id, p.project_id, p.sha, p.ref_type, b.name AS child
		FROM fresh_pipeline f JOIN pipelines p ON p.instance_id = f.instance_id AND p.id = f.pipeline_id
		LEFT JOIN (SELECT j.instance_id, j.downstream_pipeline_id, min(j.name) AS name
			FROM jobs j JOIN fresh_pipeline k ON k.instance_id = j.instance_id AND k.pipeline_id = j.downstream_pipeline_id
			WHERE j.kind = 'bridge' AND j.downstream_pipeline_id IS NOT NULL
			GROUP BY j.instance_id, j.downstream_pipeline_id) b
			ON b.instance_id = p.instance_id AND b.downstream_pipeline_id = p.id AND p.source = 'parent_pipeline'`

	freshDownstream = `SELECT instance_id, id, created_at FROM pipelines
		WHERE id IN (SELECT j.downstream_pipeline_id FROM {jobs} WHERE j.downstream_pipeline_id IS NOT NULL)`

	freshShared = `SELECT instance_id, pipeline_id FROM (
			SELECT p.instance_id, p.id AS pipeline_id, count(*) OVER (PARTITION BY p.instance_id, p.project_id, p.sha, p.ref_type) AS n
			FROM pipelines p JOIN (SELECT DISTINCT instance_id, project_id, sha, ref_type FROM fresh_commit WHERE sha IS NOT NULL) c
				ON c.instance_id = p.instance_id AND c.project_id = p.project_id AND c.sha = p.sha AND c.ref_type = p.ref_type) x
		WHERE n > 1`

	freshTwice = `SELECT j.instance_id, j.pipeline_id, j.name FROM {jobs} WHERE {attempted}
		GROUP BY j.instance_id, j.pipeline_id, j.name HAVING count(*) > 1`

	// What belongs to no pipeline that is stored has no commit, and is not alone.
	freshAttempts = `INSERT INTO measure_attempts (instance_id, pipeline_id, project_id, day, name, base_name, stage, ref_type, sha, child, created_at, id,
			passed, broke, coarse, alone)
		SELECT j.instance_id, j.pipeline_id, j.project_id, {day}, j.name, j.base_name, j.stage, c.ref_type, c.sha, c.child, j.created_at, j.id,
			j.status = 'success', j.status = 'failed' AND coalesce(j.failure_reason, '') IN ({reasons}), coalesce(j.time_precision = 's', false),
			c.sha IS NOT NULL AND s.pipeline_id IS NULL AND t.pipeline_id IS NULL
		FROM {jobs}
		LEFT JOIN fresh_commit c ON c.instance_id = j.instance_id AND c.pipeline_id = j.pipeline_id
		LEFT JOIN fresh_shared s ON s.instance_id = j.instance_id AND s.pipeline_id = j.pipeline_id
		LEFT JOIN fresh_twice t ON t.instance_id = j.instance_id AND t.pipeline_id = j.pipeline_id AND t.name = j.name
		WHERE {attempted}`

	freshAccompanied = `UPDATE measure_attempts SET alone = false FROM fresh_shared s
		WHERE measure_attempts.instance_id = s.instance_id AND measure_attempts.pipeline_id = s.pipeline_id AND measure_attempts.alone`

	freshRuns = `INSERT INTO measure_runs SELECT p.instance_id, p.id, {run day}
		FROM pipelines p JOIN fresh_pipeline f ON f.instance_id = p.instance_id AND f.pipeline_id = p.id
		WHERE p.id {between} AND p.created_at IS NOT NULL`

	// The population of change_points.
	freshDays = `INSERT INTO measure_days (day, instance_id, project_id, base_name, level, coarse)
		SELECT {day}, instance_id, project_id, base_name,
			concat({day} - DATE '1970-01-01', ' ', count(*), ' ', percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_seconds)), coalesce(bool_or(time_precision = 's'), false)
		FROM jobs
		WHERE kind = 'build' AND status = 'success' AND retried IS NOT TRUE AND started_at IS NOT NULL AND finished_at IS NOT NULL
			AND duration_seconds IS NOT NULL AND created_at >= $1 AND created_at < $2
		GROUP BY {day}, instance_id, project_id, base_name`
	freshRunDays = `INSERT INTO measure_days (day, instance_id, project_id, base_name, level, coarse)
		SELECT {day}, instance_id, project_id, NULL,
			concat({day} - DATE '1970-01-01', ' ', count(*), ' ', percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_seconds)), coalesce(bool_or(time_precision = 's'), false)
		FROM pipelines
		WHERE source IS DISTINCT FROM 'parent_pipeline' AND status IN ('success', 'failed') AND duration_seconds IS NOT NULL
			AND created_at >= $1 AND created_at < $2
		GROUP BY {day}, instance_id, project_id`
)

// measuring is one call of Measure under way, within its transaction.
type measuring struct {
	w       writer
	dialect dialect
	between string // the condition that an id lies among those of the fresh pipelines
}

// fill writes out what statements have in braces.
func (m *measuring) fill(sql string) string {
	reasons := quoteTexts(append(ci.FailureReasons(ci.FailureCode), ci.FailureReasons(ci.FailureTimeout)...))
	return strings.NewReplacer(
		"{jobs}", strings.ReplaceAll(freshJobs, "{between}", m.between), "{between}", m.between, "{day}", utcDay("j.created_at"), "{run day}", utcDay("p.created_at"), "{reasons}", reasons,
		"{attempted}", "j.kind = 'build' AND j.status IN ('success', 'failed') AND j.created_at IS NOT NULL", // the population of flaky_jobs
	).Replace(sql)
}

func (m *measuring) work(ctx context.Context, limit int) error {
	if err := m.step(ctx, "fresh_pipeline", fmt.Sprintf(freshPipelines, limit)); err != nil {
		return err
	}
	if err := m.step(ctx, "", freshUpstream); err != nil {
		return err
	}
	if err := m.look(ctx); err != nil {
		return err
	}
	ofFresh := func(table string) string {
		return " WHERE " + table + ".pipeline_id " + m.between +
			" AND EXISTS (SELECT 1 FROM fresh_pipeline f WHERE f.instance_id = " + table + ".instance_id AND f.pipeline_id = " + table + ".pipeline_id)"
	}
	for _, step := range []struct{ name, sql string }{
		{"fresh_day", "SELECT day FROM measure_attempts" + ofFresh("measure_attempts") + " UNION SELECT day FROM measure_runs" + ofFresh("measure_runs")},
		{"", "DELETE FROM measure_runs" + ofFresh("measure_runs")},
		{"", "DELETE FROM measure_attempts" + ofFresh("measure_attempts")},
		{"", "DELETE FROM measure_paths" + ofFresh("measure_paths")},
		{"fresh_commit", freshCommits},
		{"fresh_downstream", freshDownstream},
		{"fresh_shared", freshShared},
		{"fresh_twice", freshTwice},
		{"", freshAttempts},
		{"", freshAccompanied},
		{"", freshRuns},
		{"", "INSERT INTO fresh_day SELECT DISTINCT {day} FROM {jobs} WHERE {attempted}"},
		{"", "INSERT INTO fresh_day SELECT DISTINCT day FROM measure_runs" + ofFresh("measure_runs")},
	} {
		if err := m.step(ctx, step.name, m.fill(step.sql)); err != nil {
			return err
		}
	}
	if err := m.days(ctx); err != nil {
		return err
	}
	if err := m.paths(ctx); err != nil {
		return err
	}
	for _, statement := range []string{
		"DELETE FROM measure_dirty" + ofFresh("measure_dirty"),
		"DROP TABLE fresh_pipeline", "DROP TABLE fresh_day", "DROP TABLE fresh_commit", "DROP TABLE fresh_downstream", "DROP TABLE fresh_shared", "DROP TABLE fresh_twice",
	} {
		if err := m.step(ctx, "", statement); err != nil {
			return err
		}
	}
	return nil
}

// look finds between which ids the fresh pipelines lie. Ids grow with time, and
// DuckDB skips what lies outside of a range that is written down: of ten million
// rows all but a few hundred thousand.
func (m *measuring) look(ctx context.Context) error {
	return eachRow(ctx, m.w, "SELECT coalesce(min(pipeline_id), 0), coalesce(max(pipeline_id), 0) FROM fresh_pipeline", nil, func(row []any) error {
		m.between = fmt.Sprintf("BETWEEN %d AND %d", row[0], row[1])
		return nil
	})
}

// step runs a statement, whose rows become a temporary table where that has a name.
func (m *measuring) step(ctx context.Context, name, sql string) error {
	if name == "" {
		if _, err := m.w.exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
		return nil
	}
	if _, err := m.w.exec(ctx, "CREATE TEMP TABLE "+name+" AS "+sql); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if m.dialect.engine == "duckdb" {
		return nil
	}
	// PostgreSQL guesses badly of what it has not counted.
	_, err := m.w.exec(ctx, "ANALYZE "+name)
	return err
}

// days computes the days of fresh_day anew, neighbours together.
func (m *measuring) days(ctx context.Context) error {
	var first, after time.Time // [first, after): neighbours so far
	write := func() error {
		if first.IsZero() {
			return nil
		}
		if _, err := m.w.exec(ctx, "DELETE FROM measure_days WHERE day >= CAST($1 AS date) AND day < CAST($2 AS date)",
			first.Format(time.DateOnly), after.Format(time.DateOnly)); err != nil {
			return err
		}
		for _, statement := range []string{freshDays, freshRunDays} {
			if _, err := m.w.exec(ctx, strings.ReplaceAll(statement, "{day}", utcDay("created_at")), first, after); err != nil {
				return err
			}
		}
		return nil
	}
	var days []string
	err := eachRow(ctx, m.w, "SELECT DISTINCT day FROM fresh_day ORDER BY day", nil, func(row []any) error {
		days = append(days, row[0].(string))
		return nil
	})
	if err != nil {
		return err
	}
	for _, text := range days {
		day, err := time.Parse(time.DateOnly, text)
		if err != nil {
			return err
		}
		if !day.Equal(after) {
			if err := write(); err != nil {
				return err
			}
			first = day
		}
		after = day.AddDate(0, 0, 1)
	}
	return write()
}

func quoteTexts(list []string) string {
	quoted := make([]string, len(list))
	for i, text := range list {
		quoted[i] = quoteText(text)
	}
	return strings.Join(quoted, ", ")
}
