package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/control"
)

// Operations on connections: list, show, connect, check, disable, remove, and
// their credentials. Whatever takes a token verifies it before anything is stored.

type connectionPathIn struct {
	ID int64 `path:"id" minimum:"1"`
}

func (in connectionPathIn) id() ci.ConnectionID { return ci.ConnectionID(in.ID) }

func (a *API) registerConnections() {
	register(a, a.operation(http.MethodGet, "/connections", "list-connections", "List connections",
		"By id, without those that were removed."),
		func(ctx context.Context, _ *struct{}) (Connections, error) {
			list, err := a.Control.Connections(ctx)
			if err != nil {
				return Connections{}, err
			}
			shown := Connections{Connections: make([]Connection, len(list))}
			for i, c := range list {
				shown.Connections[i] = show(c)
			}
			return shown, nil
		})

	register(a, a.operation(http.MethodGet, "/connections/{id}", "show-connection", "Show a connection", ""),
		func(ctx context.Context, in *connectionPathIn) (Connection, error) {
			c, err := a.Control.Connection(ctx, in.id())
			return show(c), err
		})

	connect := a.operation(http.MethodPost, "/connections", "connect", "Connect a GitLab",
		"Verifies the token step by step, then stores the connection. Nothing is stored when a step fails; the problem then tells the steps.")
	connect.DefaultStatus = http.StatusCreated
	register(a, connect, func(ctx context.Context, in *struct{ Body ConnectRequest }) (Verified, error) {
		v, err := a.Engine.Connect(ctx, in.Body)
		return a.verified(ctx, v, err)
	})

	register(a, a.operation(http.MethodPost, "/connections/{id}/check", "check-connection", "Verify the stored credentials again",
		"The outcome is stored: state, last_error_code, warnings."),
		func(ctx context.Context, in *connectionPathIn) (Verified, error) {
			v, err := a.Engine.Check(ctx, in.id())
			return a.verified(ctx, v, err)
		})

	registerEmpty(a, a.operation(http.MethodDelete, "/connections/{id}", "remove-connection", "Remove a connection",
		"Stops its import if one runs, and wipes its tokens. The imported data stays."),
		func(ctx context.Context, in *connectionPathIn) error {
			return a.Engine.Disconnect(ctx, in.id())
		})

	register(a, a.operation(http.MethodPost, "/connections/{id}/disable", "disable-connection", "Leave a connection alone",
		"Stops its import if one runs. Nothing is asked of its GitLab until it is enabled; web hooks are still taken in."),
		func(ctx context.Context, in *connectionPathIn) (Connection, error) {
			return a.setDisabled(ctx, in.id(), true)
		})

	register(a, a.operation(http.MethodPost, "/connections/{id}/enable", "enable-connection", "Take a disabled connection up again", ""),
		func(ctx context.Context, in *connectionPathIn) (Connection, error) {
			return a.setDisabled(ctx, in.id(), false)
		})

	add := a.operation(http.MethodPost, "/connections/{id}/credentials", "add-credential", "Add a credential",
		"Several tokens of different users spread the work over their rate limits.")
	add.DefaultStatus = http.StatusCreated
	register(a, add, func(ctx context.Context, in *struct {
		ID   int64 `path:"id" minimum:"1"`
		Body CredentialRequest
	},
	) (Verified, error) {
		v, err := a.Engine.AddCredential(ctx, ci.ConnectionID(in.ID), in.Body)
		return a.verified(ctx, v, err)
	})

	registerEmpty(a, a.operation(http.MethodDelete, "/connections/{id}/credentials/{credential}", "remove-credential", "Remove a credential",
		"Wipes the token. The last one of a connection cannot be removed."),
		func(ctx context.Context, in *struct {
			ID         int64 `path:"id" minimum:"1"`
			Credential int64 `path:"credential" minimum:"1"`
		},
		) error {
			return a.Control.RemoveCredential(ctx, ci.ConnectionID(in.ID), in.Credential)
		})
}

func (a *API) setDisabled(ctx context.Context, id ci.ConnectionID, disabled bool) (Connection, error) {
	if err := a.Engine.SetDisabled(ctx, id, disabled); err != nil {
		return Connection{}, err
	}
	c, err := a.Control.Connection(ctx, id)
	return show(c), err
}

// verified turns the outcome of a verification into an answer; a failed one
// tells its steps.
func (a *API) verified(ctx context.Context, v Verification, err error) (Verified, error) {
	if err != nil {
		if ci.CodeOf(err) == ci.Internal {
			return Verified{}, err // refused logs it
		}
		p := *ProblemOf(err)
		p.Steps = v.Steps
		return Verified{}, &p
	}
	c, err := a.Control.Connection(ctx, v.Connection)
	if err != nil {
		return Verified{}, err
	}
	return Verified{Connection: show(c), CredentialID: v.Credential, Version: v.Version, Steps: orEmpty(v.Steps)}, nil
}

// show gives the part of a connection that may be seen, which is all of it:
// control keeps the tokens apart.
func show(c control.Connection) Connection {
	shown := Connection{
		ID: c.ID, Kind: c.Kind, Name: c.Name, InstanceID: c.InstanceID, BaseURL: c.BaseURL,
		Groups: orEmpty(c.Groups), Since: c.Since, CAFile: c.CAFile, MaxRequestsPerMinute: c.MaxRequestsPerMinute,
		State: string(c.State), DisabledAt: c.DisabledAt, Warnings: []Warning{}, Credentials: []Credential{},
		CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt, LastCheckedAt: c.LastCheckedAt, LastErrorCode: c.LastErrorCode,
	}
	for _, w := range c.Warnings {
		shown.Warnings = append(shown.Warnings, Warning(w))
	}
	for _, k := range c.Credentials {
		shown.Credentials = append(shown.Credentials, Credential{
			ID: k.ID, Label: k.Label, Last4: k.Last4, Username: k.Username, Scopes: orEmpty(slices.Clone(k.Scopes)),
			ExpiresAt: k.ExpiresAt, CreatedAt: k.CreatedAt, LastUsedAt: k.LastUsedAt,
		})
	}
	return shown
}

// orEmpty keeps null out of lists.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
