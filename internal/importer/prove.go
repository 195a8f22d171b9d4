package importer

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/store"
)

// A list of projects costs a request for a hundred of them, and the probes, which
// are asked anyway, name the same projects. So most rounds prove that the list
// is what it was when it was last read: the probes show every project of it in
// its place, and GitLab's count of the list, which comes with its first page,
// is the number of these. Then there is no room for another one. Anything that
// does not fit leads to the whole list, and so does time (ReconcileEvery): what
// a probe does not show, such as the default branch, is read then.

const (
	// newestProjects is how many projects are looked at below each group for one
	// that is not known yet.
	newestProjects = 20
	// rereadMost is how many projects that changed are read by themselves; where
	// there are more, the list is read.
	rereadMost = 10
)

// prove gives the projects in reach without reading the list of them, and false
// where that cannot be.
func (r *run) prove(ctx context.Context, roots []seen[gitlab.Group]) (projects []ci.Project, proven bool, err error) {
	if r.prober == nil || r.options.Full {
		return nil, false, nil
	}
	before, err := r.store.Reach(ctx, r.source.Connection)
	if err != nil || before.ListedAt.IsZero() || r.now().Sub(before.ListedAt) >= r.reconcileEvery {
		return nil, false, err
	}
	known, err := r.store.ProjectsByID(ctx, r.source.Instance.ID, before.Projects)
	if err != nil {
		return nil, false, err
	}
	known = slices.DeleteFunc(known, func(p ci.Project) bool { return p.DeletedAt != nil })
	if ok, err := r.groupsStand(ctx, roots, before); !ok || err != nil {
		return nil, false, err
	}
	for _, root := range roots {
		if ok, err := r.noOthers(ctx, root.value, known); !ok || err != nil {
			return nil, false, err
		}
	}
	cursors, err := r.store.ProjectSyncs(ctx, r.source.Instance.ID)
	if err != nil {
		return nil, false, err
	}
	if err := r.probe(ctx, r.questions(known, cursors)); err != nil {
		return nil, false, err
	}
	return r.projectsStand(ctx, known)
}

// groupsStand says whether the groups are those that were seen before, under the
// same names.
func (r *run) groupsStand(ctx context.Context, roots []seen[gitlab.Group], before store.Reach) (bool, error) {
	all, err := r.store.Groups(ctx, r.source.Instance.ID)
	if err != nil {
		return false, err
	}
	known := make(map[ci.GroupID]ci.Group)
	for _, g := range all {
		if g.DeletedAt == nil && slices.Contains(before.Groups, g.ID) {
			known[g.ID] = g
		}
	}
	found := make(map[ci.GroupID]bool)
	for _, root := range roots {
		if !sameGroup(known, r.source.Instance.ID, root.value) {
			return false, nil
		}
		found[ci.GroupID(root.value.ID)] = true
		var below int64
		for _, g := range known {
			if strings.HasPrefix(g.FullPath, root.value.FullPath+"/") {
				found[g.ID] = true
				below++
			}
		}
		for page, err := range r.source.Client.DescendantGroups(ctx, root.value.ID, gitlab.GroupListOptions{OrderBy: "id", Sort: "desc", PerPage: perPage}) {
			if err != nil {
				return false, err
			}
			for _, g := range page.Items {
				if !sameGroup(known, r.source.Instance.ID, g) {
					return false, nil
				}
			}
			if count, ok := page.Total.Get(); ok && count != below || !ok && !page.Last || page.Last && int64(len(page.Items)) != below {
				return false, nil
			}
			break // the others are as many, and their projects are where they were
		}
	}
	return len(found) == len(known), nil
}

// sameGroup says whether a group is stored as it is.
func sameGroup(known map[ci.GroupID]ci.Group, in ci.InstanceID, g gitlab.Group) bool {
	was, ok := known[ci.GroupID(g.ID)]
	is := convertGroup(in, g, was.SyncedAt)
	return ok && was.FullPath == is.FullPath && was.Name == is.Name && same(was.Visibility, is.Visibility) && same(was.ParentID, is.ParentID)
}

func same[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// noOthers says whether there is no project below a group that is not known.
// Above 10,000 GitLab does not count: then only new projects are seen at once,
// and one that was moved in when the list is read again.
func (r *run) noOthers(ctx context.Context, root gitlab.Group, known []ci.Project) (bool, error) {
	var below int64
	for _, p := range known {
		if strings.HasPrefix(p.FullPath, root.FullPath+"/") {
			below++
		}
	}
	for page, err := range r.source.Client.GroupProjects(ctx, root.ID, gitlab.ProjectListOptions{
		IncludeSubgroups: true, Simple: true, OrderBy: "id", Sort: "desc", PerPage: newestProjects,
	}) {
		if err != nil {
			return false, err
		}
		for _, p := range page.Items {
			if _, ok := slices.BinarySearchFunc(known, ci.ProjectID(p.ID), func(p ci.Project, id ci.ProjectID) int { return cmp.Compare(p.ID, id) }); !ok {
				return false, nil
			}
		}
		if count, ok := page.Total.Get(); ok {
			return count == below, nil
		}
		return !page.Last || int64(len(page.Items)) == below, nil
	}
	return false, nil
}

// projectsStand says whether the probes have shown every project in its place.
// Those of which something else changed are read and written.
func (r *run) projectsStand(ctx context.Context, known []ci.Project) ([]ci.Project, bool, error) {
	var batch store.Batch
	var changed []int
	for i, p := range known {
		a, ok := r.prober.answers[p.ID]
		if !ok || a.FullPath != p.FullPath {
			return nil, false, nil
		}
		if !sameProject(p, a.ProbedProject) {
			changed = append(changed, i)
			continue
		}
		if active, ok := a.LastActivityAt.Get(); ok && (p.LastActivityAt == nil || !p.LastActivityAt.Truncate(time.Second).Equal(active.Time)) {
			known[i].LastActivityAt, known[i].SyncedAt = &active.Time, a.AskedAt
			batch.Projects = append(batch.Projects, known[i])
		}
	}
	if len(changed) > rereadMost {
		return nil, false, nil
	}
	for _, i := range changed {
		askedAt := r.now().UTC()
		p, err := r.source.Client.Project(ctx, formatID(int64(known[i].ID)))
		if absent(err) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		row := convertProject(r.source.Instance.ID, p, askedAt)
		if row.FullPath != known[i].FullPath {
			return nil, false, nil
		}
		if row.CIAccess == ci.CIEnabled && known[i].CIAccess == ci.CIForbidden {
			row.CIAccess = ci.CIForbidden // until a visit finds otherwise
		}
		addMoved(&batch, known[i], row)
		known[i] = row
	}
	return known, true, r.committer.apply(batch)
}

// sameProject says whether a project is stored as a probe shows it, the time of
// its last activity aside.
func sameProject(p ci.Project, a gitlab.ProbedProject) bool {
	on := a.JobsEnabled.Or(true)
	return p.Name == a.Name && same(p.Archived, a.Archived.Ptr()) && same(p.Visibility, a.Visibility.Ptr()) &&
		slices.Equal(p.Topics, a.Topics.Or(nil)) && (on || p.CIAccess != ci.CIEnabled) && (!on || p.CIAccess != ci.CIDisabled)
}
