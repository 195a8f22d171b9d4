package gitlabtest

import (
	"net/http"
	"net/url"
	"strings"
)

// route is one endpoint of the API.
type route struct {
	name    string // "GET /projects/:id/pipelines/:id", as the client counts it too
	pattern []string
	args    []string // names of the :id parts, as Links show them
	params  []param
	scopes  []string // any of them is enough; nil: any token at all
	public  bool     // answered without a token, as far as visibility allows
	graphQL bool     // errors have GraphQL's form
	handle  func(*call) *answer
}

// routes is everything below /api/v4 that is served.
func routes() []*route {
	api := []string{"read_api", "api"}
	list := []*route{
		{name: "GET /version", handle: versionInfo, scopes: []string{"read_user", "read_api", "api"}},
		{name: "GET /metadata", handle: metadata, scopes: []string{"read_user", "read_api", "api"}},
		{name: "GET /user", handle: currentUser, scopes: []string{"read_user", "read_api", "api"}},
		{name: "GET /personal_access_tokens/self", handle: tokenSelf},

		{name: "GET /groups", handle: listGroups, params: groupListParams(), public: true},
		{name: "GET /groups/:id", handle: showGroup, params: []param{boolean("with_custom_attributes", "false"), boolean("with_projects", "true")}, public: true},
		{name: "GET /groups/:id/subgroups", handle: listSubgroups, params: groupListParams(), public: true},
		{name: "GET /groups/:id/descendant_groups", handle: listDescendants, params: groupListParams(), public: true},
		{name: "GET /groups/:id/projects", handle: listGroupProjects, params: groupProjectParams(), public: true},

		{name: "GET /projects", handle: listProjects, params: projectListParams(), public: true},
		{name: "GET /projects/:id", handle: showProject, params: []param{boolean("statistics", "false"), boolean("with_custom_attributes", "false"), boolean("license", "false")}, public: true},
		{name: "GET /projects/:id/pipelines", handle: listPipelines, params: pipelineListParams(), public: true},
		{name: "GET /projects/:id/pipelines/latest", handle: latestPipeline, params: []param{text("ref")}, public: true},
		{name: "GET /projects/:id/pipelines/:id", handle: showPipeline, args: []string{"id", "pipeline_id"}, public: true},
		{name: "GET /projects/:id/pipelines/:id/jobs", handle: listPipelineJobs, args: []string{"id", "pipeline_id"}, params: append(jobListParams(), boolean("include_retried", "false")), public: true},
		{name: "GET /projects/:id/pipelines/:id/bridges", handle: listBridges, args: []string{"id", "pipeline_id"}, params: jobListParams(), public: true},
		{name: "GET /projects/:id/jobs", handle: listProjectJobs, params: jobListParams()},
		{name: "GET /projects/:id/deployments", handle: listDeployments, params: deploymentListParams()},
		{name: "GET /projects/:id/environments", handle: listEnvironments, params: append(paging(), text("name"), text("search"), text("states"))},
		{name: "GET /projects/:id/environments/:id", handle: showEnvironment, args: []string{"id", "environment_id"}},
		{name: "GET /projects/:id/jobs/:id", handle: showJob, args: []string{"id", "job_id"}},
	}
	list = append(list, hookRoutes()...)
	for _, r := range list {
		_, path, _ := strings.Cut(r.name, " /")
		r.pattern = strings.Split(path, "/")
		if r.scopes == nil && r.name != "GET /personal_access_tokens/self" {
			r.scopes = api
		}
		if r.args == nil {
			r.args = []string{"id"}
		}
	}
	return list
}

// The two that stand for everything else.
const (
	otherAPI  = "other /api/v4"
	otherHTML = "other"
)

// table is built once; it never changes.
type table struct {
	list    []*route
	graphQL *route
}

// find gives the endpoint of a path: that of the method, else any.
func (t *table) find(method, path string) (*route, []string) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	found, args := t.match(path, func(r *route) bool { return strings.HasPrefix(r.name, method+" ") })
	if found == nil {
		found, args = t.match(path, func(*route) bool { return true })
	}
	return found, args
}

func (t *table) match(path string, want func(*route) bool) (*route, []string) {
	parts := strings.Split(path, "/")
	for _, r := range t.list {
		if len(r.pattern) != len(parts) || !want(r) {
			continue
		}
		var args []string
		ok := true
		for i, want := range r.pattern {
			switch {
			case want == ":id":
				// The parts are split before they are unescaped, for a project's
				// path keeps its slashes as %2F.
				arg, err := url.PathUnescape(parts[i])
				ok = ok && err == nil && arg != ""
				args = append(args, arg)
			default:
				ok = ok && want == parts[i]
			}
		}
		if ok {
			return r, args
		}
	}
	return nil, nil
}

// route finds the endpoint of a request. Requests that are no endpoint get one
// that answers as GitLab's front end would.
func (s *Server) route(r *http.Request) (*route, []string) {
	path := r.URL.EscapedPath()
	below, inGitLab := strings.CutPrefix(path, s.root+"/")
	if !inGitLab {
		return &route{name: r.Method + " " + otherHTML, handle: notGitLab}, nil
	}
	if below == "api/graphql" && r.Method == http.MethodPost {
		return s.routes.graphQL, nil
	}
	rest, isAPI := strings.CutPrefix(below, "api/v4/")
	if !isAPI {
		return &route{name: r.Method + " " + otherHTML, handle: signIn}, nil
	}
	found, args := s.routes.find(r.Method, strings.TrimSuffix(rest, "/"))
	if found == nil {
		return &route{name: r.Method + " " + otherAPI, handle: unknownRoute}, nil
	}
	if method, path, _ := strings.Cut(found.name, " "); r.Method != method && (r.Method != http.MethodHead || method != http.MethodGet) {
		return &route{name: r.Method + " " + path, handle: methodNotAllowed}, nil
	}
	return found, args
}
