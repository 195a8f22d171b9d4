package gitlabtest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// FaultKind says what goes wrong with a request.
type FaultKind int

// What can go wrong. Everything else of the answer stays as it would be.
const (
	NoFault         FaultKind = iota
	TooManyRequests           // 429 of the general limit: text, RateLimit-* and Retry-After
	EndpointLimited           // 429 of an endpoint limit: JSON, no headers
	ServerError               // 500, JSON
	BadGateway                // 502, HTML
	Unavailable               // 503, HTML
	Unauthorized              // 401: the token was revoked
	Forbidden                 // 403
	NotFound                  // 404 of a project
	Hang                      // no answer until the client gives up
	Reset                     // the connection breaks without an answer
	Truncated                 // the connection breaks in the middle of the body
	SlowDrip                  // the body comes in small pieces, Fault.Drip apart
	GarbageJSON               // 200, JSON that stops making sense half way
	HugeField                 // 200, a string of Fault.Size bytes as the first field of the first object
	HTMLPage                  // 200, a sign-in page
	GzipDamage                // 200, compressed bytes that do not decompress
	GraphQLNull               // GraphQL: 200, all of Fault.Field is null, and an entry in errors says so; nothing in REST
	GraphQLComplex            // GraphQL: 200, the query is too complex; nothing in REST
	GraphQLTimeout            // GraphQL: 503, it took too long; nothing in REST
)

// Fault is one thing that goes wrong; the zero value is none.
type Fault struct {
	Kind       FaultKind
	RetryAfter time.Duration // of TooManyRequests; 0: until the next minute
	Delay      time.Duration // before anything is answered
	Drip       time.Duration // between the pieces of SlowDrip; 0: 10 ms
	Size       int           // of HugeField; 0: 1 MiB
	Field      string        // of GraphQLNull; empty: jobs
}

// Fault has script called for every request, with its number from 1, to say
// what goes wrong with it, one call at a time. Nil ends it.
func (s *Server) Fault(script func(n int, r *http.Request) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = script
}

// answer is the faulty answer that takes the place of the true one, nil where
// the fault only concerns how it travels.
func (f Fault) answer(c *call) *answer {
	switch f.Kind {
	case TooManyRequests:
		wait := int64(f.RetryAfter / time.Second)
		now := c.now.Unix()
		if f.RetryAfter == 0 {
			wait = 60 - now%60
		}
		return &answer{status: http.StatusTooManyRequests, kind: "text/plain", body: []byte("Retry later\n"), header: map[string]string{
			"RateLimit-Limit": "2000", "RateLimit-Observed": "2001", "RateLimit-Remaining": "0",
			"RateLimit-Name": "throttle_authenticated_api", "RateLimit-Reset": strconv.FormatInt(now+wait, 10),
			"RateLimit-ResetTime": time.Unix(now+wait, 0).UTC().Format(http.TimeFormat), "Retry-After": strconv.FormatInt(wait, 10),
		}}
	case EndpointLimited:
		return tooManyOfEndpoint()
	case ServerError:
		return refuse(http.StatusInternalServerError, "message", "500 Internal Server Error")
	case BadGateway:
		return page(http.StatusBadGateway, "502 Bad Gateway", "GitLab is not responding")
	case Unavailable:
		return page(http.StatusServiceUnavailable, "503 Service Unavailable", "Deploy in progress")
	case Forbidden:
		return forbidden()
	case NotFound:
		return notFound("Project ")
	case HTMLPage:
		return page(http.StatusOK, "Sign in · GitLab", "Sign in")
	case GraphQLComplex:
		if c.route.graphQL {
			return refuseGraphQL(http.StatusOK, fmt.Sprintf("Query has complexity of %d, which exceeds max complexity of %d", maxScore+1, maxScore))
		}
	case GraphQLTimeout:
		if c.route.graphQL {
			return refuseGraphQL(http.StatusServiceUnavailable, tooSlow)
		}
	}
	return nil
}

// page is an HTML page of GitLab's, or of the proxy before it.
func page(status int, title, text string) *answer {
	return &answer{status: status, kind: "text/html; charset=utf-8", body: []byte(
		"<!DOCTYPE html>\n<html lang=\"en\">\n<head><title>" + title + "</title></head>\n<body><h1>" + title + "</h1><p>" + text + "</p></body>\n</html>\n")}
}

// alter changes the body itself.
func (f Fault) alter(c *call, body []byte) []byte {
	switch f.Kind {
	case GraphQLNull:
		if c.route.graphQL {
			return withNull(body, cmp.Or(f.Field, "jobs"))
		}
	case GarbageJSON:
		half := bytes.Clone(body[:len(body)/2])
		return append(half, `}]"oops`...)
	case HugeField:
		size := f.Size
		if size == 0 {
			size = 1 << 20
		}
		start := bytes.IndexByte(body, '{') + 1
		if start == 0 {
			return body // an empty list has no field to be huge
		}
		huge := append(bytes.Clone(body[:start]), `"padding":"`...)
		huge = append(huge, bytes.Repeat([]byte{'x'}, size)...)
		return append(append(huge, `",`...), body[start:]...)
	}
	return body
}

// withNull makes every value of a field null, and says so in errors, as GraphQL
// does where a resolver fails. An answer without the field, or that is none,
// stays as it is.
func withNull(body []byte, field string) []byte {
	var answer map[string]any
	if json.Unmarshal(body, &answer) != nil {
		return body
	}
	var errors []any
	var visit func(value any, path []any)
	visit = func(value any, path []any) {
		switch value := value.(type) {
		case []any:
			for i, v := range value {
				visit(v, append(slices.Clone(path), i))
			}
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(value)) {
				at := append(slices.Clone(path), key)
				if key != field {
					visit(value[key], at)
					continue
				}
				value[key] = nil
				errors = append(errors, map[string]any{"message": "Internal server error", "path": at})
			}
		}
	}
	visit(answer["data"], nil)
	if len(errors) == 0 {
		return body
	}
	answer["errors"] = errors
	altered, err := json.Marshal(answer)
	if err != nil {
		panic(err) // it came from JSON
	}
	return altered
}

// damage flips bytes in the middle of a gzip stream.
func damage(body []byte) []byte {
	for i := len(body) / 2; i < len(body) && i < len(body)/2+16; i++ {
		body[i] ^= 0xA5
	}
	return body
}

// breaks says whether the answer does not arrive whole and at once.
func (f Fault) breaks() bool {
	switch f.Kind {
	case Hang, Reset, Truncated, SlowDrip:
		return true
	}
	return false
}

// send sends an answer that goes wrong on its way.
func (f Fault) send(ctx context.Context, out http.ResponseWriter, h http.Header, status int, body []byte) {
	switch f.Kind {
	case Hang:
		<-ctx.Done()
		panic(http.ErrAbortHandler)
	case Reset:
		if conn, _, err := http.NewResponseController(out).Hijack(); err == nil {
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // so that closing sends a reset
			}
			_ = conn.Close()
			return
		}
		panic(http.ErrAbortHandler)
	case Truncated:
		h.Set("Content-Length", strconv.Itoa(len(body)))
		out.WriteHeader(status)
		_, _ = out.Write(body[:len(body)/2])
		_ = http.NewResponseController(out).Flush()
		panic(http.ErrAbortHandler)
	case SlowDrip:
		drip := f.Drip
		if drip == 0 {
			drip = 10 * time.Millisecond
		}
		h.Set("Content-Length", strconv.Itoa(len(body)))
		out.WriteHeader(status)
		timer := time.NewTimer(0)
		defer timer.Stop()
		const piece = 512
		for len(body) > 0 {
			select {
			case <-timer.C:
			case <-ctx.Done():
				panic(http.ErrAbortHandler)
			}
			n := min(piece, len(body))
			_, _ = out.Write(body[:n])
			_ = http.NewResponseController(out).Flush()
			body = body[n:]
			timer.Reset(drip)
		}
	}
}
