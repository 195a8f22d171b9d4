package importer

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/internal/gitlab"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// TestWalkLosesNothingInAMovingList draws lists with many rows of one
// millisecond, also of one microsecond, whose order then is another one on every
// page, and lets rows be added, touched and deleted between any two
// requests. Whatever stayed untouched must come out.
func TestWalkLosesNothingInAMovingList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &movingList{perPage: rapid.IntRange(2, 6).Draw(t, "per_page")}
		for range rapid.IntRange(0, 40).Draw(t, "rows") {
			l.add(rapid.OneOf(rapid.IntRange(0, 30_000), rapid.SampledFrom([]int{7_000, 20_001})).Draw(t, "µs"))
		}
		l.between = func() {
			for range rapid.IntRange(0, 3).Draw(t, "moves") {
				l.move(t)
			}
		}
		floor := epoch.Add(time.Duration(rapid.IntRange(0, 10).Draw(t, "floor ms")) * time.Millisecond)
		w := &walk{list: l.pages, byID: true, floor: floor}
		got := make(map[int64]bool)
		var order []time.Time
		for group, err := range w.since(t.Context(), floor) {
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range group {
				if got[item.ID] {
					t.Errorf("pipeline %d came twice", item.ID)
				}
				got[item.ID] = true
				order = append(order, item.UpdatedAt.Or(gitlab.Time{}).Time)
			}
		}
		if !slices.IsSortedFunc(order, func(a, b time.Time) int { return b.Compare(a) }) {
			t.Errorf("not newest first: %v", order)
		}
		for _, r := range l.rows {
			if !r.moved && !r.at.Before(floor) && !got[r.id] {
				t.Errorf("pipeline %d, last changed %s, was lost", r.id, r.at.Format(time.RFC3339Nano))
			}
		}
	})
}

func TestWalkStopsAtAnyTimeAndGoesOn(t *testing.T) {
	l := &movingList{perPage: 3}
	for ms := range 10 {
		l.add(ms * 1000)
	}
	w := &walk{list: l.pages, byID: true, floor: epoch}
	var got []int64
	for _, until := range []int{8, 8, 3, 0} {
		for group, err := range w.since(t.Context(), epoch.Add(time.Duration(until)*time.Millisecond)) {
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range group {
				got = append(got, item.ID)
			}
		}
		if want := 10 - until; len(got) != want {
			t.Errorf("down to %d ms: %v, want %d rows", until, got, want)
		}
	}
}

func TestWalkRefusesAnAnswerToAnotherQuestion(t *testing.T) {
	for name, ignored := range map[string]func(*gitlab.PipelineListOptions){
		"updated_after":  func(o *gitlab.PipelineListOptions) { o.UpdatedAfter = time.Time{} },
		"updated_before": func(o *gitlab.PipelineListOptions) { o.UpdatedBefore = time.Time{} },
		"sort":           func(o *gitlab.PipelineListOptions) { o.Sort = "asc" },
	} {
		l := &movingList{perPage: 3}
		for ms := range 10 {
			l.add(ms * 1000)
		}
		w := &walk{byID: true, floor: epoch.Add(time.Millisecond), list: func(ctx context.Context, o gitlab.PipelineListOptions) pipelinePages {
			ignored(&o)
			return l.pages(ctx, o)
		}}
		var failed error
		for _, err := range w.since(t.Context(), w.floor) {
			failed = errors.Join(failed, err)
		}
		if gitlab.KindOf(failed) != gitlab.BadAnswer {
			t.Errorf("a GitLab that ignores %s: error %v, want bad_answer", name, failed)
		}
	}
}

// movingList is a project's pipelines as GitLab's database has them, to the
// microsecond; answers cut that to milliseconds.
type movingList struct {
	rows    []movingRow
	clock   int // µs after the newest row there ever was
	nextID  int64
	perPage int
	between func() // is called after every request
}

type movingRow struct {
	id    int64
	at    time.Time
	moved bool // since the walk began
}

func (l *movingList) add(us int) {
	l.nextID++
	l.clock = max(l.clock, us)
	l.rows = append(l.rows, movingRow{id: l.nextID, at: epoch.Add(time.Duration(us) * time.Microsecond)})
}

func (l *movingList) move(t *rapid.T) {
	l.clock += rapid.IntRange(1, 900).Draw(t, "later")
	i := rapid.IntRange(-1, len(l.rows)-1).Draw(t, "row")
	switch {
	case i < 0:
		l.add(l.clock)
		l.rows[len(l.rows)-1].moved = true
	case rapid.Bool().Draw(t, "delete"):
		l.rows = slices.Delete(l.rows, i, i+1)
	default:
		l.rows[i].at, l.rows[i].moved = epoch.Add(time.Duration(l.clock)*time.Microsecond), true
	}
}

func (l *movingList) pages(_ context.Context, o gitlab.PipelineListOptions) pipelinePages {
	return func(yield func(gitlab.Page[gitlab.PipelineListItem], error) bool) {
		for offset := 0; ; offset += l.perPage {
			rows := slices.DeleteFunc(slices.Clone(l.rows), func(r movingRow) bool {
				return r.at.Before(o.UpdatedAfter) || !o.UpdatedBefore.IsZero() && r.at.After(o.UpdatedBefore)
			})
			slices.SortFunc(rows, func(a, b movingRow) int {
				byTime, byID := b.at.Compare(a.at), cmp.Compare(b.id, a.id)
				switch {
				case o.OrderBy == "id":
					return byID
				case o.Sort == "asc":
					byTime = -byTime
				}
				if offset/l.perPage%2 == 1 {
					byID = -byID // GitLab orders by nothing but the time
				}
				return cmp.Or(byTime, byID)
			})
			page := gitlab.Page[gitlab.PipelineListItem]{Total: gitlab.Of(int64(len(rows))), Last: offset+l.perPage >= len(rows)}
			for _, r := range rows[min(offset, len(rows)):min(offset+l.perPage, len(rows))] {
				page.Items = append(page.Items, gitlab.PipelineListItem{
					ID: r.id, UpdatedAt: gitlab.Of(gitlab.Time{Time: r.at.Truncate(time.Millisecond)}),
				})
			}
			if l.between != nil {
				l.between()
			}
			if !yield(page, nil) || page.Last {
				return
			}
		}
	}
}
