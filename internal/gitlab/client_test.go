package gitlab_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weirhq/weir/internal/gitlab"
)

func TestTokenIsNeverPrinted(t *testing.T) {
	const token = "glpat-secret"
	cfg := gitlab.Config{BaseURL: "https://gitlab.example.com", Credentials: []gitlab.Credential{{Token: token}}}
	c, err := gitlab.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("config", "token", cfg.Credentials[0].Token, "config", cfg, "client", c)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{cfg, c, cfg.Credentials[0].Token, &cfg, *c} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, token) || strings.Contains(got, fmt.Sprintf("%x", token)) {
				t.Errorf("%s of %T shows the token: %s", verb, v, got)
			}
		}
	}
	if strings.Contains(logged.String(), token) {
		t.Errorf("the log shows the token: %s", logged.String())
	}
	if got := cfg.Credentials[0].Token.Reveal(); got != token {
		t.Errorf("Reveal() = %q", got)
	}
}

func TestNormalizeBaseURL(t *testing.T) {
	for _, tt := range []struct{ raw, want, wantErr string }{
		{"https://gitlab.com/", "https://gitlab.com", ""},
		{"  gitlab.com ", "https://gitlab.com", ""},
		{"localhost:8080", "https://localhost:8080", ""},
		{"HTTP://GitLab.Example.COM:80/gitlab//", "http://gitlab.example.com/gitlab", ""},
		{"https://gitlab.example.com:443/api/v4/", "https://gitlab.example.com", ""},
		{"https://gitlab.example.com/git/api/v4", "https://gitlab.example.com/git", ""},
		{"https://[::1]:8443", "https://[::1]:8443", ""},
		{"", "", "empty"},
		{"ftp://gitlab.com", "", "ftp://"},
		{"https://user:pass@gitlab.com", "", "user name"},
		{"https://gitlab.com?x=1", "", "query"},
		{"https://gitlab.com/#x", "", "fragment"},
		{"https://", "", "no host"},
		{"https://user:hush@gitlab.com:port", "", "cannot be read"},
	} {
		got, err := gitlab.NormalizeBaseURL(tt.raw)
		if got != tt.want || (err == nil) != (tt.wantErr == "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
			t.Errorf("NormalizeBaseURL(%q) = %q, %v; want %q, error with %q", tt.raw, got, err, tt.want, tt.wantErr)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("NormalizeBaseURL(%q) repeats the password: %v", tt.raw, err)
		}
	}
}

// respond answers with a JSON body.
func respond(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

// serve starts a server and gives a client of it.
func serve(t *testing.T, h http.HandlerFunc, change ...func(*gitlab.Config)) *gitlab.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return clientOf(t, s.URL, change...)
}

func clientOf(t *testing.T, base string, change ...func(*gitlab.Config)) *gitlab.Client {
	t.Helper()
	cfg := gitlab.Config{BaseURL: base, Credentials: []gitlab.Credential{{Token: "t"}}}
	for _, f := range change {
		f(&cfg)
	}
	c, err := gitlab.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
