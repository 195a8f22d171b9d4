package gitlab

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// request is one call of the API.
type request struct {
	method   string     // "": GET
	endpoint string     // "/projects/:id/jobs": for counts and budgets
	root     string     // of the API below the base URL; "": /api/v4
	path     string     // below root, escaped
	query    url.Values // may be nil
	body     []byte     // sent as JSON; nil: none

	// operation says what a request of GraphQL asks for, and how much at once:
	// only answers to the same question are compared by their time.
	operation string
}

func (r request) verb() string {
	if r.method == "" {
		return http.MethodGet
	}
	return r.method
}

// key names the request's endpoint as Stats and budgets do.
func (r request) key() string { return r.verb() + " " + r.endpoint }

// answer is what came back besides the body.
type answer struct {
	url     *url.URL // that answered, after redirects
	header  http.Header
	askedAt time.Time     // just before it was sent
	date    time.Time     // the server's Date; zero when absent
	took    time.Duration // that GitLab worked on it
}

const (
	apiPath      = "/api/v4"
	maxRedirects = 5
)

func (c *Client) url(r request) *url.URL {
	u := *c.base
	u.RawPath = u.EscapedPath() + cmp.Or(r.root, apiPath) + r.path
	// Setting both keeps %2F in ids: Path is the decoded form of RawPath.
	if decoded, err := url.PathUnescape(u.RawPath); err == nil {
		u.Path = decoded
	}
	u.RawQuery = r.query.Encode()
	return &u
}

// attempt asks once, following redirects, with one credential, and hands the
// body to decode, which must keep nothing of it. Every error but the context's
// is an *Error.
func (c *Client) attempt(ctx context.Context, cred *credential, r request, a ask, decode func([]byte) error) (answer, error) {
	target := c.url(r)
	for hop := 0; ; hop++ {
		probe, err := c.admit(ctx, cred, a)
		if err != nil {
			return answer{}, unsent(ctx, r, target, err)
		}
		sent := time.Now()
		ans, next, err := c.exchange(ctx, cred, r, target, decode)
		if failed, ok := errors.AsType[*Error](err); ok || err == nil {
			c.breaker.learn(probe, sent, r, failed)
		} else {
			c.breaker.abandon(probe)
		}
		if err != nil || next == nil {
			return ans, err
		}
		if hop == maxRedirects {
			return answer{}, &Error{
				Kind: Redirected, Method: r.verb(), Endpoint: r.endpoint, URL: target.String(), Location: next.String(),
				Message: fmt.Sprintf("more than %d redirects in a row", maxRedirects),
			}
		}
		target = next
	}
}

// admit waits for the breaker and the governor. probe says that the request
// goes although GitLab counts as down.
func (c *Client) admit(ctx context.Context, cred *credential, a ask) (probe bool, err error) {
	for {
		if probe, err = c.breaker.enter(ctx, a); err != nil {
			return false, err
		}
		held, err := cred.governor.enter(ctx, a)
		c.shared.throttled.Add(int64(held))
		if err != nil {
			c.breaker.abandon(probe)
			return false, err
		}
		if !c.breaker.stopped(probe) {
			return probe, nil
		}
		cred.governor.leave(outcome{endpoint: a.endpoint}) // GitLab went down meanwhile
	}
}

// unsent is the error of a request that was never sent.
func unsent(ctx context.Context, r request, target *url.URL, err error) error {
	if hasty, ok := errors.AsType[*impatient](err); ok {
		return &Error{
			Kind: RateLimited, Method: r.verb(), Endpoint: r.endpoint, URL: target.String(),
			Message: err.Error(), RetryAfter: hasty.wait, Err: err,
		}
	}
	if _, ok := errors.AsType[*Error](err); ok || errors.Is(err, errElsewhere) {
		return err
	}
	return stopped(ctx, r)
}

// exchange sends one request and reads its answer; next is where it redirects to.
func (c *Client) exchange(ctx context.Context, cred *credential, r request, target *url.URL, decode func([]byte) error) (ans answer, next *url.URL, err error) {
	fail := Error{Method: r.verb(), Endpoint: r.endpoint, URL: target.String(), Body: string(r.body)}
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(bounded, r.verb(), fail.URL, bytes.NewReader(r.body))
	if err != nil {
		cred.governor.leave(outcome{endpoint: r.key()})
		fail.Kind, fail.Err = BadRequest, err
		return answer{}, nil, &fail
	}
	// net/url would escape anew what a Link escaped in its own way.
	req.URL = target
	if r.body == nil {
		req.Body, req.GetBody = nil, nil
	} else {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "gzip")
	req.Header.Set("User-Agent", c.userAgent)
	if token := cred.token().Reveal(); token != "" {
		req.Header.Set("PRIVATE-TOKEN", token)
	}

	out := outcome{endpoint: r.key(), operation: r.operation, sent: time.Now()}
	buf := c.shared.buffers.Get().(*bytes.Buffer)
	buf.Reset()
	defer c.shared.buffers.Put(buf)
	c.count(r.key())
	resp, err := c.http.RoundTrip(req)
	out.latency = time.Since(out.sent)
	if err == nil {
		err = c.readBody(resp, buf)
		out.answer = readLimits(resp.StatusCode, resp.Header, buf.Bytes(), time.Now())
	}
	if ctx.Err() != nil {
		cred.governor.leave(outcome{endpoint: r.key()})
		return answer{}, nil, stopped(ctx, r)
	}
	out.failed = err != nil
	if r.operation != "" && err == nil && gaveUp(buf.Bytes()) {
		out.failed = true // whatever its status says
	}
	cred.governor.leave(out)
	c.log.Debug("request", "method", r.verb(), "url", fail.URL, "latency", out.latency, "bytes", buf.Len(), "failed", out.failed)
	if err != nil {
		if resp != nil {
			fail.Status = resp.StatusCode
		}
		fail.classify(err, c.timeout)
		if r.operation != "" {
			fail.soften()
		}
		return answer{}, nil, &fail
	}

	ans = answer{url: target, header: resp.Header, askedAt: out.sent.UTC(), took: worked(resp.Header, out.latency)}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		ans.date = date.UTC()
	}
	fail.Status, fail.RequestID = resp.StatusCode, resp.Header.Get("X-Request-Id")
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		next, err := c.redirect(target, resp, &fail)
		return answer{}, next, err
	}
	if err := fail.judge(resp, out.answer, buf.Bytes()); err != nil {
		if r.operation != "" {
			fail.soften()
		}
		return answer{}, nil, err
	}
	if err := decode(buf.Bytes()); err != nil {
		fail.unreadable(err, buf.Len())
		return answer{}, nil, &fail
	}
	return ans, nil, nil
}

// worked is how long GitLab says that it worked on an answer, else how long it
// was until the answer began: X-Runtime knows nothing of the network.
func worked(h http.Header, latency time.Duration) time.Duration {
	s, err := strconv.ParseFloat(h.Get("X-Runtime"), 64)
	if err != nil || !(s >= 0 && s < math.MaxInt32) {
		return latency
	}
	return time.Duration(s * float64(time.Second))
}

// stopped is the error of a request whose context ended. It is no *Error: the
// request did not fail.
func stopped(ctx context.Context, r request) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if cause == err {
		return fmt.Errorf("%s: %w", r.key(), err)
	}
	return fmt.Errorf("%s: %w: %w", r.key(), err, cause)
}

// readBody reads the whole body, decompressed, into buf.
func (c *Client) readBody(resp *http.Response, buf *bytes.Buffer) error {
	defer resp.Body.Close()
	var body io.Reader = resp.Body
	if strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		unzip := c.shared.gunzips.Get().(*gzip.Reader)
		defer c.shared.gunzips.Put(unzip)
		if err := unzip.Reset(resp.Body); err != nil {
			if errors.Is(err, io.EOF) { // not one byte: an empty body, and wrong unless nothing was to come
				return io.ErrUnexpectedEOF
			}
			return err
		}
		body = unzip
	}
	if resp.ContentLength > 0 && resp.ContentLength <= c.maxBody {
		buf.Grow(int(resp.ContentLength) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(body, c.maxBody+1))
	if err == nil && n > c.maxBody {
		return &tooLarge{c.maxBody}
	}
	return err
}

type tooLarge struct{ most int64 }

func (e *tooLarge) Error() string {
	return fmt.Sprintf("the answer is larger than %d bytes", e.most)
}

// redirect decides where a 3xx leads. A moved project answers 301 with its new
// path (gitlab-api §2), under GitLab's own idea of its host: there our host is
// kept. Anything else off this host and scheme is not followed, nor is what
// leaves the API, such as the sign-in page.
func (c *Client) redirect(from *url.URL, resp *http.Response, fail *Error) (*url.URL, error) {
	to, err := from.Parse(resp.Header.Get("Location"))
	if err != nil || resp.Header.Get("Location") == "" {
		fail.Kind, fail.Message, fail.Err = BadAnswer, "a redirect without a target that can be read", err
		return nil, fail
	}
	to.User, to.Fragment = nil, ""
	fail.Location = to.Scheme + "://" + to.Host + to.EscapedPath()
	below, isAPI := belowAPI(to)
	asked, _ := belowAPI(from)
	sameHost := to.Scheme == from.Scheme && to.Host == from.Host
	switch {
	case isAPI && strings.HasPrefix(below, "/projects/") && below != asked:
		next := *c.base
		next.RawPath = next.EscapedPath() + apiPath + below
		if next.Path, err = url.PathUnescape(next.RawPath); err != nil {
			fail.Kind, fail.Message, fail.Err = BadAnswer, "a redirect to a path that cannot be read", err
			return nil, fail
		}
		next.RawQuery = to.RawQuery
		if next.RawQuery == "" {
			next.RawQuery = from.RawQuery
		}
		return &next, nil
	case !sameHost:
		fail.Kind, fail.Message = Redirected, "redirected to "+fail.Location+", which is not followed: a token goes to one host only"
		return nil, fail
	case !isAPI:
		fail.Kind, fail.Message = NotGitLab, "redirected to "+fail.Location+", which is outside of the API"
		return nil, fail
	}
	return to, nil
}

// belowAPI gives the escaped path below /api/v4, whatever the relative root.
func belowAPI(u *url.URL) (string, bool) {
	p := u.EscapedPath()
	at := strings.LastIndex(p, apiPath+"/")
	if at < 0 {
		return "", false
	}
	return p[at+len(apiPath):], true
}
