package gitlabtest

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func projectParams() []param {
	return append(paging(),
		text("search"), text("topic"), boolean("archived", ""), boolean("owned", "false"), boolean("starred", "false"),
		boolean("simple", "false"), boolean("with_custom_attributes", "false"), boolean("with_issues_enabled", "false"),
		boolean("with_merge_requests_enabled", "false"), oneOf("visibility", "", "private", "internal", "public"),
		oneOf("min_access_level", "", "5", "10", "15", "20", "30", "40", "50"), oneOf("sort", "desc", "asc", "desc"),
	)
}

func groupProjectParams() []param {
	return append(projectParams(),
		boolean("include_subgroups", "false"), boolean("with_shared", "true"), boolean("with_security_reports", "false"),
		oneOf("order_by", "created_at", "id", "name", "path", "created_at", "updated_at", "last_activity_at", "similarity", "star_count"),
	)
}

func projectListParams() []param {
	return append(projectParams(),
		boolean("membership", "false"), boolean("statistics", "false"), integer("id_after", ""), integer("id_before", ""),
		moment("last_activity_after"), moment("last_activity_before"), text("pagination"),
		oneOf("order_by", "created_at", "id", "name", "path", "created_at", "updated_at", "last_activity_at", "similarity", "star_count"),
	)
}

func listGroupProjects(c *call) *answer {
	g := c.group()
	if g == nil {
		return notFound("Group ")
	}
	deep := c.params.bool("include_subgroups")
	list := c.projects(func(p *Project) bool {
		return p.Group == g || deep && p.Group != nil && p.Group.within(g)
	})
	rows, refused := pageOf(c, list, true, "")
	if refused != nil {
		return refused
	}
	return c.projectRows(rows)
}

// listProjects answers /projects, which alone of the project lists has keyset
// pages: ordered by id, the position in id_after or id_before.
func listProjects(c *call) *answer {
	list := c.projects(func(p *Project) bool {
		return (!c.params.bool("membership") || c.token.member(p.Group)) &&
			(c.params.str("id_after") == "" || p.ID > c.params.int("id_after")) &&
			(c.params.str("id_before") == "" || p.ID < c.params.int("id_before")) &&
			(c.params.time("last_activity_after") == nil || !p.LastActivityAt.Before(*c.params.time("last_activity_after"))) &&
			(c.params.time("last_activity_before") == nil || !p.LastActivityAt.After(*c.params.time("last_activity_before")))
	})
	if c.params.str("pagination") != "keyset" {
		rows, refused := pageOf(c, list, true, "Project")
		if refused != nil {
			return refused
		}
		return c.projectRows(rows)
	}
	if c.params.str("order_by") != "id" {
		return refuse(http.StatusMethodNotAllowed, "error", keysetWanted)
	}
	per := int(c.perPage())
	rows := list[:min(per, len(list))]
	if len(rows) == per && len(list) > per {
		last := strconv.FormatInt(rows[per-1].ID, 10)
		position, other := "id_before", "id_after"
		if strings.EqualFold(c.params.str("sort"), "asc") {
			position, other = other, position
		}
		c.header.Set("Link", c.link("next", map[string]string{position: last}, "page", other))
	}
	return c.projectRows(rows)
}

// projects gives the visible projects that the filters keep, in order.
func (c *call) projects(keep func(*Project) bool) []*Project {
	search := strings.ToLower(c.params.str("search"))
	archived := c.params.optBool("archived")
	least := c.params.int("min_access_level")
	if c.params.bool("owned") {
		least = max(least, Owner)
	}
	var list []*Project
	for _, p := range c.world().Projects {
		switch {
		case !c.token.seesProject(p), !keep(p),
			archived != nil && p.Archived != *archived,
			c.params.bool("starred"),
			search != "" && !strings.Contains(strings.ToLower(p.Name+" "+p.Path), search),
			c.params.str("topic") != "" && !slices.Contains(p.Topics, c.params.str("topic")),
			c.params.str("visibility") != "" && p.Visibility != c.params.str("visibility"),
			least > 0 && (!c.token.member(p.Group) || c.token.Role < int(least)):
			continue
		}
		list = append(list, p)
	}
	by := func(a, b *Project) int {
		var order int
		switch c.params.str("order_by") {
		case "name":
			order = strings.Compare(a.Name, b.Name)
		case "path":
			order = strings.Compare(a.Path, b.Path)
		case "created_at":
			order = a.CreatedAt.Compare(b.CreatedAt)
		case "updated_at":
			order = a.UpdatedAt.Compare(b.UpdatedAt)
		case "last_activity_at":
			order = a.LastActivityAt.Compare(b.LastActivityAt)
		case "star_count":
			order = cmp.Compare(a.StarCount, b.StarCount)
		}
		return cmp.Or(order, cmp.Compare(a.ID, b.ID))
	}
	slices.SortFunc(list, direction(c, by))
	return list
}

func (c *call) projectRows(rows []*Project) *answer {
	r, simple := c.render(), c.params.bool("simple")
	return ok(func(w *jsonWriter) {
		w.open('[')
		for _, p := range rows {
			r.project(w, p, c.readsCode(p), simple)
		}
		w.close(']')
	})
}

// readsCode says whether the token may read the repository, without which some
// keys of a project are missing.
func (c *call) readsCode(p *Project) bool {
	return c.token.member(p.Group) && c.token.Role >= Reporter || !c.token.member(p.Group)
}

func showProject(c *call) *answer {
	p, refused := c.project()
	if refused != nil {
		return refused
	}
	return ok(func(w *jsonWriter) { c.render().project(w, p, c.readsCode(p), false) })
}

// project finds the project of the path, by number or full path. A former path
// is redirected to the project's number.
func (c *call) project() (*Project, *answer) {
	var p *Project
	if id, err := strconv.ParseInt(c.args[0], 10, 64); err == nil {
		p = c.world().projects[id]
	} else {
		p = c.world().paths[strings.ToLower(c.args[0])]
	}
	if p == nil || !c.token.seesProject(p) {
		return nil, notFound("Project ")
	}
	if _, err := strconv.ParseInt(c.args[0], 10, 64); err != nil && !strings.EqualFold(p.FullPath, c.args[0]) {
		return nil, c.moved(p)
	}
	return p, nil
}

func (c *call) moved(p *Project) *answer {
	below, _ := strings.CutPrefix(c.r.URL.EscapedPath(), c.server.root+"/api/v4/projects/")
	_, rest, found := strings.Cut(below, "/")
	to := c.render().base + "/api/v4/projects/" + strconv.FormatInt(p.ID, 10)
	if found {
		to += "/" + rest
	}
	if c.r.URL.RawQuery != "" {
		to += "?" + c.r.URL.RawQuery
	}
	return &answer{
		status: http.StatusMovedPermanently, kind: "text/plain",
		body:   []byte("This resource has been moved permanently to " + to),
		header: map[string]string{"Location": to},
	}
}
