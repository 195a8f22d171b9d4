package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Transport is a way to call handler without a network: the same requests,
// answers, streams and deadlines, in one process. A request's context ends its
// handler, as does closing the answer's body; a handler that aborts
// (http.ErrAbortHandler) cuts the answer off, so that half an answer never
// reads like a whole one.
func Transport(handler http.Handler) http.RoundTripper { return memory{handler} }

type memory struct{ handler http.Handler }

// RoundTrip runs the handler beside the caller and returns when the answer's
// header is there; the body arrives as the handler writes it.
func (m memory) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	r := req.Clone(ctx)
	r.RequestURI = req.URL.RequestURI()
	r.RemoteAddr = "in-process"
	if r.Host == "" {
		r.Host = req.URL.Host
	}
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	if r.Body == nil {
		r.Body = http.NoBody
	}
	reading, writing := net.Pipe() // not io.Pipe: this one has deadlines
	w := &answer{header: http.Header{}, writing: writing, started: make(chan struct{})}
	stop := context.AfterFunc(ctx, func() { _ = writing.Close() })
	go func() {
		defer cancel(nil)
		defer stop()
		w.end(m.serve(w, r))
		_ = r.Body.Close()
	}()
	select {
	case <-w.started:
	case <-req.Context().Done():
	}
	if req.Context().Err() != nil {
		return nil, context.Cause(req.Context())
	}
	if err := w.failure(); err != nil && w.status == 0 {
		cancel(err)
		return nil, err
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, ContentLength: -1, Request: req,
		Body: &body{Conn: reading, answer: w, cancel: cancel, ctx: req.Context()},
	}, nil
}

var errAborted = errors.New("the answer was aborted")

// serve runs the handler; its panics are the request's, not the process's.
func (m memory) serve(w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			err = errAborted
		default:
			err = fmt.Errorf("%w: panic: %v", errAborted, p)
		}
	}()
	m.handler.ServeHTTP(w, r)
	return nil
}

// answer is the handler's side.
type answer struct {
	header  http.Header
	writing net.Conn
	once    sync.Once
	started chan struct{} // closed when status and sent are there
	status  int           // 0: none was ever written
	sent    http.Header
	failed  atomic.Pointer[error]
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if status < 200 {
		return // informational: nobody here waits for one
	}
	a.once.Do(func() {
		a.status, a.sent = status, a.header.Clone()
		close(a.started)
	})
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if len(p) == 0 {
		return 0, nil
	}
	return a.writing.Write(p)
}

// Flush sends the header; the body is never held back.
func (a *answer) Flush() { a.WriteHeader(http.StatusOK) }

// SetWriteDeadline lets http.ResponseController bound a write to a reader that
// has stopped reading.
func (a *answer) SetWriteDeadline(t time.Time) error { return a.writing.SetWriteDeadline(t) }

// SetReadDeadline has nothing to bound: the request's body is in memory.
func (a *answer) SetReadDeadline(time.Time) error { return nil }

func (a *answer) end(err error) {
	if err != nil {
		a.failed.Store(&err)
		a.once.Do(func() { close(a.started) })
	}
	a.WriteHeader(http.StatusOK)
	_ = a.writing.Close()
}

func (a *answer) failure() error {
	if err := a.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// body is the caller's side.
type body struct {
	net.Conn
	answer *answer
	cancel context.CancelCauseFunc
	ctx    context.Context // the request's, to tell its end from the answer's
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if err == nil {
		return n, nil
	}
	if b.ctx.Err() != nil {
		return n, context.Cause(b.ctx)
	}
	if b.answer.failure() != nil {
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

func (b *body) Close() error {
	b.cancel(nil)
	return b.Conn.Close()
}
