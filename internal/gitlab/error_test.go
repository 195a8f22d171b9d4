package gitlab_test

import (
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirhq/weir/internal/gitlab"
)

func TestKindsOfContract(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(contract(t), "examples", "errors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases map[string]struct {
		Status   int
		Headers  map[string]string
		Body     json.RawMessage
		BodyText string `json:"body_text"`
	}
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	want := map[string]struct {
		kind    gitlab.Kind
		message string
	}{
		"401_bad_or_missing_token": {gitlab.Unauthorized, "401 Unauthorized"},
		"401_revoked":              {gitlab.Unauthorized, "invalid_token: Token was revoked. You have to re-authorize from the user."},
		"401_expired":              {gitlab.Unauthorized, "invalid_token: Token is expired. You can either do re-authorization or token refresh."},
		"403_scope":                {gitlab.InsufficientScope, "insufficient_scope: The request requires higher privileges than provided by the access token."},
		"403_forbidden":            {gitlab.Forbidden, "403 Forbidden"},
		"403_forbidden_reason":     {gitlab.Forbidden, "403 Forbidden - <reason>"},
		"404_project":              {gitlab.NotFound, "404 Project Not Found"},
		"404_group":                {gitlab.NotFound, "404 Group Not Found"},
		"404_record":               {gitlab.NotFound, "404 Not found"},
		"404_unknown_route":        {gitlab.NotFound, "404 Not Found"},
		"400_param":                {gitlab.BadRequest, "order_by does not have a valid value"},
		"405_keyset":               {gitlab.MethodNotAllowed, "Keyset pagination is not yet available for this type of request"},
		"429_application_limit":    {gitlab.RateLimited, "This endpoint has been requested too many times. Try again later."},
		"429_rack_attack":          {gitlab.RateLimited, "too many requests"},
		"500":                      {gitlab.Server, "500 Internal Server Error"},
		"graphql_401":              {gitlab.Unauthorized, "Invalid token"},
	}
	for name, w := range want {
		t.Run(name, func(t *testing.T) {
			answer, ok := cases[name]
			if !ok {
				t.Fatal("not in the contract")
			}
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				body := string(answer.Body) + answer.BodyText
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("X-Request-Id", "01ABC")
				for k, v := range answer.Headers {
					w.Header().Set(k, v)
				}
				w.WriteHeader(answer.Status)
				fmt.Fprint(w, body)
			}, once)
			_, err := c.Project(t.Context(), "acme/shop & co")
			var e *gitlab.Error
			if !errors.As(err, &e) || e.Kind != w.kind || e.Message != w.message || e.Status != answer.Status || e.RequestID != "01ABC" {
				t.Errorf("%#v, want kind %q with %q", err, w.kind, w.message)
			}
			if want := c.BaseURL() + "/api/v4/projects/acme%2Fshop%20&%20co"; e.URL != want || e.Endpoint != "/projects/:id" {
				t.Errorf("URL = %q, want %q", e.URL, want)
			}
		})
	}
}

func TestCurl(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { respond(w, 403, `{}`) })
	_, err := c.Group(t.Context(), "a$(b)/c")
	want := `curl --header "PRIVATE-TOKEN: $WEIR_TOKEN" "` + c.BaseURL() + `/api/v4/groups/a%24%28b%29%2Fc?with_projects=false"`
	if got := gitlab.Curl(fmt.Errorf("wrapped: %w", err)); got != want {
		t.Errorf("Curl() = %s\nwant     %s", got, want)
	}
	if got := gitlab.Curl(errors.New("another")); got != "" {
		t.Errorf("Curl() of another error = %q", got)
	}
	if got, want := gitlab.CurlFor("POST", "https://x/`id`"), `curl --request POST --header "PRIVATE-TOKEN: $WEIR_TOKEN" "https://x/%60id%60"`; got != want {
		t.Errorf("CurlFor() = %s, want %s", got, want)
	}
}

func TestRedirects(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("another host was asked, with the token %q", r.Header.Get("PRIVATE-TOKEN"))
	}))
	defer elsewhere.Close()
	for _, tt := range []struct {
		name, location string
		kind           gitlab.Kind
		requests       int64
	}{
		{"moved project", "/api/v4/projects/81", "", 2},
		{"moved project, under GitLab's own name", "https://gitlab.internal/api/v4/projects/81", "", 2},
		{"other host", elsewhere.URL + "/api/v4/projects/acme%2Fshop", gitlab.Redirected, 1},
		{"other host's sign-in page", elsewhere.URL + "/users/sign_in", gitlab.Redirected, 1},
		{"sign-in page", "/users/sign_in", gitlab.NotGitLab, 1},
		{"round and round", "/api/v4/version", gitlab.Redirected, 6},
		{"nowhere", "", gitlab.BadAnswer, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/api/v4/projects/81" {
					if r.Header.Get("PRIVATE-TOKEN") != "t" {
						t.Error("the token was lost on the way")
					}
					respond(w, 200, `{"id":81,"path_with_namespace":"acme/store"}`)
					return
				}
				w.Header().Set("Location", tt.location)
				w.WriteHeader(http.StatusMovedPermanently)
			})
			p, err := c.Project(t.Context(), "acme/shop")
			if gitlab.KindOf(err) != tt.kind || tt.kind == "" && p.ID != 81 {
				t.Errorf("project %d, error %v of kind %q; want %q", p.ID, err, gitlab.KindOf(err), tt.kind)
			}
			if got := c.Stats().Requests; got != tt.requests {
				t.Errorf("%d requests, want %d", got, tt.requests)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { respond(w, 200, userJSON) }))
	defer s.Close()
	s.Config.ErrorLog = nil
	c := clientOf(t, s.URL)
	if _, err := c.CurrentUser(t.Context()); gitlab.KindOf(err) != gitlab.TLS {
		t.Errorf("unknown authority: %v", err)
	}
	if got := c.Stats().Requests; got != 1 {
		t.Errorf("a certificate was tried %d times", got)
	}

	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	c = clientOf(t, s.URL, func(cfg *gitlab.Config) { cfg.CAFile = ca })
	if _, err := c.CurrentUser(t.Context()); err != nil {
		t.Errorf("with the CA file: %v", err)
	}

	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	if _, err := clientOf(t, strings.Replace(plain.URL, "http:", "https:", 1)).CurrentUser(t.Context()); gitlab.KindOf(err) != gitlab.TLS {
		t.Errorf("plain HTTP behind https://: %v", err)
	}

	picky := httptest.NewUnstartedServer(http.NotFoundHandler())
	picky.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	picky.StartTLS()
	defer picky.Close()
	block = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: picky.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := clientOf(t, picky.URL, func(cfg *gitlab.Config) { cfg.CAFile = ca }, once).CurrentUser(t.Context()); gitlab.KindOf(err) != gitlab.TLS {
		t.Errorf("a server that wants a client certificate: %v", err)
	}

	for name, content := range map[string]string{"missing.pem": "", "empty.pem": "no certificate"} {
		path := filepath.Join(t.TempDir(), name)
		if content != "" {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := gitlab.New(gitlab.Config{BaseURL: s.URL, CAFile: path}); err == nil || !strings.Contains(err.Error(), "CA file") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = clientOf(t, "http://"+address, once).CurrentUser(t.Context())
	if gitlab.KindOf(err) != gitlab.Unreachable || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a closed port: %v", err)
	}
}

func TestVersionFallsBackToMetadata(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v4/metadata" {
			respond(w, 200, `{"version":"18.5.0","revision":"abc","enterprise":true,"kas":{"enabled":true}}`)
			return
		}
		respond(w, 404, `{"error":"404 Not Found"}`)
	})
	v, err := c.Version(t.Context())
	if err != nil || v.Version != "18.5.0" || !v.Enterprise.Or(false) {
		t.Errorf("Version() = %+v, %v", v, err)
	}
}

func TestAnswersAt(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("PRIVATE-TOKEN") != "" {
			t.Error("the token went to a place that may not be GitLab")
		}
		switch r.URL.Path {
		case "/git/api/v4/version":
			respond(w, 401, `{"message":"401 Unauthorized"}`)
		case "/open/api/v4/version":
			respond(w, 200, `{"version":"18.5.0"}`)
		case "/json/api/v4/version":
			respond(w, 404, `{}`)
		default:
			http.NotFound(w, r)
		}
	})
	for root, want := range map[string]bool{"/git": true, "/open": true, "/json": false, "": false} {
		if got := c.AnswersAt(t.Context(), root); got != want {
			t.Errorf("AnswersAt(%q) = %t", root, got)
		}
	}
}

// once asks without retries.
func once(cfg *gitlab.Config) { cfg.MaxRetries = -1 }

// contract finds what is known of GitLab's answers, beside the repository.
// Without it the test is skipped, but for CI, where it must be there.
func contract(t *testing.T) string {
	t.Helper()
	shared := os.Getenv("WEIR_SHARED")
	if shared == "" {
		dir, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil || dir == filepath.Dir(dir) {
				break
			}
			dir = filepath.Dir(dir)
		}
		shared = filepath.Join(dir, "..", "shared")
	}
	dir := filepath.Join(shared, "gitlab-contract")
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("what is known of GitLab's answers is missing: %v", err)
		}
		t.Skipf("what is known of GitLab's answers is not beside the repository: %v", err)
	}
	return dir
}
