package importer

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
)

// MinVersion is the oldest GitLab that weir can import from: since 14.0 jobs
// name their pipeline and project, and lists of jobs know include_retried.
const MinVersion = "14.0"

const (
	// verifyPatience bounds each request of a verification: a person waits.
	verifyPatience = 10 * time.Second
	expiresSoon    = 14 * 24 * time.Hour
	mostSkew       = time.Minute
	groupsTried    = 6 // groups asked for projects before the question is left open
	projectsTried  = 3 // projects asked for pipelines
	prefixesTried  = 3 // paths tried when the URL has one too many
)

// VerifyOptions says what a connection is to do.
type VerifyOptions struct {
	Kind   string           // KindGitLab or KindPipelines
	Groups []string         // paths or ids; empty: every group that the token is a member of
	Now    func() time.Time // nil: time.Now
}

// Step is one line of a verification, told when it is done.
type Step struct {
	Name    string // url, version, user, token, groups, projects, pipelines, jobs
	OK      bool
	Detail  string // what was found, or what is wrong
	Took    time.Duration
	Request string // the last request of the step, "GET https://…/api/v4/user"; "" when none was made
}

// Verification is what a connection would reach.
type Verification struct {
	BaseURL       string
	Version       string         // GitLab's
	User          gitlab.User    // that the token acts as
	Token         gitlab.Token   // zero where GitLab does not tell
	Groups        []gitlab.Group // the named ones; else those that the token is a member of, the first 100
	SampleProject string         // full path of the project that was looked into; "" when there was none
	Steps         []Step
	Warnings      []ci.Problem // not fatal
	ExpiresAt     *time.Time   // of the token; nil: never, or not told
	Scopes        []string     // of the token; nil: not told
}

// Verify asks GitLab, step by step, whether a connection would work, and stores
// nothing. It takes some 7 requests, 16 at the very worst, and one more for
// each named group. progress, when not nil, hears of each step. The error is
// always a *ci.Problem, and what was found up to it is given back as well.
func Verify(ctx context.Context, c *gitlab.Client, o VerifyOptions, progress func(Step)) (Verification, error) {
	v := &verifier{c: c.WithPatience(verifyPatience), o: o, progress: progress}
	if v.o.Now == nil {
		v.o.Now = time.Now
	}
	v.found.BaseURL = c.BaseURL()
	if o.Kind != KindGitLab && o.Kind != KindPipelines {
		return v.found, problem(ci.BadRequest, fmt.Sprintf("There is no connection of the kind %q", o.Kind),
			"Use "+KindGitLab+" or "+KindPipelines+".")
	}
	steps := []func(context.Context) *ci.Problem{v.version, v.user, v.token, v.groups, v.projects}
	if o.Kind == KindPipelines {
		steps = append(steps, v.pipelines, v.jobs)
	}
	for _, step := range steps {
		if p := step(ctx); p != nil {
			return v.found, p
		}
	}
	return v.found, nil
}

// verifier is a Verify on its way.
type verifier struct {
	c        *gitlab.Client
	o        VerifyOptions
	progress func(Step)
	found    Verification
	began    time.Time // of the present step

	candidates []gitlab.Project         // with CI switched on, as far as GitLab says
	sample     *gitlab.Project          // whose pipelines could be read
	pipeline   *gitlab.PipelineListItem // one of the sample's
}

func (v *verifier) begin() { v.began = v.o.Now() }

// done ends a step well. The next one begins there.
func (v *verifier) done(name, path, detail string) {
	v.tell(Step{Name: name, OK: true, Detail: detail, Request: v.request(path)})
}

// fail ends a step and the verification.
func (v *verifier) fail(name string, p *ci.Problem) *ci.Problem {
	v.tell(Step{Name: name, Detail: p.Error(), Request: p.Request})
	return p
}

func (v *verifier) tell(s Step) {
	s.Took = v.o.Now().Sub(v.began)
	v.found.Steps = append(v.found.Steps, s)
	if v.progress != nil {
		v.progress(s)
	}
	v.begin()
}

func (v *verifier) url(path string) string { return v.c.BaseURL() + "/api/v4" + path }

// request tells a request that went well; "" for an empty path.
func (v *verifier) request(path string) string {
	if path == "" {
		return ""
	}
	return "GET " + v.url(path)
}

// warn adds a problem that does not stop the connection.
func (v *verifier) warn(code ci.Code, path, cause, remedy string) {
	p := problem(code, cause, remedy)
	p.Request, p.Curl = v.request(path), gitlab.CurlFor("GET", v.url(path))
	v.found.Warnings = append(v.found.Warnings, *p)
}

// version finds out whether a GitLab answers at the URL, and which. A refusal
// in JSON shows that one does.
func (v *verifier) version(ctx context.Context) *ci.Problem {
	v.begin()
	version, err := v.c.Version(ctx)
	switch kind := gitlab.KindOf(err); {
	case err == nil:
	case kind == gitlab.Unauthorized, kind == gitlab.Forbidden:
		v.done("url", "/version", "GitLab answers")
		return v.fail("user", Explain(err))
	case kind == gitlab.InsufficientScope:
		v.done("url", "/version", "GitLab answers")
		return v.fail("token", Explain(err))
	case kind == gitlab.NotFound, kind == gitlab.NotGitLab, kind == gitlab.BadAnswer:
		return v.fail("url", v.elsewhere(ctx, err))
	default:
		return v.fail("url", Explain(err))
	}
	v.done("url", "/version", "GitLab answers")
	v.found.Version = version.Version
	if olderThan(version.Version, MinVersion) {
		p := problem(ci.UnsupportedVersion, "This GitLab is version "+version.Version+"; weir needs "+MinVersion+" or newer", "Update GitLab.")
		p.Request, p.Curl = v.request("/version"), gitlab.CurlFor("GET", v.url("/version"))
		return v.fail("version", p)
	}
	v.done("version", "/version", "GitLab "+version.Version)
	return nil
}

// elsewhere looks for GitLab at the shorter paths of the URL: people paste the
// address of a group.
func (v *verifier) elsewhere(ctx context.Context, err error) *ci.Problem {
	p := Explain(err)
	if p.Code == ci.NotFound {
		p.Code = ci.NotGitLab
	}
	base, parseErr := url.Parse(v.c.BaseURL())
	if parseErr != nil || base.Path == "" {
		return p
	}
	parts := strings.Split(strings.Trim(base.Path, "/"), "/")
	for n := range min(len(parts), prefixesTried) {
		root := ""
		if n > 0 {
			root = "/" + strings.Join(parts[:n], "/")
		}
		if !v.c.AnswersAt(ctx, root) {
			continue
		}
		right := base.Scheme + "://" + base.Host + root
		p.Code = ci.WrongBaseURL
		p.Cause = "GitLab is at " + right + ", not at " + v.c.BaseURL() + "."
		p.Remedy = "Use --url " + right
		if group := groupIn(parts[n:]); group != "" {
			p.Cause = "GitLab is at " + right + "; " + group + " is a group or project there, not a part of its address."
			p.Remedy += " --group " + group
		}
		p.Remedy += "."
		return p
	}
	return p
}

// groupIn finds the path of a group in the path of one of GitLab's pages:
// acme, groups/acme, acme/shop/-/pipelines.
func groupIn(parts []string) string {
	switch {
	case slices.Contains([]string{"users", "dashboard", "explore", "admin", "help"}, parts[0]):
		return "" // no group can have that name
	case len(parts) > 1 && parts[0] == "groups":
		parts = parts[1:]
	}
	if at := slices.Index(parts, "-"); at >= 0 {
		parts = parts[:at]
	}
	return strings.Join(parts, "/")
}

// user finds out whether the token is accepted, and whose it is.
func (v *verifier) user(ctx context.Context) *ci.Problem {
	user, err := v.c.CurrentUser(ctx)
	if gitlab.KindOf(err) == gitlab.InsufficientScope {
		return v.fail("token", Explain(err))
	}
	if err != nil {
		return v.fail("user", Explain(err))
	}
	v.found.User = user
	detail := user.Username
	if user.Bot.Or(false) {
		detail += " (bot)"
	}
	v.done("user", "/user", detail)
	return nil
}

// token looks at scopes and expiry. GitLabs before 15.5, and some kinds of
// tokens, do not tell; then the following steps show what the token may do.
func (v *verifier) token(ctx context.Context) *ci.Problem {
	const path = "/personal_access_tokens/self"
	token, err := v.c.TokenSelf(ctx)
	switch gitlab.KindOf(err) {
	case gitlab.NotFound, gitlab.Gone, gitlab.Forbidden, gitlab.InsufficientScope, gitlab.BadRequest, gitlab.MethodNotAllowed:
		v.done("token", path, "GitLab does not tell scopes and expiry of this token")
		return nil
	}
	if err != nil {
		return v.fail("token", Explain(err))
	}
	v.found.Token, v.found.Scopes = token, token.Scopes
	refused := func(code ci.Code, cause, remedy string) *ci.Problem {
		p := problem(code, cause, remedy)
		p.Request, p.Curl = v.request(path), gitlab.CurlFor("GET", v.url(path))
		return v.fail("token", p)
	}
	if token.Revoked.Or(false) || !token.Active.Or(true) {
		return refused(ci.InvalidCredentials, "The token is revoked or expired", "Make a new token with the scope read_api and give it to weir.")
	}
	if token.Scopes != nil && !slices.Contains(token.Scopes, "read_api") && !slices.Contains(token.Scopes, "api") {
		return refused(ci.InvalidPermissions, "The token lacks the scope read_api; it has "+orNone(token.Scopes),
			"Make a token with the scope read_api; scopes cannot be added to one that exists.")
	}
	detail := "scopes " + orNone(token.Scopes)
	if date, ok := token.ExpiresAt.Get(); ok {
		if at, err := time.Parse(time.DateOnly, date); err == nil {
			v.found.ExpiresAt = &at
			detail += ", expires " + date
			if at.Sub(v.o.Now()) < expiresSoon {
				v.warn(ci.TokenExpiresSoon, path, "The token expires on "+date, "Make a new one in time and update the connection.")
			}
		} else {
			detail += ", expires " + date + " (weir cannot read this date)"
		}
	} else if !token.ExpiresAt.Absent() {
		detail += ", never expires"
	}
	v.done("token", path, detail)
	return nil
}

func orNone(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

// groups finds the named groups, or those that the token is a member of.
func (v *verifier) groups(ctx context.Context) *ci.Problem {
	if len(v.o.Groups) == 0 {
		return v.memberGroups(ctx)
	}
	var names []string
	var path string
	for _, name := range v.o.Groups {
		name = strings.Trim(strings.TrimSpace(name), "/")
		path = "/groups/" + url.PathEscape(name) + "?with_projects=false"
		group, err := v.c.Group(ctx, name)
		if gitlab.KindOf(err) == gitlab.NotFound {
			p := Explain(err)
			p.Cause = "There is no group " + name + ", or the token cannot see it."
			p.Remedy = "Check the group's full path in its URL, and that " + v.found.User.Username + " is a member of it."
			return v.fail("groups", p)
		}
		if err != nil {
			return v.fail("groups", Explain(err))
		}
		if !slices.ContainsFunc(v.found.Groups, func(g gitlab.Group) bool { return g.ID == group.ID }) {
			v.found.Groups = append(v.found.Groups, group)
			names = append(names, group.FullPath)
		}
	}
	v.done("groups", path, strings.Join(names, ", "))
	return nil
}

func (v *verifier) memberGroups(ctx context.Context) *ci.Problem {
	const path = "/groups?all_available=false"
	page, err := firstPage(v.c.Groups(ctx, gitlab.GroupListOptions{}))
	if err != nil {
		return v.fail("groups", Explain(err))
	}
	v.found.Groups = page.Items
	if len(page.Items) == 0 {
		return v.fail("groups", v.nothing(path, v.found.User.Username+" is a member of no group",
			"Make it a member of the group to import, with the role Developer, or use an access token of that group."))
	}
	detail := count(len(page.Items), "group")
	if total, ok := page.Total.Get(); ok && total > int64(len(page.Items)) {
		detail = count(int(total), "group")
	} else if !ok && len(page.Items) == 100 {
		detail = "100 groups or more"
	}
	v.done("groups", path, detail)
	return nil
}

func (v *verifier) nothing(path, cause, remedy string) *ci.Problem {
	p := problem(ci.NoResources, cause, remedy)
	p.Request, p.Curl = v.request(path), gitlab.CurlFor("GET", v.url(path))
	return p
}

// projects looks for a page of projects in the groups, parents first.
func (v *verifier) projects(ctx context.Context) *ci.Problem {
	tops := topGroups(v.found.Groups)
	var path string
	for i, group := range tops[:min(len(tops), groupsTried)] {
		path = "/groups/" + strconv.FormatInt(group.ID, 10) + "/projects?include_subgroups=true&with_shared=false"
		page, err := firstPage(v.c.GroupProjects(ctx, group.ID, gitlab.ProjectListOptions{
			IncludeSubgroups: true, OrderBy: "last_activity_at", Sort: "desc", PerPage: 20,
		}))
		if err != nil {
			return v.fail("projects", onToken(Explain(err)))
		}
		if i == 0 {
			v.compareClocks(page.AskedAt, page.Date, path)
		}
		if len(page.Items) == 0 {
			continue
		}
		for _, p := range page.Items {
			if !ciSwitchedOff(p) {
				v.candidates = append(v.candidates, p)
			}
		}
		if len(v.candidates) == 0 && v.o.Kind == KindPipelines {
			v.warn(ci.CIDisabledCode, path, fmt.Sprintf("CI/CD is switched off in all %d projects that were looked at", len(page.Items)),
				"Nothing, if pipelines run elsewhere; else switch CI/CD on in the projects' settings.")
		}
		v.found.SampleProject = page.Items[0].PathWithNamespace
		if len(v.candidates) > 0 {
			v.found.SampleProject = v.candidates[0].PathWithNamespace
		}
		v.done("projects", path, projectCount(page)+" in "+group.FullPath)
		return nil
	}
	if len(tops) > groupsTried {
		v.done("projects", path, fmt.Sprintf("none in the first %d of %d groups; the first sync looks at all", groupsTried, len(tops)))
		return nil
	}
	return v.fail("projects", v.nothing(path, "The token reaches no project in "+paths(tops),
		"Check that the groups hold projects, and that "+v.found.User.Username+" has at least the role Reporter there."))
}

// compareClocks warns when this machine and GitLab disagree on the time.
func (v *verifier) compareClocks(askedAt, date time.Time, path string) {
	if date.IsZero() {
		return
	}
	if skew := date.Sub(askedAt).Round(time.Second); skew.Abs() > mostSkew {
		v.warn(ci.ClockSkew, path, fmt.Sprintf("GitLab's clock and this machine's are %s apart", skew.Abs()),
			"Set both by NTP; until then weir's figures about how current its data is are off by that much.")
	}
}

// topGroups leaves out the groups whose parent is there too, whose projects
// the parent's list shows.
func topGroups(groups []gitlab.Group) []gitlab.Group {
	var tops []gitlab.Group
	for _, g := range groups {
		parent, ok := g.ParentID.Get()
		if !ok || !slices.ContainsFunc(groups, func(o gitlab.Group) bool { return o.ID == parent }) {
			tops = append(tops, g)
		}
	}
	return tops
}

func ciSwitchedOff(p gitlab.Project) bool {
	return p.BuildsAccessLevel.Or("") == "disabled" || !p.JobsEnabled.Or(true)
}

func projectCount(page gitlab.Page[gitlab.Project]) string {
	if total, ok := page.Total.Get(); ok {
		return count(int(total), "project")
	}
	return count(len(page.Items), "project") + " or more"
}

// pipelines looks for a project whose pipelines can be read, best one that has
// any.
func (v *verifier) pipelines(ctx context.Context) *ci.Problem {
	if len(v.candidates) == 0 {
		v.done("pipelines", "", "no project with CI/CD to look into")
		return nil
	}
	var refusal error
	var path string
	for i := range v.candidates[:min(len(v.candidates), projectsTried)] {
		project := &v.candidates[i]
		asked := "/projects/" + strconv.FormatInt(project.ID, 10) + "/pipelines"
		page, err := firstPage(v.c.Pipelines(ctx, project.ID, gitlab.PipelineListOptions{PerPage: 5}))
		switch gitlab.KindOf(err) {
		case gitlab.Forbidden, gitlab.InsufficientScope, gitlab.NotFound:
			refusal = errors.Join(refusal, err)
			continue
		}
		if err != nil {
			return v.fail("pipelines", onToken(Explain(err)))
		}
		path, v.sample, v.found.SampleProject = asked, project, project.PathWithNamespace
		if len(page.Items) > 0 {
			v.pipeline = &page.Items[0]
			v.done("pipelines", path, "readable in "+project.PathWithNamespace)
			return nil
		}
	}
	if v.sample == nil {
		p := onToken(Explain(refusal))
		p.Cause = fmt.Sprintf("The token may read the pipelines of none of the %d projects that were tried.", min(len(v.candidates), projectsTried))
		return v.fail("pipelines", p)
	}
	v.done("pipelines", path, "readable in "+v.found.SampleProject+", which has none yet")
	return nil
}

// jobs reads the jobs of one pipeline.
func (v *verifier) jobs(ctx context.Context) *ci.Problem {
	if v.pipeline == nil {
		v.done("jobs", "", "no pipeline to look into")
		return nil
	}
	page, err := firstPage(v.c.PipelineJobs(ctx, v.sample.ID, v.pipeline.ID))
	if err != nil {
		return v.fail("jobs", onToken(Explain(err)))
	}
	path := fmt.Sprintf("/projects/%d/pipelines/%d/jobs", v.sample.ID, v.pipeline.ID)
	v.done("jobs", path, fmt.Sprintf("%s in pipeline %d", count(len(page.Items), "job"), v.pipeline.ID))
	return nil
}

// onToken makes a refusal of one project or group one of the token: a
// verification asks what the token may do.
func onToken(p *ci.Problem) *ci.Problem {
	switch p.Code {
	case ci.ProjectForbidden, ci.ProjectNotFound, ci.GroupNotFound:
		p.Code = ci.InvalidPermissions
		p.Remedy = "Give the token's user at least the role Reporter, better Developer, in the group, and the token the scope read_api."
	}
	return p
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

func paths(groups []gitlab.Group) string {
	var all []string
	for _, g := range groups {
		all = append(all, g.FullPath)
	}
	return strings.Join(all, ", ")
}

// firstPage gives the first page of a walk.
func firstPage[T any](walk func(func(gitlab.Page[T], error) bool)) (page gitlab.Page[T], err error) {
	walk(func(p gitlab.Page[T], e error) bool {
		page, err = p, e
		return false
	})
	return page, err
}

// olderThan compares versions by their first two numbers. What it cannot read
// is not older: weir would rather try.
func olderThan(version, least string) bool {
	major, minor, ok := versionNumbers(version)
	leastMajor, leastMinor, _ := versionNumbers(least)
	return ok && (major < leastMajor || major == leastMajor && minor < leastMinor)
}

func versionNumbers(s string) (major, minor int, ok bool) {
	parts := strings.SplitN(s, ".", 3)
	if len(parts) < 2 {
		return 0, 0, false
	}
	major, errMajor := strconv.Atoi(parts[0])
	minor, errMinor := strconv.Atoi(parts[1])
	return major, minor, errMajor == nil && errMinor == nil
}
