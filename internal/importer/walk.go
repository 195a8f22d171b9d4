package importer

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/weirhq/weir/internal/gitlab"
)

// A walk reads one of a project's pipeline lists from the newest change down to
// a floor.
//
// Page numbers over a list that moves lose rows, and pipelines have no keyset
// pagination. So a walk seeks: it asks for the newest 100 changed at or before
// the last one it has seen. A pipeline that changes while the walk goes on
// jumps above it; it is found by the next visit, which starts from the walk's
// top. One that is deleted moves nothing.
type walk struct {
	list   func(context.Context, gitlab.PipelineListOptions) pipelinePages
	what   string    // what it lists, for errors; "": pipelines
	byID   bool      // the list can be had by id too; that of deployments cannot, with a bound of time
	source string    // "" or a source to ask for
	floor  time.Time // inclusive
	before time.Time // where to go on; zero: at the top

	buffer []gitlab.PipelineListItem
	seen   map[int64]bool // of the page before: seeks overlap by a millisecond
	end    bool           // nothing below the buffer

	opened bool
	asked  time.Time // GitLab's clock when the first page was asked for, less overlap
	newest time.Time // the first row's updated_at; zero when the list is empty
	total  *int64    // X-Total of the first page
}

// overlap is how far a visit reaches back before the newest row of the last
// one: rows of a transaction that was open then carry older times than rows
// already seen. GitLab cuts requests off after 60 s.
const overlap = time.Minute

// peek fills the buffer if it is empty; false at the end.
func (w *walk) peek(ctx context.Context) (bool, error) {
	for len(w.buffer) == 0 && !w.end {
		if err := w.fill(ctx); err != nil {
			return false, err
		}
	}
	return len(w.buffer) > 0, nil
}

// since gives what is left of the walk down to a time, that included, in groups
// of up to a page. What lies below stays for the next call.
func (w *walk) since(ctx context.Context, until time.Time) iter.Seq2[[]gitlab.PipelineListItem, error] {
	return func(yield func([]gitlab.PipelineListItem, error) bool) {
		for {
			more, err := w.peek(ctx)
			if err != nil {
				yield(nil, err)
			}
			if err != nil || !more {
				return
			}
			below := slices.IndexFunc(w.buffer, func(item gitlab.PipelineListItem) bool {
				return item.UpdatedAt.Or(gitlab.Time{}).Before(until)
			})
			group := w.buffer
			if below >= 0 {
				group = w.buffer[:below]
			}
			w.buffer = w.buffer[len(group):]
			if len(group) == 0 || !yield(group, nil) || below >= 0 {
				return
			}
		}
	}
}

// fill seeks to the next rows. One request brings them, unless a whole page was
// changed within one millisecond: only there page numbers are needed, and only
// there a row that jumps up or is deleted can hide another. The list below a
// bound can only shrink, and X-Total says when it did: then it is read again.
// GitLab orders by updated_at and nothing else, so a database may show rows of
// one millisecond in another order on every page, some twice and some never:
// that millisecond is read by id as well.
func (w *walk) fill(ctx context.Context) error {
	stretch := stretch{bound: w.before, repeated: w.seen, rows: make(map[int64]gitlab.PipelineListItem, perPage)}
	for again := true; again; {
		var err error
		if again, err = w.read(ctx, &stretch); err != nil {
			return err
		}
	}
	for id, item := range stretch.rows {
		if !stretch.repeated[id] {
			w.buffer = append(w.buffer, item)
		}
	}
	slices.SortFunc(w.buffer, newestFirst)
	w.seen = make(map[int64]bool, len(stretch.rows))
	for id := range stretch.rows {
		w.seen[id] = true
	}
	w.before, w.end = stretch.lowest, stretch.end
	return nil
}

func newestFirst(a, b gitlab.PipelineListItem) int {
	return cmp.Or(b.UpdatedAt.Or(gitlab.Time{}).Compare(a.UpdatedAt.Or(gitlab.Time{}).Time), cmp.Compare(b.ID, a.ID))
}

// stretch is what one call of fill reads.
type stretch struct {
	bound    time.Time      // updated_before, or zero
	repeated map[int64]bool // rows that the stretch above had already
	rows     map[int64]gitlab.PipelineListItem
	lowest   time.Time
	end      bool
}

// read reads from the bound until there are rows below it, and says whether it
// must be done again.
func (w *walk) read(ctx context.Context, s *stretch) (again bool, err error) {
	options := gitlab.PipelineListOptions{
		OrderBy: "updated_at", Sort: "desc", Source: w.source, UpdatedAfter: w.floor, PerPage: perPage,
	}
	if !s.bound.IsZero() {
		// Answers cut microseconds off, the filter does not: without the extra
		// millisecond the last row's neighbours within it would be lost.
		options.UpdatedBefore = s.bound.Add(time.Millisecond)
	}
	known := len(s.rows)
	var total *int64
	pages, shrunk := 0, false
	for page, err := range w.list(ctx, options) {
		if err != nil {
			return false, err
		}
		w.open(page)
		pages++
		now := page.Total.Ptr()
		shrunk = shrunk || total != nil && now != nil && *now < *total
		total = now
		progress := false
		last := options.UpdatedBefore
		for _, item := range page.Items {
			updated, ok := item.UpdatedAt.Get()
			if err := w.check(item, updated.Time, ok, options.UpdatedAfter, last); err != nil {
				return false, err
			}
			last = updated.Time
			s.rows[item.ID] = item
			if s.lowest.IsZero() || updated.Before(s.lowest) {
				s.lowest = updated.Time
			}
			progress = progress || s.bound.IsZero() || updated.Before(s.bound)
		}
		s.end = page.Last
		if progress {
			break
		}
	}
	if pages > 1 && w.byID {
		fewer, err := w.readBound(ctx, s)
		if err != nil {
			return false, err
		}
		shrunk = shrunk || fewer
	}
	return pages > 1 && (shrunk || total == nil && len(s.rows) > known), nil
}

// readBound reads the rows of the bound's millisecond in the order of their
// ids, and says whether they became fewer meanwhile.
func (w *walk) readBound(ctx context.Context, s *stretch) (fewer bool, err error) {
	options := gitlab.PipelineListOptions{
		OrderBy: "id", Sort: "desc", Source: w.source, PerPage: perPage,
		UpdatedAfter: s.bound, UpdatedBefore: s.bound.Add(time.Millisecond),
	}
	var total *int64
	for page, err := range w.list(ctx, options) {
		if err != nil {
			return false, err
		}
		now := page.Total.Ptr()
		fewer = fewer || total != nil && now != nil && *now < *total
		total = now
		for _, item := range page.Items {
			updated, ok := item.UpdatedAt.Get()
			if err := w.check(item, updated.Time, ok, options.UpdatedAfter, options.UpdatedBefore); err != nil {
				return false, err
			}
			s.rows[item.ID] = item
		}
	}
	return fewer, nil
}

func (w *walk) open(page gitlab.Page[gitlab.PipelineListItem]) {
	if w.opened {
		return
	}
	w.opened = true
	w.total = page.Total.Ptr()
	if len(page.Items) > 0 {
		w.newest = page.Items[0].UpdatedAt.Or(gitlab.Time{}).Time
	}
	w.asked = serverNow(page.Date, page.AskedAt)
}

// serverNow is GitLab's clock when something was asked, less overlap: what was
// changed before is in the answer. An answer without a Date goes by ours.
func serverNow(date, askedAt time.Time) time.Time {
	if date.IsZero() {
		date = askedAt
	}
	return date.Add(-overlap).UTC().Truncate(time.Millisecond)
}

// seekFrom is where the next visit must start: at the newest row, less the
// overlap. Not at GitLab's clock: a row may show up late with an older time.
func (w *walk) seekFrom() time.Time {
	if w.newest.IsZero() {
		return w.floor
	}
	if from := w.newest.Add(-overlap); from.After(w.floor) {
		return from
	}
	return w.floor
}

// check refuses an answer that does not fit what was asked: GitLab passes over
// parameters that it does not know, and the list would be a different one.
func (w *walk) check(item gitlab.PipelineListItem, updated time.Time, ok bool, after, last time.Time) error {
	switch {
	case !ok:
		return w.misfit(item, "it has no updated_at, although updated_after was asked for")
	case updated.Before(after):
		return w.misfit(item, "it was changed before updated_after")
	case !last.IsZero() && updated.After(last):
		return w.misfit(item, "it was changed after updated_before, or the list is not in descending order of updated_at")
	}
	return nil
}

func (w *walk) misfit(item gitlab.PipelineListItem, why string) error {
	what := cmp.Or(w.what, "pipeline")
	return &gitlab.Error{
		Kind: gitlab.BadAnswer, Method: "GET", Endpoint: "/projects/:id/" + what + "s",
		Message: fmt.Sprintf("%s %d does not belong into the list that was asked for: %s", what, item.ID, why),
	}
}
