package api

import (
	"encoding/json"
	"errors"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirhq/weir/internal/control"
)

// Secret is a token on its way in. It redacts itself like every
// control.Secret, and also in JSON: an answer can hold one by mistake only. The
// client sends tokens by a body of its own.
type Secret struct{ control.Secret }

// NewSecret wraps a token.
func NewSecret(token string) Secret { return Secret{control.NewSecret(token)} }

// UnmarshalJSON reads a token from a request.
func (s *Secret) UnmarshalJSON(b []byte) error {
	var token string
	if err := json.Unmarshal(b, &token); err != nil {
		return errors.New("expected string") // without the value, which encoding/json may quote
	}
	*s = NewSecret(token)
	return nil
}

// Schema describes a token in the OpenAPI document. It has no pattern: a
// failed pattern is a reason to quote the value.
func (Secret) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type:        huma.TypeString,
		Format:      "password",
		WriteOnly:   true,
		MinLength:   new(1),
		Description: "a GitLab token with scope read_api; never returned",
	}
}
