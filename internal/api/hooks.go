package api

import (
	"context"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// Web hooks of a connection: the secret that lets them in, what they have
// brought, and putting them into GitLab. That takes a token with more rights
// than weir's own, which is used for the one request and never stored.

// HookEngine is what the API asks of the program for web hooks.
type HookEngine interface {
	// HookSecret makes the secret of a connection's hooks, and gives it this once.
	HookSecret(ctx context.Context, id ci.ConnectionID, rotate bool) (string, error)
	// InstallHook puts a hook into GitLab, and makes the secret where there is none.
	InstallHook(context.Context, ci.ConnectionID, InstallHookRequest) (InstalledHook, error)
	// RefusedHooks says how many deliveries were refused since the process began,
	// by connection and reason; none that was not.
	RefusedHooks() map[ci.ConnectionID]map[HookRefusal]int64
	// InstalledHooks lists the hooks that send events to this connection.
	InstalledHooks(context.Context, ci.ConnectionID, HookTarget) ([]InstalledHook, error)
	// RemoveHooks takes those hooks out of GitLab and gives what they were.
	RemoveHooks(context.Context, ci.ConnectionID, HookTarget) ([]InstalledHook, error)
}

// HookRefusal is why a delivery was refused.
type HookRefusal string

// The reasons for which deliveries are refused.
const (
	WrongHookSecret HookRefusal = "wrong_secret"   // no secret or signature, a wrong or a stale one
	HookNotRead     HookRefusal = "not_understood" // no event, or one that broke off or is too large
	HookNotKept     HookRefusal = "not_stored"     // the private state did not take it; GitLab is told to try again
)

// HookStatus is what web hooks bring, at a glance.
type HookStatus struct {
	Received       int64                 `json:"received" doc:"events that were taken in"`
	LastReceivedAt *time.Time            `json:"last_received_at"`
	Waiting        int64                 `json:"waiting" doc:"events in the inbox, not written yet"`
	OldestAt       *time.Time            `json:"oldest_at" doc:"when the oldest of them came"`
	Failed         int64                 `json:"failed" doc:"events that could not be written"`
	Refused        map[HookRefusal]int64 `json:"refused" nullable:"false" doc:"deliveries that were refused since the answering process began, by reason: wrong_secret, not_understood or not_stored"`
}

// hookStatus gives it for each connection that has a secret.
func (a *API) hookStatus(ctx context.Context) (map[ci.ConnectionID]HookStatus, error) {
	all, err := a.Control.HookStats(ctx)
	if err != nil {
		return nil, err
	}
	refused := a.Engine.RefusedHooks()
	shown := make(map[ci.ConnectionID]HookStatus, len(all))
	for id, s := range all {
		one := HookStatus{
			Received: s.Received, LastReceivedAt: s.LastReceivedAt, Waiting: s.Waiting, OldestAt: s.OldestAt, Failed: s.Failed,
			Refused: map[HookRefusal]int64{},
		}
		maps.Copy(one.Refused, refused[id])
		shown[id] = one
	}
	return shown, nil
}

// Hooks says where GitLab must send events, and what has come so far.
type Hooks struct {
	ConnectionID   ci.ConnectionID `json:"connection_id"`
	Path           string          `json:"path" doc:"below the address at which GitLab reaches weir"`
	SecretAt       *time.Time      `json:"secret_at" doc:"when the secret was made, null if there is none"`
	Received       int64           `json:"received" doc:"events that were taken in"`
	Repeated       int64           `json:"repeated" doc:"deliveries of an event that was there already"`
	Dropped        int64           `json:"dropped" doc:"events of kinds that weir does not read"`
	Waiting        int64           `json:"waiting" doc:"events that are not written yet"`
	Failed         int64           `json:"failed" doc:"events that could not be written"`
	LastError      string          `json:"last_error" doc:"why the newest of them could not, empty if none"`
	LastReceivedAt *time.Time      `json:"last_received_at"`
}

// HookSecretRequest asks for a secret.
type HookSecretRequest struct {
	Rotate bool `json:"rotate,omitempty" doc:"replace the one that is there"`
}

// HookSecret is a secret, shown once.
type HookSecret struct {
	Path   string `json:"path" doc:"below the address at which GitLab reaches weir"`
	Secret string `json:"secret" doc:"shown now and never again"`
}

// HookTarget names a project or a group of GitLab, and the token that may
// change its hooks.
type HookTarget struct {
	Project string `json:"project,omitempty" doc:"id or full path; give this or group"`
	Group   string `json:"group,omitempty" doc:"id or full path; group hooks want GitLab Premium"`
	Token   Secret `json:"token" doc:"of a Maintainer (of a group: Owner), scope api; used now and not stored"`
}

// InstallHookRequest says where to install a hook.
type InstallHookRequest struct {
	HookTarget
	URL string `json:"url" minLength:"1" doc:"the address at which GitLab reaches weir, such as https://weir.example.com"`
}

// InstalledHook is a hook as GitLab lists it.
type InstalledHook struct {
	ID            int64      `json:"id"`
	URL           string     `json:"url"`
	AlertStatus   string     `json:"alert_status" doc:"executable, or disabled after failures; empty where GitLab does not say"`
	DisabledUntil *time.Time `json:"disabled_until"`
}

// InstalledHooks is a list of hooks.
type InstalledHooks struct {
	Hooks []InstalledHook `json:"hooks" nullable:"false"`
}

// HookPath is where a connection's events go, below weir's address.
func HookPath(id ci.ConnectionID) string { return "/hooks/gitlab/" + strconv.FormatInt(int64(id), 10) }

func (a *API) registerHooks() {
	register(a, a.operation(http.MethodGet, "/connections/{id}/hooks", "show-hooks", "Show where web hooks go and what they brought", ""),
		func(ctx context.Context, in *connectionPathIn) (Hooks, error) { return a.hooks(ctx, in.id()) })

	secret := a.operation(http.MethodPost, "/connections/{id}/hooks/secret", "make-hook-secret", "Make the secret of a connection's web hooks",
		"The answer is the only place that ever shows it. Where there is one already it is replaced only by rotate, and else refused as a conflict.")
	secret.DefaultStatus = http.StatusCreated
	register(a, secret, func(ctx context.Context, in *struct {
		ID   int64 `path:"id" minimum:"1"`
		Body HookSecretRequest
	},
	) (HookSecret, error) {
		id := ci.ConnectionID(in.ID)
		made, err := a.Engine.HookSecret(ctx, id, in.Body.Rotate)
		return HookSecret{Path: HookPath(id), Secret: made}, err
	})

	install := a.operation(http.MethodPost, "/connections/{id}/hooks/install", "install-hook", "Install a web hook in GitLab",
		"With a token of its own, which is not stored. A hook that is there already is a conflict.")
	install.DefaultStatus = http.StatusCreated
	register(a, install, func(ctx context.Context, in *struct {
		ID   int64 `path:"id" minimum:"1"`
		Body InstallHookRequest
	},
	) (InstalledHook, error) {
		return a.Engine.InstallHook(ctx, ci.ConnectionID(in.ID), in.Body)
	})

	type target struct {
		ID   int64 `path:"id" minimum:"1"`
		Body HookTarget
	}
	register(a, a.operation(http.MethodPost, "/connections/{id}/hooks/list", "list-hooks", "List the web hooks in GitLab that send events here",
		"A POST because of the token, which is not stored."),
		func(ctx context.Context, in *target) (InstalledHooks, error) {
			list, err := a.Engine.InstalledHooks(ctx, ci.ConnectionID(in.ID), in.Body)
			return InstalledHooks{Hooks: orEmpty(list)}, err
		})
	register(a, a.operation(http.MethodPost, "/connections/{id}/hooks/remove", "remove-hooks", "Remove the web hooks in GitLab that send events here",
		"Answers those that were removed."),
		func(ctx context.Context, in *target) (InstalledHooks, error) {
			list, err := a.Engine.RemoveHooks(ctx, ci.ConnectionID(in.ID), in.Body)
			return InstalledHooks{Hooks: orEmpty(list)}, err
		})
}

func (a *API) hooks(ctx context.Context, id ci.ConnectionID) (Hooks, error) {
	shown := Hooks{ConnectionID: id, Path: HookPath(id)}
	if _, err := a.Control.Connection(ctx, id); err != nil {
		return shown, err
	}
	all, err := a.Control.HookStats(ctx)
	if err != nil {
		return shown, err
	}
	if s, ok := all[id]; ok {
		shown.SecretAt = &s.SecretAt
		shown.Received, shown.Repeated, shown.Dropped = s.Received, s.Repeated, s.Dropped
		shown.Waiting, shown.Failed, shown.LastError, shown.LastReceivedAt = s.Waiting, s.Failed, s.LastError, s.LastReceivedAt
	}
	return shown, nil
}
