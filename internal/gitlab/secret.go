package gitlab

import (
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is a token. However it is printed, logged or encoded it reads
// "[redacted]"; only Reveal gives it away.
//
// An unexported field of this type would still be printed in clear by fmt,
// which calls no methods there: keep it behind a function.
type Secret string

// Reveal gives the token itself, for the one place that sends it.
func (s Secret) Reveal() string { return string(s) }

// String gives "[redacted]".
func (s Secret) String() string { return redacted }

// GoString gives "[redacted]", for %#v.
func (s Secret) GoString() string { return redacted }

// Format writes "[redacted]" for every verb, %x and %q included.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// LogValue gives "[redacted]" to slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText gives "[redacted]"; as a map's key too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON gives "[redacted]".
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
