package api

import (
	"context"
	"net/http"

	"github.com/weirhq/weir/internal/ci"
)

// Hooks says where GitLab must send a connection's events, and what has come.
func (c *Client) Hooks(ctx context.Context, id ci.ConnectionID) (Hooks, error) {
	return call[Hooks](ctx, c, http.MethodGet, connectionPath(id)+"/hooks", nil)
}

// HookSecret makes the secret of a connection's hooks, which is shown this
// once; conflict if there is one and rotate is false.
func (c *Client) HookSecret(ctx context.Context, id ci.ConnectionID, rotate bool) (HookSecret, error) {
	return call[HookSecret](ctx, c, http.MethodPost, connectionPath(id)+"/hooks/secret", HookSecretRequest{Rotate: rotate})
}

// InstallHook puts a hook into GitLab; conflict if it is there already.
func (c *Client) InstallHook(ctx context.Context, id ci.ConnectionID, r InstallHookRequest) (InstalledHook, error) {
	body := struct {
		hookTarget
		URL string `json:"url"`
	}{revealed(r.HookTarget), r.URL}
	return call[InstalledHook](ctx, c, http.MethodPost, connectionPath(id)+"/hooks/install", body)
}

// InstalledHooks lists the hooks in GitLab that send events to a connection.
func (c *Client) InstalledHooks(ctx context.Context, id ci.ConnectionID, t HookTarget) ([]InstalledHook, error) {
	list, err := call[InstalledHooks](ctx, c, http.MethodPost, connectionPath(id)+"/hooks/list", revealed(t))
	return list.Hooks, err
}

// RemoveHooks takes them out of GitLab and gives what they were.
func (c *Client) RemoveHooks(ctx context.Context, id ci.ConnectionID, t HookTarget) ([]InstalledHook, error) {
	list, err := call[InstalledHooks](ctx, c, http.MethodPost, connectionPath(id)+"/hooks/remove", revealed(t))
	return list.Hooks, err
}

// hookTarget is a HookTarget whose token goes on the wire.
type hookTarget struct {
	Project string `json:"project,omitempty"`
	Group   string `json:"group,omitempty"`
	Token   string `json:"token"`
}

func revealed(t HookTarget) hookTarget { return hookTarget{t.Project, t.Group, t.Token.Reveal()} }
