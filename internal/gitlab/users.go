package gitlab

import (
	"context"
	"errors"
)

const (
	endpointUser     = "/user"
	endpointToken    = "/personal_access_tokens/self"
	endpointVersion  = "/version"
	endpointMetadata = "/metadata"
)

// CurrentUser gives the user that the token acts as: for a group or project
// token, its bot.
func (c *Client) CurrentUser(ctx context.Context) (User, error) {
	ans, err := one[User](ctx, c, request{endpoint: endpointUser, path: endpointUser})
	return ans.Value, err
}

// TokenSelf describes the token itself: its scopes and when it expires. Older
// GitLabs, and some kinds of tokens, answer NotFound.
func (c *Client) TokenSelf(ctx context.Context) (Token, error) {
	ans, err := one[Token](ctx, c, request{endpoint: endpointToken, path: endpointToken})
	return ans.Value, err
}

// Version gives GitLab's version. It asks /version and, where that is not
// there, /metadata, which newer GitLabs want used instead. When neither
// answers, the error is /version's.
func (c *Client) Version(ctx context.Context) (Version, error) {
	ans, err := one[Version](ctx, c, request{endpoint: endpointVersion, path: endpointVersion})
	var e *Error
	if errors.As(err, &e) && (e.Kind == NotFound || e.Kind == Gone) {
		if meta, metaErr := one[Version](ctx, c, request{endpoint: endpointMetadata, path: endpointMetadata}); metaErr == nil {
			return meta.Value, nil
		}
	}
	return ans.Value, err
}

// AnswersAt says whether a GitLab answers at another path of the same host, by
// asking for its version without a token: granted or refused, JSON is the sign.
// root is the path, "" or "/gitlab". It tells a wrong relative root, or a group
// in the URL, from a wrong host.
func (c *Client) AnswersAt(ctx context.Context, root string) bool {
	elsewhere := *c
	base := *c.base
	base.Path, base.RawPath = root, ""
	elsewhere.base = &base
	elsewhere.maxRetries = 0
	// The governor of the first credential still paces this request.
	elsewhere.credentials = []*credential{{token: func() Secret { return "" }, governor: c.credentials[0].governor}}
	_, err := one[Version](ctx, &elsewhere, request{endpoint: endpointVersion, path: endpointVersion})
	return err == nil || KindOf(err) == Unauthorized
}

func (u *User) check() error {
	return missing("a user", requiredKey{"id", u.ID != 0}, requiredKey{"username", u.Username != ""})
}

func (t *Token) check() error { return missing("a token", requiredKey{"id", t.ID != 0}) }

func (v *Version) check() error {
	return missing("a version", requiredKey{"version", v.Version != ""})
}
