package server

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// interest remembers which projects somebody looks at, so that the next round
// visits them first. It is in memory: whoever looks again says so again.
type interest struct {
	now func() time.Time

	mu     sync.Mutex
	looked map[string]time.Time // by full path or id, as it was asked for
}

const (
	interestKept = 15 * time.Minute
	interestMax  = 50 // projects; a page that shows them all has no favourites
)

// note says that somebody looks at a project now.
func (i *interest) note(project string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.looked == nil {
		i.looked = map[string]time.Time{}
	}
	i.looked[project] = i.now()
	if len(i.looked) > interestMax {
		delete(i.looked, slices.MinFunc(i.names(), i.older))
	}
}

// first gives the projects that were looked at not long ago, the last one first.
func (i *interest) first() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	for name, at := range i.looked {
		if i.now().Sub(at) > interestKept {
			delete(i.looked, name)
		}
	}
	names := i.names()
	slices.SortFunc(names, func(a, b string) int { return i.older(b, a) })
	return names
}

func (i *interest) names() []string {
	names := make([]string, 0, len(i.looked))
	for name := range i.looked {
		names = append(names, name)
	}
	return names
}

func (i *interest) older(a, b string) int {
	return cmp.Or(i.looked[a].Compare(i.looked[b]), cmp.Compare(a, b))
}
