package importer

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/store"
)

// seen is a row of GitLab's with the time at which it was asked for.
type seen[T any] struct {
	value   T
	askedAt time.Time
}

// discover finds the groups and projects in reach, writes them, and marks as
// deleted those that GitLab no longer knows, or proves that they are what they
// were. It gives the projects to visit.
func (r *run) discover(ctx context.Context) ([]ci.Project, error) {
	if len(r.options.Projects) > 0 {
		return r.discoverNamed(ctx)
	}
	reach := newReach()
	reach.listedAt = r.now().UTC()
	roots, err := r.roots(ctx, reach)
	if err != nil {
		return nil, err
	}
	if !reach.partial {
		projects, proven, err := r.prove(ctx, roots)
		if r.proved = proven; proven || err != nil {
			return projects, err
		}
	}
	for _, root := range roots {
		if err := r.discoverRoot(ctx, root, reach); err != nil {
			return nil, err
		}
	}
	if err := r.missing(ctx, reach); err != nil {
		return nil, err
	}
	return reach.list, nil
}

// reach is what the listings have shown.
type reach struct {
	groups   map[ci.GroupID]bool
	projects map[ci.ProjectID]bool
	list     []ci.Project
	listedAt time.Time // when the listing began
	partial  bool      // a named group was not there: nothing below it can be called missing
}

func newReach() *reach {
	return &reach{groups: make(map[ci.GroupID]bool), projects: make(map[ci.ProjectID]bool)}
}

// row is the reach as the store keeps it.
func (r *reach) row(connection ci.ConnectionID) store.Reach {
	return store.Reach{
		Connection: connection,
		Groups:     slices.Sorted(maps.Keys(r.groups)),
		Projects:   slices.Sorted(maps.Keys(r.projects)),
		ListedAt:   r.listedAt,
	}
}

// roots gives the groups to start from: the named ones, or else the topmost of
// those that the token is a member of. A named group that is not there is
// recorded; that none is there is an error.
func (r *run) roots(ctx context.Context, reach *reach) ([]seen[gitlab.Group], error) {
	if len(r.source.Groups) == 0 {
		return r.memberships(ctx)
	}
	var roots []seen[gitlab.Group]
	var last error
	for _, name := range r.source.Groups {
		askedAt := r.now().UTC()
		g, err := r.source.Client.Group(ctx, name)
		if gitlab.KindOf(err) == gitlab.NotFound {
			last = &ci.Problem{
				Code: ci.GroupNotFound, Cause: fmt.Sprintf("the group %s is not there, or the token may not see it", name),
				Remedy: "check the group's path and that the token belongs to it or to a group above", Curl: gitlab.Curl(err), Err: err,
			}
			if err := r.committer.apply(store.Batch{SyncErrors: []ci.SyncError{
				r.syncError(nil, ci.GroupNotFound, last.(*ci.Problem).Cause),
			}}); err != nil {
				return nil, err
			}
			reach.partial = true
			continue
		}
		if err != nil {
			return nil, err
		}
		roots = append(roots, seen[gitlab.Group]{g, askedAt})
	}
	if len(roots) == 0 {
		return nil, last
	}
	return roots, nil
}

func (r *run) memberships(ctx context.Context) ([]seen[gitlab.Group], error) {
	all, err := stable(func(g gitlab.Group) int64 { return g.ID }, func() iter.Seq2[gitlab.Page[gitlab.Group], error] {
		return r.source.Client.Groups(ctx, gitlab.GroupListOptions{OrderBy: "id", Sort: "asc", PerPage: perPage})
	})
	if err != nil {
		return nil, err
	}
	ids := make(map[int64]bool, len(all))
	for _, g := range all {
		ids[g.value.ID] = true
	}
	return slices.DeleteFunc(all, func(g seen[gitlab.Group]) bool {
		parent, ok := g.value.ParentID.Get()
		return ok && ids[parent]
	}), nil
}

// discoverRoot reads a group's tree and its projects. Shared projects are left
// out: they belong to another group, whose token reads them.
func (r *run) discoverRoot(ctx context.Context, root seen[gitlab.Group], reach *reach) error {
	groups, err := stable(func(g gitlab.Group) int64 { return g.ID }, func() iter.Seq2[gitlab.Page[gitlab.Group], error] {
		return r.source.Client.DescendantGroups(ctx, root.value.ID, gitlab.GroupListOptions{OrderBy: "id", Sort: "asc", PerPage: perPage})
	})
	if err != nil {
		return err
	}
	var batch store.Batch
	for _, g := range append(groups, root) {
		row := convertGroup(r.source.Instance.ID, g.value, g.askedAt)
		reach.groups[row.ID] = true
		batch.Groups = append(batch.Groups, row)
	}
	projects, err := stable(func(p gitlab.Project) int64 { return p.ID }, func() iter.Seq2[gitlab.Page[gitlab.Project], error] {
		return r.source.Client.GroupProjects(ctx, root.value.ID, gitlab.ProjectListOptions{
			IncludeSubgroups: true, OrderBy: "id", Sort: "asc", PerPage: perPage,
		})
	})
	if err != nil {
		return err
	}
	if err := r.addProjects(ctx, &batch, reach, projects); err != nil {
		return err
	}
	return r.committer.apply(batch)
}

// addProjects turns projects into the rows that this kind of connection writes.
func (r *run) addProjects(ctx context.Context, batch *store.Batch, reach *reach, projects []seen[gitlab.Project]) error {
	known, err := r.knownProjects(ctx)
	if err != nil {
		return err
	}
	for _, p := range projects {
		row := convertProject(r.source.Instance.ID, p.value, p.askedAt)
		if reach.projects[row.ID] {
			continue // below two of the named groups
		}
		reach.projects[row.ID] = true
		if r.source.Kind == KindGitLab {
			batch.Repositories = append(batch.Repositories, convertRepository(r.source.Instance.ID, p.value, p.askedAt))
			continue
		}
		was := known[row.ID]
		if row.CIAccess == ci.CIEnabled && was.CIAccess == ci.CIForbidden {
			row.CIAccess = ci.CIForbidden // until a visit finds otherwise
		}
		addMoved(batch, was, row)
		reach.list = append(reach.list, row)
	}
	return nil
}

// addMoved adds a project, and where it went when its page has another address.
func addMoved(batch *store.Batch, was, is ci.Project) {
	batch.Projects = append(batch.Projects, is)
	if was.WebURL != nil && is.WebURL != nil && *was.WebURL != *is.WebURL {
		batch.Moved = append(batch.Moved, store.Move{InstanceID: is.InstanceID, ProjectID: is.ID, From: *was.WebURL, To: *is.WebURL})
	}
}

func (r *run) knownProjects(ctx context.Context) (map[ci.ProjectID]ci.Project, error) {
	projects, err := r.store.Projects(ctx, r.source.Instance.ID)
	if err != nil {
		return nil, err
	}
	known := make(map[ci.ProjectID]ci.Project, len(projects))
	for _, p := range projects {
		known[p.ID] = p
	}
	return known, nil
}

// discoverNamed asks for the named projects alone: one request each.
func (r *run) discoverNamed(ctx context.Context) ([]ci.Project, error) {
	reach := newReach()
	var batch store.Batch
	for _, name := range r.options.Projects {
		askedAt := r.now().UTC()
		p, err := r.source.Client.Project(ctx, name)
		if gitlab.KindOf(err) == gitlab.NotFound {
			return nil, &ci.Problem{
				Code: ci.ProjectNotFound, Cause: fmt.Sprintf("the project %s is not there, or the token may not see it", name),
				Remedy: "check the full path, group included (group/subgroup/project), or use the project's id", Curl: gitlab.Curl(err), Err: err,
			}
		}
		if err != nil {
			return nil, err
		}
		if err := r.addProjects(ctx, &batch, reach, []seen[gitlab.Project]{{p, askedAt}}); err != nil {
			return nil, err
		}
	}
	return reach.list, r.committer.apply(batch)
}

// missing looks after what this connection saw when it last looked at
// everything, and GitLab did not list now. Absence from a list proves nothing:
// each one is asked for by its id.
func (r *run) missing(ctx context.Context, reach *reach) error {
	before, err := r.store.Reach(ctx, r.source.Connection)
	if err != nil {
		return err
	}
	var batch store.Batch
	if reach.partial {
		reach.add(before)
	}
	if err := r.missingGroups(ctx, &batch, reach, before); err != nil {
		return err
	}
	if r.source.Kind == KindGitLab {
		err = r.missingRepositories(ctx, &batch, reach, before)
	} else {
		err = r.missingProjects(ctx, &batch, reach, before)
	}
	if err != nil {
		return err
	}
	batch.Reaches = append(batch.Reaches, reach.row(r.source.Connection))
	return r.committer.apply(batch)
}

// add takes in what was seen before.
func (r *reach) add(before store.Reach) {
	for _, id := range before.Groups {
		r.groups[id] = true
	}
	for _, id := range before.Projects {
		r.projects[id] = true
	}
}

func (r *run) missingGroups(ctx context.Context, batch *store.Batch, reach *reach, before store.Reach) error {
	groups, err := r.store.Groups(ctx, r.source.Instance.ID)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if g.DeletedAt == nil && !reach.groups[g.ID] && slices.Contains(before.Groups, g.ID) {
			if err := r.missingGroup(ctx, batch, g); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) missingProjects(ctx context.Context, batch *store.Batch, reach *reach, before store.Reach) error {
	projects, err := r.store.Projects(ctx, r.source.Instance.ID)
	if err != nil {
		return err
	}
	for _, p := range projects {
		if p.DeletedAt == nil && !reach.projects[p.ID] && slices.Contains(before.Projects, p.ID) {
			if err := r.missingProject(ctx, batch, p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) missingRepositories(ctx context.Context, batch *store.Batch, reach *reach, before store.Reach) error {
	repositories, err := r.store.Repositories(ctx, r.source.Instance.ID)
	if err != nil {
		return err
	}
	for _, p := range repositories {
		if p.DeletedAt == nil && !reach.projects[p.ID] && slices.Contains(before.Projects, p.ID) {
			if err := r.missingRepository(ctx, batch, p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) missingGroup(ctx context.Context, batch *store.Batch, g ci.Group) error {
	askedAt := r.now().UTC()
	now, err := r.source.Client.Group(ctx, formatID(int64(g.ID)))
	switch {
	case absent(err):
		batch.Deleted = append(batch.Deleted, store.Tombstone{Table: "groups", InstanceID: g.InstanceID, ID: int64(g.ID), At: askedAt})
		return nil
	case err != nil:
		return err
	}
	batch.Groups = append(batch.Groups, convertGroup(g.InstanceID, now, askedAt))
	return nil
}

// missingProject writes where a project went, or that it is gone. One that was
// moved out of the connection's groups keeps its data and is no longer visited.
func (r *run) missingProject(ctx context.Context, batch *store.Batch, p ci.Project) error {
	askedAt := r.now().UTC()
	now, err := r.source.Client.Project(ctx, formatID(int64(p.ID)))
	switch {
	case absent(err):
		r.projectGone(batch, p, askedAt)
		return nil
	case err != nil:
		return err
	}
	addMoved(batch, p, convertProject(p.InstanceID, now, askedAt))
	return nil
}

func (r *run) missingRepository(ctx context.Context, batch *store.Batch, p ci.Repository) error {
	askedAt := r.now().UTC()
	now, err := r.source.Client.Project(ctx, formatID(int64(p.ID)))
	switch {
	case absent(err):
		batch.Deleted = append(batch.Deleted, store.Tombstone{Table: "repositories", InstanceID: p.InstanceID, ID: int64(p.ID), At: askedAt})
		return nil
	case err != nil:
		return err
	}
	batch.Repositories = append(batch.Repositories, convertRepository(p.InstanceID, now, askedAt))
	return nil
}

// absent says whether GitLab answered that a thing is not there, or not for
// this token: GitLab does not let the two be told apart.
func absent(err error) bool {
	k := gitlab.KindOf(err)
	return k == gitlab.NotFound || k == gitlab.Gone
}

// projectGone marks a project, and with it its pipelines and jobs, as deleted.
func (r *run) projectGone(batch *store.Batch, p ci.Project, askedAt time.Time) {
	batch.Deleted = append(batch.Deleted, store.Tombstone{Table: "projects", InstanceID: p.InstanceID, ID: int64(p.ID), At: askedAt})
	batch.SyncErrors = append(batch.SyncErrors, r.syncError(&p.ID, ci.ProjectNotFound,
		fmt.Sprintf("%s was deleted, or the token can no longer see it; what was imported is kept and marked deleted_at", p.FullPath)))
}

// stable reads a list by page numbers to its end. Such a list loses a row when
// an earlier one is deleted between two pages, and then its X-Total shrinks:
// the list is read again, three times at most; rows of all readings are kept,
// the newest of each. A row that was lost all the same is found by the next sync.
func stable[T any](id func(T) int64, pages func() iter.Seq2[gitlab.Page[T], error]) ([]seen[T], error) {
	var order []int64
	rows := make(map[int64]seen[T])
	for range 3 {
		var total *int64
		shrunk := false
		for page, err := range pages() {
			if err != nil {
				return nil, err
			}
			now := page.Total.Ptr()
			shrunk = shrunk || total != nil && now != nil && *now < *total
			total = now
			for _, v := range page.Items {
				if _, ok := rows[id(v)]; !ok {
					order = append(order, id(v))
				}
				rows[id(v)] = seen[T]{v, page.AskedAt}
			}
		}
		if !shrunk {
			break
		}
	}
	list := make([]seen[T], len(order))
	for i, id := range order {
		list[i] = rows[id]
	}
	return list, nil
}

func formatID(id int64) string { return strconv.FormatInt(id, 10) }

// topLevel gives the first part of a full path.
func topLevel(path string) string {
	top, _, _ := strings.Cut(path, "/")
	return top
}
