package gitlabtest

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

func groupListParams() []param {
	return append(paging(),
		text("search"), text("skip_groups"), boolean("owned", "false"), boolean("all_available", ""),
		boolean("top_level_only", ""), boolean("statistics", "false"), boolean("with_custom_attributes", "false"),
		oneOf("min_access_level", "", "5", "10", "15", "20", "30", "40", "50"),
		oneOf("visibility", "", "private", "internal", "public"),
		oneOf("order_by", "name", "name", "path", "id", "similarity"), oneOf("sort", "asc", "asc", "desc"),
	)
}

// listGroups answers /groups: the groups of which the token's user is a member,
// those below them, and those above them.
func listGroups(c *call) *answer {
	all := c.params.bool("all_available")
	return c.groups(func(g *Group) bool {
		if c.params.bool("top_level_only") && g.Parent != nil {
			return false
		}
		if all || c.token == nil {
			return c.token.seesGroup(g)
		}
		return c.token.member(g) || slices.ContainsFunc(c.token.Roots, func(root *Group) bool { return root.within(g) })
	})
}

func listSubgroups(c *call) *answer {
	parent := c.group()
	if parent == nil {
		return notFound("Group ")
	}
	return c.groups(func(g *Group) bool { return g.Parent == parent && c.token.seesGroup(g) })
}

func listDescendants(c *call) *answer {
	top := c.group()
	if top == nil {
		return notFound("Group ")
	}
	return c.groups(func(g *Group) bool { return g != top && g.within(top) && c.token.seesGroup(g) })
}

// groups answers a list of groups.
func (c *call) groups(keep func(*Group) bool) *answer {
	search := strings.ToLower(c.params.str("search"))
	skip := c.params.list("skip_groups")
	least := c.params.int("min_access_level")
	if c.params.bool("owned") {
		least = max(least, Owner)
	}
	var list []*Group
	for _, g := range c.world().Groups {
		switch {
		case !keep(g),
			search != "" && !strings.Contains(strings.ToLower(g.Name+" "+g.Path), search),
			slices.Contains(skip, strconv.FormatInt(g.ID, 10)),
			c.params.str("visibility") != "" && g.Visibility != c.params.str("visibility"),
			least > 0 && (!c.token.member(g) || c.token.Role < int(least)):
			continue
		}
		list = append(list, g)
	}
	by := func(a, b *Group) int {
		switch c.params.str("order_by") {
		case "id":
			return cmp.Compare(a.ID, b.ID)
		case "path":
			return cmp.Or(strings.Compare(a.Path, b.Path), cmp.Compare(a.ID, b.ID))
		}
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	}
	slices.SortFunc(list, direction(c, by))
	rows, refused := pageOf(c, list, true, "Group")
	if refused != nil {
		return refused
	}
	r := c.render()
	return ok(func(w *jsonWriter) {
		w.open('[')
		for _, g := range rows {
			r.group(w, g, nil, false, true)
		}
		w.close(']')
	})
}

// direction turns an order round when the client asks for sort=desc.
func direction[T any](c *call, by func(a, b T) int) func(a, b T) int {
	if strings.EqualFold(c.params.str("sort"), "desc") {
		return func(a, b T) int { return by(b, a) }
	}
	return by
}

func showGroup(c *call) *answer {
	g := c.group()
	if g == nil {
		return notFound("Group ")
	}
	var projects []*Project
	if c.params.bool("with_projects") {
		projects = []*Project{}
		for _, p := range slices.Backward(c.world().Projects) {
			if p.Group == g && c.token.seesProject(p) && len(projects) < 100 {
				projects = append(projects, p)
			}
		}
	}
	return ok(func(w *jsonWriter) { c.render().group(w, g, projects, true, true) })
}

// group finds the group of the path, by number or full path; nil when there is
// none that the token may see.
func (c *call) group() *Group {
	g := c.world().groupByPath(c.args[0])
	if id, err := strconv.ParseInt(c.args[0], 10, 64); err == nil {
		g = c.world().groups[id]
	}
	if g == nil || !c.token.seesGroup(g) {
		return nil
	}
	return g
}
