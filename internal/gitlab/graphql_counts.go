package gitlab

import (
	"context"
	"fmt"
)

// PipelineCounts is how many pipelines of a project changed since a time.
type PipelineCounts struct {
	ProjectID     int64
	Own, Children int64 // children are those of source parent_pipeline
}

// Counts counts the pipelines of up to 100 projects in one request, for which
// GitLab counts rows: not to be asked every minute. A project that is not there,
// or whose pipelines this token may not read, is missing in the answer; the
// order is GitLab's. No projects ask nothing and give nothing.
func (c *Client) Counts(ctx context.Context, q ProbeQuery) ([]PipelineCounts, error) {
	var found countsAnswer
	_, err := c.askProjects(ctx, "Counts", "counts", q.ProjectIDs, q.UpdatedAfter, nil, func(s *scanner) error {
		found = countsAnswer{}
		return found.scan(s)
	}, func() error { return checkProjects(found.listed, &found.page, found.ids, q.ProjectIDs) })
	if err != nil {
		return nil, err
	}
	return found.counts, nil
}

// countsAnswer is the data of Counts.
type countsAnswer struct {
	listed bool
	page   connection
	ids    []int64
	counts []PipelineCounts
}

func (a *countsAnswer) scan(s *scanner) error {
	return s.projects(&a.listed, &a.page, func() error {
		var is reach
		var own, children connection
		err := s.object(func(key []byte) error {
			switch string(key) {
			case "own":
				return own.scanCount(s)
			case "children":
				return children.scanCount(s)
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
		a.ids = append(a.ids, is.id)
		n, ok := own.count.Get()
		m, too := children.count.Get()
		switch {
		case is.barred():
		case !ok || !too:
			return fmt.Errorf("project %d without a count of its pipelines", is.id)
		default:
			a.counts = append(a.counts, PipelineCounts{ProjectID: is.id, Own: n, Children: m})
		}
		return nil
	})
}

// scanCount reads a page of which nothing was asked but its count.
func (p *connection) scanCount(s *scanner) error {
	if isNull, err := s.null(); isNull || err != nil {
		return err
	}
	return p.scan(s, s.skip)
}
