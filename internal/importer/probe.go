package importer

import (
	"context"
	"slices"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
)

// Child pipelines and external ones have lists of their own, and most projects
// have neither. One GraphQL request tells for a hundred projects at once.

// kinds says which of the rarer kinds of pipelines a project has; the zero
// value is not known.
type kinds struct {
	known              bool
	children, external bool
	answer             gitlab.ProjectChange // when that was asked
}

// openBulk asks GraphQL, where it is to be had, which projects have which kinds
// of pipelines.
func (r *run) openBulk(ctx context.Context, projects []ci.Project) {
	if r.bulkSize == nil {
		return
	}
	ids := make([]int64, 0, len(projects))
	for _, p := range projects {
		if p.CIAccess == ci.CIEnabled {
			ids = append(ids, int64(p.ID))
		}
	}
	for some := range slices.Chunk(ids, perPage) {
		r.probeKinds(ctx, some)
	}
}

// probeKinds asks for one child and one external pipeline of each project. A
// project that does not answer keeps its lists.
func (r *run) probeKinds(ctx context.Context, ids []int64) {
	ask := func(source ci.Source) map[int64]gitlab.ProjectChange {
		changes, err := r.source.Client.Changes(ctx, gitlab.ChangeQuery{ProjectIDs: ids, Source: string(source), First: 1, WithoutUpdatedAt: true})
		if err != nil {
			return nil // the lists say the same, for a request each
		}
		found := make(map[int64]gitlab.ProjectChange, len(changes))
		for _, c := range changes {
			if !c.Forbidden {
				found[c.ProjectID] = c
			}
		}
		return found
	}
	children, external := ask(ci.SourceParent), ask(ci.SourceExternal)
	for id, c := range children {
		if e, ok := external[id]; ok {
			r.kinds[ci.ProjectID(id)] = kinds{known: true, children: len(c.Pipelines) > 0, external: len(e.Pipelines) > 0, answer: c}
		}
	}
}
