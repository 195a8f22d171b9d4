package gitlabtest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
)

// small is a world with one of each kind of job, and nothing random.
func small() *gitlabtest.World {
	w := gitlabtest.NewWorld()
	w.SetNow(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	ann := w.AddUser("ann")
	runner := w.AddRunner("shared-1", "docker")
	p := w.AddProject("acme/shop")
	at := time.Date(2026, 3, 1, 10, 0, 0, 987_654_000, time.UTC)
	w.AddPipeline(p, gitlabtest.PipelineSpec{At: at, User: ann, Tag: true, Ref: "v1", Jobs: []gitlabtest.JobSpec{
		{Name: "build <1>", Stage: "build", Wait: 1500 * time.Millisecond, Took: 2900 * time.Millisecond, Runner: runner, ArtifactBytes: 5_000_000_000},
		{Name: "unit", Wait: time.Second, Took: 3 * time.Second, Runner: runner, FailedFirst: 1, Tags: []string{"docker"}, Needs: []string{"build <1>"}},
		{Name: "stuck", Status: "failed", NeverStarted: true, AllowFailure: true, FailureReason: "stuck_or_timeout_failure"},
		{Name: "ci/ext", Stage: "external", Kind: gitlabtest.External},
	}})
	parent := w.AddPipeline(p, gitlabtest.PipelineSpec{
		At: at.Add(time.Hour), User: ann, Ref: "refs/merge-requests/4/head", Source: "merge_request_event", SourceBranch: "fix",
		Jobs: []gitlabtest.JobSpec{{Name: "go", Kind: gitlabtest.Bridge}, {Name: "by hand", Stage: "deploy", Status: "manual"}},
	})
	child := w.AddPipeline(p, gitlabtest.PipelineSpec{At: at.Add(61 * time.Minute), User: ann, Source: "parent_pipeline", CommitGone: true})
	w.Link(parent.Jobs[0], parent, child)
	return w
}

// TestGraphQLAnswers compares whole answers.
func TestGraphQLAnswers(t *testing.T) {
	const project = `{"data":{"project":`
	for _, tt := range []struct {
		name, query, variables, want string
	}{
		{
			"names", `{ here: project(fullPath: "ACME/shop") { __typename id fullPath webUrl jobsEnabled userPermissions { readCommitStatus } } gone: project(fullPath: "acme/x") { id } }`, "",
			`{"data":{"here":{"__typename":"Project","id":"gid://gitlab/Project/1","fullPath":"acme/shop","webUrl":"http://gitlab.example/git/acme/shop","jobsEnabled":true,"userPermissions":{"readCommitStatus":true}},"gone":null}}`,
		},
		{
			"times cut, words in upper case", `{ project(fullPath: "acme/shop") { pipelines { nodes { id iid status source ref refPath createdAt child path queuedDuration commit { sha committedDate } upstream { id } } } } }`, "",
			project + `{"pipelines":{"nodes":[` +
				`{"id":"gid://gitlab/Ci::Pipeline/2","iid":"2","status":"MANUAL","source":"merge_request_event","ref":"refs/merge-requests/4/head","refPath":"refs/heads/fix","createdAt":"2026-03-01T11:00:00Z","child":false,"path":"/git/acme/shop/-/pipelines/2","queuedDuration":null,"commit":{"sha":"SHA2","committedDate":"2026-03-01T13:00:00+02:00"},"upstream":null},` +
				`{"id":"gid://gitlab/Ci::Pipeline/1","iid":"1","status":"SUCCESS","source":"push","ref":"v1","refPath":"refs/tags/v1","createdAt":"2026-03-01T10:00:00Z","child":false,"path":"/git/acme/shop/-/pipelines/1","queuedDuration":QUEUED,"commit":{"sha":"SHA1","committedDate":"2026-03-01T12:00:00+02:00"},"upstream":null}]}}}}`,
		},
		{
			"children when asked for", `{ project(fullPath: "acme/shop") { pipelines(source: "parent_pipeline") { count nodes { id child commit { sha } upstream { id } } } } }`, "",
			project + `{"pipelines":{"count":1,"nodes":[{"id":"gid://gitlab/Ci::Pipeline/3","child":true,"commit":null,"upstream":{"id":"gid://gitlab/Ci::Pipeline/2"}}]}}}}`,
		},
		{
			"a source that is no word filters nothing", `{ project(fullPath: "acme/shop") { pipelines(source: "pusch") { count } } }`, "",
			project + `{"pipelines":{"count":2}}}}`,
		},
		{
			"jobs of every kind", `{ project(fullPath: "acme/shop") { pipeline(iid: "1") { jobs { nodes { id kind name status retried tags failureMessage exitCode webPath manualJob duration queuedDuration startedAt runner { id runnerType } needs { nodes { name } } } } } } }`, "",
			project + `{"pipeline":{"jobs":{"nodes":[` +
				`{"id":"gid://gitlab/Ci::Build/5","kind":"BUILD","name":"unit","status":"SUCCESS","retried":false,"tags":["docker"],"failureMessage":null,"exitCode":null,"webPath":"/git/acme/shop/-/jobs/5","manualJob":false,"duration":3,"queuedDuration":1.0,"startedAt":"2026-03-01T10:00:10Z","runner":{"id":"gid://gitlab/Ci::Runner/1","runnerType":"INSTANCE_TYPE"},"needs":{"nodes":[{"name":"build \u003c1\u003e"}]}},` +
				`{"id":"gid://gitlab/GenericCommitStatus/4","kind":"BUILD","name":"ci/ext","status":"SUCCESS","retried":false,"tags":null,"failureMessage":null,"exitCode":null,"webPath":"/git/acme/shop/-/jobs/4","manualJob":null,"duration":0,"queuedDuration":0.0,"startedAt":"2026-03-01T10:00:13Z","runner":null,"needs":{"nodes":[]}},` +
				`{"id":"gid://gitlab/Ci::Build/3","kind":"BUILD","name":"stuck","status":"FAILED","retried":false,"tags":[],"failureMessage":"There has been a timeout failure or the job got stuck. Check your timeout limits or try again","exitCode":null,"webPath":"/git/acme/shop/-/jobs/3","manualJob":false,"duration":null,"queuedDuration":7194.572346,"startedAt":null,"runner":null,"needs":{"nodes":[]}},` +
				`{"id":"gid://gitlab/Ci::Build/2","kind":"BUILD","name":"unit","status":"FAILED","retried":true,"tags":["docker"],"failureMessage":null,"exitCode":1,"webPath":"/git/acme/shop/-/jobs/2","manualJob":false,"duration":3,"queuedDuration":1.0,"startedAt":"2026-03-01T10:00:06Z","runner":{"id":"gid://gitlab/Ci::Runner/1","runnerType":"INSTANCE_TYPE"},"needs":{"nodes":[{"name":"build \u003c1\u003e"}]}},` +
				`{"id":"gid://gitlab/Ci::Build/1","kind":"BUILD","name":"build \u003c1\u003e","status":"SUCCESS","retried":false,"tags":[],"failureMessage":null,"exitCode":null,"webPath":"/git/acme/shop/-/jobs/1","manualJob":false,"duration":2,"queuedDuration":1.5,"startedAt":"2026-03-01T10:00:02Z","runner":{"id":"gid://gitlab/Ci::Runner/1","runnerType":"INSTANCE_TYPE"},"needs":{"nodes":[]}}]}}}}}`,
		},
		{
			"a bridge", `{ project(fullPath: "acme/shop") { pipeline(id: "gid://gitlab/Ci::Pipeline/2") { downstream { nodes { id } } jobs(jobKind: BRIDGE) { nodes { id kind webPath artifacts { nodes { size } } downstreamPipeline { id project { id } } } } } } }`, "",
			project + `{"pipeline":{"downstream":{"nodes":[{"id":"gid://gitlab/Ci::Pipeline/3"}]},"jobs":{"nodes":[{"id":"gid://gitlab/Ci::Bridge/6","kind":"BRIDGE","webPath":null,"artifacts":null,"downstreamPipeline":{"id":"gid://gitlab/Ci::Pipeline/3","project":{"id":"gid://gitlab/Project/1"}}}]}}}}}`,
		},
		{
			"filters of jobs", `{ project(fullPath: "acme/shop") { pipeline(iid: "1") { old: jobs(retried: true) { nodes { id } } new: jobs(retried: false, statuses: [FAILED]) { nodes { id } } } } }`, "",
			project + `{"pipeline":{"old":{"nodes":[{"id":"gid://gitlab/Ci::Build/2"}]},"new":{"nodes":[{"id":"gid://gitlab/Ci::Build/3"}]}}}}}`,
		},
		{
			"artifacts", `{ project(fullPath: "acme/shop") { pipeline(iid: "1") { jobs(first: 1, after: "CURSOR2") { nodes { artifacts { nodes { fileType size } } } } } } }`, "",
			project + `{"pipeline":{"jobs":{"nodes":[{"artifacts":{"nodes":[{"fileType":"ARCHIVE","size":"5000000000"},{"fileType":"METADATA","size":"186"},{"fileType":"TRACE","size":"4900"}]}}]}}}}}`,
		},
		{
			"pages", `{ project(fullPath: "acme/shop") { a: pipelines(first: 1) { pageInfo { hasNextPage endCursor } edges { cursor node { iid } } } b: pipelines(first: 1, after: "CURSOR2") { pageInfo { hasNextPage endCursor } nodes { iid } } c: pipelines(after: "CURSOR1") { pageInfo { hasNextPage endCursor } nodes { iid } } } }`, "",
			project + `{"a":{"pageInfo":{"hasNextPage":true,"endCursor":"CURSOR2"},"edges":[{"cursor":"CURSOR2","node":{"iid":"2"}}]},"b":{"pageInfo":{"hasNextPage":false,"endCursor":"CURSOR1"},"nodes":[{"iid":"1"}]},"c":{"pageInfo":{"hasNextPage":false,"endCursor":null},"nodes":[]}}}}`,
		},
		{
			"variables, directives, fragments", `query Q($p: ID!, $no: Boolean = false) { project(fullPath: $p) { ...f name @skip(if: true) path @include(if: $no) ... on Project { visibility } } } fragment f on Project { id ...g } fragment g on Project { archived id }`, `{"p":"acme/shop"}`,
			project + `{"id":"gid://gitlab/Project/1","archived":false,"visibility":"private"}}}`,
		},
		{
			"one key asked twice", `{ project(fullPath: "acme/shop") { pipelines(first: 1) { nodes { iid } } pipelines(first: 1) { nodes { id } pageInfo { hasNextPage } } } }`, "",
			project + `{"pipelines":{"nodes":[{"iid":"2","id":"gid://gitlab/Ci::Pipeline/2"}],"pageInfo":{"hasNextPage":true}}}}}`,
		},
		{
			"projects by id", `query($ids: [ID!]) { projects(ids: $ids) { count nodes { id pipelines(first: 1, updatedAfter: "2026-03-01T10:30:00Z") { nodes { iid } } } } }`, `{"ids":["gid://gitlab/Project/1","gid://gitlab/Project/99"]}`,
			`{"data":{"projects":{"count":1,"nodes":[{"id":"gid://gitlab/Project/1","pipelines":{"nodes":[{"iid":"2"}]}}]}}}`,
		},
		{
			"a group", `{ group(fullPath: "acme") { fullPath projects { nodes { fullPath } } } metadata { version } currentUser { bot } queryComplexity { score limit } }`, "",
			`{"data":{"group":{"fullPath":"acme","projects":{"nodes":[{"fullPath":"acme/shop"}]}},"metadata":{"version":"18.5.1-ee"},"currentUser":{"bot":true},"queryComplexity":{"score":15,"limit":250}}}`,
		},
		{
			"what weighs more", `{ queryComplexity { score } project(fullPath: "acme/shop") { pipelines(first: 20, ref: "x") { nodes { beforeSha commit { sha } } } } }`, "",
			`{"data":{"queryComplexity":{"score":13},"project":{"pipelines":{"nodes":[]}}}}`,
		},
		{
			"bounds of updated_at", `{ project(fullPath: "acme/shop") { a: pipelines(updatedBefore: "2026-03-01T10:30:00Z") { nodes { iid } } b: pipelines(updatedAfter: "2026-03-01T10:30:00Z", updatedBefore: "2026-03-02") { nodes { iid } } } }`, "",
			project + `{"a":{"nodes":[{"iid":"1"}]},"b":{"nodes":[{"iid":"2"}]}}}}`,
		},
		{
			"a cursor that is none", `{ project(fullPath: "acme/shop") { id pipelines(after: "x") { nodes { id } } } }`, "",
			project + `{"id":"gid://gitlab/Project/1","pipelines":null}},"errors":[{"message":"Please provide a valid cursor","path":["project","pipelines"]}]}`,
		},
		{
			"a time that is none", `{ project(fullPath: "acme/shop") { pipelines(updatedAfter: "soon") { nodes { id } } } }`, "",
			project + `{"pipelines":null}},"errors":[{"message":"\"soon\" is an invalid Time","path":["project","pipelines"]}]}`,
		},
		{"introspection", `{ __schema { types { name } } }`, "", `{"data":{"__schema":null},"errors":[{"message":"Introspection is not served here","path":["__schema"]}]}`},

		{"a field that is none", `{ project(fullPath: "a") { nam } }`, "", `{"errors":[{"message":"Field 'nam' doesn't exist on type 'Project'"}]}`},
		{"a mutation", `mutation { x }`, "", `{"errors":[{"message":"Schema does not support operation type \"mutation\""}]}`},
		{"no query", ``, "", `{"errors":[{"message":"No query string was present"}]}`},
		{
			"too deep", `{ project(fullPath: "acme/shop") { pipelines { nodes ` + strings.Repeat(`{ upstream `, 18) + `{ id }` + strings.Repeat(` }`, 18) + ` } } }`, "",
			`{"errors":[{"message":"Query has depth of 22, which exceeds max depth of 20"}]}`,
		},
		{"too complex for anybody", tooMany(6), "", `{"errors":[{"message":"Query has complexity of 258, which exceeds max complexity of 250"}]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := small()
			s := gitlabtest.NewServer(w, gitlabtest.RelativeRoot("/git"))
			fill := strings.NewReplacer(
				"CURSOR1", "eyJpZCI6IjEifQ==", "CURSOR2", "eyJpZCI6IjIifQ==",
				"SHA1", w.Projects[0].Pipelines[0].SHA, "SHA2", w.Projects[0].Pipelines[1].SHA,
				"QUEUED", queued(w.Projects[0].Pipelines[0]),
			)
			got := post(t, s, "/git", s.DefaultToken(), fill.Replace(tt.query), tt.variables)
			if got.status != http.StatusOK {
				t.Errorf("status %d", got.status)
			}
			if diff := cmp.Diff(fill.Replace(tt.want), got.body); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

// tooMany asks for the jobs of so many projects by name.
func tooMany(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `p%d: project(fullPath: "a") { pipelines { nodes { id name status sha ref jobs { nodes { id name status tags exitCode } } } } } `, i)
	}
	return "{ " + b.String() + "}"
}

func queued(pl *gitlabtest.Pipeline) string {
	if s := pl.QueuedDuration(); s != nil {
		return fmt.Sprintf("%d.0", *s)
	}
	return "null"
}

// TestGraphQLRefuses: statuses other than 200, and whom they meet.
func TestGraphQLRefuses(t *testing.T) {
	const rows = `{ project(fullPath: "acme/shop") { pipelines { nodes { jobs { nodes { id } } } } } }`
	const slow = `{"errors":[{"message":"Request timed out. Please try a less complex query or a smaller set of records."}]}`
	invalid := `{"errors":[{"message":"Invalid token"}]}`
	for _, tt := range []struct {
		name   string
		opts   []gitlabtest.Option
		set    func(*gitlabtest.Server) (token string)
		query  string
		status int
		body   string
	}{
		{"unknown token", nil, func(*gitlabtest.Server) string { return "x" }, rows, 401, invalid},
		{"scope too small", nil, func(s *gitlabtest.Server) string { return s.Token(gitlabtest.TokenSpec{Scopes: []string{"read_user"}}) }, rows, 401, invalid},
		{"revoked", nil, func(s *gitlabtest.Server) string { return s.Token(gitlabtest.TokenSpec{Revoked: true}) }, rows, 401, invalid},
		{"blocked", nil, func(s *gitlabtest.Server) string { return s.Token(gitlabtest.TokenSpec{Blocked: true}) }, rows, 403, `{"errors":[{"message":"API not accessible for user"}]}`},
		{"nobody", nil, func(*gitlabtest.Server) string { return "" }, rows, 200, `{"data":{"project":null}}`},
		{"nobody's limit", nil, func(*gitlabtest.Server) string { return "" }, `{ queryComplexity { limit } currentUser { id } }`, 200, `{"data":{"queryComplexity":{"limit":200},"currentUser":null}}`},
		{"too complex for nobody", nil, func(*gitlabtest.Server) string { return "" }, tooMany(5), 200, `{"errors":[{"message":"Query has complexity of 215, which exceeds max complexity of 200"}]}`},
		{"a member of nothing", nil, func(s *gitlabtest.Server) string {
			s.World().AddGroup("other")
			return s.Token(gitlabtest.TokenSpec{Groups: []string{"other"}})
		}, `{ project(fullPath: "acme/shop") { id } projects { nodes { id } } group(fullPath: "acme") { id } }`, 200, `{"data":{"project":null,"projects":{"nodes":[]},"group":null}}`},
		{
			"CI off", nil, func(s *gitlabtest.Server) string {
				s.World().SetBuildsAccess(s.World().Projects[0], "disabled")
				return s.DefaultToken()
			}, `{ project(fullPath: "acme/shop") { jobsEnabled userPermissions { readCommitStatus } pipelines { count nodes { id } } pipeline(iid: "1") { id } } }`, 200,
			`{"data":{"project":{"jobsEnabled":false,"userPermissions":{"readCommitStatus":false},"pipelines":{"count":0,"nodes":[]},"pipeline":null}}}`,
		},
		{
			"not for a guest", nil, func(s *gitlabtest.Server) string { return s.Token(gitlabtest.TokenSpec{Role: gitlabtest.Guest}) },
			`{ project(fullPath: "acme/shop") { jobsEnabled userPermissions { readCommitStatus } pipelines { nodes { id } } } }`, 200,
			`{"data":{"project":{"jobsEnabled":true,"userPermissions":{"readCommitStatus":false},"pipelines":{"nodes":[]}}}}`,
		},
		{"moved", nil, func(s *gitlabtest.Server) string {
			if err := s.World().MoveProject(s.World().Projects[0], "acme/store"); err != nil {
				t.Fatal(err)
			}
			return s.DefaultToken()
		}, `{ project(fullPath: "acme/shop") { id } }`, 200, `{"data":{"project":null}}`},
		{
			"an updated_at that is null", nil, func(s *gitlabtest.Server) string {
				s.World().Edit(func() { s.World().Projects[0].Pipelines[0].UpdatedAt = nil })
				return s.DefaultToken()
			}, `{ project(fullPath: "acme/shop") { pipelines { nodes { iid updatedAt } } } }`, 200,
			`{"data":{"project":{"pipelines":{"nodes":[{"iid":"2","updatedAt":"UPDATED2"},null]}}},"errors":[{"message":"Cannot return null for non-nullable field Pipeline.updatedAt","path":["project","pipelines","nodes",1,"updatedAt"]}]}`,
		},
		{
			"bounds leave out an updated_at that is null", nil, func(s *gitlabtest.Server) string {
				s.World().Edit(func() { s.World().Projects[0].Pipelines[0].UpdatedAt = nil })
				return s.DefaultToken()
			}, `{ project(fullPath: "acme/shop") { a: pipelines(updatedAfter: "1970-01-01T00:00:00Z") { count } b: pipelines(updatedBefore: "2030-01-01T00:00:00Z") { count } } }`, 200,
			`{"data":{"project":{"a":{"count":1},"b":{"count":1}}}}`,
		},
		{
			"a downstream that is not for this token", nil, func(s *gitlabtest.Server) string {
				w := s.World()
				elsewhere := w.AddPipeline(w.AddProject("other/secret"), gitlabtest.PipelineSpec{})
				parent := w.Projects[0].Pipelines[1]
				w.Link(parent.Jobs[0], parent, elsewhere)
				return s.Token(gitlabtest.TokenSpec{Groups: []string{"acme"}})
			}, `{ project(fullPath: "acme/shop") { pipeline(iid: "2") { downstream { nodes { id } } jobs(jobKind: BRIDGE) { nodes { downstreamPipeline { id } } } } } }`, 200,
			`{"data":{"project":{"pipeline":{"downstream":{"nodes":[]},"jobs":{"nodes":[{"downstreamPipeline":null}]}}}}}`,
		},
		{
			"jobs that are not in order", nil, func(s *gitlabtest.Server) string {
				s.World().Edit(func() { slices.Reverse(s.World().Projects[0].Pipelines[1].Jobs) })
				return s.DefaultToken()
			}, `{ project(fullPath: "acme/shop") { pipeline(iid: "2") { jobs { nodes { id } } } } }`, 200,
			`{"data":{"project":{"pipeline":{"jobs":{"nodes":[{"id":"gid://gitlab/Ci::Build/7"},{"id":"gid://gitlab/Ci::Bridge/6"}]}}}}}`,
		},
		{
			"projects by path, id and state", nil, func(s *gitlabtest.Server) string {
				w := s.World()
				w.ArchiveProject(w.AddProject("acme/old"), true)
				w.AddProject("acme/lib/new")
				return s.DefaultToken()
			}, `{ a: projects(ids: ["gid://gitlab/Project/2"]) { nodes { fullPath } } b: projects(fullPaths: ["ACME/shop"]) { nodes { fullPath } } c: projects(archived: ONLY) { nodes { fullPath } } d: projects(archived: EXCLUDE, first: 1) { count nodes { fullPath } pageInfo { hasNextPage } } g: group(fullPath: "acme") { projects(includeArchived: false) { nodes { fullPath } } all: projects(includeSubgroups: true) { count } } }`, 200,
			`{"data":{"a":{"nodes":[{"fullPath":"acme/old"}]},"b":{"nodes":[{"fullPath":"acme/shop"}]},"c":{"nodes":[{"fullPath":"acme/old"}]},"d":{"count":2,"nodes":[{"fullPath":"acme/lib/new"}],"pageInfo":{"hasNextPage":true}},"g":{"projects":{"nodes":[{"fullPath":"acme/shop"}]},"all":{"count":3}}}}`,
		},
		{
			"runners hidden", nil, func(s *gitlabtest.Server) string { s.GraphQLHidesRunners(true); return s.DefaultToken() },
			`{ project(fullPath: "acme/shop") { pipeline(iid: "1") { jobs(first: 1) { nodes { runner { id } } } } } }`, 200, `{"data":{"project":{"pipeline":{"jobs":{"nodes":[{"runner":null}]}}}}}`,
		},
		{"too long", nil, (*gitlabtest.Server).DefaultToken, `{ queryComplexity { limit } } #` + strings.Repeat("ä", 10_000), 422, `{"errors":[{"message":"Query too large"}]}`},
		{"time enough", nil, func(s *gitlabtest.Server) string { s.GraphQLBudget(10); return s.DefaultToken() }, rows, 200, ""},
		{"too slow", nil, func(s *gitlabtest.Server) string { s.GraphQLBudget(9); return s.DefaultToken() }, rows, 503, slow},
		{"too slow for an old one", []gitlabtest.Option{gitlabtest.Version("14.0.0")}, func(s *gitlabtest.Server) string { s.GraphQLBudget(9); return s.DefaultToken() }, rows, 200, slow},
		{"over the general limit", nil, func(s *gitlabtest.Server) string {
			s.LimitRequests(1, time.Minute, true)
			post(t, s, "", s.DefaultToken(), rows, "")
			return s.DefaultToken()
		}, rows, 429, "Retry later\n"},
		{"a fault", nil, func(s *gitlabtest.Server) string {
			s.Fault(func(int, *http.Request) gitlabtest.Fault { return gitlabtest.Fault{Kind: gitlabtest.BadGateway} })
			return s.DefaultToken()
		}, rows, 502, ""},
		{"revoked on the way", nil, func(s *gitlabtest.Server) string {
			s.Fault(func(int, *http.Request) gitlabtest.Fault { return gitlabtest.Fault{Kind: gitlabtest.Unauthorized} })
			return s.DefaultToken()
		}, rows, 401, invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := gitlabtest.NewServer(small(), tt.opts...)
			token := tt.set(s)
			s.ResetRequests()
			got := post(t, s, "", token, tt.query, "")
			want := strings.ReplaceAll(tt.body, "UPDATED2", s.World().Projects[0].Pipelines[1].UpdatedAt.Format(time.RFC3339))
			if got.status != tt.status || want != "" && got.body != want {
				t.Errorf("%d %s\nwant %d %s", got.status, got.body, tt.status, want)
			}
			if diff := cmp.Diff(map[string]int{"": 1, "POST /graphql": 1}, s.RequestCount()); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

// TestGraphQLIsNoticed: the log of requests names what was asked.
func TestGraphQLIsNoticed(t *testing.T) {
	s := gitlabtest.NewServer(small())
	post(t, s, "", s.DefaultToken(), `query Widest { queryComplexity { limit } }`, "")
	get(t, s, path("version"))
	var operations []string
	for _, r := range s.Requests() {
		operations = append(operations, fmt.Sprint(r.Method, " ", r.Path, " ", r.Endpoint, " ", r.Operation, " ", r.Status))
	}
	want := []string{"POST /api/graphql POST /graphql Widest 200", "GET /api/v4/version GET /version  200"}
	if diff := cmp.Diff(want, operations); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// post asks a query. variables is JSON, "" for none.
func post(t *testing.T, s *gitlabtest.Server, root, token, query, variables string) reply {
	t.Helper()
	question := map[string]any{"query": query}
	if variables != "" {
		question["variables"] = json.RawMessage(variables)
	}
	body, err := json.Marshal(question)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://gitlab.example"+root+"/api/graphql", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("PRIVATE-TOKEN", token)
	}
	resp, err := s.Transport().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(b)}
}
