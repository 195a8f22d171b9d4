package api

import (
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/danielgtaylor/huma/v2"
)

// Secret is a token on its way in. Printed, logged or marshalled it is
// "[redacted]"; only Reveal gives it away. The zero Secret is no token.
type Secret struct{ value string }

const redacted = "[redacted]"

// NewSecret wraps a token.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal gives the token itself.
func (s Secret) Reveal() string { return s.value }

func (s Secret) String() string { return redacted }

// GoString keeps %#v from printing the field.
func (s Secret) GoString() string { return redacted }

// Format keeps every verb from printing the field.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue redacts in logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON redacts: an answer can hold a Secret by mistake only. The client
// sends tokens by a body of its own.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// UnmarshalJSON reads a token from a request.
func (s *Secret) UnmarshalJSON(b []byte) error {
	if err := json.Unmarshal(b, &s.value); err != nil {
		return fmt.Errorf("expected string") // without the value that encoding/json would quote
	}
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
