package metric

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// Dim is something that an answer can be divided or filtered by.
type Dim string

// The dimensions (doc/metrics.md, dimensions).
const (
	Instance      Dim = "instance"
	Group         Dim = "group"
	Project       Dim = "project"
	Repository    Dim = "repository"
	Service       Dim = "service"
	Owner         Dim = "owner"
	Ref           Dim = "ref"
	RefType       Dim = "ref_type"
	DefaultBranch Dim = "default_branch"
	Source        Dim = "source"
	Status        Dim = "status"
	User          Dim = "user"
	JobName       Dim = "job_name"
	BaseName      Dim = "base_name"
	Stage         Dim = "stage"
	AllowFailure  Dim = "allow_failure"
	Runner        Dim = "runner"
	RunnerType    Dim = "runner_type"
	RunnerTag     Dim = "runner_tag"
	FailureReason Dim = "failure_reason"
	FailureClass  Dim = "failure_class"
	Environment   Dim = "environment"
	Tier          Dim = "tier"
	HourOfWeek    Dim = "hour_of_week"
	Day           Dim = "day"
	Week          Dim = "week"
	Month         Dim = "month"
)

// Deleted is a filter only: whether GitLab no longer has the row.
const Deleted Dim = "deleted"

// kind is what a dimension's values are.
type kind int

const (
	text kind = iota
	number
	truth
	date
)

// dimension is how a dimension is read. In its SQL {row}, {pipeline}, {pipe} and
// {at} stand for what the grain calls them.
type dimension struct {
	name  Dim
	means string
	kind  kind
	value string   // expression of the value that is shown
	keys  []string // what else tells two rows apart that show the same value
	joins []string // what value and keys are read from, in order
	// within is of a dimension that gives a row several values: the condition
	// that one of them is among %s. without: that the row has none.
	within, without string
}

func (d dimension) many() bool { return d.within != "" }

// above is every group with every group above it and itself. UNION, not UNION
// ALL, so that a circle of groups, which GitLab cannot have, would end.
const above = `(WITH RECURSIVE above AS (
    SELECT instance_id, id AS group_id, id, parent_id, full_path FROM "groups"
    UNION
    SELECT a.instance_id, a.group_id, g.id, g.parent_id, g.full_path
    FROM above a JOIN "groups" g ON g.instance_id = a.instance_id AND g.id = a.parent_id
  ) SELECT * FROM above)`

const servicesOf = `FROM pipeline_services ps JOIN services s ON s.id = ps.service_id`

// localDay is the date that a calendar shows; {local} are the seconds that its
// clock shows, counted from 1970 (zone.go).
const localDay = "DATE '1970-01-01' + CAST(floor({local} / 86400) AS integer)"

func dimensions() []dimension {
	return []dimension{
		{name: Instance, means: "base URL of the GitLab; as a filter also weir's number of it", value: "i.base_url", keys: []string{"i.id"}, joins: []string{"instance"}},
		{
			name: Group, means: "every group above the project, by full path", value: "g.full_path", keys: []string{"g.instance_id", "g.id"}, joins: []string{"project", "group"},
			within:  "(r.instance_id, r.group_id) IN (SELECT instance_id, group_id FROM " + above + " a WHERE a.full_path IN (%s))",
			without: `NOT EXISTS (SELECT 1 FROM "groups" a WHERE a.instance_id = r.instance_id AND a.id = r.group_id)`,
		},
		{name: Project, means: "full path of the project", value: "r.full_path", keys: []string{"r.instance_id", "r.id"}, joins: []string{"project"}},
		{
			name: Repository, means: "full path of the repository", value: "o.full_path", keys: []string{"o.instance_id", "o.id"},
			joins: []string{"project", "repository"},
		},
		{
			name: Service, means: "identifier of every service that the pipeline belongs to", value: "s.identifier", keys: []string{"s.id"}, joins: []string{"services"},
			within:  "({row}.instance_id, {pipe}) IN (SELECT ps.instance_id, ps.pipeline_id " + servicesOf + " WHERE s.identifier IN (%s))",
			without: "NOT EXISTS (SELECT 1 " + servicesOf + " WHERE ps.instance_id = {row}.instance_id AND ps.pipeline_id = {pipe})",
		},
		{
			name: Owner, means: "owner of every service that the pipeline belongs to", value: "s.owner", joins: []string{"services"},
			within:  "({row}.instance_id, {pipe}) IN (SELECT ps.instance_id, ps.pipeline_id " + servicesOf + " WHERE s.owner IN (%s))",
			without: "NOT EXISTS (SELECT 1 " + servicesOf + " WHERE ps.instance_id = {row}.instance_id AND ps.pipeline_id = {pipe} AND s.owner IS NOT NULL)",
		},
		{name: Ref, means: "branch, tag, or refs/merge-requests/…", value: "{pipeline}.ref", joins: []string{"pipeline"}},
		{name: RefType, means: "branch, tag or merge_request", value: "{pipeline}.ref_type", joins: []string{"pipeline"}},
		{name: DefaultBranch, means: "whether ref was the project's default branch", kind: truth, value: "{pipeline}.is_default_branch", joins: []string{"pipeline"}},
		{name: Source, means: "what started the pipeline, in GitLab's word", value: "{pipeline}.source", joins: []string{"pipeline"}},
		{name: Status, means: "status in GitLab's word", value: "{row}.status"},
		{name: User, means: "username of who started it", value: "u.username", keys: []string{"u.instance_id", "u.id"}, joins: []string{"user"}},
		{name: JobName, means: "name of the job with matrix and n/m parts", value: "{row}.name"},
		{name: BaseName, means: "name of the job without them", value: "{row}.base_name"},
		{name: Stage, means: "stage of the job", value: "{row}.stage"},
		{name: AllowFailure, means: "whether the job may fail", kind: truth, value: "{row}.allow_failure"},
		{
			name: Runner, means: "GitLab's id of the runner", kind: number, value: "{row}.runner_id",
			keys: []string{"CASE WHEN {row}.runner_id IS NOT NULL THEN {row}.instance_id END"},
		},
		{name: RunnerType, means: "instance_type, group_type or project_type", value: "n.runner_type", joins: []string{"runner"}},
		{
			name: RunnerTag, means: "every runner tag that the job asks for", value: "t.tag", joins: []string{"tags"},
			within:  "EXISTS (SELECT 1 FROM unnest({row}.tags) AS t(tag) WHERE t.tag IN (%s))",
			without: "({row}.tags IS NULL OR NOT EXISTS (SELECT 1 FROM unnest({row}.tags) AS t(tag)))",
		},
		{name: FailureReason, means: "GitLab's word for why it failed", value: "{reason}"},
		{name: FailureClass, means: "code, timeout, infrastructure, configuration or other", value: failureClass("{reason}")},
		{name: Environment, means: "name of the environment", value: "{row}.environment"},
		{name: Tier, means: "tier of the environment; production unless filtered by it", value: "{row}.tier"},
		{
			name: HourOfWeek, means: "hour of the week in the time zone, 0 to 167 from Monday 00:00", kind: number,
			value: "(CAST(floor({local} / 3600) AS bigint) + 72) % 168", // 1970 began on a Thursday
		},
		{name: Day, means: "day in the time zone", kind: date, value: localDay},
		{name: Week, means: "week in the time zone, by its Monday", kind: date, value: "DATE '1970-01-01' + CAST(floor(({local} + 259200) / 604800) * 7 - 3 AS integer)"},
		{name: Month, means: "month in the time zone, by its first day", kind: date, value: "CAST(date_trunc('month', CAST(" + localDay + " AS timestamp)) AS date)"},
	}
}

// Dims gives the dimensions in the order in which they are listed. The slice is
// the caller's.
func Dims() []Dim {
	var names []Dim
	for _, d := range dimensions() {
		names = append(names, d.name)
	}
	return names
}

// Meaning says in a few words what a dimension's values are; "" for a name that
// is none.
func (d Dim) Meaning() string {
	if d == Deleted {
		return "a filter only: whether GitLab no longer has the row"
	}
	found, _ := lookUp(d)
	return found.means
}

func lookUp(name Dim) (dimension, bool) {
	list := dimensions()
	i := slices.IndexFunc(list, func(d dimension) bool { return d.name == name })
	if i < 0 {
		return dimension{}, false
	}
	return list[i], true
}

// failureClass is the SQL of ci.ClassifyFailure.
func failureClass(reason string) string {
	var b strings.Builder
	b.WriteString("CASE")
	for _, class := range []ci.FailureClass{ci.FailureCode, ci.FailureTimeout, ci.FailureInfrastructure, ci.FailureConfiguration} {
		fmt.Fprintf(&b, " WHEN %s IN (%s) THEN '%s'", reason, quoteList(ci.FailureReasons(class)), class)
	}
	return b.String() + " ELSE '" + string(ci.FailureOther) + "' END"
}

// literal turns a filter's value into SQL; an error names what the dimension's
// values look like.
func (d *dimension) literal(value string) (string, error) {
	switch d.kind {
	case number:
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return "", fmt.Errorf("%q is no number", value)
		}
		return strconv.FormatInt(n, 10), nil
	case truth:
		if value != "true" && value != "false" {
			return "", fmt.Errorf("%q is neither true nor false", value)
		}
		return value, nil
	case date:
		if _, err := time.Parse(time.DateOnly, value); err != nil {
			return "", fmt.Errorf("%q is no day such as 2026-11-22", value)
		}
		return "DATE " + quote(value), nil
	}
	return quote(value), nil
}

// quote writes a text as SQL. A backslash is written so that it means the same
// however PostgreSQL is set to read plain texts (standard_conforming_strings).
func quote(s string) string {
	text := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		return "E" + strings.ReplaceAll(text, `\`, `\\`)
	}
	return text
}

func quoteList(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quote(w)
	}
	return strings.Join(quoted, ", ")
}
