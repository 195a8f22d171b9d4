package gitlabtest

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Statuses are the words that GitLab knows for pipelines and jobs.
func Statuses() []string {
	return []string{
		"created", "waiting_for_resource", "preparing", "waiting_for_callback", "pending", "running",
		"success", "failed", "canceling", "canceled", "skipped", "manual", "scheduled",
	}
}

// Sources are the words that GitLab knows for what started a pipeline.
func Sources() []string {
	return []string{
		"unknown", "push", "web", "trigger", "schedule", "api", "external", "pipeline", "chat", "webide",
		"merge_request_event", "external_pull_request_event", "parent_pipeline", "ondemand_dast_scan",
		"ondemand_dast_validation", "security_orchestration_policy", "container_registry_push", "duo_workflow",
		"pipeline_execution_policy_schedule",
	}
}

func pipelineListParams() []param {
	return append(paging(),
		oneOf("scope", "", "running", "pending", "finished", "branches", "tags"), oneOf("status", "", Statuses()...),
		oneOf("source", "", Sources()...), text("ref"), text("sha"), text("name"), text("username"), boolean("yaml_errors", ""),
		moment("updated_after"), moment("updated_before"), moment("created_after"), moment("created_before"),
		oneOf("order_by", "id", "id", "status", "ref", "updated_at", "user_id"), oneOf("sort", "desc", "asc", "desc"),
	)
}

func listPipelines(c *call) *answer {
	p, refused := c.runsOf()
	if refused != nil {
		return refused
	}
	list := c.pipelines(p)
	rows, refused := pageOf(c, list, true, "")
	if refused != nil {
		return refused
	}
	r := c.render()
	return ok(func(w *jsonWriter) {
		w.open('[')
		for _, pl := range rows {
			r.pipelineItem(w, p, pl)
		}
		w.close(']')
	})
}

// runsOf finds the project whose pipelines and jobs are asked for.
func (c *call) runsOf() (*Project, *answer) {
	p, refused := c.project()
	if refused != nil {
		return nil, refused
	}
	if !c.token.readsRuns(p) {
		return nil, forbidden()
	}
	return p, nil
}

// pipelines gives those that the filters keep, in order.
func (c *call) pipelines(p *Project) []*Pipeline {
	v := c.params
	within := func(at *time.Time, after, before string) bool {
		from, to := v.time(after), v.time(before)
		if from == nil && to == nil {
			return true
		}
		// Both ends are inclusive, and a null is outside of every span.
		return at != nil && (from == nil || !at.Before(*from)) && (to == nil || !at.After(*to))
	}
	list := make([]*Pipeline, 0, len(p.Pipelines))
	for _, pl := range p.Pipelines {
		switch {
		case pl.Source == "parent_pipeline" && v.str("source") != "parent_pipeline",
			v.str("source") != "" && pl.Source != v.str("source"),
			v.str("status") != "" && pl.Status != v.str("status"),
			v.str("ref") != "" && !refMatches(pl, v.str("ref"), v.str("source")),
			v.str("sha") != "" && pl.SHA != v.str("sha"),
			v.str("name") != "" && (pl.Name == nil || *pl.Name != v.str("name")),
			v.str("username") != "" && (pl.User == nil || !strings.EqualFold(pl.User.Username, v.str("username"))),
			v.optBool("yaml_errors") != nil && (pl.YAMLErrors != nil) != v.bool("yaml_errors"),
			!within(pl.UpdatedAt, "updated_after", "updated_before"),
			!within(&pl.CreatedAt, "created_after", "created_before"):
			continue
		}
		list = append(list, pl)
	}
	list = inScope(list, v.str("scope"))
	slices.SortStableFunc(list, direction(c, pipelineOrder(v.str("order_by"), max(v.int("page"), 1))))
	return list
}

// refMatches: a branch brings along the pipelines of the merge requests that it
// is the source of, unless another source is asked for.
func refMatches(pl *Pipeline, ref, source string) bool {
	return pl.Ref == ref || pl.SourceBranch == ref && (source == "" || source == "merge_request_event")
}

func inScope(list []*Pipeline, scope string) []*Pipeline {
	is := func(statuses ...string) []*Pipeline {
		return slices.DeleteFunc(list, func(pl *Pipeline) bool { return !slices.Contains(statuses, pl.Status) })
	}
	switch scope {
	case "running", "pending":
		return is(scope)
	case "finished":
		return is("success", "failed", "canceled") // skipped is none of them
	case "branches", "tags":
		latest := map[string]int64{}
		for _, pl := range list {
			if !strings.HasPrefix(pl.Ref, "refs/") && pl.Tag == (scope == "tags") {
				latest[pl.Ref] = max(latest[pl.Ref], pl.ID)
			}
		}
		return slices.DeleteFunc(list, func(pl *Pipeline) bool { return latest[pl.Ref] != pl.ID })
	}
	return list
}

// pipelineOrder sorts by one column alone. GitLab breaks no ties, so rows with
// the same value come in any order, and its database may choose another one for
// every page; so does this.
func pipelineOrder(column string, page int64) func(a, b *Pipeline) int {
	return func(a, b *Pipeline) int {
		var order int
		switch column {
		case "id":
			return cmp.Compare(a.ID, b.ID)
		case "status":
			order = strings.Compare(a.Status, b.Status)
		case "ref":
			order = strings.Compare(a.Ref, b.Ref)
		case "user_id":
			order = nullsLast(userID(a), userID(b), cmp.Compare[int64])
		case "updated_at":
			order = nullsLast(a.UpdatedAt, b.UpdatedAt, time.Time.Compare)
		}
		return cmp.Or(order, cmp.Compare(scramble(a.ID, page), scramble(b.ID, page)))
	}
}

func userID(pl *Pipeline) *int64 {
	if pl.User == nil {
		return nil
	}
	return &pl.User.ID
}

// nullsLast is PostgreSQL's order: nulls are larger than everything.
func nullsLast[T any](a, b *T, compare func(a, b T) int) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return compare(*a, *b)
}

func scramble(id, page int64) uint64 {
	return (uint64(id)*0x9E3779B97F4A7C15>>7 ^ uint64(page)) * 0xBF58476D1CE4E5B9
}

func showPipeline(c *call) *answer {
	p, pl, refused := c.pipeline()
	if refused != nil {
		return refused
	}
	return ok(func(w *jsonWriter) { c.render().pipelineDetail(w, p, pl) })
}

// pipeline finds the pipeline of the path.
func (c *call) pipeline() (*Project, *Pipeline, *answer) {
	p, refused := c.runsOf()
	if refused != nil {
		return nil, nil, refused
	}
	id, err := strconv.ParseInt(c.args[1], 10, 64)
	if err != nil {
		return nil, nil, refuse(http.StatusBadRequest, "error", "pipeline_id is invalid")
	}
	pl := p.pipeline(id)
	if pl == nil {
		return nil, nil, recordNotFound()
	}
	return p, pl, nil
}

// latestPipeline answers 403 when there is none: GitLab asks whether nothing
// may be read.
func latestPipeline(c *call) *answer {
	p, refused := c.runsOf()
	if refused != nil {
		return refused
	}
	ref := c.params.str("ref")
	if ref == "" && p.DefaultBranch != nil {
		ref = *p.DefaultBranch
	}
	for _, pl := range slices.Backward(p.Pipelines) {
		if pl.Ref == ref && pl.Source != "parent_pipeline" {
			return ok(func(w *jsonWriter) { c.render().pipelineDetail(w, p, pl) })
		}
	}
	return forbidden()
}
