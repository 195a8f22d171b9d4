package gitlab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// HasEnvironments says of up to 100 projects, in one request, whether they have
// an environment at all: GitLab deletes a project's deployments with their
// environment, so one without any has none. An environment that this token may
// not read counts as none, as its deployments are not for it either. A project
// that is not there, or not for this token, is missing in the answer. asked
// is when that was, by the server's clock, by ours where it does not say. No
// projects ask nothing and give nothing.
func (c *Client) HasEnvironments(ctx context.Context, projectIDs []int64) (has map[int64]bool, asked time.Time, err error) {
	if len(projectIDs) == 0 {
		return nil, time.Time{}, nil
	}
	if len(projectIDs) > mostRows {
		return nil, time.Time{}, badQuery("%d projects at once: GitLab's pages have 1 to %d rows", len(projectIDs), mostRows)
	}
	ids := make([]string, len(projectIDs))
	for i, n := range projectIDs {
		ids[i] = "gid://gitlab/Project/" + id(n)
	}
	r, err := graphQL("Environments", sized("Environments", len(ids)), map[string]any{"ids": ids}, "environments")
	if err != nil {
		return nil, time.Time{}, err
	}
	var found environmentsAnswer
	ans, err := c.do(ctx, r, graphQLAnswer(func(s *scanner) error {
		found = environmentsAnswer{has: map[int64]bool{}}
		return found.scan(s)
	}, func() error { return found.check(projectIDs) }))
	if err != nil {
		return nil, time.Time{}, err
	}
	if asked = ans.date; asked.IsZero() {
		asked = ans.askedAt
	}
	return found.has, asked, nil
}

// environmentsAnswer is the data of HasEnvironments.
type environmentsAnswer struct {
	listed bool
	page   connection
	has    map[int64]bool
}

func (a *environmentsAnswer) scan(s *scanner) error {
	return s.object(func(key []byte) error {
		if string(key) != "projects" {
			return s.skip()
		}
		if isNull, err := s.null(); isNull || err != nil {
			return err
		}
		a.listed = true
		return a.page.scan(s, func() error {
			var project int64
			has, said := false, false
			err := s.object(func(key []byte) error {
				switch string(key) {
				case "id":
					return into(s, &project, s.idOf("Project"))
				case "environment":
					said = true
					isNull, err := s.null()
					if has = !isNull; isNull || err != nil {
						return err
					}
				}
				return s.skip()
			})
			if err == nil && (project == 0 || !said) {
				err = errors.New("a project without its id or without a word on its environments")
			}
			a.has[project] = has
			return err
		})
	})
}

// check holds the answer against the question.
func (a *environmentsAnswer) check(asked []int64) error {
	if !a.listed {
		return errors.New("an answer without projects and without an empty list of them")
	}
	next, err := a.page.next("")
	if err != nil {
		return err
	}
	if next != "" {
		return fmt.Errorf("%d projects were asked for, and %w", len(asked), ErrMoreProjects)
	}
	for project := range a.has {
		if !slices.Contains(asked, project) {
			return fmt.Errorf("project %d was not asked for: this GitLab ignores the list of ids", project)
		}
	}
	return nil
}
