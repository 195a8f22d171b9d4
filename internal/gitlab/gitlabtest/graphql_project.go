package gitlabtest

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// query writes the fields of a query.
func (x *graphQLRun) query(fields []*graphQLField) {
	for _, f := range fields {
		switch f.name {
		case "project":
			path, _ := f.args["fullPath"].(string)
			// Unlike REST, a former path leads nowhere.
			p := x.call.world().paths[strings.ToLower(path)]
			if p == nil || !strings.EqualFold(p.FullPath, path) || !x.call.token.seesProject(p) || !x.spend() {
				x.w.null(f.key)
				continue
			}
			x.object(f, func(fields []*graphQLField) bool { return x.project(fields, p) })
		case "projects":
			x.projects(f, func(*Project) bool { return true })
		case "group":
			path, _ := f.args["fullPath"].(string)
			g := x.call.world().groupByPath(path)
			if g == nil || !x.call.token.seesGroup(g) {
				x.w.null(f.key)
				continue
			}
			x.object(f, func(fields []*graphQLField) bool { return x.group(fields, g) })
		case "queryComplexity":
			x.object(f, x.complexity)
		case "metadata":
			x.object(f, x.metadata)
		case "currentUser":
			if x.call.token == nil {
				x.w.null(f.key)
				continue
			}
			x.object(f, func(fields []*graphQLField) bool { return x.user(fields, x.call.token.User) })
		default:
			if !x.typename(f) {
				x.fail("Introspection is not served here", f.key)
				x.w.null(f.key)
			}
		}
	}
}

func (x *graphQLRun) complexity(fields []*graphQLField) bool {
	for _, f := range fields {
		switch f.name {
		case "score":
			x.w.int(f.key, int64(x.score))
		case "limit":
			x.w.int(f.key, int64(x.limit))
		default:
			x.typename(f)
		}
	}
	return true
}

func (x *graphQLRun) metadata(fields []*graphQLField) bool {
	for _, f := range fields {
		switch f.name {
		case "version":
			x.w.str(f.key, x.call.server.version)
		case "revision":
			x.w.str(f.key, x.call.server.revision)
		case "enterprise":
			x.w.bool(f.key, true)
		default:
			x.typename(f)
		}
	}
	return true
}

func (x *graphQLRun) group(fields []*graphQLField, g *Group) bool {
	for _, f := range fields {
		switch f.name {
		case "id":
			x.id(f.key, "Group", g.ID)
		case "fullPath":
			x.w.str(f.key, g.FullPath)
		case "name":
			x.w.str(f.key, g.Name)
		case "webUrl":
			x.w.str(f.key, x.r.base+"/groups/"+g.FullPath)
		case "projects":
			deep, _ := f.args["includeSubgroups"].(bool)
			archived := f.args["includeArchived"] != false
			x.projects(f, func(p *Project) bool {
				return (p.Group == g || deep && p.Group != nil && p.Group.within(g)) && (archived || !p.Archived)
			})
		default:
			x.typename(f)
		}
	}
	return true
}

// projects writes the visible projects that keep and the arguments leave, the
// newest first.
func (x *graphQLRun) projects(f *graphQLField, keep func(*Project) bool) {
	ids, paths := texts(f.args["ids"]), texts(f.args["fullPaths"])
	if len(paths) > 50 {
		x.fail("You cannot provide more than 50 full_paths", f.key)
		x.w.null(f.key)
		return
	}
	archived, _ := f.args["archived"].(string)
	var list []*Project
	for _, p := range x.call.world().Projects {
		switch {
		case !keep(p), !x.call.token.seesProject(p),
			f.args["ids"] != nil && !slices.Contains(ids, "gid://gitlab/Project/"+strconv.FormatInt(p.ID, 10)),
			f.args["fullPaths"] != nil && !slices.ContainsFunc(paths, func(path string) bool { return strings.EqualFold(path, p.FullPath) }),
			archived == "ONLY" && !p.Archived, archived == "EXCLUDE" && p.Archived:
			continue
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *Project) int { return cmp.Compare(b.ID, a.ID) })
	connection(x, f, keyset(x, f, list, func(p *Project) int64 { return p.ID }), x.project)
}

// texts gives an argument that is a list of texts. A single one is a list too.
func texts(arg any) []string {
	switch arg := arg.(type) {
	case string:
		return []string{arg}
	case []any:
		list := make([]string, 0, len(arg))
		for _, a := range arg {
			if text, ok := a.(string); ok {
				list = append(list, text)
			}
		}
		return list
	case []string:
		return arg
	}
	return nil
}

func (x *graphQLRun) project(fields []*graphQLField, p *Project) bool {
	for _, f := range fields {
		switch f.name {
		case "id":
			x.id(f.key, "Project", p.ID)
		case "name":
			x.w.str(f.key, p.Name)
		case "path":
			x.w.str(f.key, p.Path)
		case "fullPath":
			x.w.str(f.key, p.FullPath)
		case "archived":
			x.w.bool(f.key, p.Archived)
		case "visibility":
			x.w.str(f.key, p.Visibility)
		case "topics":
			x.w.strings(f.key, p.Topics)
		case "createdAt":
			x.seconds(f.key, &p.CreatedAt)
		case "lastActivityAt":
			x.seconds(f.key, &p.LastActivityAt)
		case "webUrl":
			x.w.str(f.key, x.r.base+"/"+p.FullPath)
		case "jobsEnabled":
			x.w.bool(f.key, p.BuildsAccess == "enabled" || p.BuildsAccess == "private" && x.call.token.member(p.Group))
		case "userPermissions":
			x.object(f, func(fields []*graphQLField) bool { return x.permissions(fields, p) })
		case "pipelines":
			x.pipelines(f, p)
		case "pipeline":
			pl := x.onePipeline(f, p)
			if pl == nil {
				x.w.null(f.key)
				continue
			}
			x.object(f, func(fields []*graphQLField) bool { return x.pipeline(fields, p, pl) })
		case "environment":
			e := x.oneEnvironment(f, p)
			if e == nil {
				x.w.null(f.key)
				continue
			}
			x.object(f, func(fields []*graphQLField) bool { return x.environment(fields, e) })
		default:
			x.typename(f)
		}
	}
	return true
}

// oneEnvironment finds the first environment, or that of a name; nil also where
// the token may not read them, which is no error in GraphQL.
func (x *graphQLRun) oneEnvironment(f *graphQLField, p *Project) *Environment {
	if !x.call.token.readsRuns(p) || p.DeploymentsForbidden || !x.spend() {
		return nil
	}
	name, _ := f.args["name"].(string)
	for _, e := range p.Environments {
		if name == "" || e.Name == name {
			return e
		}
	}
	return nil
}

func (x *graphQLRun) environment(fields []*graphQLField, e *Environment) bool {
	for _, f := range fields {
		switch f.name {
		case "id":
			x.id(f.key, "Environment", e.ID)
		case "name":
			x.w.str(f.key, e.Name)
		case "tier":
			x.w.str(f.key, strings.ToUpper(e.Tier))
		default:
			x.typename(f)
		}
	}
	return true
}

func (x *graphQLRun) permissions(fields []*graphQLField, p *Project) bool {
	for _, f := range fields {
		switch f.name {
		case "readProject":
			x.w.bool(f.key, true)
		case "readCommitStatus":
			x.w.bool(f.key, x.call.token.readsRuns(p))
		default:
			x.typename(f)
		}
	}
	return true
}

// onePipeline finds a pipeline by id or iid, nil when it is not there, or
// neither is given. (GitLab then takes the latest; nobody here asks for it.)
func (x *graphQLRun) onePipeline(f *graphQLField, p *Project) *Pipeline {
	if !x.call.token.readsRuns(p) || !x.spend() {
		return nil
	}
	if gid, _ := f.args["id"].(string); gid != "" {
		id, err := strconv.ParseInt(strings.TrimPrefix(gid, "gid://gitlab/Ci::Pipeline/"), 10, 64)
		if err != nil {
			return nil
		}
		return p.pipeline(id)
	}
	iid, _ := f.args["iid"].(string)
	for _, pl := range p.Pipelines {
		if strconv.FormatInt(pl.IID, 10) == iid {
			return pl
		}
	}
	return nil
}

func (x *graphQLRun) user(fields []*graphQLField, u *User) bool {
	for _, f := range fields {
		switch f.name {
		case "id":
			x.id(f.key, "User", u.ID)
		case "username":
			x.w.str(f.key, u.Username)
		case "name":
			x.w.str(f.key, u.Name)
		case "state":
			x.w.str(f.key, u.State) // the one enumeration in lower case
		case "bot":
			x.w.bool(f.key, u.Bot)
		case "webUrl":
			x.w.str(f.key, x.r.base+"/"+u.Username)
		default:
			x.typename(f)
		}
	}
	return true
}
