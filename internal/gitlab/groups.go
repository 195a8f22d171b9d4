package gitlab

import (
	"context"
	"iter"
	"net/url"
	"strconv"
)

// Endpoints with limits of their own are keys of EndpointLimits too, so they
// bear their method.
const (
	endpointGroups        = "GET /groups"
	endpointGroup         = "GET /groups/:id"
	endpointGroupProjects = "GET /groups/:id/projects"
)

// GroupListOptions narrows a list of groups. The zero value lists every group
// that the token is a member of, by itself or through a parent, oldest first.
type GroupListOptions struct {
	AllAvailable   bool   // also public and internal groups that the token is no member of
	MinAccessLevel int    // 10 guest, 20 reporter, 30 developer, …; 0: any
	Search         string // part of a name or path; "": all
	OrderBy, Sort  string // "": id, asc, under which growth never moves a page
	PerPage        int    // 1 to 100; 0: 100
}

func (o GroupListOptions) query() url.Values {
	q := listQuery(o.OrderBy, o.Sort, o.PerPage)
	q.Set("all_available", strconv.FormatBool(o.AllAvailable))
	if o.MinAccessLevel != 0 {
		q.Set("min_access_level", strconv.Itoa(o.MinAccessLevel))
	}
	if o.Search != "" {
		q.Set("search", o.Search)
	}
	return q
}

// Group gives a group by its id or its full path ("acme/tools"). One that does
// not exist, or that the token may not see, is NotFound.
func (c *Client) Group(ctx context.Context, idOrPath string) (Group, error) {
	// Without with_projects=false GitLab embeds up to 100 projects.
	ans, err := one[Group](ctx, c, request{
		endpoint: "/groups/:id", path: "/groups/" + url.PathEscape(idOrPath),
		query: url.Values{"with_projects": {"false"}},
	})
	return ans.Value, err
}

// Groups walks over groups of all depths.
func (c *Client) Groups(ctx context.Context, o GroupListOptions) iter.Seq2[Page[Group], error] {
	return pages[Group](ctx, c, request{endpoint: "/groups", path: "/groups", query: o.query()}, nil)
}

// DescendantGroups walks over all groups below a group, of all depths, without
// itself. There may be none.
func (c *Client) DescendantGroups(ctx context.Context, groupID int64, o GroupListOptions) iter.Seq2[Page[Group], error] {
	return pages[Group](ctx, c, request{
		endpoint: "/groups/:id/descendant_groups",
		path:     "/groups/" + id(groupID) + "/descendant_groups", query: o.query(),
	}, nil)
}

func (g *Group) check() error {
	return missing("a group", requiredKey{"id", g.ID != 0}, requiredKey{"full_path", g.FullPath != ""})
}

// listQuery holds what all lists share. Ascending ids are the default because
// what is added meanwhile lands on the last page and moves no other.
func listQuery(orderBy, sort string, perPage int) url.Values {
	if orderBy == "" {
		orderBy = "id"
		if sort == "" {
			sort = "asc"
		}
	}
	q := url.Values{"order_by": {orderBy}, "per_page": {perPageText(perPage)}}
	if sort != "" {
		q.Set("sort", sort)
	}
	return q
}

func perPageText(n int) string {
	if n < 1 || n > maxPerPage {
		n = maxPerPage
	}
	return strconv.Itoa(n)
}

func id(n int64) string { return strconv.FormatInt(n, 10) }
