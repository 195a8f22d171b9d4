package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/control"
)

// The doctor looks at what is known already and asks GitLab nothing: a check
// of the tokens themselves is POST /connections/{id}/check.

func (a *API) registerDoctor() {
	register(a, a.operation(http.MethodGet, "/doctor", "doctor", "Checks with remedies",
		"Looks at the program, its databases, connections and imports. Makes no request to GitLab."),
		func(ctx context.Context, _ *struct{}) (Doctor, error) {
			d := Doctor{Checks: orEmpty(a.Engine.Checks(ctx))}
			for _, c := range a.Store.Checks(ctx) {
				d.Checks = append(d.Checks, Check(c))
			}
			for _, c := range a.Control.Checks(ctx) {
				d.Checks = append(d.Checks, Check(c))
			}
			connections, err := a.Control.Connections(ctx)
			if err != nil {
				return d, err
			}
			last, err := a.Store.LastSyncs(ctx)
			if err != nil {
				return d, err
			}
			d.Checks = append(d.Checks, connectionChecks(connections, last, a.Now())...)
			d.OK = !slices.ContainsFunc(d.Checks, func(c Check) bool { return !c.OK })
			return d, nil
		})
}

// expirySoon is when a token's end is near enough to act.
const expirySoon = 14 * 24 * time.Hour

func connectionChecks(connections []control.Connection, last map[ci.ConnectionID]ci.Sync, now time.Time) []Check {
	if len(connections) == 0 {
		return []Check{{
			Name: "connections", Detail: "none",
			Remedy: "Connect a GitLab: weir connect gitlab-pipelines --url https://gitlab.com --group GROUP.",
		}}
	}
	var checks []Check
	for _, c := range connections {
		check := Check{
			Name: fmt.Sprintf("connection %d", c.ID), OK: true,
			Detail: fmt.Sprintf("%s to %s, verified", c.Kind, c.BaseURL),
		}
		switch {
		case c.State != control.Verified && c.LastErrorCode != nil:
			check.OK = false
			check.Detail = fmt.Sprintf("%s to %s, %s: %s", c.Kind, c.BaseURL, c.State, *c.LastErrorCode)
			check.Remedy = fmt.Sprintf("See the failing request: weir connections check %d.", c.ID)
		case len(c.Warnings) > 0:
			check.OK = false
			check.Detail += fmt.Sprintf("; %s: %s", c.Warnings[0].Code, c.Warnings[0].Cause)
			check.Remedy = c.Warnings[0].Remedy
		}
		checks = append(checks, check)
		for _, k := range c.Credentials {
			checks = append(checks, credentialCheck(k, now))
		}
		checks = append(checks, syncCheck(c, last))
	}
	return checks
}

func credentialCheck(k control.Credential, now time.Time) Check {
	check := Check{Name: fmt.Sprintf("credential %d", k.ID), OK: true, Detail: "does not expire, as far as GitLab says"}
	if k.ExpiresAt == nil {
		return check
	}
	day := k.ExpiresAt.Format(time.DateOnly)
	check.Detail = "expires on " + day
	if left := k.ExpiresAt.Sub(now); left < expirySoon {
		check.OK = false
		if left <= 0 {
			check.Detail = "expired on " + day
		}
		check.Remedy = fmt.Sprintf("Make a new token and add it: weir connections add-credential %d.", k.ConnectionID)
	}
	return check
}

func syncCheck(c control.Connection, last map[ci.ConnectionID]ci.Sync) Check {
	check := Check{Name: fmt.Sprintf("last sync of connection %d", c.ID)}
	s, ok := last[c.ID]
	if !ok {
		check.Detail = "there was none"
		check.Remedy = fmt.Sprintf("Import: weir sync --connection %d.", c.ID)
		return check
	}
	check.Detail = fmt.Sprintf("sync %d is %s since %s", s.ID, s.State, s.StartedAt.UTC().Format(time.RFC3339))
	switch s.State {
	case ci.SyncComplete, ci.SyncRunning:
		check.OK = true
	default:
		check.Remedy = "See what it could not do: weir status."
	}
	return check
}
