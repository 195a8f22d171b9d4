package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/weirhq/weir/internal/ci"
)

// Client calls the API. It is safe for use by several goroutines.
//
// Every error is a *ci.Problem, or the context's own error when that ended.
type Client struct {
	base  string
	token Secret
	http  *http.Client

	answered atomic.Bool
}

// NewClient makes a client of the API at base (such as
// http://127.0.0.1:41337) that shows token, and sends its requests through hc;
// nil is http.DefaultClient. hc needs no timeout: every call ends with its context.
func NewClient(base string, token Secret, hc *http.Client) *Client {
	if hc == nil {
		hc = http.DefaultClient
	}
	return &Client{base: strings.TrimRight(base, "/"), token: token, http: hc}
}

// Answered says whether any request has been answered yet.
func (c *Client) Answered() bool { return c.answered.Load() }

// Health asks whether the process answers. It needs no token.
func (c *Client) Health(ctx context.Context) (Health, error) {
	return call[Health](ctx, c, http.MethodGet, "/health", nil)
}

// Version asks what is running.
func (c *Client) Version(ctx context.Context) (Version, error) {
	return call[Version](ctx, c, http.MethodGet, "/version", nil)
}

// Connections lists the connections by id; none is an empty list.
func (c *Client) Connections(ctx context.Context) ([]Connection, error) {
	list, err := call[Connections](ctx, c, http.MethodGet, "/connections", nil)
	return list.Connections, err
}

// Connection gives one connection; not_found if there is none of that id.
func (c *Client) Connection(ctx context.Context, id ci.ConnectionID) (Connection, error) {
	return call[Connection](ctx, c, http.MethodGet, connectionPath(id), nil)
}

// Connect verifies a credential and stores a connection; nothing is stored
// when it fails. On failure too, Steps tells how far the verification came.
func (c *Client) Connect(ctx context.Context, r ConnectRequest) (Verified, error) {
	body := struct {
		ConnectRequest
		Token string `json:"token"`
	}{r, r.Token.Reveal()}
	return c.verified(ctx, "/connections", body)
}

// CheckConnection verifies the stored credentials of a connection again and
// stores the outcome. On failure too, Steps tells how far it came.
func (c *Client) CheckConnection(ctx context.Context, id ci.ConnectionID) (Verified, error) {
	return c.verified(ctx, connectionPath(id)+"/check", nil)
}

// AddCredential verifies a further credential and stores it with the
// connection; nothing is stored when it fails.
func (c *Client) AddCredential(ctx context.Context, id ci.ConnectionID, r CredentialRequest) (Verified, error) {
	body := struct {
		CredentialRequest
		Token string `json:"token"`
	}{r, r.Token.Reveal()}
	return c.verified(ctx, connectionPath(id)+"/credentials", body)
}

// DisableConnection leaves a connection alone until it is enabled; its import,
// if one runs, is stopped.
func (c *Client) DisableConnection(ctx context.Context, id ci.ConnectionID) (Connection, error) {
	return call[Connection](ctx, c, http.MethodPost, connectionPath(id)+"/disable", nil)
}

// EnableConnection takes a disabled connection up again.
func (c *Client) EnableConnection(ctx context.Context, id ci.ConnectionID) (Connection, error) {
	return call[Connection](ctx, c, http.MethodPost, connectionPath(id)+"/enable", nil)
}

// RemoveConnection removes a connection and wipes its tokens; the imported
// data stays.
func (c *Client) RemoveConnection(ctx context.Context, id ci.ConnectionID) error {
	_, err := call[struct{}](ctx, c, http.MethodDelete, connectionPath(id), nil)
	return err
}

// RemoveCredential wipes a credential. The last one of a connection cannot be
// removed: conflict.
func (c *Client) RemoveCredential(ctx context.Context, id ci.ConnectionID, credential int64) error {
	path := connectionPath(id) + "/credentials/" + strconv.FormatInt(credential, 10)
	_, err := call[struct{}](ctx, c, http.MethodDelete, path, nil)
	return err
}

// StartSyncs starts one import per named connection, or per connection there
// is; conflict if one of them is running already.
func (c *Client) StartSyncs(ctx context.Context, r SyncRequest) ([]StartedSync, error) {
	started, err := call[StartedSyncs](ctx, c, http.MethodPost, "/syncs", r)
	return started.Syncs, err
}

// Syncs lists the newest imports, at most limit; 0 is the server's default.
func (c *Client) Syncs(ctx context.Context, limit int) ([]Sync, error) {
	path := "/syncs"
	if limit > 0 {
		path += "?limit=" + strconv.Itoa(limit)
	}
	list, err := call[Syncs](ctx, c, http.MethodGet, path, nil)
	return list.Syncs, err
}

// Sync gives one import with its errors; not_found if there is none of that id.
func (c *Client) Sync(ctx context.Context, id ci.SyncID) (Sync, error) {
	return call[Sync](ctx, c, http.MethodGet, syncPath(id), nil)
}

// CancelSync asks a running import to stop; what it stored stays. It answers
// the import as it is then, which may still be running. One that has ended
// already is no error.
func (c *Client) CancelSync(ctx context.Context, id ci.SyncID) (Sync, error) {
	return call[Sync](ctx, c, http.MethodPost, syncPath(id)+"/cancel", nil)
}

// Status says what is current, what failed, and what it cost.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return call[Status](ctx, c, http.MethodGet, "/status", nil)
}

// Schema lists the published tables and views.
func (c *Client) Schema(ctx context.Context) ([]Table, error) {
	s, err := call[Schema](ctx, c, http.MethodGet, "/schema", nil)
	return s.Tables, err
}

// Table describes one published table or view; not_found if there is none of
// that name.
func (c *Client) Table(ctx context.Context, name string) (Table, error) {
	return call[Table](ctx, c, http.MethodGet, "/schema/"+url.PathEscape(name), nil)
}

// Doctor runs the checks.
func (c *Client) Doctor(ctx context.Context) (Doctor, error) {
	return call[Doctor](ctx, c, http.MethodGet, "/doctor", nil)
}

// Export gives a published table as a stream in format ndjson, csv or parquet,
// to be closed by the caller. A stream that ends early ends with an error, so
// that half a table never looks like a whole one.
func (c *Client) Export(ctx context.Context, table, format string) (io.ReadCloser, error) {
	path := "/export/" + url.PathEscape(table) + "?format=" + url.QueryEscape(format)
	res, err := c.send(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return nil, err
	}
	return &exported{ctx: ctx, body: res.Body, table: table}, nil
}

// exported words the errors of a stream.
type exported struct {
	ctx   context.Context // the call's own: a stream is the call's second half
	body  io.ReadCloser
	table string
}

func (e *exported) Read(p []byte) (int, error) {
	n, err := e.body.Read(p)
	if err != nil && err != io.EOF {
		err = cutOff(e.ctx, "The export of "+e.table, err)
	}
	return n, err
}

func (e *exported) Close() error { return e.body.Close() }

func connectionPath(id ci.ConnectionID) string {
	return "/connections/" + strconv.FormatInt(int64(id), 10)
}

func syncPath(id ci.SyncID) string { return "/syncs/" + strconv.FormatInt(int64(id), 10) }

func (c *Client) verified(ctx context.Context, path string, body any) (Verified, error) {
	v, err := call[Verified](ctx, c, http.MethodPost, path, body)
	var p *answered
	if errors.As(err, &p) {
		v.Steps = p.steps
		err = p.Problem
	}
	return v, err
}

// answered is a problem that came with the steps of a verification.
type answered struct {
	*ci.Problem
	steps []Step
}

func (a *answered) Unwrap() error { return a.Problem }

// call sends one request and reads its answer whole.
func call[T any](ctx context.Context, c *Client, method, path string, body any) (T, error) {
	var answer T
	var payload io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return answer, &ci.Problem{Code: ci.BadRequest, Cause: "The request cannot be written as JSON.", Err: err}
		}
		payload = bytes.NewReader(b)
	}
	res, err := c.send(ctx, method, path, payload, nil)
	if err != nil {
		return answer, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode == http.StatusNoContent {
		return answer, nil
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return answer, cutOff(ctx, "The answer to "+method+" "+path, err)
	}
	return answer, nil
}

// send sends one request and gives its answer when that is a success; its body
// is to be closed by the caller. An answer of another kind becomes an error.
func (c *Client) send(ctx context.Context, method, path string, body io.Reader, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+Prefix+path, body)
	if err != nil {
		return nil, &ci.Problem{Code: ci.BadRequest, Cause: "The address of the weir server is not a URL.", Err: err}
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token := c.token.Reveal(); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &ci.Problem{
			Code:   ci.ServerUnreachable,
			Cause:  fmt.Sprintf("The weir server at %s does not answer.", c.base),
			Remedy: "See whether it still runs; without a running server the command starts its own.",
			Err:    err,
		}
	}
	c.answered.Store(true)
	if res.StatusCode < 300 {
		return res, nil
	}
	defer func() { _ = res.Body.Close() }()
	return nil, readProblem(res)
}

// readProblem turns a refused answer into an error.
func readProblem(res *http.Response) error {
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return cutOff(res.Request.Context(), "The answer", err)
	}
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	var p Problem
	if kind != "application/problem+json" || json.Unmarshal(b, &p) != nil || p.Code == "" {
		return &ci.Problem{
			Code:   ci.Internal,
			Cause:  fmt.Sprintf("%s %s answered %s, not in weir's words.", res.Request.Method, res.Request.URL.Redacted(), res.Status),
			Remedy: "See whether the address is weir's, and whether both sides have the same version.",
		}
	}
	if len(p.Steps) > 0 {
		return &answered{p.Problem(), p.Steps}
	}
	if len(p.Findings) > 0 {
		return &CatalogRefused{p.Problem(), p.Findings}
	}
	return p.Problem()
}

// cutOff is the error of an answer that broke off.
func cutOff(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &ci.Problem{
		Code:   ci.Interrupted,
		Cause:  what + " broke off.",
		Remedy: "Repeat the command; weir's log says why it happened.",
		Err:    err,
	}
}
