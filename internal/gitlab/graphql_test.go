package gitlab_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/gitlab"
)

const (
	noRuns  = `{"data":{"project":{"id":"gid://gitlab/Project/7","webUrl":"https://git.example.com/acme/shop","jobsEnabled":true,"userPermissions":{"readCommitStatus":true},"pipelines":{"pageInfo":{"hasNextPage":false,"endCursor":null},"nodes":[]}}}}`
	timeout = `{"errors":[{"message":"Request timed out. Please try a less complex query or a smaller set of records."}]}`
	oneRun  = `{"id":"gid://gitlab/Ci::Pipeline/9","iid":"3","status":"SUCCESS","source":"push","updatedAt":"2026-01-02T03:04:05Z","jobs":{"pageInfo":{"hasNextPage":false},"nodes":[]}}`
	oneJob  = `{"id":"gid://gitlab/Ci::Build/5","name":"unit","status":"SUCCESS"}`
)

// runs is an answer with the given pipelines.
func runs(nodes string) string {
	return strings.Replace(noRuns, `"nodes":[]`, `"nodes":[`+nodes+`]`, 1)
}

// with is a part of an answer in which one thing is different.
func with(text, what, other string) string {
	if !strings.Contains(text, what) {
		panic(what + " is not in " + text)
	}
	return strings.Replace(text, what, other, 1)
}

// TestGraphQLFailures: whatever goes wrong is an error of the right kind, and
// only what asking again may mend is asked again.
func TestGraphQLFailures(t *testing.T) {
	html, text := http.Header{"Content-Type": {"text/html"}}, http.Header{"Content-Type": {"text/plain"}}
	job := func(j string) string { return runs(with(oneRun, `"nodes":[]`, `"nodes":[`+j+`]`)) }
	for _, tt := range []struct {
		name     string
		replies  []reply // the last one repeats
		attempts int64
		kind     gitlab.Kind // "": success
		says     string
	}{
		{"an empty page", []reply{{200, nil, noRuns, nil}}, 1, "", ""},
		{"one run", []reply{{200, nil, runs(oneRun), nil}}, 1, "", ""},
		{"no errors in errors", []reply{{200, nil, with(noRuns, `{"data"`, `{"errors":[],"data"`), nil}}, 1, "", ""},
		{"errors null", []reply{{200, nil, with(noRuns, `{"data"`, `{"errors":null,"data"`), nil}}, 1, "", ""},

		{"time-out, 503", []reply{{503, nil, timeout, nil}}, 1, gitlab.Timeout, "Request timed out."},
		{"time-out, 200", []reply{{200, nil, timeout, nil}}, 1, gitlab.Timeout, "Request timed out."},
		{"time-out of the library", []reply{{200, nil, `{"data":{"project":null},"errors":[{"message":"Timeout on Pipeline.jobs","path":["project"]}]}`, nil}}, 1, gitlab.Timeout, "Pipeline.jobs"},
		{"time-out of the proxy", []reply{{504, html, "<html>", nil}}, 1, gitlab.Timeout, "Gateway Timeout"},
		{"time-out of the client", []reply{{200, http.Header{"X-Slow": {"1"}}, noRuns, nil}}, 1, gitlab.Timeout, "no whole answer within"},
		{"too complex", []reply{{200, nil, `{"errors":[{"message":"Query has complexity of 338, which exceeds max complexity of 250"}]}`, nil}}, 1, gitlab.TooComplex, "338"},
		{"an unknown field", []reply{{200, nil, `{"errors":[{"message":"Field 'exitCode' doesn't exist on type 'CiJob'","locations":[{"line":1,"column":2}]}]}`, nil}}, 1, gitlab.BadAnswer, "doesn't exist on type 'CiJob'"},
		{"several errors, one said twice", []reply{{200, nil, `{"errors":[{"message":"a"},{"message":"b"},{"message":"a"}]}`, nil}}, 1, gitlab.BadAnswer, "200: a; b"},
		{"errors of an odd form", []reply{{200, nil, `{"errors":["oops",{}]}`, nil}}, 1, gitlab.BadAnswer, "an error that is no object; an error without a message"},
		{"rows and an error", []reply{{200, nil, with(runs(oneRun), `{"data"`, `{"errors":[{"message":"oh"}],"data"`), nil}}, 1, gitlab.BadAnswer, "oh"},
		{"an error after the row that it spoilt", []reply{{200, nil, strings.TrimSuffix(runs(`null`), "}") + `,"errors":[{"message":"Cannot return null for non-nullable field Pipeline.updatedAt"}]}`, nil}}, 1, gitlab.BadAnswer, "Cannot return null"},

		{"bad token", []reply{{401, nil, `{"errors":[{"message":"Invalid token"}]}`, nil}}, 1, gitlab.Unauthorized, "Invalid token"},
		{"blocked", []reply{{403, nil, `{"errors":[{"message":"API not accessible for user"}]}`, nil}}, 1, gitlab.Forbidden, "API not accessible"},
		{"too long", []reply{{422, nil, `{"errors":[{"message":"Query too large"}]}`, nil}}, 1, gitlab.BadRequest, "Query too large"},
		{"no such route", []reply{{404, html, "<html>", nil}}, 1, gitlab.NotGitLab, "HTML"},
		{"signed out", []reply{{302, http.Header{"Location": {"/users/sign_in"}}, "", nil}}, 1, gitlab.NotGitLab, "outside of the API"},
		{"HTML at 200", []reply{{200, html, "<html>", nil}}, 1, gitlab.NotGitLab, "HTML"},

		{"proxy's 502", []reply{{502, html, "<html>", nil}, {200, nil, noRuns, nil}}, 2, "", ""},
		{"proxy's 503", []reply{{503, html, "<html>", nil}, {200, nil, noRuns, nil}}, 2, "", ""},
		{"500", []reply{{500, nil, `{"errors":[{"message":"Internal server error"}]}`, nil}}, 7, gitlab.Server, "Internal server error"},
		{"429", []reply{{429, text, "Retry later\n", nil}, {200, nil, noRuns, nil}}, 2, "", ""},
		{"a connection that breaks", []reply{{err: io.EOF}, {200, nil, noRuns, nil}}, 2, "", ""},
		{"cut off", []reply{{200, nil, noRuns[:60], nil}, {200, nil, noRuns, nil}}, 2, "", ""},

		{"no project", []reply{{200, nil, `{"data":{"project":null}}`, nil}}, 1, gitlab.NotFound, "no project acme/shop"},
		{"another project", []reply{{200, nil, with(noRuns, "Project/7", "Project/8"), nil}}, 1, gitlab.NotFound, "project 8 is"},
		{"CI off", []reply{{200, nil, with(noRuns, `"jobsEnabled":true`, `"jobsEnabled":false`), nil}}, 1, gitlab.Forbidden, "acme/shop"},
		{"jobs not for this token", []reply{{200, nil, with(noRuns, `Status":true`, `Status":false`), nil}}, 1, gitlab.Forbidden, "acme/shop"},
		{"pipelines null", []reply{{200, nil, with(noRuns, `{"pageInfo":{"hasNextPage":false,"endCursor":null},"nodes":[]}`, "null"), nil}}, 1, gitlab.Forbidden, "acme/shop"},
		{"jobs null", []reply{{200, nil, runs(with(oneRun, `{"pageInfo":{"hasNextPage":false},"nodes":[]}`, "null")), nil}}, 1, gitlab.Forbidden, "acme/shop"},

		{"nothing", []reply{{200, nil, `{}`, nil}}, 1, gitlab.BadAnswer, "without data and without errors"},
		{"data null", []reply{{200, nil, `{"data":null}`, nil}}, 1, gitlab.BadAnswer, "without data"},
		{"a list", []reply{{200, nil, `[]`, nil}}, 1, gitlab.BadAnswer, "object"},
		{"more behind it", []reply{{200, nil, noRuns + "{}", nil}}, 1, gitlab.BadAnswer, "more than one value"},
		{"a row that is null", []reply{{200, nil, runs(`null`), nil}}, 1, gitlab.BadAnswer, "null"},
		{"rows null", []reply{{200, nil, with(noRuns, `"nodes":[]`, `"nodes":null`), nil}}, 1, gitlab.BadAnswer, "without rows"},
		{"no word about a next page", []reply{{200, nil, with(noRuns, `"pageInfo":{"hasNextPage":false,"endCursor":null},`, ``), nil}}, 1, gitlab.BadAnswer, "whether another one follows"},
		{"a next page without cursor", []reply{{200, nil, with(noRuns, `"hasNextPage":false`, `"hasNextPage":true`), nil}}, 1, gitlab.BadAnswer, "without its cursor"},
		{"a next page that is this one", []reply{{200, nil, with(noRuns, `false,"endCursor":null`, `true,"endCursor":"before"`), nil}}, 1, gitlab.BadAnswer, "leads back"},
		{"more jobs without cursor", []reply{{200, nil, runs(with(oneRun, `"hasNextPage":false`, `"hasNextPage":true`)), nil}}, 1, gitlab.BadAnswer, "without its cursor"},
		{"project without id", []reply{{200, nil, with(noRuns, `"id":"gid://gitlab/Project/7",`, ``), nil}}, 1, gitlab.BadAnswer, "a project without id"},
		{"pipeline without id", []reply{{200, nil, runs(with(oneRun, `"gid://gitlab/Ci::Pipeline/9"`, `null`)), nil}}, 1, gitlab.BadAnswer, "a pipeline without id"},
		{"id of something else", []reply{{200, nil, runs(with(oneRun, `Ci::Pipeline/9`, `Ci::Build/9`)), nil}}, 1, gitlab.BadAnswer, "Ci::Pipeline"},
		{"id that is a number", []reply{{200, nil, runs(with(oneRun, `"gid://gitlab/Ci::Pipeline/9"`, `9`)), nil}}, 1, gitlab.BadAnswer, "id"},
		{"id 0", []reply{{200, nil, runs(with(oneRun, `Ci::Pipeline/9`, `Ci::Pipeline/0`)), nil}}, 1, gitlab.BadAnswer, "global id"},
		{"iid that is none", []reply{{200, nil, runs(with(oneRun, `"3"`, `"three"`)), nil}}, 1, gitlab.BadAnswer, "whole number"},
		{"another source", []reply{{200, nil, runs(with(oneRun, `"push"`, `"web"`)), nil}}, 1, gitlab.BadAnswer, "ignores the filter"},
		{"too old", []reply{{200, nil, runs(with(oneRun, `03:04:05Z`, `03:04:04Z`)), nil}}, 1, gitlab.BadAnswer, "ignores the filter"},
		{"a job", []reply{{200, nil, job(oneJob), nil}}, 1, "", ""},
		{"job without id", []reply{{200, nil, job(with(oneJob, `"gid://gitlab/Ci::Build/5"`, `null`)), nil}}, 1, gitlab.BadAnswer, "a job without id"},
		{"job without status", []reply{{200, nil, job(with(oneJob, `"SUCCESS"`, `null`)), nil}}, 1, gitlab.BadAnswer, "a job without status"},
		{"artifacts that may go on", []reply{{200, nil, job(with(oneJob, `"name"`, `"artifacts":{"nodes":[`+strings.Repeat(`{},`, 99)+`{}]},"name"`)), nil}}, 1, gitlab.BadAnswer, "there may be more"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := clientOf(t, "https://gitlab.example.com", func(cfg *gitlab.Config) { cfg.Transport = &script{replies: tt.replies} })
				page, err := c.Runs(t.Context(), gitlab.RunQuery{
					ProjectPath: "acme/shop", ProjectID: 7, Source: "push", After: "before",
					UpdatedAfter: time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC),
				})
				if gitlab.KindOf(err) != tt.kind || (err == nil) != (tt.kind == "") {
					t.Fatalf("error %v of kind %q, want %q", err, gitlab.KindOf(err), tt.kind)
				}
				if err != nil && (!strings.Contains(err.Error(), tt.says) || len(page.Runs) > 0) {
					t.Errorf("%d runs and %q, want none and %q", len(page.Runs), err, tt.says)
				}
				if n := c.Stats().ByEndpoint["POST /graphql"]; n != tt.attempts {
					t.Errorf("%d attempts, want %d", n, tt.attempts)
				}
			})
		})
	}
}

// TestRunsTook: what GitLab says of its work counts, not the way to it; where it
// says nothing of use, the time until its answer began does.
func TestRunsTook(t *testing.T) {
	for runtime, want := range map[string]time.Duration{
		"1.25": 1250 * time.Millisecond, "0": 0, "": 3 * time.Second, "-1": 3 * time.Second, "NaN": 3 * time.Second, "1e300": 3 * time.Second, "fast": 3 * time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			c := clientOf(t, "https://gitlab.example.com", func(cfg *gitlab.Config) {
				cfg.Transport = slowly{&script{replies: []reply{{200, http.Header{"X-Runtime": {runtime}}, noRuns, nil}}}}
			})
			page, err := c.Runs(t.Context(), gitlab.RunQuery{ProjectPath: "acme/shop", ProjectID: 7})
			if err != nil || page.Took != want {
				t.Errorf("X-Runtime %q: took %v, want %v; %v", runtime, page.Took, want, err)
			}
		})
	}
}

// slowly is a network on which an answer takes three seconds.
type slowly struct{ http.RoundTripper }

func (s slowly) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(3 * time.Second)
	return s.RoundTripper.RoundTrip(r)
}

// TestRunsReadsEveryField reads one answer that has everything.
func TestRunsReadsEveryField(t *testing.T) {
	const body = `{"data":{"queryComplexity":{"score":235,"limit":250},"project":{"pipelines":{"nodes":[{
 "id":"gid://gitlab/Ci::Pipeline/9","iid":"3","name":"Nightly","status":"WAITING_FOR_MOONRISE","source":"schedule","ref":"v1","refPath":"refs/tags/v1",
 "sha":"abc","beforeSha":"000","createdAt":"2026-01-02T03:04:05Z","updatedAt":"2026-01-02T03:04:06Z","startedAt":"2026-01-02T05:04:07+02:00",
 "finishedAt":null,"committedAt":null,"duration":12,"queuedDuration":3.0,"coverage":68.49,"yamlErrorMessages":"bad","failureReason":"config_error",
 "warnings":true,"child":true,"path":"/git/acme/shop/-/pipelines/9",
 "user":{"id":"gid://gitlab/User/4","username":"ann","name":"Ann","state":"active","bot":false,"webUrl":"https://git.example.com/git/ann"},
 "commit":{"sha":"abc","committedDate":"2026-01-02T05:04:05+02:00"},"upstream":{"id":"gid://gitlab/Ci::Pipeline/8"},
 "jobs":{"nodes":[
  {"id":"gid://gitlab/Ci::Build/52","name":"unit","status":"FAILED","stage":{"name":"test"},"allowFailure":true,"manualJob":false,"retried":true,
   "coverage":1.5,"createdAt":"2026-01-02T03:04:05Z","queuedAt":"2026-01-02T03:04:06Z","scheduledAt":"2026-01-02T03:04:07Z","startedAt":"2026-01-02T03:04:08Z",
   "finishedAt":"2026-01-02T03:04:09Z","erasedAt":"2026-01-02T03:04:10Z","duration":1,"queuedDuration":2.345678,"failureMessage":"No matching runner available",
   "exitCode":137,"webPath":"/git/acme/shop/-/jobs/52","tags":["docker"],"runner":{"id":"gid://gitlab/Ci::Runner/6","description":"r","runnerType":"INSTANCE_TYPE"},
   "artifacts":{"nodes":[{"fileType":"ARCHIVE","size":"5000000000"},{"fileType":"TRACE","size":12}]},"downstreamPipeline":null,"needs":{"nodes":[{"name":"build"}]}},
  {"id":"gid://gitlab/Ci::Bridge/51","name":"go","status":"SUCCESS","stage":null,"tags":null,"artifacts":null,"webPath":null,"downstreamPipeline":{"id":"gid://gitlab/Ci::Pipeline/77"}},
  {"id":"gid://gitlab/GenericCommitStatus/50","name":"ci/ext","status":"PENDING","needs":{"nodes":[]}},
  {"id":"gid://gitlab/Ci::Nova/49","name":"new","status":"SUCCESS"}],
  "pageInfo":{"hasNextPage":true,"endCursor":"jobs-2"}}}],
 "pageInfo":{"hasNextPage":true,"endCursor":"runs-2"}},
 "userPermissions":{"readCommitStatus":true},"jobsEnabled":true,"webUrl":"https://git.example.com/git/acme/shop","id":"gid://gitlab/Project/7"}}}`
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", "Fri, 02 Jan 2026 03:04:05 GMT")
		respond(w, 200, body)
	})
	got, err := c.Runs(t.Context(), gitlab.RunQuery{ProjectPath: "acme/shop", Probe: true, Needs: true})
	if err != nil {
		t.Fatal(err)
	}
	if time.Since(got.AskedAt) > time.Minute || got.AskedAt.Location() != time.UTC {
		t.Errorf("asked at %v", got.AskedAt)
	}
	got.AskedAt, got.Took = time.Time{}, 0
	at := func(second int) gitlab.Field[gitlab.Time] {
		return gitlab.Of(gitlab.Time{Time: time.Date(2026, 1, 2, 3, 4, second, 0, time.UTC)})
	}
	want := gitlab.RunPage{
		ProjectID: 7, Next: "runs-2", Score: 235, Limit: 250, Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Runs: []gitlab.Run{{
			Pipeline: gitlab.Pipeline{
				PipelineListItem: gitlab.PipelineListItem{
					ID: 9, IID: gitlab.Of[int64](3), ProjectID: gitlab.Of[int64](7), SHA: gitlab.Of("abc"), Ref: gitlab.Of("v1"),
					Status: "waiting_for_moonrise", Source: gitlab.Of("schedule"), CreatedAt: at(5), UpdatedAt: at(6),
					WebURL: gitlab.Of("https://git.example.com/git/acme/shop/-/pipelines/9"), Name: gitlab.Of("Nightly"),
				},
				BeforeSHA: gitlab.Of("000"), Tag: gitlab.Of(true), YAMLErrors: gitlab.Of("bad"),
				User: gitlab.Of(gitlab.User{
					ID: 4, Username: "ann", Name: gitlab.Of("Ann"), State: gitlab.Of("active"), Bot: gitlab.Of(false),
					WebURL: gitlab.Of("https://git.example.com/git/ann"),
				}),
				StartedAt: at(7), FinishedAt: gitlab.Null[gitlab.Time](), CommittedAt: gitlab.Null[gitlab.Time](),
				Duration: gitlab.Of(12.0), QueuedDuration: gitlab.Of(3.0), Coverage: gitlab.Of(gitlab.Coverage(68.49)),
			},
			FailureReason: gitlab.Of("config_error"), Warnings: gitlab.Of(true), Child: gitlab.Of(true), UpstreamID: gitlab.Of[int64](8),
			Commit: gitlab.Of(gitlab.Commit{ID: "abc", CommittedDate: at(5)}), JobsNext: "jobs-2",
			Jobs: []gitlab.RunJob{
				{
					Job: gitlab.Job{
						ID: 52, Name: "unit", Status: "failed", Stage: gitlab.Of("test"), AllowFailure: gitlab.Of(true), Coverage: gitlab.Of(gitlab.Coverage(1.5)),
						CreatedAt: at(5), StartedAt: at(8), FinishedAt: at(9), ErasedAt: at(10), Duration: gitlab.Of(1.0), QueuedDuration: gitlab.Of(2.345678),
						WebURL: gitlab.Of("https://git.example.com/git/acme/shop/-/jobs/52"), TagList: gitlab.Of([]string{"docker"}),
						Runner:             gitlab.Of(gitlab.Runner{ID: 6, Description: gitlab.Of("r"), RunnerType: gitlab.Of("instance_type")}),
						Artifacts:          gitlab.Of([]gitlab.Artifact{{FileType: "archive", Size: gitlab.Of[int64](5e9)}, {FileType: "trace", Size: gitlab.Of[int64](12)}}),
						DownstreamPipeline: gitlab.Null[gitlab.PipelineListItem](),
					},
					PipelineID: 9, Kind: gitlab.KindBuild, Retried: gitlab.Of(true), Manual: gitlab.Of(false), QueuedAt: at(6), ScheduledAt: at(7),
					ExitCode: gitlab.Of[int64](137), FailureMessage: gitlab.Of("No matching runner available"), Needs: gitlab.Of([]string{"build"}),
				},
				{
					Job: gitlab.Job{
						ID: 51, Name: "go", Status: "success", Stage: gitlab.Null[string](), TagList: gitlab.Null[[]string](), Artifacts: gitlab.Null[[]gitlab.Artifact](),
						WebURL: gitlab.Null[string](), DownstreamPipeline: gitlab.Of(gitlab.PipelineListItem{ID: 77}),
					},
					PipelineID: 9, Kind: gitlab.KindBridge,
				},
				{Job: gitlab.Job{ID: 50, Name: "ci/ext", Status: "pending"}, PipelineID: 9, Kind: gitlab.KindExternal, Needs: gitlab.Of([]string{})},
				{Job: gitlab.Job{ID: 49, Name: "new", Status: "success"}, PipelineID: 9, Kind: "Ci::Nova"},
			},
		}},
	}
	if diff := cmp.Diff(want, got, exactly()); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
}

// TestGraphQLAsks looks at the request itself.
func TestGraphQLAsks(t *testing.T) {
	type sent struct {
		Query         string
		OperationName string
		Variables     map[string]any
	}
	var got sent
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/git/api/graphql" || r.Header.Get("Content-Type") != "application/json" ||
			r.Header.Get("PRIVATE-TOKEN") != "t" || r.Header.Get("Accept-Encoding") != "gzip" {
			t.Errorf("%s %s with %v", r.Method, r.URL, r.Header)
		}
		got = sent{}
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		respond(w, 200, `{"data":{"project":null,"projects":{"pageInfo":{"hasNextPage":false},"nodes":[]}}}`)
	}, func(cfg *gitlab.Config) { cfg.BaseURL += "/git" })
	after := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.FixedZone("", 3600))
	for _, tt := range []struct {
		operation string
		ask       func() error
		want      map[string]any
	}{
		{"Runs", func() error {
			_, err := c.Runs(t.Context(), gitlab.RunQuery{ProjectPath: "a/b", First: 20, JobsFirst: 5, After: "x", Source: "web", Needs: true, Probe: true, UpdatedAfter: after, UpdatedBefore: after})
			return err
		}, map[string]any{
			"path": "a/b", "first": 20.0, "jobsFirst": 5.0, "after": "x", "source": "web", "needs": true, "probe": true, "updated": true,
			"updatedAfter": "2026-01-02T02:04:05.678Z", "updatedBefore": "2026-01-02T02:04:05.678Z",
			"jobKind": nil, "builds": false,
		}},
		{"Runs", func() error {
			_, err := c.Runs(t.Context(), gitlab.RunQuery{ProjectPath: "a/b", WithoutUpdatedAt: true, OnlyBridges: true})
			return err
		}, map[string]any{
			"path": "a/b", "first": 100.0, "jobsFirst": 100.0, "after": nil, "source": nil, "needs": false, "probe": false, "updated": false,
			"updatedAfter": nil, "updatedBefore": nil, "jobKind": "BRIDGE", "builds": true,
		}},
		{
			"RunJobs", func() error { _, _, _, err := c.RunJobs(t.Context(), "a/b", 3, "x", true); return err },
			map[string]any{"path": "a/b", "iid": "3", "jobsFirst": 100.0, "after": "x", "needs": true},
		},
		{"Changes", func() error {
			_, err := c.Changes(t.Context(), gitlab.ChangeQuery{ProjectIDs: []int64{1, 2}, First: 5, Count: true})
			return err
		}, map[string]any{"ids": []any{"gid://gitlab/Project/1", "gid://gitlab/Project/2"}, "first": 5.0, "source": nil, "updatedAfter": nil, "count": true, "updated": true}},
	} {
		if err := tt.ask(); err != nil && gitlab.KindOf(err) != gitlab.NotFound {
			t.Errorf("%s: %v", tt.operation, err)
		}
		if got.OperationName != tt.operation || !strings.Contains(got.Query, "query "+tt.operation+"(") {
			t.Errorf("operation %q in %.40q, want %q", got.OperationName, got.Query, tt.operation)
		}
		if diff := cmp.Diff(tt.want, got.Variables); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.operation, diff)
		}
	}
}

// TestGraphQLRefusesBadQueries: what GitLab would not answer is not asked.
func TestGraphQLRefusesBadQueries(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) { t.Errorf("asked %s", r.URL) })
	for name, ask := range map[string]func() error{
		"no path":   func() error { _, err := c.Runs(t.Context(), gitlab.RunQuery{}); return err },
		"First 101": func() error { _, err := c.Runs(t.Context(), gitlab.RunQuery{ProjectPath: "a", First: 101}); return err },
		"JobsFirst -1": func() error {
			_, err := c.Runs(t.Context(), gitlab.RunQuery{ProjectPath: "a", JobsFirst: -1})
			return err
		},
		"jobs of no project": func() error { _, _, _, err := c.RunJobs(t.Context(), "", 1, "", false); return err },
		"101 projects": func() error {
			_, err := c.Changes(t.Context(), gitlab.ChangeQuery{ProjectIDs: make([]int64, 101)})
			return err
		},
		"Changes First 101": func() error {
			_, err := c.Changes(t.Context(), gitlab.ChangeQuery{ProjectIDs: []int64{1}, First: 101})
			return err
		},
	} {
		if err := ask(); gitlab.KindOf(err) != gitlab.BadRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	if changes, err := c.Changes(t.Context(), gitlab.ChangeQuery{}); err != nil || changes != nil {
		t.Errorf("no projects: %v, %v", changes, err)
	}
}

func TestRunJobsFailures(t *testing.T) {
	const whole = `{"data":{"project":{"id":"gid://gitlab/Project/7","webUrl":null,"jobsEnabled":true,"userPermissions":{"readCommitStatus":true},
"pipeline":{"id":"gid://gitlab/Ci::Pipeline/9","jobs":{"pageInfo":{"hasNextPage":true,"endCursor":"c"},"nodes":[` + oneJob + `]}}}}}`
	for _, tt := range []struct {
		name, body string
		kind       gitlab.Kind
	}{
		{"whole", whole, ""},
		{"no project", `{"data":{"project":null}}`, gitlab.NotFound},
		{"no pipeline", with(whole, `{"id":"gid://gitlab/Ci::Pipeline/9","jobs":{"pageInfo":{"hasNextPage":true,"endCursor":"c"},"nodes":[`+oneJob+`]}}`, "null"), gitlab.NotFound},
		{"pipeline without id", with(whole, `"gid://gitlab/Ci::Pipeline/9"`, "null"), gitlab.BadAnswer},
		{"CI off", with(whole, `"jobsEnabled":true`, `"jobsEnabled":false`), gitlab.Forbidden},
		{"jobs null", with(whole, `{"pageInfo":{"hasNextPage":true,"endCursor":"c"},"nodes":[`+oneJob+`]}`, "null"), gitlab.Forbidden},
		{"leads back", with(whole, `"c"`, `"b"`), gitlab.BadAnswer},
		{"job without name", with(whole, `"unit"`, `null`), gitlab.BadAnswer},
		{"an error", with(whole, `{"data"`, `{"errors":[{"message":"x"}],"data"`), gitlab.BadAnswer},
	} {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) { respond(w, 200, tt.body) }, once)
		jobs, next, askedAt, err := c.RunJobs(t.Context(), "acme/shop", 3, "b", false)
		if gitlab.KindOf(err) != tt.kind || (err == nil) != (tt.kind == "") {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.kind)
		}
		if err == nil && (len(jobs) != 1 || jobs[0].PipelineID != 9 || next != "c" || time.Since(askedAt) > time.Minute) {
			t.Errorf("%s: %+v, next %q, asked at %v", tt.name, jobs, next, askedAt)
		}
	}
}

func TestChangesFailures(t *testing.T) {
	const project = `{"id":"gid://gitlab/Project/7","fullPath":"acme/shop","archived":false,"jobsEnabled":true,"userPermissions":{"readCommitStatus":true},
"pipelines":{"count":12,"pageInfo":{"hasNextPage":true,"endCursor":"c"},"nodes":[{"id":"gid://gitlab/Ci::Pipeline/9","iid":"3","status":"RUNNING","createdAt":"2026-01-02T03:04:05Z","updatedAt":"2026-01-02T03:04:06Z"}]}}`
	const whole = `{"data":{"projects":{"pageInfo":{"hasNextPage":false,"endCursor":"e"},"nodes":[` + project + `]}}}`
	at := func(second int) gitlab.Field[gitlab.Time] {
		return gitlab.Of(gitlab.Time{Time: time.Date(2026, 1, 2, 3, 4, second, 0, time.UTC)})
	}
	changed := gitlab.ProjectChange{
		ProjectID: 7, FullPath: "acme/shop", Archived: gitlab.Of(false), More: true, Count: gitlab.Of[int64](12),
		Pipelines: []gitlab.PipelineChange{{ID: 9, IID: gitlab.Of[int64](3), Status: "running", CreatedAt: at(5), UpdatedAt: at(6)}},
	}
	barred := changed
	barred.Forbidden = true
	unlisted := gitlab.ProjectChange{ProjectID: 7, FullPath: "acme/shop", Archived: gitlab.Of(false), Forbidden: true}
	for _, tt := range []struct {
		name, body string
		kind       gitlab.Kind
		want       []gitlab.ProjectChange
	}{
		{"whole", whole, "", []gitlab.ProjectChange{changed}},
		{"CI off", with(whole, `"jobsEnabled":true`, `"jobsEnabled":false`), "", []gitlab.ProjectChange{barred}},
		{"pipelines null", whole[:strings.Index(whole, `{"count"`)] + `null}]}}}`, "", []gitlab.ProjectChange{unlisted}},
		{"none there", with(whole, project, ""), "", nil},
		{"projects null", `{"data":{"projects":null}}`, gitlab.BadAnswer, nil},
		{"more than were asked for", with(whole, `"hasNextPage":false`, `"hasNextPage":true`), gitlab.BadAnswer, nil},
		{"one that was not asked for", with(whole, "Project/7", "Project/6"), gitlab.BadAnswer, nil},
		{"twice", with(whole, project, project+","+project), gitlab.BadAnswer, nil},
		{"null", with(whole, project, "null"), gitlab.BadAnswer, nil},
		{"without path", with(whole, `"acme/shop"`, "null"), gitlab.BadAnswer, nil},
		{"too old", with(whole, `03:04:06Z`, `03:04:03Z`), gitlab.BadAnswer, nil},
		{"pipeline without status", with(whole, `"RUNNING"`, "null"), gitlab.BadAnswer, nil},
		{"no page info of pipelines", with(whole, `"pageInfo":{"hasNextPage":true,"endCursor":"c"},`, ""), gitlab.BadAnswer, nil},
		{"an error", with(whole, `{"data"`, `{"errors":[{"message":"x"}],"data"`), gitlab.BadAnswer, nil},
		{"timed out", timeout, gitlab.Timeout, nil},
	} {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) { respond(w, 200, tt.body) }, once)
		got, err := c.Changes(t.Context(), gitlab.ChangeQuery{ProjectIDs: []int64{7, 8}, UpdatedAfter: time.Date(2026, 1, 2, 3, 4, 5, 9e8, time.UTC)})
		if gitlab.KindOf(err) != tt.kind || (err == nil) != (tt.kind == "") {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.kind)
		}
		for i := range got {
			if got[i].AskedAt.IsZero() || got[i].Date.IsZero() {
				t.Errorf("%s: asked at %v, dated %v", tt.name, got[i].AskedAt, got[i].Date)
			}
			got[i].AskedAt, got[i].Date = time.Time{}, time.Time{}
		}
		if diff := cmp.Diff(tt.want, got, exactly()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestCurlRepeatsGraphQL: the command that an error gives sends the same bytes,
// and no token.
func TestCurlRepeatsGraphQL(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatalf("the command that is tested is one of a shell: %v", err)
	}
	c := serve(t, func(w http.ResponseWriter, r *http.Request) { respond(w, 200, `{"data":{"project":null}}`) }, once)
	_, err = c.Runs(t.Context(), gitlab.RunQuery{ProjectPath: `it's/"$HOME"`})
	var e *gitlab.Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	command := gitlab.Curl(err)
	run := exec.Command(shell, "-c", strings.Replace(command, "curl ", "printf '%s\\n' ", 1))
	run.Env = append(os.Environ(), "WEIR_TOKEN=secret")
	out, err := run.Output()
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{"--request", "POST", "--header", "PRIVATE-TOKEN: secret", e.URL, "--header", "Content-Type: application/json", "--data", e.Body, ""}, "\n")
	if diff := cmp.Diff(want, string(out)); diff != "" || !strings.Contains(e.Body, `it's/\"$HOME\"`) {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
}

// exactly compares Fields by what they hold and by how they came.
func exactly() cmp.Option {
	return cmp.Exporter(func(t reflect.Type) bool { return strings.HasSuffix(t.PkgPath(), "/internal/gitlab") })
}
