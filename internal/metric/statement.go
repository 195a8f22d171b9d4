package metric

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// A metric's SQL file is a whole statement with marks, written as comments,
// where a question adds to it:
//
//	/*runs*/ …           the rows of sql/relation/runs.sql; flaky, kept and line are several relations, the last of which are groups, attempts and line
//	/*dims*/             the values that the answer is divided by, and a comma
//	/*joins*/            the tables that those and the filters are read from
//	/*filters*/          conditions, each with AND before it
//	/*attempts of runs*/ the rows of attempts, in a statement over runs
//	/*by*/               the names of the values, and a comma
//	/*group by*/         GROUP BY and those names; nothing in an undivided answer
//	/*partition by*/     PARTITION BY and those names, in a window
//	/*keys,*/            those names and a comma, within a GROUP BY of the metric's own
//	/*filter joins*/     the tables that the filters alone are read from
//	/*place filters*/    the filters without those by time
//	/*deleted*/ /*tier*/ one filter alone
//	/*same y k*/         that y and k are of one row of the answer, with AND before it
//	/*buckets*/ /*weeks*/ stretches of time as rows of VALUES: label, begin, end
//	/*own*/              the condition that leaves out child pipelines
//	/*answer NAME*/      the statement of a metric, of the same question
//	/*prices*/ /*price rule*/ the rules of costs.yaml as rows of VALUES: number, match, price; the number of that which prices a row
//	/*unless DIM*/       the line holds unless the question names that dimension
//	seconds(B, A)        the time from A to B
//	local_day(T)         the date at T in the question's zone
//
// :from, :to, :tz, … become literals, so that what is shown is what ran, and
// runs again when it is pasted into weir query.

// question is a query that has been read and found to fit.
type question struct {
	metric   metric
	text     string
	measured string // the second statement (measured.go); "": none, or it does not fit
	window   Window
	back     time.Duration // how far the calendar is set back; buckets are named as if it were not
	buckets  []bucket
	by       []dimension
	where    []condition
	children bool
	now      time.Time
	costs    *Costs
	run      *runID
	limit    int                           // of a finding's rows
	series   map[seriesKey]bool            // in which shifts are looked for; nil: all
	others   func(string) (defined, error) // finds what /*answer NAME*/ stands for
}

// condition is a filter: a row has one of the values, or none where null is set.
type condition struct {
	dim    dimension
	values []string
	null   bool
}

// statement is SQL in the making. What people have typed stands in it as a
// token until the end, so that no text of theirs is taken for a mark.
type statement struct {
	files  fs.FS
	typed  []string
	failed error
}

func (s *statement) token(text string) string {
	s.typed = append(s.typed, text)
	return fmt.Sprintf("\x00%d\x00", len(s.typed)-1)
}

// finish puts what was typed into its places.
func (s *statement) finish(sql string) (string, error) {
	for i, text := range s.typed {
		sql = strings.ReplaceAll(sql, fmt.Sprintf("\x00%d\x00", i), strings.ReplaceAll(text, "\x00", ""))
	}
	return strings.TrimSpace(sql), s.failed
}

var (
	relationMark = regexp.MustCompile(`(?m)^([ ]*)/\*(runs|attempts|failed|deployments|judged|waited|days|flaky|kept|line)\*/`)
	unlessMark   = regexp.MustCompile(`(?m)^/\*unless ([a-z_]+)\*/(.*)\n?`)
	variableMark = regexp.MustCompile(`:([a-z_]+)`)
)

// attemptsOfRuns marks what concerns jobs in a statement over runs.
const attemptsOfRuns = "/*attempts of runs*/"

// render writes the statement of a question.
func (q *question) render(files fs.FS) (string, error) {
	s := &statement{files: files}
	return s.finish(s.fill(q, q.metric.over, s.answers(q)))
}

// fill replaces the marks of a text.
func (s *statement) fill(q *question, over grain, text string) string {
	if strings.Contains(text, attemptsOfRuns) {
		text = strings.ReplaceAll(text, attemptsOfRuns, s.fill(q, overAttempts, "/*attempts*/"))
	}
	text = relationMark.ReplaceAllStringFunc(text, func(mark string) string {
		found := relationMark.FindStringSubmatch(mark)
		relation, err := fs.ReadFile(s.files, "sql/relation/"+found[2]+".sql")
		if err != nil {
			s.failed = err
		}
		return "  " + found[1] + strings.ReplaceAll(strings.TrimSpace(string(relation)), "\n", "\n  "+found[1])
	})
	text = unlessMark.ReplaceAllStringFunc(text, func(line string) string {
		found := unlessMark.FindStringSubmatch(line)
		if q.names(Dim(found[1])) {
			return ""
		}
		return found[2] + "\n"
	})
	var values, names []string
	for _, d := range q.by {
		d = d.over(over)
		values = append(values, d.value+" AS by_"+string(d.name))
		names = append(names, "by_"+string(d.name))
		for i, key := range d.keys {
			alias := "key_" + string(d.name) + "_" + strconv.Itoa(i+1)
			values = append(values, key+" AS "+alias)
			names = append(names, alias)
		}
	}
	list, group, partition := strings.Join(names, ", "), "", ""
	if len(names) > 0 {
		list, group, partition = list+", ", "GROUP BY "+list, "PARTITION BY "+list
	}
	selected := strings.Join(values, ", ")
	if selected != "" {
		selected += ", "
	}
	own := ""
	if !q.children {
		own = "p.source IS DISTINCT FROM 'parent_pipeline' AND "
	}
	weeks := ""
	if strings.Contains(text, "/*weeks*/") { // a single run is looked for in all of time, which has too many
		weeks = bucketRowsSQL(q.wholeWeeks())
	}
	text = strings.NewReplacer(
		"/*dims*/", selected, "/*joins*/", s.joins(q, over), "/*filters*/", s.filters(q, over), "/*deleted*/", s.deleted(q, over),
		"/*by*/", list, "/*group by*/", group, "/*partition by*/", partition, "/*keys,*/", list, "/*own*/", own,
		"/*price*/", s.price(q), "/*price rule*/", s.priceRule(q), "/*prices*/", s.priceRows(q), "/*buckets*/", bucketRowsSQL(q.buckets), "/*weeks*/", weeks,
		"/*flaky reasons*/", quoteList(slices.Concat(ci.FailureReasons(ci.FailureCode), ci.FailureReasons(ci.FailureTimeout))),
		"/*filter joins*/", s.joins(q.undivided(), over), "/*place filters*/", s.filters(q.untimed(), over)+s.deleted(q, over),
		"/*tier*/", s.tier(q, over), "/*same y k*/", same(names),
	).Replace(text)
	text = expand(text, "local_day", 1, func(args []string) string { return strings.ReplaceAll(localDay, "{local}", q.local(args[0])) })
	text = expand(text, "seconds", 2, func(args []string) string { return secondsBetween(args[0], args[1]) })
	if strings.Contains(text, "{local}") {
		text = strings.ReplaceAll(text, "{local}", q.local("{at}"))
	}
	text = strings.NewReplacer("{row}", over.row, "{pipeline}", over.pipeline, "{pipe}", over.pipe, "{at}", over.at,
		"{reason}", over.reason()).Replace(text)
	return variableMark.ReplaceAllStringFunc(text, func(name string) string {
		first, after := q.wholeDays()
		switch name[1:] {
		case "whole_from":
			return timestamp(first)
		case "whole_to":
			return timestamp(after)
		case "first_day":
			return "DATE " + quote(first.Format(time.DateOnly))
		case "after_day":
			return "DATE " + quote(after.Format(time.DateOnly))
		case "from":
			return timestamp(q.window.From)
		case "to":
			return timestamp(q.window.To)
		case "now":
			return timestamp(q.now)
		case "tz":
			return quote(q.window.TZ)
		case "limit":
			return strconv.Itoa(q.limit)
		case "previous_from", "previous_to":
			before, _ := q.window.previous()
			if name == ":previous_to" {
				return timestamp(before.To)
			}
			return timestamp(before.From)
		case "days":
			return "CAST(" + strconv.FormatFloat(q.window.Days(), 'g', -1, 64) + " AS double precision)"
		}
		s.failed = fmt.Errorf("metric %s: nobody knows %s", q.metric.name, name)
		return name
	})
}

// names says whether the answer is divided or filtered by a dimension.
func (q *question) names(d Dim) bool {
	return slices.ContainsFunc(q.by, func(b dimension) bool { return b.name == d }) ||
		slices.ContainsFunc(q.where, func(c condition) bool { return c.dim.name == d })
}

// over gives the dimension as it is read on a grain.
func (d dimension) over(g grain) dimension {
	switch {
	case g.name == overDeployments.name && (d.name == Service || d.name == Owner):
		d.within, d.without, d.joins = "", "", []string{"service"} // a deployment is of one service
	case g.name == overPeriods.name && d.kind == date:
		d.value, d.kind, d.joins = "b.label", text, nil
	}
	return d
}

func (g *grain) reason() string {
	if g.row == "p" {
		return "coalesce(p.failure_reason, CASE WHEN p.yaml_errors IS NOT NULL THEN 'config_error' END)"
	}
	return g.row + ".failure_reason"
}

// joins gives the tables that the dimensions and filters are read from. Only a
// dimension that the answer is divided by may give a row several times.
func (s *statement) joins(q *question, over grain) string {
	var wanted []string
	add := func(names []string) {
		for _, name := range names {
			if !slices.Contains(wanted, name) {
				wanted = append(wanted, name)
			}
		}
	}
	for _, c := range q.where {
		d := c.dim.over(over)
		if d.many() {
			add(d.joins[:len(d.joins)-1])
			continue
		}
		add(d.joins)
	}
	for _, d := range q.by {
		add(d.over(over).joins)
	}
	var b strings.Builder
	for _, name := range wanted {
		if join := joinSQL(name, q, over); join != "" {
			b.WriteString("\n" + join)
		}
	}
	return b.String()
}

func joinSQL(name string, q *question, over grain) string {
	switch name {
	case "instance":
		return "LEFT JOIN instances i ON i.id = {row}.instance_id"
	case "project":
		return "LEFT JOIN projects r ON r.instance_id = {row}.instance_id AND r.id = {row}.project_id"
	case "group":
		return "LEFT JOIN " + above + " g ON g.instance_id = r.instance_id AND g.group_id = r.group_id"
	case "repository":
		return "LEFT JOIN repositories o ON o.instance_id = r.instance_id AND o.id = r.repository_id"
	case "service":
		return "LEFT JOIN services s ON s.id = {row}.service_id"
	case "services":
		columns := "s.owner " + servicesOf + " WHERE s.owner IS NOT NULL"
		if slices.ContainsFunc(q.by, func(d dimension) bool { return d.name == Service }) {
			columns = "s.id, s.identifier, s.owner " + servicesOf
		}
		return "LEFT JOIN (SELECT DISTINCT ps.instance_id, ps.pipeline_id, " + columns +
			") s ON s.instance_id = {row}.instance_id AND s.pipeline_id = {pipe}"
	case "pipeline":
		if over.row == over.pipeline {
			return ""
		}
		return "LEFT JOIN pipelines p ON p.instance_id = {row}.instance_id AND p.id = {row}.pipeline_id"
	case "user":
		return "LEFT JOIN users u ON u.instance_id = {row}.instance_id AND u.id = {row}.user_id"
	case "runner":
		return "LEFT JOIN runners n ON n.instance_id = {row}.instance_id AND n.id = {row}.runner_id"
	case "tags":
		// Of a million jobs a few hundred lists of tags differ.
		return "LEFT JOIN (SELECT DISTINCT d.tags, x.tag FROM (SELECT DISTINCT tags FROM jobs WHERE created_at >= :from AND created_at < :to) d\n" +
			"  CROSS JOIN LATERAL unnest(d.tags) AS x(tag)) t ON t.tags = {row}.tags"
	}
	return ""
}

// filters gives the conditions on rows, each with AND before it.
func (s *statement) filters(q *question, over grain) string {
	var b strings.Builder
	for _, c := range q.where {
		if c.dim.name == Deleted && (over.name == overGroups.name || over.name == overPeriods.name) {
			continue // their rows were filtered before they became groups or periods
		}
		if c.dim.name == BaseName && q.metric.shape == shifted {
			continue // a name of a series, not of its rows
		}
		b.WriteString("\n  AND " + s.condition(c, over))
	}
	if q.run != nil {
		fmt.Fprintf(&b, "\n  AND p.instance_id = %d AND p.id = %d", q.run.instance, q.run.id)
	}
	return b.String()
}

// deleted is the filter of that name alone.
func (s *statement) deleted(q *question, over grain) string {
	for _, c := range q.where {
		if c.dim.name == Deleted {
			return "\n  AND " + s.condition(c, over)
		}
	}
	return ""
}

// tier is the filter of that name, on the names that it has before deployments
// are put together; production where there is none.
func (s *statement) tier(q *question, over grain) string {
	for _, c := range q.where {
		if c.dim.name == Tier {
			c.dim.value = "coalesce(d.tier, k.tier)"
			return "\n  AND " + s.condition(c, over)
		}
	}
	return "\n  AND coalesce(d.tier, k.tier) = 'production'"
}

// undivided is the question without what divides it.
func (q *question) undivided() *question {
	whole := *q
	whole.by = nil
	return &whole
}

// untimed is the question with its filters by place alone.
func (q *question) untimed() *question {
	always := *q
	always.where = slices.DeleteFunc(slices.Clone(q.where), func(c condition) bool { return c.dim.kind == date })
	return &always
}

// same is the condition that two rows are of one row of the answer.
func same(names []string) string {
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, " AND y.%[1]s IS NOT DISTINCT FROM k.%[1]s", name)
	}
	return b.String()
}

func (s *statement) condition(c condition, over grain) string {
	d := c.dim.over(over)
	if d.name == Deleted {
		var either []string
		for _, v := range c.values {
			either = append(either, "{row}.deleted_at IS "+map[string]string{"true": "NOT NULL", "false": "NULL"}[v])
		}
		return "(" + strings.Join(either, " OR ") + ")"
	}
	var literals, either []string
	for _, v := range c.values {
		sql, err := d.literal(v)
		if err != nil {
			s.failed = err
		}
		literals = append(literals, s.token(sql))
		if n, err := strconv.ParseInt(v, 10, 64); err == nil && d.name == Instance {
			either = append(either, fmt.Sprintf("{row}.instance_id = %d", n))
		}
	}
	list := strings.Join(literals, ", ")
	switch {
	case len(literals) == 0:
	case d.many():
		either = append(either, fmt.Sprintf(d.within, list))
	default:
		either = append(either, d.value+" IN ("+list+")")
	}
	if c.null && d.many() {
		either = append(either, d.without)
	} else if c.null {
		either = append(either, d.value+" IS NULL")
	}
	return "(" + strings.Join(either, " OR ") + ")"
}

func timestamp(t time.Time) string {
	return "TIMESTAMPTZ '" + t.UTC().Format("2006-01-02 15:04:05.999999") + "+00'"
}

// bucketRowsSQL gives buckets as rows of VALUES: label, begin, end. Where there
// are none it gives one row of NULLs, which no time lies in.
func bucketRowsSQL(list []bucket) string {
	if len(list) == 0 {
		return "(CAST(NULL AS text), CAST(NULL AS timestamptz), CAST(NULL AS timestamptz))"
	}
	rows := make([]string, len(list))
	for i, b := range list {
		rows[i] = "(" + quote(b.label) + ", " + timestamp(b.from) + ", " + timestamp(b.to) + ")"
	}
	return strings.Join(rows, ", ")
}

// wholeWeeks gives the weeks that lie in the window as a whole.
func (q *question) wholeWeeks() []bucket {
	var whole []bucket
	for _, b := range q.window.buckets(Week) {
		monday, err := time.Parse(time.DateOnly, b.label)
		if err == nil && q.window.instant(monday).Equal(b.from) && q.window.instant(monday.AddDate(0, 0, 7)).Equal(b.to) {
			whole = append(whole, b)
		}
	}
	return whole
}
