package gitlab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ChangeQuery says whose newest pipelines are looked at.
type ChangeQuery struct {
	ProjectIDs   []int64   // up to 100
	Source       string    // "": all but parent_pipeline
	UpdatedAfter time.Time // inclusive; zero: no bound
	First        int       // pipelines of each project: 1 to 100; 0: 100
	Count        bool      // ask for Count, for which GitLab counts every project's pipelines
	// WithoutUpdatedAt leaves UpdatedAt absent; without a bound, one pipeline
	// that has none makes the request fail, as it does in RunQuery.
	WithoutUpdatedAt bool
}

// ProjectChange is a project with its newest pipelines, newest first by id.
type ProjectChange struct {
	ProjectID int64
	FullPath  string
	Archived  Field[bool]
	Forbidden bool // CI is off, or this token may not read: the pipelines are hidden, not none
	Pipelines []PipelineChange
	More      bool         // there are more pipelines than these
	Count     Field[int64] // of all pipelines that the query matches, with ChangeQuery.Count

	AskedAt, Date time.Time // just before it was sent; the server's own clock, zero when it did not say
}

// PipelineChange is what tells whether a pipeline that is known has changed.
type PipelineChange struct {
	ID        int64
	IID       Field[int64]
	Status    string
	CreatedAt Field[Time] // whole seconds
	UpdatedAt Field[Time] // whole seconds
}

// Changes looks at the newest pipelines of up to 100 projects in one request.
// A project that is not there, or not for this token, is missing in the answer;
// the order is GitLab's. No projects ask nothing and give nothing.
func (c *Client) Changes(ctx context.Context, q ChangeQuery) ([]ProjectChange, error) {
	first, err := pageSize("First", q.First)
	if err != nil || len(q.ProjectIDs) == 0 {
		return nil, err
	}
	if len(q.ProjectIDs) > mostRows {
		return nil, badQuery("%d projects at once: GitLab's pages have 1 to %d rows", len(q.ProjectIDs), mostRows)
	}
	ids := make([]string, len(q.ProjectIDs))
	for i, n := range q.ProjectIDs {
		ids[i] = "gid://gitlab/Project/" + id(n)
	}
	r, err := graphQL("Changes", sized("Changes", len(ids)*first), map[string]any{
		"ids": ids, "source": optional(q.Source), "updatedAfter": instant(q.UpdatedAfter),
		"first": first, "count": q.Count, "updated": !q.WithoutUpdatedAt,
	}, "changes")
	if err != nil {
		return nil, err
	}
	var found changesAnswer
	ans, err := c.do(ctx, r, graphQLAnswer(func(s *scanner) error {
		found = changesAnswer{}
		return found.scan(s)
	}, func() error { return found.check(q) }))
	if err != nil {
		return nil, err
	}
	for i := range found.projects {
		found.projects[i].AskedAt, found.projects[i].Date = ans.askedAt, ans.date
	}
	return found.projects, nil
}

// changesAnswer is the data of Changes.
type changesAnswer struct {
	listed   bool
	page     connection
	projects []ProjectChange
}

func (a *changesAnswer) scan(s *scanner) error {
	return s.object(func(key []byte) error {
		if string(key) != "projects" {
			return s.skip()
		}
		if isNull, err := s.null(); isNull || err != nil {
			return err
		}
		a.listed = true
		return a.page.scan(s, func() error {
			a.projects = append(a.projects, ProjectChange{})
			return a.projects[len(a.projects)-1].scan(s)
		})
	})
}

func (p *ProjectChange) scan(s *scanner) error {
	var is reach
	var page connection
	listed := false
	err := s.object(func(key []byte) error {
		switch string(key) {
		case "fullPath":
			return into(s, &p.FullPath, s.text)
		case "archived":
			return intoField(s, &p.Archived, s.boolean)
		case "pipelines":
			if isNull, err := s.null(); isNull || err != nil {
				return err
			}
			listed = true
			return page.scan(s, func() error {
				p.Pipelines = append(p.Pipelines, PipelineChange{})
				return p.Pipelines[len(p.Pipelines)-1].scan(s)
			})
		}
		known, err := is.field(s, key)
		if !known {
			err = s.skip()
		}
		return err
	})
	if err != nil {
		return err
	}
	p.ProjectID, p.Count, p.Forbidden = is.id, page.count, is.barred() || !listed
	if listed {
		next, err := page.next("")
		p.More = next != ""
		return err
	}
	return nil
}

func (p *PipelineChange) scan(s *scanner) error {
	err := s.object(func(key []byte) error {
		switch string(key) {
		case "id":
			return into(s, &p.ID, s.idOf("Ci::Pipeline"))
		case "iid":
			return intoField(s, &p.IID, s.number64)
		case "status":
			return into(s, &p.Status, s.enum)
		case "createdAt":
			return intoField(s, &p.CreatedAt, s.time)
		case "updatedAt":
			return intoField(s, &p.UpdatedAt, s.time)
		}
		return s.skip()
	})
	if err != nil {
		return err
	}
	return missing("a pipeline", requiredKey{"id", p.ID != 0}, requiredKey{"status", p.Status != ""})
}

// check holds the answer against the question.
func (a *changesAnswer) check(q ChangeQuery) error {
	if !a.listed {
		return errors.New("an answer without projects and without an empty list of them")
	}
	next, err := a.page.next("")
	if err != nil {
		return err
	}
	if next != "" {
		return fmt.Errorf("%d projects were asked for, and %w", len(q.ProjectIDs), ErrMoreProjects)
	}
	seen := map[int64]bool{}
	for _, p := range a.projects {
		switch {
		case p.ProjectID == 0 || p.FullPath == "":
			return errors.New("a project without id or path")
		case !slices.Contains(q.ProjectIDs, p.ProjectID):
			return fmt.Errorf("project %d was not asked for: this GitLab ignores the list of ids", p.ProjectID)
		case seen[p.ProjectID]:
			return fmt.Errorf("project %d comes twice", p.ProjectID)
		}
		seen[p.ProjectID] = true
		for _, pl := range p.Pipelines {
			updated, ok := pl.UpdatedAt.Get()
			if ok && !q.UpdatedAfter.IsZero() && updated.Before(q.UpdatedAfter.Truncate(time.Second)) {
				return fmt.Errorf("pipeline %d was updated at %s, before the asked %s: this GitLab ignores the filter",
					pl.ID, updated.Format(wireTime), q.UpdatedAfter.UTC().Format(wireTime))
			}
		}
	}
	return nil
}
