package gitlabtest

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// pipelines writes the pipelines of a project that the arguments leave, the
// newest first. Nobody is told that he may not read them: the list is empty.
func (x *graphQLRun) pipelines(f *graphQLField, p *Project) {
	after, ok := x.moment(f, "updatedAfter")
	before, ok2 := x.moment(f, "updatedBefore")
	if !ok || !ok2 {
		x.w.null(f.key)
		return
	}
	word := func(arg string) string { s, _ := f.args[arg].(string); return s }
	status, scope, source := strings.ToLower(word("status")), strings.ToLower(word("scope")), word("source")
	var list []*Pipeline
	if x.call.token.readsRuns(p) {
		for _, pl := range slices.Backward(p.Pipelines) {
			switch {
			case pl.Source == "parent_pipeline" && source != "parent_pipeline",
				pl.Source != source && slices.Contains(Sources(), source), // another word filters nothing
				status != "" && pl.Status != status,
				word("ref") != "" && !refMatches(pl, word("ref"), source),
				word("sha") != "" && pl.SHA != word("sha"),
				word("username") != "" && (pl.User == nil || !strings.EqualFold(pl.User.Username, word("username"))),
				after != nil && (pl.UpdatedAt == nil || pl.UpdatedAt.Before(*after)),
				before != nil && (pl.UpdatedAt == nil || pl.UpdatedAt.After(*before)):
				continue
			}
			list = append(list, pl)
		}
		list = inScope(list, scope)
	}
	connection(x, f, keyset(x, f, list, func(pl *Pipeline) int64 { return pl.ID }),
		func(fields []*graphQLField, pl *Pipeline) bool { return x.pipeline(fields, p, pl) })
}

// moment reads an argument that is a time, nil for none. What is no time is an
// error of the field.
func (x *graphQLRun) moment(f *graphQLField, arg string) (*time.Time, bool) {
	text, _ := f.args[arg].(string)
	if text == "" {
		return nil, true
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return &t, true
		}
	}
	x.fail(strconv.Quote(text)+" is an invalid Time", f.key)
	return nil, false
}

// readable gives the project of a pipeline elsewhere, nil when this token may
// not read it.
func (x *graphQLRun) readable(pl *Pipeline) *Project {
	p := x.r.projectOf(pl)
	if p == nil || !x.call.token.seesProject(p) || !x.call.token.readsRuns(p) {
		return nil
	}
	return p
}

// pipeline writes a pipeline; false, and an error, when it has no updated_at
// although the schema says that every pipeline has one.
func (x *graphQLRun) pipeline(fields []*graphQLField, p *Project, pl *Pipeline) bool {
	whole := true
	for _, f := range fields {
		k := f.key
		switch f.name {
		case "id":
			x.id(k, "Ci::Pipeline", pl.ID)
		case "iid":
			x.w.str(k, strconv.FormatInt(pl.IID, 10))
		case "name":
			x.w.optStr(k, pl.Name)
		case "status":
			x.enum(k, pl.Status)
		case "source":
			x.w.str(k, pl.Source)
		case "ref":
			x.w.str(k, pl.Ref)
		case "refPath":
			x.w.str(k, refPath(pl))
		case "sha":
			x.w.str(k, pl.SHA)
		case "beforeSha":
			x.w.str(k, pl.BeforeSHA)
		case "createdAt":
			x.seconds(k, &pl.CreatedAt)
		case "updatedAt":
			if pl.UpdatedAt == nil {
				x.fail("Cannot return null for non-nullable field Pipeline.updatedAt", k)
				whole = false
			}
			x.seconds(k, pl.UpdatedAt)
		case "startedAt":
			x.seconds(k, pl.StartedAt)
		case "finishedAt":
			x.seconds(k, pl.FinishedAt)
		case "committedAt":
			x.seconds(k, pl.CommittedAt)
		case "duration":
			x.w.optInt(k, pl.Duration(x.r.now()))
		case "queuedDuration":
			x.span(k, pl.QueuedDuration())
		case "coverage":
			x.coverage(k, pl.Coverage())
		case "yamlErrors":
			x.w.bool(k, pl.YAMLErrors != nil)
		case "yamlErrorMessages":
			x.w.optStr(k, pl.YAMLErrors)
		case "failureReason":
			x.w.optStr(k, pl.FailureReason)
		case "warnings":
			x.w.bool(k, pl.HasWarnings())
		case "active":
			x.w.bool(k, active(pl.Status))
		case "complete":
			x.w.bool(k, complete(pl.Status))
		case "child":
			x.w.bool(k, pl.Source == "parent_pipeline" && pl.Parent != nil)
		case "path":
			x.w.str(k, x.call.server.root+"/"+p.FullPath+"/-/pipelines/"+strconv.FormatInt(pl.ID, 10))
		case "totalJobs":
			x.w.int(k, int64(len(builds(pl))))
		case "user":
			if pl.User == nil {
				x.w.null(k)
				continue
			}
			x.object(f, func(fields []*graphQLField) bool { return x.user(fields, pl.User) })
		case "commit":
			if pl.Commit == nil {
				x.w.null(k)
				continue
			}
			x.object(f, func(fields []*graphQLField) bool { return x.commit(fields, pl.Commit) })
		case "project":
			x.object(f, func(fields []*graphQLField) bool { return x.project(fields, p) })
		case "upstream":
			x.otherPipeline(f, pl.Parent)
		case "downstream":
			x.downstream(f, pl)
		case "jobs":
			x.jobs(f, p, pl)
		default:
			x.typename(f)
		}
	}
	return whole
}

func builds(pl *Pipeline) (list []*Job) {
	for _, j := range pl.Jobs {
		if j.Kind == Build {
			list = append(list, j)
		}
	}
	return list
}

// refPath is the ref that started a pipeline, in full: of a merge request's
// pipeline its source branch.
func refPath(pl *Pipeline) string {
	switch {
	case pl.Tag:
		return "refs/tags/" + pl.Ref
	case pl.SourceBranch != "":
		return "refs/heads/" + pl.SourceBranch
	}
	return "refs/heads/" + pl.Ref
}

func (x *graphQLRun) span(k string, seconds *int64) {
	if seconds == nil {
		x.w.null(k)
		return
	}
	x.w.optFloat(k, new(float64(*seconds)))
}

func (x *graphQLRun) coverage(k string, percent *string) {
	if percent == nil {
		x.w.null(k)
		return
	}
	v, err := strconv.ParseFloat(*percent, 64)
	if err != nil {
		x.w.null(k) // a recorded one that is no number
		return
	}
	x.w.optFloat(k, &v)
}

// otherPipeline writes a pipeline that this one hangs together with.
func (x *graphQLRun) otherPipeline(f *graphQLField, pl *Pipeline) {
	p := x.readable(pl)
	if p == nil {
		x.w.null(f.key)
		return
	}
	x.object(f, func(fields []*graphQLField) bool { return x.pipeline(fields, p, pl) })
}

func (x *graphQLRun) downstream(f *graphQLField, pl *Pipeline) {
	var list []*Pipeline
	for _, j := range pl.Jobs {
		if j.Downstream != nil && x.readable(j.Downstream) != nil {
			list = append(list, j.Downstream)
		}
	}
	slices.SortFunc(list, func(a, b *Pipeline) int { return cmp.Compare(b.ID, a.ID) })
	connection(x, f, keyset(x, f, list, func(pl *Pipeline) int64 { return pl.ID }),
		func(fields []*graphQLField, pl *Pipeline) bool { return x.pipeline(fields, x.readable(pl), pl) })
}

func (x *graphQLRun) commit(fields []*graphQLField, c *Commit) bool {
	for _, f := range fields {
		switch f.name {
		case "sha":
			x.w.str(f.key, c.ID)
		case "shortId":
			x.w.str(f.key, c.ID[:min(8, len(c.ID))])
		case "title":
			x.w.str(f.key, c.Title)
		case "committedDate":
			x.seconds(f.key, &c.CommittedDate)
		case "authoredDate":
			x.seconds(f.key, &c.AuthoredDate)
		default:
			x.typename(f)
		}
	}
	return true
}
