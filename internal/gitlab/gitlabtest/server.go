package gitlabtest

import (
	"context"
	"hash/maphash"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
)

// Server serves a World as GitLab's REST API. It is an http.Handler; all its
// methods may be called while it serves.
type Server struct {
	world       *World
	version     string
	revision    string
	root        string // relative root, "" or "/gitlab"
	external    string // scheme://host[:port] in Links and web_urls; empty: the host that was asked
	gzip        bool
	largest     int   // rows of a page, whatever is asked for
	countedUpTo int64 // rows of a list that has totals
	token       *Token
	routes      table

	renderers sync.Map // rendererKey to *renderer
	zippers   sync.Pool
	seed      maphash.Seed // of Etags
	slots     chan struct{}
	requests  atomic.Int64
	parsed    func() (*ast.Schema, error) // of GraphQL

	scripts sync.Mutex // before and fault are called one at a time

	mu      sync.Mutex
	log     []Request
	counts  map[string]int
	keepLog bool
	before  func(n int, r *http.Request)
	fault   func(n int, r *http.Request) Fault
	latency map[string]time.Duration
	limits  limits
	graphQL graphQLSettings

	hooks    []InstalledHook
	lastHook int64
}

// Option configures a Server.
type Option func(*Server)

// Version makes the server say that it is this version of GitLab, and leave
// out the keys that came later. The default is 18.5.1-ee.
func Version(v string) Option { return func(s *Server) { s.version = v } }

// RelativeRoot serves GitLab below a path such as "/gitlab". Outside of it
// there is another web server that knows nothing of GitLab.
func RelativeRoot(path string) Option {
	return func(s *Server) { s.root = strings.TrimSuffix(path, "/") }
}

// ExternalURL is the scheme and host that GitLab believes to have; Links and
// web_urls carry it. By default it is the host that the request named.
func ExternalURL(u string) Option {
	return func(s *Server) { s.external = strings.TrimSuffix(u, "/") }
}

// Concurrency caps how many requests are worked on at once; others wait. The
// default has no cap.
func Concurrency(n int) Option {
	return func(s *Server) { s.slots = make(chan struct{}, n) }
}

// LargestPage cuts all pages to n rows, from 1 to GitLab's own 100, of REST and
// of GraphQL, but for what hangs on a job there: so that small worlds have pages
// that move.
func LargestPage(n int) Option {
	return func(s *Server) { s.largest = min(max(n, 1), maxPerPage) }
}

// CountedUpTo leaves the totals out of lists with more than n rows, for GitLab's
// own 10,000: so that small worlds have lists that nobody counts.
func CountedUpTo(n int) Option { return func(s *Server) { s.countedUpTo = int64(n) } }

// WithoutGzip never compresses, for benchmarks of other things.
func WithoutGzip() Option { return func(s *Server) { s.gzip = false } }

// WithoutLog counts requests but does not remember them one by one.
func WithoutLog() Option { return func(s *Server) { s.keepLog = false } }

// NewServer serves w. It issues one token, DefaultToken, that may read
// everything.
func NewServer(w *World, opts ...Option) *Server {
	s := &Server{
		world: w, version: "18.5.1-ee", revision: "3c2a1f9b5d7", gzip: true, largest: maxPerPage, countedUpTo: maxCounted, keepLog: true, seed: maphash.MakeSeed(),
		counts: map[string]int{}, latency: map[string]time.Duration{}, routes: table{routes(), graphQLRoute()},
		parsed: sync.OnceValues(readSchema),
	}
	for _, o := range opts {
		o(s)
	}
	w.Edit(func() {})
	s.token = w.AddToken(TokenSpec{})
	return s
}

// World is the world that the server serves.
func (s *Server) World() *World { return s.world }

// DefaultToken is a token that reads everything: scope read_api, Reporter in
// all groups, no expiry.
func (s *Server) DefaultToken() string { return s.token.Value }

// Token issues another token and gives its value.
func (s *Server) Token(spec TokenSpec) string { return s.world.AddToken(spec).Value }

// SetNow stops the clock of the server and its world at t.
func (s *Server) SetNow(t time.Time) { s.world.SetNow(t) }

// Advance moves the clock on by d.
func (s *Server) Advance(d time.Duration) { s.world.Advance(d) }

// EachRequest has before called for every request, before anything else
// happens to it, with the number of the request from 1, one call at a time. It
// may move the world. Nil ends it.
func (s *Server) EachRequest(before func(n int, r *http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = before
}

// Latency makes every answer of an endpoint ("GET /projects/:id/jobs") take d
// longer; "" stands for all endpoints that have none of their own.
func (s *Server) Latency(endpoint string, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency[endpoint] = d
}

// Request is one request as the server saw it.
type Request struct {
	N        int
	Method   string
	Endpoint string // "GET /projects/:id/pipelines"; "GET other" outside the API
	Path     string // escaped, as it came
	Query    string
	At       time.Time // on the world's clock
	Status   int       // 0 when the connection was broken on purpose
	// Operation is the name of the query of "POST /graphql"; empty elsewhere,
	// and when the request was refused before its query was read.
	Operation string
}

// Requests gives every request so far, refused and broken ones included, in
// the order in which they ended.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.log...)
}

// RequestCount gives the number of requests so far, by endpoint; the key ""
// holds the sum.
func (s *Server) RequestCount() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := map[string]int{"": 0}
	for endpoint, n := range s.counts {
		counts[endpoint] = n
		counts[""] += n
	}
	return counts
}

// ResetRequests forgets the requests so far.
func (s *Server) ResetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log, s.counts = nil, map[string]int{}
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	n := int(s.requests.Add(1))
	s.mu.Lock()
	before, script := s.before, s.fault
	s.mu.Unlock()
	if before != nil {
		s.oneAtATime(func() { before(n, r) })
	}
	rt, args := s.route(r)
	seen := Request{N: n, Method: r.Method, Endpoint: rt.name, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, At: s.world.Now()}
	out := &recorder{ResponseWriter: rw}
	defer func() {
		seen.Status = out.status
		s.note(seen)
	}()
	if !s.enter(r.Context()) {
		return
	}
	defer s.leave()
	var fault Fault
	if script != nil {
		s.oneAtATime(func() { fault = script(n, r) })
	}
	worked, ok := s.wait(r.Context(), rt.name, fault.Delay)
	if !ok {
		return
	}
	c := &call{worked: worked, server: s, r: r, now: s.world.Now(), route: rt, args: args, header: out.Header(), n: n}
	defer func() { seen.Operation = c.operation }()
	s.answer(c, fault, out)
}

func (s *Server) oneAtATime(call func()) {
	s.scripts.Lock()
	defer s.scripts.Unlock()
	call()
}

func (s *Server) note(seen Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[seen.Endpoint]++
	if s.keepLog {
		s.log = append(s.log, seen)
	}
}

func (s *Server) enter(ctx context.Context) bool {
	if s.slots == nil {
		return true
	}
	select {
	case s.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *Server) leave() {
	if s.slots != nil {
		<-s.slots
	}
}

// wait spends the endpoint's latency and gives it; false when the client went
// away.
func (s *Server) wait(ctx context.Context, endpoint string, extra time.Duration) (time.Duration, bool) {
	s.mu.Lock()
	d, ok := s.latency[endpoint]
	if !ok {
		d = s.latency[""]
	}
	s.mu.Unlock()
	if d += extra; d <= 0 {
		return 0, true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return d, true
	case <-ctx.Done():
		return d, false
	}
}

// rendererKey: what a renderer keeps holds for one base URL and until the
// world is edited.
type rendererKey struct {
	base  string
	edits int
}

// base is the URL of GitLab as this request sees it.
func (s *Server) base(r *http.Request) string {
	if s.external != "" {
		return s.external + s.root
	}
	scheme := "http"
	if r.TLS != nil || r.URL.Scheme == "https" {
		scheme = "https"
	}
	return scheme + "://" + r.Host + s.root
}

// renderer gives the renderer for this request. It wants the world's lock.
func (s *Server) renderer(r *http.Request) *renderer {
	key := rendererKey{s.base(r), s.world.edits}
	if found, ok := s.renderers.Load(key); ok {
		return found.(*renderer)
	}
	made := &renderer{
		base: key.base, version: parseVersion(s.version),
		now: func() time.Time { return s.world.now().UTC() },
		projectOf: func(pl *Pipeline) *Project {
			if pl == nil {
				return nil
			}
			return s.world.projects[pl.ProjectID]
		},
	}
	found, _ := s.renderers.LoadOrStore(key, made)
	return found.(*renderer)
}

// recorder remembers the status that went out.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
