package gitlabtest

import (
	"compress/gzip"
	"fmt"
	"hash/maphash"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// call is one request on its way through the server.
type call struct {
	server *Server
	r      *http.Request
	n      int
	worked time.Duration // before it was decided: the latency that was asked for
	now    time.Time
	route  *route
	args   []string // the :id parts of the path, unescaped
	params values
	token  *Token // nil: anonymous
	header http.Header

	operation string // name of the GraphQL query
}

func (c *call) world() *World     { return c.server.world }
func (c *call) render() *renderer { return c.server.renderer(c.r) }

// answer is what goes out.
type answer struct {
	status int
	kind   string // Content-Type
	body   []byte
	header map[string]string
}

// refuse is an error in GitLab's JSON: {"message": …} from its own helpers,
// {"error": …} from the framework below.
func refuse(status int, key, text string) *answer {
	var w jsonWriter
	w.open('{')
	w.str(key, text)
	w.close('}')
	return &answer{status: status, kind: "application/json", body: w.b}
}

func notFound(what string) *answer {
	return refuse(http.StatusNotFound, "message", "404 "+what+"Not Found")
}

// recordNotFound is what a missing row answers, with a small f: another rescue
// than a missing project's.
func recordNotFound() *answer { return refuse(http.StatusNotFound, "message", "404 Not found") }

func forbidden() *answer { return refuse(http.StatusForbidden, "message", "403 Forbidden") }

func unauthorized() *answer {
	return refuse(http.StatusUnauthorized, "message", "401 Unauthorized")
}

// ok renders a successful answer.
func ok(write func(*jsonWriter)) *answer {
	w := jsonWriter{b: make([]byte, 0, 4096)}
	write(&w)
	return &answer{status: http.StatusOK, kind: "application/json", body: w.b}
}

// answer decides and sends: limits, authentication, parameters, then the
// endpoint itself, in GitLab's order.
func (s *Server) answer(c *call, fault Fault, out http.ResponseWriter) {
	a := s.decide(c, fault)
	h := c.header
	h.Set("Date", c.now.UTC().Format(http.TimeFormat))
	h.Set("Content-Type", a.kind)
	h.Set("X-Request-Id", requestID(c.n))
	runtime := c.worked.Seconds() + float64(10000+c.n*7919%80000)/1e6
	h.Set("X-Runtime", strconv.FormatFloat(runtime, 'f', 6, 64))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("Vary", "Origin")
	h.Set("Server", "nginx")
	for k, v := range a.header {
		h.Set(k, v)
	}
	if a.kind == "application/json" {
		h.Set("X-Gitlab-Meta", `{"correlation_id":"`+requestID(c.n)+`","version":"1"}`)
	}
	if a.status == http.StatusOK && a.kind == "application/json" && fault.Kind == NoFault {
		tag := s.etag(a.body)
		h.Set("Etag", tag)
		h.Set("Cache-Control", "max-age=0, private, must-revalidate")
		if match := c.r.Header.Get("If-None-Match"); match == tag {
			out.WriteHeader(http.StatusNotModified)
			return
		}
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	s.send(c, a, fault, out)
}

func (s *Server) decide(c *call, fault Fault) *answer {
	if a := fault.answer(c); a != nil {
		return a
	}
	if c.route.pattern == nil { // no endpoint
		return c.route.handle(c)
	}
	s.world.mu.RLock()
	defer s.world.mu.RUnlock()
	refusal := c.authenticate(fault.Kind == Unauthorized)
	if refusal != nil && c.route.graphQL {
		refusal = c.refuseUser(refusal)
	}
	if refusal == nil || c.token != nil {
		if a := s.throttle(c); a != nil {
			return a
		}
	}
	if refusal != nil {
		return refusal
	}
	if c.route.graphQL {
		return c.route.handle(c)
	}
	var wrong string
	c.params, wrong = readParams(c.r.URL.Query(), c.route.params)
	for i, name := range c.route.args {
		if i > 0 { // the first is a project or group, by number or path
			if _, err := strconv.ParseInt(c.args[i], 10, 64); err != nil {
				wrong = name + " " + wrongType
			}
		}
	}
	if wrong != "" {
		return refuse(http.StatusBadRequest, "error", wrong)
	}
	if a := s.throttleEndpoint(c); a != nil {
		return a
	}
	return c.route.handle(c)
}

// authenticate finds the token of a request and checks it against the route.
func (c *call) authenticate(revoked bool) *answer {
	value := c.r.Header.Get("PRIVATE-TOKEN")
	if bearer, found := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer "); found && value == "" {
		value = bearer
	}
	if value == "" {
		value = c.r.URL.Query().Get("private_token")
	}
	if value == "" {
		if c.route.public {
			return nil
		}
		return unauthorized()
	}
	t := c.world().tokens[value]
	switch {
	case t == nil:
		return unauthorized()
	case t.Revoked, revoked:
		return invalidToken("Token was revoked. You have to re-authorize from the user.")
	case t.expired(c.now):
		return invalidToken("Token is expired. You can either do re-authorization or token refresh.")
	}
	c.token = t
	if t.User.State == "blocked" {
		return refuse(http.StatusForbidden, "message", "403 Forbidden - Your account has been blocked.")
	}
	if c.route.scopes != nil && !t.has(c.route.scopes...) {
		var w jsonWriter
		w.open('{')
		w.str("error", "insufficient_scope")
		w.str("error_description", "The request requires higher privileges than provided by the access token.")
		w.str("scope", "api read_api")
		w.close('}')
		return &answer{status: http.StatusForbidden, kind: "application/json", body: w.b}
	}
	return nil
}

// refuseUser is what GraphQL says where REST gives a reason: a blocked user is
// told so, and every other token, one of too small a scope included, is none.
func (c *call) refuseUser(refusal *answer) *answer {
	if c.token != nil && c.token.User.State == "blocked" {
		return refuseGraphQL(refusal.status, "API not accessible for user")
	}
	return refuseGraphQL(http.StatusUnauthorized, "Invalid token")
}

func invalidToken(why string) *answer {
	var w jsonWriter
	w.open('{')
	w.str("error", "invalid_token")
	w.str("error_description", why)
	w.close('}')
	return &answer{status: http.StatusUnauthorized, kind: "application/json", body: w.b, header: map[string]string{
		"WWW-Authenticate": `Bearer realm="The API", error="invalid_token", error_description="` + why + `"`,
	}}
}

// send writes the answer, compressed when the client takes it, and damages it
// when the script says so.
func (s *Server) send(c *call, a *answer, fault Fault, out http.ResponseWriter) {
	body := fault.alter(c, a.body)
	h := c.header
	if s.gzip && len(body) > 256 && strings.Contains(c.r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		h.Set("Vary", "Accept-Encoding, Origin")
		body = s.compress(body)
		if fault.Kind == GzipDamage {
			body = damage(body)
		}
	}
	if c.r.Method == http.MethodHead {
		h.Set("Content-Length", strconv.Itoa(len(body)))
		out.WriteHeader(a.status)
		return
	}
	if fault.breaks() {
		fault.send(c.r.Context(), out, h, a.status, body)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	out.WriteHeader(a.status)
	_, _ = out.Write(body) // a client that has gone is no matter to a server
}

type sliceWriter struct{ b []byte }

func (w *sliceWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}

func (s *Server) compress(body []byte) []byte {
	w, ok := s.zippers.Get().(*gzip.Writer)
	if !ok {
		var err error
		if w, err = gzip.NewWriterLevel(io.Discard, gzip.BestSpeed); err != nil {
			panic(err) // BestSpeed is a level
		}
	}
	defer s.zippers.Put(w)
	out := sliceWriter{make([]byte, 0, len(body)/8+64)}
	w.Reset(&out)
	_, _ = w.Write(body) // into memory
	_ = w.Close()
	return out.b
}

func (s *Server) etag(body []byte) string {
	return fmt.Sprintf(`W/"%016x%016x"`, maphash.Bytes(s.seed, body), len(body))
}

func requestID(n int) string {
	return fmt.Sprintf("01K%07X%016X", n, uint64(n)*0x9E3779B97F4A7C15)
}
