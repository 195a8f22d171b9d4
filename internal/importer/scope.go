package importer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/weirhq/weir/internal/ci"
)

// Scope narrows what a sync looks at.
type Scope string

// The scopes. ScopeOpen asks only about pipelines that had not ended when they
// were last read, and about those of which only a hook has told: it looks for
// nothing new, discovers no project, and leaves synced_to where it stands. It
// costs what reading these pipelines costs, and nothing where there are none.
const (
	ScopeAll  Scope = ""
	ScopeOpen Scope = "open"
)

// KindOpen is ci.Sync.Kind of a sync with ScopeOpen.
const KindOpen = "open"

// check refuses options that contradict each other.
func (o Options) check() error {
	switch o.Only {
	case ScopeAll:
		return nil
	case ScopeOpen:
		if !o.Full {
			return nil
		}
		return &ci.Problem{
			Code: ci.BadRequest, Cause: "a sync of everything cannot be one of open pipelines alone",
			Remedy: "leave out one of the two",
		}
	}
	return &ci.Problem{
		Code: ci.BadRequest, Cause: fmt.Sprintf("there is no scope %q", o.Only),
		Remedy: fmt.Sprintf("use %q, or none for everything", ScopeOpen),
	}
}

// importOpen brings the open pipelines of this connection's projects up to date.
func (r *run) importOpen(ctx context.Context) error {
	if r.source.Kind == KindGitLab {
		return nil
	}
	projects, err := r.storedProjects(ctx)
	if err != nil {
		return err
	}
	visits, err := r.openVisits(ctx, projects)
	if err != nil {
		return err
	}
	r.progress.phase("open", int64(len(visits)))
	rest, last, err := r.round(ctx, visits, (*visit).followOpen)
	if err != nil {
		return err
	}
	if len(rest) == 0 && len(visits) > 0 && outage(last) {
		return last
	}
	return nil
}

// storedProjects gives the projects that this connection saw when it last
// looked at everything, of them the named ones where some are named.
func (r *run) storedProjects(ctx context.Context) ([]ci.Project, error) {
	seen, err := r.store.Reach(ctx, r.source.Connection)
	if err != nil {
		return nil, err
	}
	all, err := r.store.ProjectsByID(ctx, r.source.Instance.ID, seen.Projects)
	if err != nil {
		return nil, err
	}
	wanted := rankOf(r.options.Projects)
	return slices.DeleteFunc(all, func(p ci.Project) bool {
		return p.DeletedAt != nil || p.CIAccess != ci.CIEnabled || len(wanted) > 0 && !wanted.has(p)
	}), nil
}

func idsOf(projects []ci.Project) []ci.ProjectID {
	ids := make([]ci.ProjectID, len(projects))
	for i, p := range projects {
		ids[i] = p.ID
	}
	return ids
}

// openVisits opens those of the projects that have something to follow.
func (r *run) openVisits(ctx context.Context, projects []ci.Project) ([]*visit, error) {
	all, err := r.visits(ctx, projects)
	if err != nil {
		return nil, err
	}
	hooked, err := r.store.HookedProjects(ctx, r.source.Instance.ID, idsOf(projects))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(v *visit) bool {
		return len(v.cursor.Open) == 0 && !hooked[v.project.ID]
	}), nil
}

// ranking is projects in the order in which a person named them: by id, or by
// full path in any case.
type ranking map[string]int

func rankOf(names []string) ranking {
	r := make(ranking, len(names))
	for i, name := range slices.Backward(names) {
		r[strings.ToLower(name)] = i
	}
	return r
}

// rank gives a project's place, from 0; len(r) and more for one that is not named.
func (r ranking) rank(p ci.Project) int {
	at := len(r)
	for _, name := range []string{formatID(int64(p.ID)), strings.ToLower(p.FullPath)} {
		if i, ok := r[name]; ok {
			at = min(at, i)
		}
	}
	return at
}

func (r ranking) has(p ci.Project) bool { return r.rank(p) < len(r) }
