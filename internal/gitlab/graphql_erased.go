package gitlab

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Which builds were erased. Erasing the log and the artifacts of a build changes
// nothing that a list of pipelines shows, so it has to be asked for; the answer
// has an id and a time for each build, and nothing else.

// ErasedQuery says whose builds are looked at.
type ErasedQuery struct {
	ProjectIDs   []int64   // up to 100; 1 where it goes on after a page
	UpdatedAfter time.Time // of pipelines, inclusive; never zero: some of them have no updated_at
	First        int       // pipelines of each list of each project: 1 to 100; 0: 100
	// OwnAfter and ChildrenAfter are the cursors of the page before; "" is the
	// first page. NoOwn and NoChildren leave a list out.
	OwnAfter, ChildrenAfter string
	NoOwn, NoChildren       bool
}

// ErasedPage is what a page of pipelines of a project has in erased builds.
type ErasedPage struct {
	ProjectID int64
	FullPath  string
	Builds    []ErasedBuild // none as a rule
	// Longer are the pipelines with more than a hundred builds, of which the
	// others are still to be asked for.
	Longer                []LongerPipeline
	OwnNext, ChildrenNext string // opaque cursors; "" at the end of the list, and of one that was left out
}

// ErasedBuild is a build whose log and artifacts were erased.
type ErasedBuild struct {
	ID, PipelineID int64
	ErasedAt       time.Time // whole seconds
}

// LongerPipeline is a pipeline whose builds go on after a cursor.
type LongerPipeline struct {
	ID, IID int64
	After   string // for RunJobs
}

// Erased looks through the builds of a page of pipelines, of up to 100 projects,
// for those that were erased. A project that is not there, or whose pipelines
// this token may not read, is missing in the answer; the order is GitLab's. No
// projects ask nothing and give nothing. Errors are those of Runs.
func (c *Client) Erased(ctx context.Context, q ErasedQuery) ([]ErasedPage, error) {
	first, err := pageSize("First", q.First)
	if err != nil || len(q.ProjectIDs) == 0 {
		return nil, err
	}
	switch {
	case len(q.ProjectIDs) > 1 && (q.OwnAfter != "" || q.ChildrenAfter != ""):
		return nil, badQuery("a cursor belongs to one project, and %d were asked for", len(q.ProjectIDs))
	case q.NoOwn && q.NoChildren:
		return nil, badQuery("both lists were left out")
	}
	var found erasedAnswer
	_, err = c.askProjects(ctx, "Erased", "erased", q.ProjectIDs, q.UpdatedAfter, map[string]any{
		"first": first, "own": !q.NoOwn, "ownAfter": optional(q.OwnAfter), "children": !q.NoChildren, "childrenAfter": optional(q.ChildrenAfter),
	}, func(s *scanner) error {
		found = erasedAnswer{}
		return found.scan(s)
	}, func() error { return found.check(q) })
	if err != nil {
		return nil, err
	}
	return found.pages, nil
}

// erasedAnswer is the data of Erased.
type erasedAnswer struct {
	listed   bool
	page     connection
	ids      []int64 // of all projects
	lists    []erasedLists
	pages    []ErasedPage
	pipeline erasedPipeline // the one that is read
}

// erasedLists are the lists of one project as they came.
type erasedLists struct {
	barred        bool
	own, children *connection // nil: not there
}

// erasedPipeline is a pipeline as it comes.
type erasedPipeline struct {
	id, iid int64
	jobs    *connection
	builds  []ErasedBuild
}

func (a *erasedAnswer) scan(s *scanner) error {
	return s.projects(&a.listed, &a.page, func() error {
		var is reach
		var lists erasedLists
		var p ErasedPage
		list := func(page **connection) error {
			if isNull, err := s.null(); isNull || err != nil {
				return err
			}
			*page = new(connection)
			return (*page).scan(s, func() error { return a.scanPipeline(s, &p) })
		}
		err := s.object(func(key []byte) error {
			switch string(key) {
			case "fullPath":
				return into(s, &p.FullPath, s.text)
			case "own":
				return list(&lists.own)
			case "children":
				return list(&lists.children)
			}
			known, err := is.field(s, key)
			if !known {
				err = s.skip()
			}
			return err
		})
		p.ProjectID, lists.barred = is.id, is.barred()
		a.ids, a.lists, a.pages = append(a.ids, is.id), append(a.lists, lists), append(a.pages, p)
		return err
	})
}

func (a *erasedAnswer) scanPipeline(s *scanner, p *ErasedPage) error {
	r := &a.pipeline
	*r = erasedPipeline{builds: r.builds[:0]}
	err := s.object(func(key []byte) error {
		switch string(key) {
		case "id":
			return into(s, &r.id, s.idOf("Ci::Pipeline"))
		case "iid":
			return into(s, &r.iid, s.number64)
		case "jobs":
			if isNull, err := s.null(); isNull || err != nil {
				return err
			}
			r.jobs = new(connection)
			return r.jobs.scan(s, func() error { return r.scanBuild(s) })
		}
		return s.skip()
	})
	switch {
	case err != nil:
		return err
	case r.id == 0 || r.iid == 0:
		return errors.New("a pipeline without id or iid")
	case r.jobs == nil:
		return fmt.Errorf("pipeline %d without jobs: this token may not read them", r.id)
	}
	next, err := r.jobs.next("")
	if err != nil {
		return fmt.Errorf("the jobs of pipeline %d: %w", r.id, err)
	}
	for _, b := range r.builds {
		b.PipelineID = r.id
		p.Builds = append(p.Builds, b)
	}
	if next != "" {
		p.Longer = append(p.Longer, LongerPipeline{ID: r.id, IID: r.iid, After: next})
	}
	return nil
}

// scanBuild keeps a build that was erased.
func (r *erasedPipeline) scanBuild(s *scanner) error {
	var b ErasedBuild
	var at Field[Time]
	err := s.object(func(key []byte) error {
		switch string(key) {
		case "id":
			return into(s, &b.ID, s.idOf("Ci::Build"))
		case "erasedAt":
			return intoField(s, &at, s.time)
		}
		return s.skip()
	})
	switch erased, ok := at.Get(); {
	case err != nil:
		return err
	case b.ID == 0:
		return errors.New("a job without id")
	case ok:
		b.ErasedAt = erased.Time
		r.builds = append(r.builds, b)
	}
	return nil
}

// check holds the answer against the question, and leaves out the projects that
// show nothing.
func (a *erasedAnswer) check(q ErasedQuery) error {
	if err := checkProjects(a.listed, &a.page, a.ids, q.ProjectIDs); err != nil {
		return err
	}
	var shown []ErasedPage
	for i, p := range a.pages {
		lists := a.lists[i]
		if lists.barred || lists.own == nil != q.NoOwn || lists.children == nil != q.NoChildren {
			continue
		}
		var err error
		if lists.own != nil {
			p.OwnNext, err = lists.own.next(q.OwnAfter)
		}
		if lists.children != nil && err == nil {
			p.ChildrenNext, err = lists.children.next(q.ChildrenAfter)
		}
		if err != nil {
			return fmt.Errorf("the pipelines of project %d: %w", p.ProjectID, err)
		}
		if p.FullPath == "" {
			return fmt.Errorf("project %d without a path", p.ProjectID)
		}
		shown = append(shown, p)
	}
	a.pages = shown
	return nil
}
