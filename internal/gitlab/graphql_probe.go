package gitlab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// What became of a hundred projects, in one request: whether they are still
// there, under which name, and which of their pipelines changed since a time.

// ProbeQuery says which projects are looked at, and since when.
type ProbeQuery struct {
	ProjectIDs   []int64   // up to 100
	UpdatedAfter time.Time // inclusive; never zero: pipelines without updated_at would spoil the answer
}

// ProbedProject is a project as a probe found it.
type ProbedProject struct {
	ID             int64
	Name           string
	FullPath       string
	Archived       Field[bool]
	Visibility     Field[string]
	Topics         Field[[]string]
	LastActivityAt Field[Time] // whole seconds
	JobsEnabled    Field[bool]
	Forbidden      bool // CI is off, or this token may not read: the pipelines are hidden, not none

	Own, Children ProbedList // changed since the query's time; children are those of source parent_pipeline
	External      ProbedList // the newest by id, whenever they changed; without UpdatedAt, which some of them lack

	AskedAt, Date time.Time // just before it was sent; the server's own clock, zero when it did not say
}

// ProbedList is a project's pipelines of one list, newest first by id, 100 at most.
type ProbedList struct {
	Pipelines []PipelineChange
	More      bool // there are more than these
}

// Probe looks at up to 100 projects in one request. A project that is not
// there, or not for this token, is missing in the answer; the order is
// GitLab's. No projects ask nothing and give nothing.
func (c *Client) Probe(ctx context.Context, q ProbeQuery) ([]ProbedProject, error) {
	var found probeAnswer
	ans, err := c.askProjects(ctx, "Probe", "probe", q.ProjectIDs, q.UpdatedAfter, nil, func(s *scanner) error {
		found = probeAnswer{}
		return found.scan(s)
	}, func() error { return found.check(q) })
	if err != nil {
		return nil, err
	}
	for i := range found.projects {
		found.projects[i].AskedAt, found.projects[i].Date = ans.askedAt, ans.date
	}
	return found.projects, nil
}

// askProjects sends a document that takes ids of projects, a time, and what else
// there is in variables.
func (c *Client) askProjects(ctx context.Context, name, file string, projects []int64, after time.Time, variables map[string]any, data func(*scanner) error, then func() error) (answer, error) {
	switch {
	case len(projects) == 0:
		return answer{}, nil
	case len(projects) > mostRows:
		return answer{}, badQuery("%d projects at once: GitLab's pages have 1 to %d rows", len(projects), mostRows)
	case after.IsZero():
		return answer{}, badQuery("%s without a time: pipelines that have no updated_at would spoil the answer", name)
	}
	ids := make([]string, len(projects))
	for i, n := range projects {
		ids[i] = "gid://gitlab/Project/" + id(n)
	}
	all := map[string]any{"ids": ids, "updatedAfter": instant(after)}
	maps.Copy(all, variables)
	r, err := graphQL(name, sized(name, len(ids)), all, file)
	if err != nil {
		return answer{}, err
	}
	return c.do(ctx, r, graphQLAnswer(data, then))
}

// probeAnswer is the data of Probe.
type probeAnswer struct {
	listed   bool
	page     connection
	projects []ProbedProject
}

func (a *probeAnswer) scan(s *scanner) error {
	return s.projects(&a.listed, &a.page, func() error {
		a.projects = append(a.projects, ProbedProject{})
		return a.projects[len(a.projects)-1].scan(s)
	})
}

// projects reads data that is a page of projects.
func (s *scanner) projects(listed *bool, page *connection, node func() error) error {
	return s.object(func(key []byte) error {
		if string(key) != "projects" {
			return s.skip()
		}
		if isNull, err := s.null(); isNull || err != nil {
			return err
		}
		*listed = true
		return page.scan(s, node)
	})
}

func (p *ProbedProject) scan(s *scanner) error {
	var is reach
	lists := 0
	shown := func(l *ProbedList) error {
		if isNull, err := s.null(); isNull || err != nil {
			return err
		}
		lists++
		return l.scan(s)
	}
	err := s.object(func(key []byte) error {
		switch string(key) {
		case "name":
			return into(s, &p.Name, s.text)
		case "fullPath":
			return into(s, &p.FullPath, s.text)
		case "archived":
			return intoField(s, &p.Archived, s.boolean)
		case "visibility":
			return intoField(s, &p.Visibility, s.word)
		case "topics":
			return intoField(s, &p.Topics, list(s, s.text))
		case "lastActivityAt":
			return intoField(s, &p.LastActivityAt, s.time)
		case "own":
			return shown(&p.Own)
		case "children":
			return shown(&p.Children)
		case "external":
			return shown(&p.External)
		}
		known, err := is.field(s, key)
		if !known {
			err = s.skip()
		}
		return err
	})
	p.ID, p.JobsEnabled, p.Forbidden = is.id, is.jobsEnabled, is.barred() || lists < 3
	return err
}

func (l *ProbedList) scan(s *scanner) error {
	var page connection
	err := page.scan(s, func() error {
		l.Pipelines = append(l.Pipelines, PipelineChange{})
		return l.Pipelines[len(l.Pipelines)-1].scan(s)
	})
	if err != nil {
		return err
	}
	next, err := page.next("")
	l.More = next != ""
	return err
}

// check holds the answer against the question.
func (a *probeAnswer) check(q ProbeQuery) error {
	ids := make([]int64, len(a.projects))
	for i, p := range a.projects {
		if p.Name == "" || p.FullPath == "" {
			return errors.New("a project without name or path")
		}
		ids[i] = p.ID
	}
	if err := checkProjects(a.listed, &a.page, ids, q.ProjectIDs); err != nil {
		return err
	}
	for _, p := range a.projects {
		for _, pl := range slices.Concat(p.Own.Pipelines, p.Children.Pipelines) {
			updated, ok := pl.UpdatedAt.Get()
			if !ok {
				return fmt.Errorf("pipeline %d without updatedAt", pl.ID)
			}
			if updated.Before(q.UpdatedAfter.Truncate(time.Second)) {
				return fmt.Errorf("pipeline %d was updated at %s, before the asked %s: this GitLab ignores the filter",
					pl.ID, updated.Format(wireTime), q.UpdatedAfter.UTC().Format(wireTime))
			}
		}
		for _, pl := range p.External.Pipelines {
			if _, ok := pl.CreatedAt.Get(); !ok {
				return fmt.Errorf("pipeline %d without createdAt", pl.ID)
			}
		}
	}
	return nil
}

// ErrMoreProjects is in the error of an answer that leaves out projects that were
// asked for: GitLab puts fewer on a page. Asked for fewer, it may tell of all.
var ErrMoreProjects = errors.New("GitLab has more of them")

// checkProjects holds a page of projects against those that were asked for.
func checkProjects(listed bool, page *connection, got, asked []int64) error {
	if !listed {
		return errors.New("an answer without projects and without an empty list of them")
	}
	next, err := page.next("")
	if err != nil {
		return err
	}
	if next != "" {
		return fmt.Errorf("%d projects were asked for, and %w", len(asked), ErrMoreProjects)
	}
	seen := map[int64]bool{}
	for _, n := range got {
		switch {
		case n == 0:
			return errors.New("a project without id")
		case !slices.Contains(asked, n):
			return fmt.Errorf("project %d was not asked for: this GitLab ignores the list of ids", n)
		case seen[n]:
			return fmt.Errorf("project %d comes twice", n)
		}
		seen[n] = true
	}
	return nil
}
