package gitlab

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Credential is a token and the governor of all that is asked with it.
type Credential struct {
	Token    Secret
	Governor *Governor // nil: New makes one with the zero GovernorConfig
}

// Config is what New needs. BaseURL is required; an empty Credentials asks
// without a token, which GitLab answers with 401 nearly everywhere.
type Config struct {
	BaseURL     string            // as NormalizeBaseURL takes it
	Credentials []Credential      // work spreads over them
	Breaker     *Breaker          // of the GitLab, shared by its clients; nil: none
	CAFile      string            // PEM certificates to trust besides the system's; "" for none. Unused with Transport
	Transport   http.RoundTripper // nil: one of its own, with HTTPS_PROXY, HTTP/2 and connection reuse
	UserAgent   string            // "": "weir"
	MaxBody     int64             // bytes of an answer after decompression; 0: 64 MiB
	MaxRetries  int               // attempts after the first; 0: 6, negative: none
	Timeout     time.Duration     // of one attempt, body included; 0: 2 minutes
	Patience    time.Duration     // see Client.WithPatience; 0: no bound
	Log         *slog.Logger      // nil: none
}

const (
	defaultMaxBody    = 64 << 20
	defaultMaxRetries = 6
	defaultTimeout    = 2 * time.Minute
)

// Client asks one GitLab. It is safe for concurrent use.
type Client struct {
	base        *url.URL // with the relative root, no slash at the end
	http        http.RoundTripper
	credentials []*credential
	breaker     *Breaker // nil: never opens
	userAgent   string
	maxBody     int64
	maxRetries  int
	timeout     time.Duration
	patience    time.Duration
	log         *slog.Logger
	tally       *atomic.Int64 // see Counting; nil: none
	caller      *Caller       // see As

	shared *shared
}

// shared is what a client has in common with those that WithPatience makes of it.
type shared struct {
	requests  atomic.Int64
	retries   atomic.Int64
	throttled atomic.Int64 // nanoseconds

	mu         sync.Mutex
	byEndpoint map[string]int64

	buffers sync.Pool // of *bytes.Buffer
	gunzips sync.Pool // of *gzip.Reader
}

// credential is a Credential in use. Its token is behind a function because fmt,
// given a verb that does not fit, prints even the unexported fields of what a
// pointer leads to, without asking their methods.
type credential struct {
	token    func() Secret
	governor *Governor
	rejected atomic.Bool // GitLab answered 401: not used again while another is left
}

// New makes a client. It asks nothing yet; errors are about the configuration.
func New(cfg Config) (*Client, error) {
	normal, err := NormalizeBaseURL(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(normal)
	if err != nil {
		return nil, fmt.Errorf("the GitLab URL cannot be read: %w", err)
	}
	c := &Client{
		base:       base,
		http:       cfg.Transport,
		breaker:    cfg.Breaker,
		userAgent:  cmp.Or(cfg.UserAgent, "weir"),
		maxBody:    cmp.Or(cfg.MaxBody, defaultMaxBody),
		maxRetries: max(cmp.Or(cfg.MaxRetries, defaultMaxRetries), 0),
		timeout:    cmp.Or(cfg.Timeout, defaultTimeout),
		patience:   cfg.Patience,
		caller:     NewCaller(false),
		log:        cfg.Log,
		shared: &shared{
			byEndpoint: map[string]int64{},
			buffers:    sync.Pool{New: func() any { return new(bytes.Buffer) }},
			gunzips:    sync.Pool{New: func() any { return new(gzip.Reader) }},
		},
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.http == nil {
		if c.http, err = newTransport(cfg.CAFile); err != nil {
			return nil, err
		}
	}
	credentials := cfg.Credentials
	if len(credentials) == 0 {
		credentials = []Credential{{}}
	}
	for _, cred := range credentials {
		if cred.Governor == nil {
			cred.Governor = NewGovernor(GovernorConfig{Log: cfg.Log})
		}
		c.credentials = append(c.credentials, &credential{token: func() Secret { return cred.Token }, governor: cred.Governor})
	}
	return c, nil
}

// newTransport is the connection pool of a client. Compression is switched off
// there because the client decompresses by itself, with readers that it reuses.
func newTransport(caFile string) (*http.Transport, error) {
	roots, err := trustedRoots(caFile)
	if err != nil {
		return nil, err
	}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   10 * time.Second,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          128,
		MaxIdleConnsPerHost:   64, // the governor's widest, and some to spare
		IdleConnTimeout:       90 * time.Second,
		ResponseHeaderTimeout: 90 * time.Second, // GitLab itself gives up after 60
		DisableCompression:    true,
	}, nil
}

func trustedRoots(caFile string) (*x509.CertPool, error) {
	if caFile == "" {
		return nil, nil // the system's
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("the CA file cannot be read: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("the system's certificates cannot be read: %w", err)
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("the CA file " + caFile + " holds no certificate in PEM form")
	}
	return roots, nil
}

// BaseURL gives GitLab's address: scheme://host[:port][/relative root].
func (c *Client) BaseURL() string { return c.base.String() }

// WithPatience gives a client that shares everything with c but begins no
// attempt of a call later than d after the call: for a person who waits for an
// answer. What would have to wait longer fails at once, with the error that it
// would have waited for, or RateLimited. Zero is endless patience.
func (c *Client) WithPatience(d time.Duration) *Client {
	hasty := *c
	hasty.patience = d
	return &hasty
}

// As gives a client that shares everything with c and asks on behalf of
// another caller. Each client that New makes has a caller of its own, which
// its relatives share.
func (c *Client) As(caller *Caller) *Client {
	other := *c
	other.caller = caller
	return &other
}

// Background says whether the client asks on behalf of a background caller.
func (c *Client) Background() bool { return c.caller.Background() }

// Counting gives a client that shares everything with c and also adds each
// request that it sends to n: for whoever must know what one part of the work
// has cost.
func (c *Client) Counting(n *atomic.Int64) *Client {
	counted := *c
	counted.tally = n
	return &counted
}

// Outage tells how the client's GitLab does: whether requests wait for it to
// come back, and since when.
func (c *Client) Outage() BreakerState { return c.breaker.State() }

// Stats is what a client has asked so far.
type Stats struct {
	Requests   int64            // every attempt that went on the wire, redirects and retries included
	ByEndpoint map[string]int64 // the same, by "GET /projects/:id/pipelines/:id/jobs"
	Throttled  time.Duration    // for how long limits (GitLab's, or the ceiling) held requests back
	Retries    int64            // attempts that repeated an earlier one
	Rejected   int              // credentials that GitLab answered with 401
}

// Stats gives the counts since New; a client that asked nothing gives zeros.
func (c *Client) Stats() Stats {
	s := Stats{
		Requests:  c.shared.requests.Load(),
		Throttled: time.Duration(c.shared.throttled.Load()),
		Retries:   c.shared.retries.Load(),
	}
	for _, cred := range c.credentials {
		if cred.rejected.Load() {
			s.Rejected++
		}
	}
	c.shared.mu.Lock()
	defer c.shared.mu.Unlock()
	s.ByEndpoint = maps.Clone(c.shared.byEndpoint)
	return s
}

// count notes that a request goes on the wire.
func (c *Client) count(key string) {
	if c.tally != nil {
		c.tally.Add(1)
	}
	c.shared.requests.Add(1)
	c.shared.mu.Lock()
	c.shared.byEndpoint[key]++
	c.shared.mu.Unlock()
}
