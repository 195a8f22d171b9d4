package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weirhq/weir/internal/ci"
)

// freshPieces are the jobs of fresh pipelines, a row a pipeline, packed into a
// text: a value that crosses from the engine into Go costs more than to write
// and read it as text. Times are microseconds since 1970. A job is eight numbers
// (pathOf.add), each empty where it is NULL and with a space behind it, then its
// texts, each with its length in characters before it.
const freshPieces = `SELECT j.instance_id, j.pipeline_id, string_agg(CAST(j.id AS text) || CASE WHEN j.coarse THEN ' 1 ' ELSE ' 0 ' END
			|| {queued_at} || {queued_seconds} || {started_at} || {finished_at} || {downstream_at} || {kind} || {name} || {base_name} || {stage}, '')
	FROM fresh_job j
	LEFT JOIN fresh_downstream d ON d.instance_id = j.instance_id AND d.id = j.downstream_pipeline_id
	GROUP BY j.instance_id, j.pipeline_id`

// keptPaths describes measure_paths.
func keptPaths() Table {
	return Table{Name: "measure_paths", Columns: []Column{
		number("instance_id"), number("pipeline_id"),
		{Name: "base_name", Type: Text},
		{Name: "seconds", Type: Double, Nullable: true},
		{Name: "coarse", Type: Boolean},
		{Name: "gain", Type: BigInt, Nullable: true},
	}}
}

// freshPieces with what packs its columns.
func freshPiecesSQL() string {
	moment := func(column string) string {
		return "coalesce(CAST(CAST(round(CAST(extract(epoch FROM " + column + ") AS double precision) * 1000000) AS bigint) AS text), '') || ' '"
	}
	text := func(column string) string { return "CAST(length(" + column + ") AS text) || ' ' || " + column }
	return strings.NewReplacer("{queued_at}", moment("j.queued_at"), "{queued_seconds}", "coalesce(CAST(j.queued_seconds AS text), '') || ' '",
		"{started_at}", moment("j.started_at"), "{finished_at}", moment("j.finished_at"), "{downstream_at}", moment("d.created_at"),
		"{kind}", text("j.kind"), "{name}", text("j.name"), "{base_name}", text("j.base_name"), "{stage}", text("coalesce(j.stage, '')")).Replace(freshPieces)
}

// paths keeps the critical paths of the fresh pipelines, and what each job on
// them held up.
func (m *measuring) paths(ctx context.Context) error {
	needs, err := m.needs(ctx)
	if err != nil {
		return err
	}
	var rows [][]any
	current := pathOf{stages: map[string]ci.JobID{}}
	err = eachRow(ctx, m.w, freshPiecesSQL(), nil, func(row []any) error {
		instance, okInstance := row[0].(int64)
		id, okID := row[1].(int64)
		packed, okPacked := row[2].(string)
		if !okInstance || !okID || !okPacked {
			return errors.New("the jobs of a pipeline are not whole")
		}
		if err := current.read(packed); err != nil {
			return fmt.Errorf("jobs of pipeline %d: %w", id, err)
		}
		rows = current.measure(rows, instance, id, needs[[2]int64{instance, id}])
		return nil
	})
	if err != nil {
		return err
	}
	t := keptPaths()
	if rows, err = m.w.insert(ctx, &t, rows); err != nil || len(rows) == 0 {
		return err
	}
	if _, err := m.w.exec(ctx, m.dialect.createStage(&t)); err != nil {
		return err
	}
	if err := m.w.load(ctx, &t, rows); err != nil {
		return err
	}
	columns := quoteNames(t.ColumnNames())
	return m.step(ctx, "", "INSERT INTO measure_paths ("+columns+") SELECT "+columns+" FROM "+quoteName(stage(&t)))
}

// pathOf is a pipeline while its path is looked for.
type pathOf struct {
	pieces []ci.PathPiece
	stages map[string]ci.JobID
}

// measure adds to rows what is kept of the path: a row for each base name that
// the pipeline has a piece of.
func (p *pathOf) measure(rows [][]any, instance, id int64, needs map[string][]string) [][]any {
	first := len(rows)
	of := func(name string) []any {
		for _, row := range rows[first:] {
			if row[2] == name {
				return row
			}
		}
		rows = append(rows, []any{instance, id, name, nil, false, nil})
		return rows[len(rows)-1]
	}
	for i := range p.pieces {
		row := of(p.pieces[i].BaseName)
		row[4] = row[4] == true || p.pieces[i].Coarse
	}
	path := ci.CriticalPath(p.pieces, p.stages, needs)
	for i := range path {
		row := of(path[i].BaseName)
		before, _ := row[3].(float64)
		row[3] = before + path[i].Exclusive().Seconds()
	}
	for name, gained := range ci.PathGains(path, p.pieces, p.stages, needs) {
		of(name)[5] = gained.Microseconds()
	}
	return rows
}

// read unpacks the jobs of a pipeline.
func (p *pathOf) read(packed string) error {
	clear(p.stages)
	p.pieces = p.pieces[:0]
	rest := unpacking{text: packed}
	for rest.text != "" && rest.err == nil {
		p.add(&rest)
	}
	return rest.err
}

// add reads a job: id, coarse, queued, waited, started, finished, downstream,
// kind, name, base name, stage.
func (p *pathOf) add(u *unpacking) {
	piece := ci.PathPiece{ID: ci.JobID(u.integer()), Coarse: u.integer() == 1}
	queued, waited, started, finished, downstream := u.moment(), u.number(), u.moment(), u.moment(), u.moment()
	piece.Kind, piece.Name, piece.BaseName, piece.Stage = ci.JobKind(u.sized()), u.sized(), u.sized(), u.sized()
	if first, ok := p.stages[piece.Stage]; !ok || piece.ID < first {
		p.stages[piece.Stage] = piece.ID
	}
	ready, ok := ci.ReadyAt(piece.Kind, queued, waited, started, downstream)
	if !ok || finished == nil {
		return
	}
	piece.Ready, piece.Finished = ready, *finished
	p.pieces = append(p.pieces, piece)
}

// unpacking is a packed text while it is read; its first error stays.
type unpacking struct {
	text string
	err  error
}

func (u *unpacking) field() string {
	field, rest, found := strings.Cut(u.text, " ")
	if !found {
		u.fail(errors.New("ends within a job"))
	}
	u.text = rest
	return field
}

func (u *unpacking) fail(err error) {
	if u.err == nil {
		u.err = fmt.Errorf("what was packed: %w", err)
	}
}

func (u *unpacking) integer() int64 {
	n, err := strconv.ParseInt(u.field(), 10, 64)
	if err != nil {
		u.fail(err)
	}
	return n
}

func (u *unpacking) number() *float64 {
	field := u.field()
	if field == "" {
		return nil
	}
	n, err := strconv.ParseFloat(field, 64)
	if err != nil {
		u.fail(err)
	}
	return &n
}

func (u *unpacking) moment() *time.Time {
	field := u.field()
	if field == "" {
		return nil
	}
	micros, err := strconv.ParseInt(field, 10, 64)
	if err != nil {
		u.fail(err)
	}
	t := time.UnixMicro(micros).UTC()
	return &t
}

// sized reads a text with its length before it.
func (u *unpacking) sized() string {
	end := 0
	for range u.integer() {
		if end >= len(u.text) {
			u.fail(errors.New("ends within a text"))
			break
		}
		_, size := utf8.DecodeRuneInString(u.text[end:])
		end += size
	}
	text := u.text[:end]
	u.text = u.text[end:]
	return text
}

// needs gives what jobs of the fresh pipelines need, where that was fetched.
func (m *measuring) needs(ctx context.Context) (map[[2]int64]map[string][]string, error) {
	found := map[[2]int64]map[string][]string{}
	err := eachRow(ctx, m.w, `SELECT n.instance_id, n.pipeline_id, n.job_name, n.needs_name
		FROM job_needs n JOIN fresh_pipeline f ON f.instance_id = n.instance_id AND f.pipeline_id = n.pipeline_id`, nil, func(row []any) error {
		instance, okInstance := row[0].(int64)
		id, okID := row[1].(int64)
		job, okJob := row[2].(string)
		needed, okNeeded := row[3].(string)
		if !okInstance || !okID || !okJob || !okNeeded {
			return errors.New("a row of job_needs is not whole")
		}
		key := [2]int64{instance, id}
		if found[key] == nil {
			found[key] = map[string][]string{}
		}
		found[key][job] = append(found[key][job], needed)
		return nil
	})
	return found, err
}
