package gitlabtest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
)

// errBroken is what a client sees of a connection that broke.
var errBroken = errors.New("connection reset by peer")

// Transport calls the server in memory: no socket, no copying through the
// kernel, and therefore at home in a testing/synctest bubble. Broken
// connections, truncated bodies and answers that never come look as they do
// over a network. It compresses nothing unless the request asks for it itself.
func (s *Server) Transport() http.RoundTripper { return InMemory(s) }

// InMemory calls any handler as Server.Transport does.
func InMemory(h http.Handler) http.RoundTripper { return memoryTransport{h} }

type memoryTransport struct{ handler http.Handler }

// RoundTrip runs the handler in a goroutine that ends with the answer or with
// the request's context.
func (t memoryTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	in := r.Clone(ctx)
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	in.RequestURI = r.URL.RequestURI()
	in.RemoteAddr = "127.0.0.1:1"
	body, sink := io.Pipe()
	out := &memoryAnswer{header: http.Header{}, sink: sink, ready: make(chan struct{})}
	go func() {
		defer func() {
			if p := recover(); p != nil {
				if p != http.ErrAbortHandler {
					panic(p)
				}
				out.fail()
				return
			}
			out.WriteHeader(http.StatusOK)
			_ = sink.Close()
		}()
		t.handler.ServeHTTP(out, in)
	}()
	select {
	case <-out.ready:
	case <-ctx.Done():
		_ = body.CloseWithError(ctx.Err())
		return nil, ctx.Err()
	}
	if out.broken {
		return nil, fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, errBroken)
	}
	length := int64(-1)
	if n, err := strconv.ParseInt(out.sent.Get("Content-Length"), 10, 64); err == nil {
		length = n
	}
	resp := &http.Response{
		Status: strconv.Itoa(out.status) + " " + http.StatusText(out.status), StatusCode: out.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: out.sent, ContentLength: length, Request: r, Body: body,
	}
	if r.Method == http.MethodHead || out.status == http.StatusNotModified || out.status == http.StatusNoContent {
		_ = body.Close()
		resp.Body = http.NoBody
		return resp, nil
	}
	resp.Body = &endingBody{PipeReader: body, stop: afterDone(ctx.Done(), func() { _ = sink.CloseWithError(ctx.Err()) })}
	return resp, nil
}

// afterDone runs f once done is closed, unless the returned stop comes first.
func afterDone(done <-chan struct{}, f func()) (stop func()) {
	if done == nil {
		return func() {}
	}
	stopped := make(chan struct{})
	go func() {
		select {
		case <-done:
			f()
		case <-stopped:
		}
	}()
	return sync.OnceFunc(func() { close(stopped) })
}

// endingBody ends its watcher when the client is done with the body.
type endingBody struct {
	*io.PipeReader
	stop func()
}

func (b *endingBody) Read(p []byte) (int, error) {
	n, err := b.PipeReader.Read(p)
	if err != nil {
		b.stop()
	}
	return n, err
}

func (b *endingBody) Close() error {
	b.stop()
	return b.PipeReader.Close()
}

// memoryAnswer is the ResponseWriter of one call.
type memoryAnswer struct {
	header http.Header
	sent   http.Header
	status int
	sink   *io.PipeWriter
	ready  chan struct{}
	broken bool
}

func (a *memoryAnswer) Header() http.Header { return a.header }

func (a *memoryAnswer) WriteHeader(status int) {
	if a.status != 0 {
		return
	}
	a.status, a.sent = status, a.header.Clone()
	close(a.ready)
}

func (a *memoryAnswer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.sink.Write(p)
}

// Flush does nothing: a pipe keeps nothing back.
func (a *memoryAnswer) Flush() {}

// fail breaks the connection.
func (a *memoryAnswer) fail() {
	if a.status == 0 {
		a.status, a.broken = -1, true
		close(a.ready)
	}
	_ = a.sink.CloseWithError(io.ErrUnexpectedEOF)
}
