package gitlabtest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
)

// TestFaults breaks each answer in each way, over a socket and in memory: both
// must look the same to a client.
func TestFaults(t *testing.T) {
	s := gitlabtest.NewServer(gitlabtest.Uniform(1, 40, 1))
	over := httptest.NewServer(s)
	defer over.Close()
	for _, way := range []struct {
		name, base string
		rt         http.RoundTripper
	}{{"socket", over.URL, over.Client().Transport}, {"memory", "http://gitlab.example", s.Transport()}} {
		for _, c := range []struct {
			kind   gitlabtest.FaultKind
			status int
			body   string // its beginning
			broken bool   // before the answer
			cut    bool   // in the body
		}{
			{kind: gitlabtest.NoFault, status: 200, body: "[{"},
			{kind: gitlabtest.TooManyRequests, status: 429, body: "Retry later\n"},
			{kind: gitlabtest.EndpointLimited, status: 429, body: `{"message":{"error":"This endpoint has been requested too many times. Try again later."}}`},
			{kind: gitlabtest.ServerError, status: 500, body: `{"message":"500 Internal Server Error"}`},
			{kind: gitlabtest.BadGateway, status: 502, body: "<!DOCTYPE html>"},
			{kind: gitlabtest.Unavailable, status: 503, body: "<!DOCTYPE html>"},
			{kind: gitlabtest.Unauthorized, status: 401, body: `{"error":"invalid_token"`},
			{kind: gitlabtest.Forbidden, status: 403, body: `{"message":"403 Forbidden"}`},
			{kind: gitlabtest.NotFound, status: 404, body: `{"message":"404 Project Not Found"}`},
			{kind: gitlabtest.Reset, broken: true},
			{kind: gitlabtest.Truncated, status: 200, body: "[{", cut: true},
			{kind: gitlabtest.SlowDrip, status: 200, body: "[{"},
			{kind: gitlabtest.GarbageJSON, status: 200, body: "[{"},
			{kind: gitlabtest.HugeField, status: 200, body: `[{"padding":"xxx`},
			{kind: gitlabtest.HTMLPage, status: 200, body: "<!DOCTYPE html>"},
		} {
			s.Fault(func(int, *http.Request) gitlabtest.Fault {
				return gitlabtest.Fault{Kind: c.kind, Drip: time.Microsecond}
			})
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, way.base+path("projects/1/pipelines"), nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("PRIVATE-TOKEN", s.DefaultToken())
			resp, err := way.rt.RoundTrip(r)
			if (err != nil) != c.broken {
				t.Errorf("%s, fault %d: %v", way.name, c.kind, err)
			}
			if err != nil {
				continue
			}
			b, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if (err != nil) != c.cut {
				t.Errorf("%s, fault %d: body: %v", way.name, c.kind, err)
			}
			if resp.StatusCode != c.status || !strings.HasPrefix(string(b), c.body) {
				t.Errorf("%s, fault %d: %d %.60s", way.name, c.kind, resp.StatusCode, b)
			}
		}
	}
}

// What goes wrong in GraphQL alone leaves REST as it is.
func TestFaultsOfGraphQL(t *testing.T) {
	s := gitlabtest.NewServer(gitlabtest.Uniform(1, 3, 2))
	for _, c := range []struct {
		fault  gitlabtest.Fault
		status int
		want   string // in the answer
	}{
		{gitlabtest.Fault{Kind: gitlabtest.GraphQLNull}, 200, `"path":["project","pipelines","nodes",2,"jobs"]`},
		{gitlabtest.Fault{Kind: gitlabtest.GraphQLNull, Field: "project"}, 200, `{"data":{"project":null},"errors":[{"message":"Internal server error","path":["project"]}]}`},
		{gitlabtest.Fault{Kind: gitlabtest.GraphQLComplex}, 200, `"Query has complexity of 251, which exceeds max complexity of 250"`},
		{gitlabtest.Fault{Kind: gitlabtest.GraphQLTimeout}, 503, `"Request timed out.`},
	} {
		s.Fault(func(int, *http.Request) gitlabtest.Fault { return c.fault })
		for _, q := range []struct{ method, path, body string }{
			{http.MethodPost, "graphql", `{"query":"{project(fullPath:\"load/project-000\"){pipelines{nodes{id jobs{nodes{name}}}}}}"}`},
			{http.MethodGet, "projects/1/pipelines", ""},
		} {
			url := "http://gitlab.example" + path("%s", q.path)
			if q.body != "" {
				url = "http://gitlab.example/api/graphql"
			}
			r, err := http.NewRequestWithContext(t.Context(), q.method, url, strings.NewReader(q.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("PRIVATE-TOKEN", s.DefaultToken())
			resp, err := s.Transport().RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			switch {
			case err != nil:
				t.Error(err)
			case q.body == "" && (resp.StatusCode != 200 || !strings.HasPrefix(string(b), "[{")):
				t.Errorf("fault %d in REST: %d %.60s", c.fault.Kind, resp.StatusCode, b)
			case q.body != "" && (resp.StatusCode != c.status || !strings.Contains(string(b), c.want)):
				t.Errorf("fault %d: %d %s", c.fault.Kind, resp.StatusCode, b)
			}
		}
	}
}

// A server with small pages has as many of them as it takes.
func TestLargestPage(t *testing.T) {
	s := gitlabtest.NewServer(gitlabtest.Uniform(1, 7, 1), gitlabtest.LargestPage(3))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://gitlab.example"+path("projects/1/pipelines?per_page=100&page=3"), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("PRIVATE-TOKEN", s.DefaultToken())
	resp, err := s.Transport().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || strings.Count(string(b), `"web_url"`) != 1 || resp.Header.Get("X-Total-Pages") != "3" || resp.Header.Get("X-Next-Page") != "" {
		t.Errorf("the third page of seven rows: %v %s", resp.Header, b)
	}
}

// Damaged gzip must be an error, and the server must survive all of it.
func TestGzipDamage(t *testing.T) {
	s := gitlabtest.NewServer(gitlabtest.Uniform(1, 40, 1))
	over := httptest.NewServer(s)
	defer over.Close()
	s.Fault(func(n int, _ *http.Request) gitlabtest.Fault {
		if n == 1 {
			return gitlabtest.Fault{Kind: gitlabtest.GzipDamage}
		}
		return gitlabtest.Fault{}
	})
	for n, wantErr := range []bool{true, false} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, over.URL+path("projects/1/pipelines"), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("PRIVATE-TOKEN", s.DefaultToken())
		resp, err := over.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
		if (err != nil) != wantErr {
			t.Errorf("request %d: %v", n+1, err)
		}
	}
}

func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := gitlabtest.NewServer(gitlabtest.Uniform(1, 2, 1), gitlabtest.Concurrency(1))
		s.Latency("", time.Second)
		s.Latency("GET /user", 3*time.Second)
		start := time.Now()
		done := make(chan reply)
		for range 2 {
			go func() { done <- get(t, s, path("version")) }()
		}
		<-done
		<-done
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("two requests of 1 s with a cap of one took %v", took)
		}
		start = time.Now()
		get(t, s, path("user"))
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("/user took %v", took)
		}
		s.Fault(func(int, *http.Request) gitlabtest.Fault { return gitlabtest.Fault{Kind: gitlabtest.Hang} })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://gitlab.example"+path("version"), nil)
		if err != nil {
			t.Fatal(err)
		}
		start = time.Now()
		if _, err := s.Transport().RoundTrip(r); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a request that hangs: %v", err)
		}
		if took := time.Since(start); took != time.Minute {
			t.Errorf("gave up after %v", took)
		}
		synctest.Wait()
	})
}

func TestGeneralLimit(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 50, 0, time.UTC)
	w := gitlabtest.Uniform(1, 1, 1)
	s := gitlabtest.NewServer(w)
	s.SetNow(at)
	s.LimitRequests(3, time.Minute, true)
	limits := func(r reply) map[string]string {
		got := map[string]string{}
		for k := range r.header {
			if strings.HasPrefix(k, "Ratelimit-") || k == "Retry-After" {
				got[k] = r.header.Get(k)
			}
		}
		return got
	}
	for n, want := range []int{200, 404, 200, 429, 429} {
		p := path("version")
		if want == 404 {
			p = path("projects/77")
		}
		if r := get(t, s, p); r.status != want {
			t.Errorf("request %d: %d, want %d", n+1, r.status, want)
		} else if want == 404 {
			if diff := cmp.Diff(map[string]string{
				"Ratelimit-Limit": "3", "Ratelimit-Observed": "2", "Ratelimit-Remaining": "1", "Ratelimit-Reset": "1767225660", "Ratelimit-Name": "throttle_authenticated_api",
			}, limits(r)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		} else if want == 429 && (r.header.Get("Retry-After") != "10" || r.body != "Retry later\n" || r.header.Get("RateLimit-ResetTime") != "Thu, 01 Jan 2026 00:01:00 GMT") {
			t.Errorf("request %d: %v %q", n+1, limits(r), r.body)
		}
	}
	if r := getWith(t, s, "wrong", path("version")); r.status != 401 || len(limits(r)) != 0 {
		t.Errorf("a wrong token: %d with %v", r.status, limits(r))
	}
	if r := getWith(t, s, s.Token(gitlabtest.TokenSpec{}), path("version")); r.status != 200 {
		t.Errorf("another user shares the limit: %d", r.status)
	}
	s.Advance(10 * time.Second) // the window ends at the full minute
	if r := get(t, s, path("version")); r.status != 200 {
		t.Errorf("in the next minute: %d", r.status)
	}
	// An hourly limit is scaled to a minute, the rest is raw.
	s.LimitRequests(7200, time.Hour, true)
	if r := get(t, s, path("version")); r.header.Get("RateLimit-Limit") != "120" || r.header.Get("RateLimit-Remaining") != "7199" {
		t.Errorf("hourly: %v", limits(r))
	}
	// Older servers say nothing before it is too late.
	s.LimitRequests(2, time.Hour, false)
	if r := get(t, s, path("version")); len(limits(r)) != 0 {
		t.Errorf("an old server sends %v", limits(r))
	}
	if r := get(t, s, path("version")); r.status != 429 || r.header.Get("RateLimit-Limit") == "" {
		t.Errorf("an old server's 429: %d %v", r.status, limits(r))
	}
}

func TestEndpointLimit(t *testing.T) {
	s := gitlabtest.NewServer(gitlabtest.Uniform(1, 1, 1))
	s.SetNow(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	s.LimitAsGitLabCom()
	s.LimitEndpoint("GET /projects/:id/jobs", 2, time.Minute)
	for n, want := range []int{200, 200, 429} {
		r := get(t, s, path("projects/1/jobs"))
		if r.status != want {
			t.Errorf("request %d: %d", n+1, r.status)
		}
		if want == 429 && (r.header.Get("Retry-After") != "" || r.header.Get("RateLimit-Remaining") != "1997" || r.header.Get("Content-Type") != "application/json") {
			t.Errorf("its 429: %v", r.header)
		}
	}
	if r := get(t, s, path("projects/1/pipelines/1/jobs")); r.status != 200 {
		t.Errorf("another endpoint: %d", r.status)
	}
}
