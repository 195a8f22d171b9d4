package gitlabtest

import (
	"fmt"
	"slices"
	"time"
)

// Access levels of a member, as GitLab numbers them.
const (
	Guest      = 10
	Reporter   = 20
	Developer  = 30
	Maintainer = 40
	Owner      = 50
)

// Token is an access token. Its user is a bot of its own, so that every token
// has limits of its own.
type Token struct {
	ID         int64
	Value      string
	Name       string
	User       *User
	Scopes     []string   // read_api, api, read_user, …
	Roots      []*Group   // groups of which its user is a member; nil: all
	Role       int        // Guest, Reporter, …
	ExpiresAt  *time.Time // the day from which it is refused
	Revoked    bool
	CreatedAt  time.Time
	LastUsedAt *time.Time
}

// TokenSpec says what a token may do. The zero value reads everything in the
// world (scope read_api, role Reporter, member of all groups) and never expires.
type TokenSpec struct {
	Value     string // empty: one is made up
	Name      string
	Scopes    []string
	Groups    []string // full paths; empty: all groups
	Role      int
	ExpiresAt *time.Time
	Revoked   bool
	Blocked   bool // its user is blocked
}

// AddToken issues a token. It panics when a group is not there: that is a
// mistake in the test that asks for it.
func (w *World) AddToken(spec TokenSpec) *Token {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now().UTC()
	t := &Token{
		ID: w.nextID("token"), Value: spec.Value, Name: spec.Name, Scopes: spec.Scopes, Role: spec.Role,
		ExpiresAt: spec.ExpiresAt, Revoked: spec.Revoked, CreatedAt: now,
	}
	if t.Value == "" {
		t.Value = "glpat-" + fakeSHA(fmt.Sprint("token ", t.ID))[:20]
	}
	if t.Name == "" {
		t.Name = "weir"
	}
	if t.Scopes == nil {
		t.Scopes = []string{"read_api"}
	}
	if t.Role == 0 {
		t.Role = Reporter
	}
	for _, path := range spec.Groups {
		g := w.groupByPath(path)
		if g == nil {
			panic("gitlabtest: a token for a group that is not there: " + path)
		}
		t.Roots = append(t.Roots, g)
	}
	home := int64(1)
	if len(t.Roots) > 0 {
		home = t.Roots[0].ID
	}
	t.User = &User{
		ID: w.nextID("user"), Username: fmt.Sprintf("group_%d_bot_%s", home, fakeSHA(t.Value)[:32]), Name: t.Name,
		State: "active", Bot: true, CreatedAt: now,
	}
	if spec.Blocked {
		t.User.State = "blocked"
	}
	w.Users = append(w.Users, t.User)
	w.Tokens = append(w.Tokens, t)
	w.tokens[t.Value] = t
	return t
}

// Revoke makes GitLab refuse t from now on.
func (w *World) Revoke(t *Token) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t.Revoked = true
}

func (t *Token) expired(now time.Time) bool { return t.ExpiresAt != nil && !now.Before(*t.ExpiresAt) }

// has says whether the token has one of the scopes.
func (t *Token) has(scopes ...string) bool {
	return slices.ContainsFunc(t.Scopes, func(s string) bool { return slices.Contains(scopes, s) })
}

// member says whether the token's user is a member of g, directly or from above.
func (t *Token) member(g *Group) bool {
	if t == nil || g == nil {
		return false
	}
	return t.Roots == nil || slices.ContainsFunc(t.Roots, g.within)
}

// seesGroup: members, members of a group below, and whom its visibility lets in.
func (t *Token) seesGroup(g *Group) bool {
	if g.Visibility == "public" || t != nil && g.Visibility == "internal" || t.member(g) {
		return true
	}
	return t != nil && slices.ContainsFunc(t.Roots, func(root *Group) bool { return root.within(g) })
}

// seesProject: members, and whom its visibility lets in. Personal projects are
// their owner's, and no bot is one.
func (t *Token) seesProject(p *Project) bool {
	return p.Visibility == "public" || t != nil && p.Visibility == "internal" || t.member(p.Group)
}

// readsRuns says whether pipelines and jobs of a visible project can be read.
func (t *Token) readsRuns(p *Project) bool {
	switch {
	case p.Forbidden, p.BuildsAccess == "disabled":
		return false
	case t.member(p.Group):
		return t.Role >= Reporter || p.PublicJobs
	}
	return p.BuildsAccess == "enabled"
}
