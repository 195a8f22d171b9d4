package server

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/control"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/importer"
)

// Putting hooks into GitLab and taking them out, with a token that is given for
// the one request.

// HookSecret makes the secret of a connection's hooks.
func (e *engine) HookSecret(ctx context.Context, id ci.ConnectionID, rotate bool) (string, error) {
	secret := gitlab.NewHookSecret()
	if err := e.control.SetHookSecret(ctx, id, control.NewSecret(secret.Reveal()), rotate); err != nil {
		return "", err
	}
	e.hooks.forgetSecret(id)
	e.log.Info("hook secret made", "connection", id, "rotated", rotate)
	return secret.Reveal(), nil
}

// InstallHook puts a hook into GitLab.
func (e *engine) InstallHook(ctx context.Context, id ci.ConnectionID, r api.InstallHookRequest) (api.InstalledHook, error) {
	public, err := publicURL(r.URL)
	if err != nil {
		return api.InstalledHook{}, err
	}
	there, err := e.InstalledHooks(ctx, id, r.HookTarget)
	if err != nil {
		return api.InstalledHook{}, err
	}
	target := public + api.HookPath(id)
	for _, h := range there {
		if h.URL == target {
			return h, &ci.Problem{
				Code:   ci.Conflict,
				Cause:  fmt.Sprintf("The hook to %s is installed there already, as hook %d.", target, h.ID),
				Remedy: "Remove it first if its secret is not the present one: weir hooks remove.",
			}
		}
	}
	secret, err := e.control.HookSecret(ctx, id)
	if ci.CodeOf(err) == ci.NotFound {
		made, makeErr := e.HookSecret(ctx, id, false)
		secret, err = control.NewSecret(made), makeErr
	}
	if err != nil {
		return api.InstalledHook{}, err
	}
	gitLab, owner, err := e.hookClient(ctx, id, r.HookTarget)
	if err != nil {
		return api.InstalledHook{}, err
	}
	defer gitLab.release()
	h, err := gitLab.client.AddHook(ctx, owner, gitlab.NewHook{
		URL: target, Secret: gitlab.Secret(secret.Reveal()), VerifyTLS: strings.HasPrefix(target, "https://"),
	})
	if err != nil {
		return api.InstalledHook{}, hookProblem(owner, err)
	}
	e.log.Info("hook installed", "connection", id, "hook", h.ID)
	return installed(h), nil
}

// RefusedHooks says how many deliveries were refused since the process began.
func (e *engine) RefusedHooks() map[ci.ConnectionID]map[api.HookRefusal]int64 {
	return e.hooks.refusals()
}

// InstalledHooks lists the hooks that send events to a connection of this weir,
// or of another under the same number: GitLab knows only the URL.
func (e *engine) InstalledHooks(ctx context.Context, id ci.ConnectionID, t api.HookTarget) ([]api.InstalledHook, error) {
	gitLab, owner, err := e.hookClient(ctx, id, t)
	if err != nil {
		return nil, err
	}
	defer gitLab.release()
	var list []api.InstalledHook
	for h, err := range gitlab.Items(gitLab.client.Hooks(ctx, owner)) {
		if err != nil {
			return nil, hookProblem(owner, err)
		}
		if strings.HasSuffix(h.URL, api.HookPath(id)) {
			list = append(list, installed(h))
		}
	}
	return list, nil
}

// RemoveHooks takes them out. What it gives beside an error is removed.
func (e *engine) RemoveHooks(ctx context.Context, id ci.ConnectionID, t api.HookTarget) (removed []api.InstalledHook, err error) {
	list, err := e.InstalledHooks(ctx, id, t)
	if err != nil {
		return nil, err
	}
	gitLab, owner, err := e.hookClient(ctx, id, t)
	if err != nil {
		return nil, err
	}
	defer gitLab.release()
	for _, h := range list {
		if err := gitLab.client.DeleteHook(ctx, owner, h.ID); err != nil && gitlab.KindOf(err) != gitlab.NotFound {
			return removed, hookProblem(owner, err)
		}
		removed = append(removed, h)
	}
	return removed, nil
}

// manualPatience bounds each request about hooks: a person waits.
const manualPatience = 10 * time.Second

// hookClient makes a client with the token that was given for this. It may well
// be a connection's own, so it shares that token's governor.
func (e *engine) hookClient(ctx context.Context, id ci.ConnectionID, t api.HookTarget) (opened, gitlab.HookOwner, error) {
	owner := gitlab.HookOwner{Group: t.Group != "", IDOrPath: strings.Trim(t.Project+t.Group, "/")}
	if (t.Project == "") == (t.Group == "") || owner.IDOrPath == "" {
		return opened{}, owner, &ci.Problem{
			Code: ci.BadRequest, Cause: "Hooks belong to a project or to a group, and one of them must be named.",
			Remedy: "Name a project by its full path; or a group, whose hooks need GitLab Premium.",
		}
	}
	c, err := e.control.Connection(ctx, id)
	if err != nil {
		return opened{}, owner, err
	}
	token := control.NewSecret(t.Token.Reveal())
	fingerprint, err := e.control.Fingerprint(token)
	if err != nil {
		return opened{}, owner, err
	}
	gitLab, err := e.open(c, []control.Opened{{Token: token, Fingerprint: fingerprint}}, nil)
	if err != nil {
		return opened{}, owner, err
	}
	gitLab.client = gitLab.client.WithPatience(manualPatience)
	return gitLab, owner, nil
}

// hookProblem says which rights are missing.
func hookProblem(o gitlab.HookOwner, err error) error {
	p := *importer.Explain(err)
	var failed *gitlab.Error
	if !errors.As(err, &failed) {
		return &p
	}
	switch failed.Kind {
	case gitlab.Forbidden, gitlab.InsufficientScope, gitlab.NotFound:
		p.Code = ci.InvalidPermissions
		p.Cause = fmt.Sprintf("The token may not change the hooks of %s, or there is no such project.", o.IDOrPath)
		p.Remedy = "Use a token with the scope api of a user with the role Maintainer there; it is not stored. Or paste what weir hooks show prints into Settings, Webhooks."
		if o.Group {
			p.Cause = fmt.Sprintf("The token may not change the hooks of the group %s, there is no such group, or this GitLab has no group hooks.", o.IDOrPath)
			p.Remedy = "Use a token with the scope api of an Owner of the group, on GitLab Premium or Ultimate; elsewhere install a hook in each project by --project."
		}
	}
	return &p
}

func installed(h gitlab.InstalledHook) api.InstalledHook {
	shown := api.InstalledHook{ID: h.ID, URL: h.URL, AlertStatus: h.AlertStatus.Or("")}
	if until, ok := h.DisabledUntil.Get(); ok {
		shown.DisabledUntil = &until.Time
	}
	return shown
}

// publicURL checks the address at which GitLab is to reach weir.
func publicURL(text string) (string, error) {
	u, err := url.Parse(strings.TrimRight(text, "/"))
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", &ci.Problem{
			Code: ci.BadRequest, Cause: "This is no address at which GitLab could reach weir.",
			Remedy: "Give scheme and host of the proxy in front of weir, such as https://weir.example.com.",
		}
	}
	return u.String(), nil
}
