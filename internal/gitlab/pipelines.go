package gitlab

import (
	"context"
	"fmt"
	"iter"
	"net/url"
	"time"
)

// PipelineListOptions narrows a list of pipelines. The zero value lists all
// but child pipelines, newest first: GitLab gives those only for the Source
// "parent_pipeline" (gitlab-api §0).
type PipelineListOptions struct {
	OrderBy string // id, status, ref, updated_at, user_id; "": id
	Sort    string // asc, desc; "": desc
	Source  string // push, schedule, parent_pipeline, …; "": all but parent_pipeline
	Ref     string // "": all
	Status  string // "": all
	Scope   string // running, pending, finished, branches, tags; "": all
	// UpdatedAfter and UpdatedBefore are inclusive and go on the wire in
	// milliseconds, cut; zero: no bound. GitLab compares microseconds, so a row
	// shown as .123 may be later than UpdatedBefore .123. Pipelines without
	// updated_at, which some external ones are, match neither.
	UpdatedAfter, UpdatedBefore time.Time
	PerPage                     int // 1 to 100; 0: 100
}

const wireTime = "2006-01-02T15:04:05.000Z"

func (o PipelineListOptions) query() url.Values {
	q := url.Values{"per_page": {perPageText(o.PerPage)}}
	for _, p := range [...]struct{ key, value string }{
		{"order_by", o.OrderBy}, {"sort", o.Sort}, {"source", o.Source}, {"ref", o.Ref}, {"status", o.Status}, {"scope", o.Scope},
	} {
		if p.value != "" {
			q.Set(p.key, p.value)
		}
	}
	if !o.UpdatedAfter.IsZero() {
		q.Set("updated_after", o.UpdatedAfter.UTC().Format(wireTime))
	}
	if !o.UpdatedBefore.IsZero() {
		q.Set("updated_before", o.UpdatedBefore.UTC().Format(wireTime))
	}
	return q
}

// check holds an item against the filters. GitLab passes over parameters that
// it does not know, so an old one would give another list than was asked for.
func (o PipelineListOptions) check(p *PipelineListItem) error {
	if source, ok := p.Source.Get(); ok && o.Source != "" && source != o.Source {
		return fmt.Errorf("pipeline %d has the source %s, although only %s was asked for: this GitLab ignores the filter", p.ID, source, o.Source)
	}
	updated, ok := p.UpdatedAt.Get()
	if !o.UpdatedAfter.IsZero() && ok && updated.Before(o.UpdatedAfter.Truncate(time.Millisecond)) {
		return fmt.Errorf("pipeline %d was updated at %s, before the asked %s: this GitLab ignores the filter",
			p.ID, updated.Format(wireTime), o.UpdatedAfter.UTC().Format(wireTime))
	}
	return nil
}

// Pipelines walks over a project's pipelines. Forbidden means that CI is off or
// the token's role too small. Pages are offsets into a list that moves: what
// changes during the walk may come twice or, ascending by updated_at, be passed
// over; whoever cannot have that asks anew from the last updated_at.
func (c *Client) Pipelines(ctx context.Context, projectID int64, o PipelineListOptions) iter.Seq2[Page[PipelineListItem], error] {
	return pages(ctx, c, request{
		endpoint: "/projects/:id/pipelines",
		path:     "/projects/" + id(projectID) + "/pipelines", query: o.query(),
	}, o.check)
}

// Pipeline gives one pipeline in full. A deleted one is NotFound.
func (c *Client) Pipeline(ctx context.Context, projectID, pipelineID int64) (Answer[Pipeline], error) {
	return one[Pipeline](ctx, c, request{
		endpoint: "/projects/:id/pipelines/:id",
		path:     "/projects/" + id(projectID) + "/pipelines/" + id(pipelineID),
	})
}

func (p *PipelineListItem) check() error {
	return missing("a pipeline", requiredKey{"id", p.ID != 0}, requiredKey{"status", p.Status != ""})
}
