package metric

import (
	"errors"
	"testing"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store"
)

// Whatever fits is answered: every metric and every finding by each of its
// dimensions, and filtered by a value of each or none, with both statements where
// it has two. What is refused is refused in words.
func TestEveryQuestionIsAnswered(t *testing.T) {
	onBoth(t, func(t *testing.T, open func() *store.Store) {
		s := open()
		for _, measured := range []bool{true, false} {
			e, err := New(Config{Store: s, Costs: worldCosts()})
			if err != nil {
				t.Fatal(err)
			}
			for i := range e.metrics {
				m := &e.metrics[i]
				if measured && m.measured == "" {
					continue
				}
				if !measured {
					m.measured = ""
				}
				for _, q := range questionsOf(m) {
					if _, err := e.Answer(t.Context(), q); err != nil {
						if p, ok := errors.AsType[*ci.Problem](err); !ok || p.Code != ci.BadRequest || p.Remedy == "" {
							t.Errorf("%s by %v where %v: %v", q.Metric, q.By, q.Where, err)
						}
					}
				}
			}
		}
	})
}

func questionsOf(m *defined) []Query {
	list := []Query{{Metric: m.name}}
	for _, d := range m.divides() {
		list = append(list, Query{Metric: m.name, By: []string{string(d)}})
	}
	for _, d := range append(m.dimensions(), Deleted) {
		q := Query{Metric: m.name, Where: []string{string(d) + "=" + valueOf(d)}}
		if d != Deleted {
			q.Where = append(q.Where, string(d)+"=")
		}
		list = append(list, q)
	}
	return list
}

// valueOf gives a value that the dimension may have.
func valueOf(d Dim) string {
	switch dim, _ := lookUp(d); {
	case d == Deleted || dim.kind == truth:
		return "false"
	case dim.kind == number:
		return "7"
	case dim.kind == date:
		return "2026-11-02"
	}
	return "a"
}
