package gitlabtest

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
)

// jobBytes is the usual size of a job, for the size of buffers.
const jobBytes = 2700

func jobListParams() []param {
	return append(paging(), manyOf("scope", Statuses()...))
}

// listPipelineJobs answers the builds of a pipeline: the latest of each name,
// or with include_retried all of them. Bridges and external statuses are not
// builds.
func listPipelineJobs(c *call) *answer {
	return c.pipelineJobs(func(j *Job) bool {
		return j.Kind == Build && (!j.Retried || c.params.bool("include_retried"))
	})
}

func listBridges(c *call) *answer {
	return c.pipelineJobs(func(j *Job) bool { return j.Kind == Bridge && !j.Retried })
}

func (c *call) pipelineJobs(keep func(*Job) bool) *answer {
	p, pl, refused := c.pipeline()
	if refused != nil {
		return refused
	}
	var list []*Job
	for _, j := range pl.Jobs {
		if keep(j) && c.inScope(j) {
			list = append(list, j)
		}
	}
	slices.SortFunc(list, func(a, b *Job) int { return cmp.Compare(b.ID, a.ID) })
	rows, refused := pageOf(c, list, true, "")
	if refused != nil {
		return refused
	}
	r := c.render()
	return ok(func(w *jsonWriter) {
		var seen repeated
		w.expect(len(rows) * jobBytes)
		w.open('[')
		for _, j := range rows {
			r.job(w, p, pl, j, &seen)
		}
		w.close(']')
	})
}

func (c *call) inScope(j *Job) bool {
	scope := c.params.list("scope")
	return len(scope) == 0 || slices.Contains(scope, j.Status)
}

// listProjectJobs answers all builds of a project, newest first, with nothing
// that says which were retried. It is never counted; its keyset pages go
// downwards by id only.
func listProjectJobs(c *call) *answer {
	p, refused := c.runsOf()
	if refused != nil {
		return refused
	}
	list := c.world().buildsOf(p)
	if len(c.params.list("scope")) > 0 {
		all := list
		list = nil
		for _, j := range all {
			if c.inScope(j) {
				list = append(list, j)
			}
		}
	}
	if c.params.str("pagination") != "keyset" {
		rows, refused := pageOf(c, list, false, "Ci::Build")
		if refused != nil {
			return refused
		}
		return c.jobRows(p, rows)
	}
	if o := c.params.str("order_by"); o != "" && o != "id" {
		return refuse(http.StatusMethodNotAllowed, "error", keysetWanted)
	}
	if d := c.params.str("sort"); d != "" && d != "desc" {
		return refuse(http.StatusMethodNotAllowed, "error", keysetWanted)
	}
	return c.jobRows(p, c.keysetPage(list))
}

// keysetPage cuts the page after the cursor out of a list of descending ids.
func (c *call) keysetPage(list []*Job) []*Job {
	if position := c.params.str("cursor"); position != "" {
		after, valid := readCursor(position)
		if !valid {
			return nil
		}
		i, _ := slices.BinarySearchFunc(list, after-1, func(j *Job, id int64) int { return cmp.Compare(id, j.ID) })
		list = list[i:]
	}
	per := int(c.perPage())
	rows := list[:min(per, len(list))]
	if len(list) > per {
		next := cursor{ID: strconv.FormatInt(rows[per-1].ID, 10), Direction: "n"}.String()
		c.header.Set("X-NEXT-CURSOR", next)
		c.header.Set("Link", c.link("next", map[string]string{"cursor": next}, "page"))
	}
	return rows
}

// jobRows writes builds of several pipelines.
func (c *call) jobRows(p *Project, rows []*Job) *answer {
	r := c.render()
	return ok(func(w *jsonWriter) {
		var seen repeated
		w.expect(len(rows) * jobBytes)
		w.open('[')
		for _, j := range rows {
			r.job(w, p, p.pipeline(j.PipelineID), j, &seen)
		}
		w.close(']')
	})
}

func showJob(c *call) *answer {
	p, refused := c.runsOf()
	if refused != nil {
		return refused
	}
	id, err := strconv.ParseInt(c.args[1], 10, 64)
	if err != nil {
		return refuse(http.StatusBadRequest, "error", "job_id is invalid")
	}
	builds := c.world().buildsOf(p)
	i, found := slices.BinarySearchFunc(builds, id, func(j *Job, id int64) int { return cmp.Compare(id, j.ID) })
	if !found {
		return notFound("")
	}
	return ok(func(w *jsonWriter) { c.render().job(w, p, p.pipeline(builds[i].PipelineID), builds[i], &repeated{}) })
}
