package importer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
)

// verifyNow is the date of every verification here.
var verifyNow = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// goodGitLab answers as a GitLab on which all is well.
var goodGitLab = map[string]said{
	"/version":                        {200, `{"version":"18.5.1-ee","revision":"abc"}`},
	"/user":                           {200, `{"id":5,"username":"group_1_bot","bot":true}`},
	"/personal_access_tokens/self":    {200, `{"id":9,"scopes":["read_api"],"active":true,"revoked":false,"expires_at":"2027-06-01"}`},
	"/groups":                         {200, `[{"id":1,"full_path":"acme"},{"id":2,"full_path":"acme/tools","parent_id":1}]`},
	"/groups/acme":                    {200, `{"id":1,"full_path":"acme"}`},
	"/groups/1/projects":              {200, `[{"id":71,"path_with_namespace":"acme/off","builds_access_level":"disabled"},{"id":72,"path_with_namespace":"acme/shop"},{"id":73,"path_with_namespace":"acme/web"},{"id":74,"path_with_namespace":"acme/db"},{"id":75,"path_with_namespace":"acme/last"}]`},
	"/projects/72/pipelines":          {200, `[{"id":800,"status":"success"}]`},
	"/projects/72/pipelines/800/jobs": {200, `[{"id":1,"name":"a","status":"success"},{"id":2,"name":"b","status":"failed"}]`},
}

func TestVerify(t *testing.T) {
	refused, hidden := said{403, `{"message":"403 Forbidden"}`}, said{404, `{"message":"404 Not Found"}`}
	for _, tt := range []struct {
		name     string
		change   map[string]said // against goodGitLab
		kind     string          // "": gitlab-pipelines
		groups   []string
		code     ci.Code // "": all is well
		cause    string  // a part of it
		last     string  // the last step's name
		warnings []ci.Code
		requests int64
	}{
		{name: "all is well", last: "jobs", requests: 7},
		{name: "repositories only", kind: importer.KindGitLab, last: "projects", requests: 5},
		{name: "named group", groups: []string{" /acme/ ", "acme"}, last: "jobs", requests: 8},
		{name: "a kind there is not", kind: "github", code: ci.BadRequest, cause: "github"},
		{
			name: "wrong token", change: map[string]said{"": {401, `{"message":"401 Unauthorized"}`}},
			code: ci.InvalidCredentials, cause: "401 Unauthorized", last: "user", requests: 1,
		},
		{
			name: "token that tells it is revoked", change: map[string]said{"/personal_access_tokens/self": {200, `{"id":9,"scopes":["read_api"],"active":false,"revoked":true}`}},
			code: ci.InvalidCredentials, cause: "revoked", last: "token", requests: 3,
		},
		{
			name: "scope that reads nothing", change: map[string]said{"": {403, `{"error":"insufficient_scope","error_description":"The request requires higher privileges than provided by the access token.","scope":"api read_api"}`}},
			code: ci.InvalidPermissions, cause: "scope", last: "token", requests: 1,
		},
		{
			name: "scope that reads the user only", change: map[string]said{"/personal_access_tokens/self": {200, `{"id":9,"scopes":["read_user"],"active":true}`}},
			code: ci.InvalidPermissions, cause: "read_user", last: "token", requests: 3,
		},
		{name: "token that does not tell", change: map[string]said{"/personal_access_tokens/self": hidden}, last: "jobs", requests: 7},
		{
			name: "token about to expire", change: map[string]said{"/personal_access_tokens/self": {200, `{"id":9,"scopes":["api"],"expires_at":"2026-12-05"}`}},
			last: "jobs", warnings: []ci.Code{ci.TokenExpiresSoon}, requests: 7,
		},
		{name: "old GitLab", change: map[string]said{"/version": {200, `{"version":"13.12.4"}`}}, code: ci.UnsupportedVersion, cause: "13.12.4", last: "version", requests: 1},
		{
			name: "blocked user", change: map[string]said{"/version": {403, `{"message":"403 Forbidden - Your account has been blocked."}`}},
			code: ci.InvalidPermissions, cause: "blocked", last: "user", requests: 1,
		},
		{
			name: "no such group", groups: []string{"acme", "nowhere"}, change: map[string]said{"/groups/nowhere": {404, `{"message":"404 Group Not Found"}`}},
			code: ci.GroupNotFound, cause: "nowhere", last: "groups", requests: 5,
		},
		{name: "member of no group", change: map[string]said{"/groups": {200, `[]`}}, code: ci.NoResources, cause: "no group", last: "groups", requests: 4},
		{name: "refused groups", change: map[string]said{"/groups": refused}, code: ci.InvalidPermissions, cause: "refuses", last: "groups", requests: 4},
		{name: "no project", change: map[string]said{"/groups/1/projects": {200, `[]`}}, code: ci.NoResources, cause: "acme", last: "projects", requests: 5},
		{
			name: "group that vanishes", change: map[string]said{"/groups/1/projects": {404, `{"message":"404 Group Not Found"}`}},
			code: ci.InvalidPermissions, last: "projects", requests: 5,
		},
		{
			name: "CI off everywhere", change: map[string]said{"/groups/1/projects": {200, `[{"id":71,"path_with_namespace":"acme/off","jobs_enabled":false}]`}},
			last: "jobs", warnings: []ci.Code{ci.CIDisabledCode}, requests: 5,
		},
		{
			name: "CI off everywhere, repositories only", kind: importer.KindGitLab, change: map[string]said{"/groups/1/projects": {200, `[{"id":71,"path_with_namespace":"acme/off","jobs_enabled":false}]`}},
			last: "projects", requests: 5,
		},
		{name: "first project refuses", change: map[string]said{
			"/projects/72/pipelines": refused, "/projects/73/pipelines": {200, `[]`},
			"/projects/74/pipelines": {200, `[{"id":900,"status":"running"}]`}, "/projects/74/pipelines/900/jobs": {200, `[]`},
		}, last: "jobs", requests: 9},
		{
			name: "three projects refuse", change: map[string]said{"/projects/72/pipelines": refused, "/projects/73/pipelines": hidden, "/projects/74/pipelines": refused},
			code: ci.InvalidPermissions, cause: "none of the 3 projects", last: "pipelines", requests: 8,
		},
		{
			name: "no pipeline yet", change: map[string]said{"/projects/72/pipelines": {200, `[]`}, "/projects/73/pipelines": {200, `[]`}, "/projects/74/pipelines": {200, `[]`}},
			last: "jobs", requests: 8,
		},
		{name: "refused jobs", change: map[string]said{"/projects/72/pipelines/800/jobs": refused}, code: ci.InvalidPermissions, last: "jobs", requests: 7},
		{name: "limited", change: map[string]said{"/user": {429, `{"message":"slow down"}`}}, code: ci.RateLimited, last: "user", requests: 2},
		{name: "not GitLab", change: map[string]said{"": {200, `<html>`}}, code: ci.NotGitLab, cause: "HTML", last: "url", requests: 1},
		{name: "another API", change: map[string]said{"": {404, `{"error":"no"}`}}, code: ci.NotGitLab, last: "url", requests: 2},
		{name: "garbage", change: map[string]said{"/groups": {200, `{"groups":[]}`}}, code: ci.BadAnswer, last: "groups", requests: 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := verifyClient(t, answering(tt.change), "")
			if tt.kind == "" {
				tt.kind = importer.KindPipelines
			}
			var told []importer.Step
			v, err := importer.Verify(t.Context(), c, importer.VerifyOptions{Kind: tt.kind, Groups: tt.groups, Now: func() time.Time { return verifyNow }},
				func(s importer.Step) { told = append(told, s) })
			if got := ci.CodeOf(err); got != tt.code {
				t.Fatalf("error %v of code %q, want %q", err, got, tt.code)
			}
			if err != nil {
				checkProblem(t, err, tt.cause)
			}
			if diff := cmp.Diff(v.Steps, told); diff != "" {
				t.Errorf("steps (-returned +told):\n%s", diff)
			}
			for i, s := range told {
				if s.OK != (err == nil || i < len(told)-1) || s.Detail == "" {
					t.Errorf("step %+v", s)
				}
			}
			if tt.last != "" && (len(told) == 0 || told[len(told)-1].Name != tt.last) {
				t.Errorf("steps %+v, want the last one to be %s", told, tt.last)
			}
			var warnings []ci.Code
			for _, w := range v.Warnings {
				warnings = append(warnings, w.Code)
				checkProblem(t, &w, "")
			}
			if !slices.Equal(warnings, tt.warnings) {
				t.Errorf("warnings %v, want %v", warnings, tt.warnings)
			}
			if got := c.Stats().Requests; got != tt.requests {
				t.Errorf("%d requests, want %d: %v", got, tt.requests, c.Stats().ByEndpoint)
			}
		})
	}
}

func TestVerifyFinds(t *testing.T) {
	v, err := importer.Verify(t.Context(), verifyClient(t, answering(nil), ""), importer.VerifyOptions{Kind: importer.KindPipelines}, nil)
	if err != nil {
		t.Fatal(err)
	}
	expires := time.Date(2027, 6, 1, 0, 0, 0, 0, time.UTC)
	got := []any{v.Version, v.User.Username, v.Scopes, v.ExpiresAt, len(v.Groups), v.SampleProject}
	want := []any{"18.5.1-ee", "group_1_bot", []string{"read_api"}, &expires, 2, "acme/shop"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	var steps []string
	for _, s := range v.Steps {
		steps = append(steps, s.Name+": "+s.Detail)
	}
	wantSteps := []string{
		"url: GitLab answers", "version: GitLab 18.5.1-ee", "user: group_1_bot (bot)", "token: scopes read_api, expires 2027-06-01",
		"groups: 2 groups", "projects: 5 projects or more in acme", "pipelines: readable in acme/shop", "jobs: 2 jobs in pipeline 800",
	}
	if diff := cmp.Diff(wantSteps, steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

func TestVerifyFindsTheRightURL(t *testing.T) {
	for _, tt := range []struct {
		root, typed string // where GitLab is, and what was typed
		url, group  string // in the remedy
	}{
		{"", "/acme", "", "acme"},
		{"", "/groups/acme/tools", "", "acme/tools"},
		{"", "/acme/shop/-/pipelines", "", "acme/shop"},
		{"/git", "/git/acme", "/git", "acme"},
		{"", "/users/sign_in", "", ""},
	} {
		inner := answering(nil)
		c := verifyClient(t, func(w http.ResponseWriter, r *http.Request) {
			if rest, ok := strings.CutPrefix(r.URL.Path, tt.root+"/api/v4"); ok {
				r.URL.Path = "/api/v4" + rest
				inner(w, r)
				return
			}
			http.Redirect(w, r, tt.root+"/users/sign_in", http.StatusFound)
		}, tt.typed)
		_, err := importer.Verify(t.Context(), c, importer.VerifyOptions{Kind: importer.KindGitLab}, nil)
		var p *ci.Problem
		if !errors.As(err, &p) || p.Code != ci.WrongBaseURL {
			t.Errorf("%s: %v", tt.typed, err)
			continue
		}
		right := strings.TrimSuffix(c.BaseURL(), tt.typed) + tt.url
		want := "Use --url " + right + " --group " + tt.group + "."
		if tt.group == "" {
			want = "Use --url " + right + "."
		}
		if p.Remedy != want {
			t.Errorf("%s: remedy %q, want %q", tt.typed, p.Remedy, want)
		}
		if got := c.Stats().Requests; got > 4 {
			t.Errorf("%s: %d requests", tt.typed, got)
		}
	}
}

func TestVerifyComparesClocks(t *testing.T) {
	for skew, warned := range map[time.Duration]bool{0: false, 50 * time.Second: false, 5 * time.Minute: true, -time.Hour: true} {
		inner := answering(nil)
		c := verifyClient(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(skew).UTC().Format(http.TimeFormat))
			inner(w, r)
		}, "")
		v, err := importer.Verify(t.Context(), c, importer.VerifyOptions{Kind: importer.KindGitLab}, nil)
		got := slices.ContainsFunc(v.Warnings, func(p ci.Problem) bool { return p.Code == ci.ClockSkew })
		if err != nil || got != warned {
			t.Errorf("clocks %v apart: %v, warnings %v", skew, err, v.Warnings)
		}
	}
}

func TestVerifyUnreachable(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer s.Close()
	closed := httptest.NewServer(nil)
	closed.Close()
	for base, code := range map[string]ci.Code{s.URL: ci.TLSFailed, closed.URL: ci.Unreachable} {
		c, err := gitlab.New(gitlab.Config{BaseURL: base, MaxRetries: -1})
		if err != nil {
			t.Fatal(err)
		}
		v, err := importer.Verify(t.Context(), c, importer.VerifyOptions{Kind: importer.KindGitLab}, nil)
		if ci.CodeOf(err) != code || len(v.Steps) != 1 || v.Steps[0].Name != "url" || v.Steps[0].OK {
			t.Errorf("%s: %v, steps %+v; want %s", base, err, v.Steps, code)
		}
		checkProblem(t, err, "127.0.0.1")
	}
}

func TestVerifyAgainstTheSimulator(t *testing.T) {
	w := gitlabtest.Uniform(3, 2, 2)
	s := gitlabtest.NewServer(w)
	soon := w.Now().Add(3 * 24 * time.Hour)
	for _, tt := range []struct {
		name     string
		spec     gitlabtest.TokenSpec
		code     ci.Code
		warnings int
	}{
		{"read_api", gitlabtest.TokenSpec{}, "", 0},
		{"api", gitlabtest.TokenSpec{Scopes: []string{"api"}}, "", 0},
		{"read_user", gitlabtest.TokenSpec{Scopes: []string{"read_user"}}, ci.InvalidPermissions, 0},
		{"read_repository", gitlabtest.TokenSpec{Scopes: []string{"read_repository"}}, ci.InvalidPermissions, 0},
		{"revoked", gitlabtest.TokenSpec{Revoked: true}, ci.InvalidCredentials, 0},
		{"blocked", gitlabtest.TokenSpec{Blocked: true}, ci.InvalidPermissions, 0},
		{"expires soon", gitlabtest.TokenSpec{ExpiresAt: &soon}, "", 1},
	} {
		c, err := gitlab.New(gitlab.Config{
			BaseURL: "https://gitlab.example.com", Transport: s.Transport(),
			Credentials: []gitlab.Credential{{Token: gitlab.Secret(s.Token(tt.spec))}},
		})
		if err != nil {
			t.Fatal(err)
		}
		v, err := importer.Verify(t.Context(), c, importer.VerifyOptions{Kind: importer.KindPipelines, Now: w.Now}, nil)
		expiring := slices.DeleteFunc(v.Warnings, func(p ci.Problem) bool { return p.Code != ci.TokenExpiresSoon })
		if ci.CodeOf(err) != tt.code || len(expiring) != tt.warnings {
			t.Errorf("%s: %v, warnings %+v; want code %q", tt.name, err, v.Warnings, tt.code)
		}
		if err == nil && (v.Steps[len(v.Steps)-1].Name != "jobs" || c.Stats().Requests > 8) {
			t.Errorf("%s: %d requests, steps %+v", tt.name, c.Stats().Requests, v.Steps)
		}
	}
}

func TestExplain(t *testing.T) {
	known := &ci.Problem{Code: ci.DiskFull}
	for _, tt := range []struct {
		err  error
		code ci.Code
	}{
		{fmt.Errorf("wrapped: %w", known), ci.DiskFull},
		{fmt.Errorf("GET /user: %w", context.Canceled), ci.Interrupted},
		{errors.New("odd"), ci.Internal},
		{&gitlab.Error{Kind: gitlab.Unauthorized, Status: 401}, ci.InvalidCredentials},
		{&gitlab.Error{Kind: gitlab.InsufficientScope, Status: 403}, ci.InvalidPermissions},
		{&gitlab.Error{Kind: gitlab.Forbidden, Endpoint: "/groups/:id"}, ci.InvalidPermissions},
		{&gitlab.Error{Kind: gitlab.Forbidden, Endpoint: "/projects/:id/pipelines"}, ci.ProjectForbidden},
		{&gitlab.Error{Kind: gitlab.NotFound, Endpoint: "/projects/:id/pipelines/:id"}, ci.ProjectNotFound},
		{&gitlab.Error{Kind: gitlab.NotFound, Endpoint: "/groups/:id/projects"}, ci.GroupNotFound},
		{&gitlab.Error{Kind: gitlab.Gone, Endpoint: "/user"}, ci.NotFound},
		{&gitlab.Error{Kind: gitlab.BadRequest}, ci.UnsupportedVersion},
		{&gitlab.Error{Kind: gitlab.MethodNotAllowed}, ci.UnsupportedVersion},
		{&gitlab.Error{Kind: gitlab.RateLimited, RetryAfter: time.Minute}, ci.RateLimited},
		{&gitlab.Error{Kind: gitlab.Server, Status: 502}, ci.ServerError},
		{&gitlab.Error{Kind: gitlab.Unreachable}, ci.Unreachable},
		{&gitlab.Error{Kind: gitlab.TLS, Err: errors.New("x509")}, ci.TLSFailed},
		{&gitlab.Error{Kind: gitlab.NotGitLab}, ci.NotGitLab},
		{&gitlab.Error{Kind: gitlab.Redirected, Location: "https://new.example.com/git/api/v4/version"}, ci.WrongBaseURL},
		{&gitlab.Error{Kind: gitlab.Redirected, Location: "https://new.example.com/git/users/sign_in"}, ci.WrongBaseURL},
		{&gitlab.Error{Kind: gitlab.BadAnswer}, ci.BadAnswer},
		{&gitlab.Error{Kind: gitlab.TooLarge}, ci.BadAnswer},
	} {
		var e *gitlab.Error
		if errors.As(tt.err, &e) {
			e.Method, e.URL = "GET", "https://gitlab.example.com/api/v4/x"
		}
		p := importer.Explain(tt.err)
		if p.Code != tt.code {
			t.Errorf("%v: %s, want %s", tt.err, p.Code, tt.code)
		}
		if e != nil {
			checkProblem(t, p, "")
		}
		if tt.code == ci.WrongBaseURL && p.Remedy != "Use the URL https://new.example.com/git." {
			t.Errorf("remedy %q", p.Remedy)
		}
	}
	if p := importer.Explain(nil); p != nil {
		t.Errorf("Explain(nil) = %v", p)
	}
}

// checkProblem checks that a person can act on a problem.
func checkProblem(t *testing.T, err error, cause string) {
	t.Helper()
	var p *ci.Problem
	if !errors.As(err, &p) || p.Cause == "" || p.Remedy == "" || !strings.Contains(p.Cause, cause) {
		t.Errorf("%+v, want a problem with %q", err, cause)
		return
	}
	if p.Code == ci.BadRequest {
		return // asked nothing
	}
	if !strings.HasPrefix(p.Request, "GET http") || !strings.HasPrefix(p.Curl, `curl --header "PRIVATE-TOKEN: $WEIR_TOKEN" "http`) {
		t.Errorf("%s: request %q, curl %q", p.Code, p.Request, p.Curl)
	}
}

// said is one answer of a GitLab.
type said struct {
	status int
	body   string
}

// answering is a GitLab that answers as goodGitLab but for the changes; "" is
// a change of every path.
func answering(change map[string]said) http.HandlerFunc {
	answers := maps.Clone(goodGitLab)
	maps.Copy(answers, change)
	all, always := change[""]
	return func(w http.ResponseWriter, r *http.Request) {
		a, ok := answers[strings.TrimPrefix(r.URL.Path, "/api/v4")]
		switch {
		case always:
			a = all
		case !ok:
			a = said{404, `{"error":"404 Not Found"}`}
		}
		kind := "application/json"
		if strings.HasPrefix(a.body, "<") {
			kind = "text/html"
		}
		if strings.HasPrefix(a.body, "[") {
			w.Header().Set("X-Next-Page", "")
		}
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(a.status)
		fmt.Fprint(w, a.body)
	}
}

// verifyClient serves a GitLab and gives a client of it; typed is the path
// that a person wrote behind its address.
func verifyClient(t *testing.T, h http.HandlerFunc, typed string) *gitlab.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := gitlab.New(gitlab.Config{BaseURL: s.URL + typed, Credentials: []gitlab.Credential{{Token: "t"}}, MaxRetries: 1})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
