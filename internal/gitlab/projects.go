package gitlab

import (
	"context"
	"iter"
	"net/url"
	"strconv"
)

const endpointProject = "GET /projects/:id"

// ProjectListOptions narrows a list of projects. The zero value lists a
// group's own projects, archived ones too, in full form, oldest first.
type ProjectListOptions struct {
	IncludeSubgroups bool        // also those of all groups below
	WithShared       bool        // also those that other groups share with it
	Archived         Field[bool] // absent: both
	Simple           bool        // the short form: no archived, visibility, builds_access_level
	OrderBy, Sort    string      // "": id, asc, under which growth never moves a page
	PerPage          int         // 1 to 100; 0: 100
}

// Project gives a project by its id or its full path. A moved project is
// followed to where it went. One that does not exist, or that the token may not
// see, is NotFound.
func (c *Client) Project(ctx context.Context, idOrPath string) (Project, error) {
	ans, err := one[Project](ctx, c, request{endpoint: "/projects/:id", path: "/projects/" + url.PathEscape(idOrPath)})
	return ans.Value, err
}

// GroupProjects walks over the projects of a group. There may be none.
func (c *Client) GroupProjects(ctx context.Context, groupID int64, o ProjectListOptions) iter.Seq2[Page[Project], error] {
	q := listQuery(o.OrderBy, o.Sort, o.PerPage)
	q.Set("include_subgroups", strconv.FormatBool(o.IncludeSubgroups))
	q.Set("with_shared", strconv.FormatBool(o.WithShared)) // GitLab's default is true
	if archived, ok := o.Archived.Get(); ok {
		q.Set("archived", strconv.FormatBool(archived))
	}
	if o.Simple {
		q.Set("simple", "true")
	}
	return pages[Project](ctx, c, request{
		endpoint: "/groups/:id/projects",
		path:     "/groups/" + id(groupID) + "/projects", query: q,
	}, nil)
}

func (p *Project) check() error {
	return missing("a project", requiredKey{"id", p.ID != 0}, requiredKey{"path_with_namespace", p.PathWithNamespace != ""})
}
