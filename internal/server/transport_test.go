package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTransport(t *testing.T) {
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		status  int
		body    string
		fails   string // while the body is read
	}{
		{"an answer", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-A", "1")
			w.WriteHeader(http.StatusTeapot)
			w.Header().Set("X-B", "too late")
			b, _ := io.ReadAll(r.Body)
			_, _ = fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.RequestURI(), b)
		}, http.StatusTeapot, "POST /a?b=c hello", ""},
		{"nothing", func(http.ResponseWriter, *http.Request) {}, http.StatusOK, "", ""},
		{"aborted in the middle", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			panic(http.ErrAbortHandler)
		}, http.StatusOK, "half", "unexpected EOF"},
		{"a panic in the middle", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			panic("secret")
		}, http.StatusOK, "half", "unexpected EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://weir.internal/a?b=c", strings.NewReader("hello"))
			res, err := Transport(c.handler).RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(res.Body)
			if (err == nil) != (c.fails == "") || err != nil && err.Error() != c.fails {
				t.Errorf("reading: %v, want %q", err, c.fails)
			}
			if res.StatusCode != c.status || string(b) != c.body || res.Header.Get("X-B") != "" {
				t.Errorf("%d %q %v", res.StatusCode, b, res.Header)
			}
			if err := res.Body.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://weir.internal/", nil)
	if _, err := Transport(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })).RoundTrip(req); err == nil {
		t.Error("aborted before the answer: no error")
	}
}

// The handler ends with the caller's context, with the closing of the body, and
// with a write that nobody takes.
func TestTransportEndsTheHandler(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(cancel context.CancelFunc, body io.Closer)
		want error
	}{
		{"context", func(cancel context.CancelFunc, _ io.Closer) { cancel() }, io.ErrClosedPipe},
		{"close", func(_ context.CancelFunc, body io.Closer) { _ = body.Close() }, io.ErrClosedPipe},
		{"deadline", func(context.CancelFunc, io.Closer) { time.Sleep(time.Minute) }, os.ErrDeadlineExceeded},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan error, 1)
				handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					control := http.NewResponseController(w)
					_, _ = io.WriteString(w, "first")
					_ = control.SetWriteDeadline(time.Now().Add(30 * time.Second))
					_, err := io.WriteString(w, "second")
					if c.name != "deadline" && r.Context().Err() == nil {
						t.Error("the handler's context lives on")
					}
					ended <- err
				})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://weir.internal/", nil)
				res, err := Transport(handler).RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(res.Body, make([]byte, 5)); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				c.end(cancel, res.Body)
				if err := <-ended; !errors.Is(err, c.want) {
					t.Errorf("the write ended with %v, want %v", err, c.want)
				}
				if c.name == "context" {
					if _, err := res.Body.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
						t.Errorf("the reader hears %v", err)
					}
				}
				_ = res.Body.Close()
			})
		})
	}
}

func TestTransportWithoutAnswer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	entered := make(chan struct{})
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
	})
	go func() {
		<-entered
		cancel()
	}()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://weir.internal/", nil)
	if _, err := Transport(handler).RoundTrip(req); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
