package control

import (
	"encoding/json"
	"fmt"
	"log/slog"
)

// Secret is a GitLab token. Printed, logged or marshalled it is "[redacted]";
// only Reveal gives it away. The zero Secret is no token.
//
// The token is behind a function because fmt prints the unexported fields of
// what it is given without asking their methods.
type Secret struct{ reveal func() string }

const redacted = "[redacted]"

// NewSecret wraps a token.
func NewSecret(token string) Secret { return Secret{func() string { return token }} }

// Reveal gives the token itself.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

func (s Secret) String() string { return redacted }

// GoString keeps %#v from printing the field.
func (s Secret) GoString() string { return redacted }

// Format keeps every verb from printing the field.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue redacts in logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON redacts: a token never leaves by way of JSON.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// last4 is what may be shown of a token: its last four characters, and nothing
// of one so short that four would be much of it.
func (s Secret) last4() string {
	token := s.Reveal()
	if len(token) < 16 {
		return ""
	}
	return token[len(token)-4:]
}
