package gitlab

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
)

// Managing web hooks. Those of a project want the role Maintainer, those of a
// group the role Owner and GitLab Premium; both the scope api.

// HookOwner is the project or the group that a hook belongs to.
type HookOwner struct {
	Group    bool   // a group, not a project
	IDOrPath string // id, or full path
}

func (o HookOwner) request() request {
	kind := "projects"
	if o.Group {
		kind = "groups"
	}
	return request{endpoint: "/" + kind + "/:id/hooks", path: "/" + kind + "/" + url.PathEscape(o.IDOrPath) + "/hooks"}
}

// InstalledHook is a web hook as GitLab lists it. Its secret is never shown.
type InstalledHook struct {
	ID             int64         `json:"id"`
	URL            string        `json:"url"`
	PipelineEvents Field[bool]   `json:"pipeline_events"`
	JobEvents      Field[bool]   `json:"job_events"`
	AlertStatus    Field[string] `json:"alert_status"`   // executable, disabled, temporarily_disabled
	DisabledUntil  Field[Time]   `json:"disabled_until"` // switched off after failures
	CreatedAt      Field[Time]   `json:"created_at"`
}

// NewHook is a web hook to install. It gets events of pipelines, jobs and
// deployments only.
type NewHook struct {
	URL       string
	Secret    Secret // sent back in X-Gitlab-Token
	VerifyTLS bool   // GitLab refuses a certificate that it does not trust
}

// Hooks walks over the web hooks of a project or group; there may be none.
func (c *Client) Hooks(ctx context.Context, o HookOwner) iter.Seq2[Page[InstalledHook], error] {
	r := o.request()
	r.query = url.Values{"per_page": {perPageText(0)}}
	return pages[InstalledHook](ctx, c, r, nil)
}

// AddHook installs a web hook. It is asked for once, whatever the client's
// retries: twice would install two. Forbidden and NotFound mean that the token's
// role is too small, or that groups have no hooks in this GitLab.
func (c *Client) AddHook(ctx context.Context, o HookOwner, n NewHook) (InstalledHook, error) {
	once := *c
	once.maxRetries = 0
	r := o.request()
	r.method = http.MethodPost
	var err error
	r.body, err = json.Marshal(map[string]any{
		"url": n.URL, "token": n.Secret.Reveal(), "pipeline_events": true, "job_events": true, "deployment_events": true, "push_events": false, "enable_ssl_verification": n.VerifyTLS,
	})
	if err != nil {
		return InstalledHook{}, err
	}
	ans, err := one[InstalledHook](ctx, &once, r)
	return ans.Value, withoutBody(err)
}

// DeleteHook removes a web hook; one that is not there is NotFound.
func (c *Client) DeleteHook(ctx context.Context, o HookOwner, hook int64) error {
	r := o.request()
	r.method, r.endpoint, r.path = http.MethodDelete, r.endpoint+"/:id", r.path+"/"+id(hook)
	_, err := c.do(ctx, r, func([]byte) error { return nil })
	return err
}

// withoutBody keeps the secret, which the request's body holds, out of an error.
func withoutBody(err error) error {
	if e, ok := err.(*Error); ok {
		e.Body = ""
	}
	return err
}

func (h *InstalledHook) check() error {
	return missing("a web hook", requiredKey{"id", h.ID != 0}, requiredKey{"url", h.URL != ""})
}
