package gitlab_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir/internal/gitlab"
)

const userJSON = `{"id":1,"username":"ann"}`

func TestRetries(t *testing.T) {
	html := http.Header{"Content-Type": {"text/html"}}
	limited := `{"message":{"error":"This endpoint has been requested too many times. Try again later."}}`
	for _, tt := range []struct {
		name     string
		answers  []reply // the last one repeats
		attempts int64
		kind     gitlab.Kind // "": success
		least    time.Duration
		most     time.Duration
	}{
		{"at once", []reply{{200, nil, userJSON, nil}}, 1, "", 0, 0},
		{"proxy's 502 in HTML", []reply{{502, html, "<html>", nil}, {200, nil, userJSON, nil}}, 2, "", 0, time.Second},
		{"503 that lasts", []reply{{503, html, "<html>", nil}}, 7, gitlab.Server, 0, 32 * time.Second},
		{"500 from GitLab", []reply{{500, nil, `{"message":"500 Internal Server Error"}`, nil}, {200, nil, userJSON, nil}}, 2, "", 0, time.Second},
		{"501 is an answer", []reply{{501, nil, `{}`, nil}}, 1, gitlab.Server, 0, 0},
		{"429 with Retry-After", []reply{{429, http.Header{"Retry-After": {"30"}, "Content-Type": {"text/plain"}}, "Retry later\n", nil}, {200, nil, userJSON, nil}}, 2, "", 30 * time.Second, 32 * time.Second},
		{"429 of an endpoint", []reply{{429, nil, limited, nil}, {429, nil, limited, nil}, {200, nil, userJSON, nil}}, 3, "", 3 * time.Minute, 3*time.Minute + 3*time.Second},
		{"429 that lasts", []reply{{429, http.Header{"Retry-After": {"1"}}, "{}", nil}}, 11, gitlab.RateLimited, 10 * time.Second, 21 * time.Second},
		{"reset connection", []reply{{err: &net.OpError{Op: "read", Err: syscall.ECONNRESET}}, {200, nil, userJSON, nil}}, 2, "", 0, time.Second},
		{"connection closed", []reply{{err: io.EOF}, {err: io.ErrUnexpectedEOF}, {200, nil, userJSON, nil}}, 3, "", 0, 2 * time.Second},
		{"refused for good", []reply{{err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}}, 7, gitlab.Unreachable, 0, 32 * time.Second},
		{"no such host", []reply{{err: &net.DNSError{IsNotFound: true}}}, 1, gitlab.Unreachable, 0, 0},
		{"JSON cut off", []reply{{200, nil, userJSON[:12], nil}, {200, nil, userJSON, nil}}, 2, "", 0, time.Second},
		{"JSON cut off for good", []reply{{200, nil, userJSON[:12], nil}}, 7, gitlab.BadAnswer, 0, 32 * time.Second},
		{"gzip cut off", []reply{{200, http.Header{"Content-Encoding": {"gzip"}}, zipped(userJSON)[:30], nil}, {200, http.Header{"Content-Encoding": {"gzip"}}, zipped(userJSON), nil}}, 2, "", 0, time.Second},
		{"gzip damaged", []reply{{200, http.Header{"Content-Encoding": {"gzip"}}, "not gzip at all", nil}, {200, nil, userJSON, nil}}, 2, "", 0, time.Second},
		{"body breaks off", []reply{{200, http.Header{"X-Break": {"1"}}, userJSON, nil}, {200, nil, userJSON, nil}}, 2, "", 0, time.Second},
		{"garbage", []reply{{200, nil, `{"id":1,]`, nil}}, 1, gitlab.BadAnswer, 0, 0},
		{"HTML at 200", []reply{{200, html, "<html>sign in", nil}}, 1, gitlab.NotGitLab, 0, 0},
		{"text at 200", []reply{{200, http.Header{"Content-Type": {"text/plain"}}, userJSON, nil}}, 1, gitlab.NotGitLab, 0, 0},
		{"HTML at 404", []reply{{404, html, "<html>", nil}}, 1, gitlab.NotGitLab, 0, 0},
		{"401", []reply{{401, nil, `{"message":"401 Unauthorized"}`, nil}}, 1, gitlab.Unauthorized, 0, 0},
		{"403", []reply{{403, nil, `{"message":"403 Forbidden"}`, nil}}, 1, gitlab.Forbidden, 0, 0},
		{"404", []reply{{404, nil, `{"message":"404 Not found"}`, nil}}, 1, gitlab.NotFound, 0, 0},
		{"410", []reply{{410, nil, `{}`, nil}}, 1, gitlab.Gone, 0, 0},
		{"400", []reply{{400, nil, `{"error":"order_by does not have a valid value"}`, nil}}, 1, gitlab.BadRequest, 0, 0},
		{"proxy wants a password", []reply{{407, html, "<html>", nil}}, 1, gitlab.Unreachable, 0, 0},
		{"slower than the timeout", []reply{{200, http.Header{"X-Slow": {"1"}}, userJSON, nil}, {200, nil, userJSON, nil}}, 2, "", 2 * time.Minute, 2*time.Minute + time.Second},
		{"too large", []reply{{200, nil, `"` + strings.Repeat("x", 2000) + `"`, nil}}, 1, gitlab.TooLarge, 0, 0},
		{"bomb", []reply{{200, http.Header{"Content-Encoding": {"gzip"}}, zipped(strings.Repeat(" ", 1<<20)), nil}}, 1, gitlab.TooLarge, 0, 0},
		{"user without id", []reply{{200, nil, `{"username":"ann"}`, nil}}, 1, gitlab.BadAnswer, 0, 0},
		{"null", []reply{{200, nil, `null`, nil}}, 1, gitlab.BadAnswer, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wire := &script{replies: tt.answers}
				c := clientOf(t, "https://gitlab.example.com", func(cfg *gitlab.Config) { cfg.Transport, cfg.MaxBody = wire, 1000 })
				began := time.Now()
				user, err := c.CurrentUser(t.Context())
				took := time.Since(began)
				if gitlab.KindOf(err) != tt.kind || (err == nil) != (tt.kind == "") {
					t.Fatalf("error %v of kind %q, want %q", err, gitlab.KindOf(err), tt.kind)
				}
				if err == nil && user.Username != "ann" {
					t.Errorf("user = %+v", user)
				}
				stats := c.Stats()
				if stats.Requests != tt.attempts || stats.Retries != tt.attempts-1 || stats.ByEndpoint["GET /user"] != tt.attempts {
					t.Errorf("stats = %+v, want %d attempts", stats, tt.attempts)
				}
				if took < tt.least || took > tt.most {
					t.Errorf("took %v, want %v to %v", took, tt.least, tt.most)
				}
			})
		})
	}
}

func TestPatience(t *testing.T) {
	for _, tt := range []struct {
		name  string
		reply reply
		kind  gitlab.Kind
		after time.Duration // RetryAfter
	}{
		{"limited", reply{429, http.Header{"Retry-After": {"600"}}, "Retry later\n", nil}, gitlab.RateLimited, 10 * time.Minute},
		{"refused", reply{err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}, gitlab.Unreachable, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := clientOf(t, "https://gitlab.example.com", func(cfg *gitlab.Config) { cfg.Transport = &script{replies: []reply{tt.reply}} })
			began := time.Now()
			_, err := c.WithPatience(2 * time.Second).CurrentUser(t.Context())
			var e *gitlab.Error
			if !errors.As(err, &e) || e.Kind != tt.kind || e.RetryAfter != tt.after {
				t.Errorf("%s: %+v", tt.name, err)
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("%s: took %v, with a patience of 2s", tt.name, took)
			}
			if c.Stats().Requests == 0 {
				t.Errorf("%s: the impatient client counts apart", tt.name)
			}
		})
	}
}

func TestContextEndsEveryWait(t *testing.T) {
	for _, r := range []reply{
		{429, http.Header{"Retry-After": {"600"}}, "", nil},
		{503, nil, "{}", nil},
		{200, http.Header{"X-Slow": {"1"}}, userJSON, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := clientOf(t, "https://gitlab.example.com", func(cfg *gitlab.Config) { cfg.Transport = &script{replies: []reply{r}} })
			ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, errors.New("supper"))
			defer cancel()
			began := time.Now()
			_, err := c.CurrentUser(ctx)
			if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "supper") || gitlab.KindOf(err) != "" {
				t.Errorf("%d: %v", r.status, err)
			}
			if took := time.Since(began); took > 100*time.Millisecond {
				t.Errorf("%d: took %v", r.status, took)
			}
		})
	}
}

func TestSeveralCredentials(t *testing.T) {
	answer := map[string]reply{}
	wire := roundTrip(func(r *http.Request) (*http.Response, error) {
		return answer[r.Header.Get("PRIVATE-TOKEN")].send(r)
	})
	client := func(t *testing.T) *gitlab.Client {
		return clientOf(t, "https://gitlab.example.com", func(cfg *gitlab.Config) {
			cfg.Transport, cfg.Credentials = wire, []gitlab.Credential{{Token: "a"}, {Token: "b"}}
		})
	}
	for _, tt := range []struct {
		name     string
		a        reply
		rejected int
		requests int64 // of two calls
	}{
		{"a revoked one is left aside", reply{401, nil, `{"message":"401 Unauthorized"}`, nil}, 1, 3},
		{"what one may not, the other may", reply{403, nil, `{"message":"403 Forbidden"}`, nil}, 0, 4},
		{"what one cannot see, the other can", reply{404, nil, `{"message":"404 Not found"}`, nil}, 0, 4},
		{"a limited one rests", reply{429, http.Header{"Retry-After": {"600"}}, "", nil}, 0, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				answer["a"], answer["b"] = tt.a, reply{200, nil, userJSON, nil}
				c := client(t)
				began := time.Now()
				for range 2 {
					if _, err := c.CurrentUser(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				stats := c.Stats()
				if stats.Rejected != tt.rejected || stats.Requests != tt.requests || time.Since(began) > time.Second {
					t.Errorf("stats = %+v after %v", stats, time.Since(began))
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		answer["a"], answer["b"] = reply{401, nil, "{}", nil}, reply{401, nil, "{}", nil}
		c := client(t)
		if _, err := c.CurrentUser(t.Context()); gitlab.KindOf(err) != gitlab.Unauthorized {
			t.Errorf("with all tokens revoked: %v", err)
		}
		if got := c.Stats(); got.Requests != 2 || got.Rejected != 2 {
			t.Errorf("stats = %+v", got)
		}
	})
}

// reply is what a scripted wire answers: JSON unless the header says otherwise.
type reply struct {
	status int
	header http.Header
	body   string
	err    error
}

func (p reply) send(r *http.Request) (*http.Response, error) {
	if p.err != nil {
		return nil, p.err
	}
	h := p.header.Clone()
	if h == nil {
		h = http.Header{}
	}
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	if h.Get("X-Slow") != "" {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	var body io.Reader = strings.NewReader(p.body)
	if h.Get("X-Break") != "" {
		body = io.MultiReader(strings.NewReader(p.body[:5]), broken{})
	}
	return &http.Response{StatusCode: p.status, Header: h, Body: io.NopCloser(body), ContentLength: -1, Request: r}, nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("stream error: INTERNAL_ERROR") }

// script answers with its replies in turn; the last one repeats.
type script struct{ replies []reply }

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	next := s.replies[0]
	if len(s.replies) > 1 {
		s.replies = s.replies[1:]
	}
	return next.send(r)
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func zipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		panic(err)
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.String()
}
