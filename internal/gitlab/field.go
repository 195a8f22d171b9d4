package gitlab

import "encoding/json"

// Field is a value of GitLab's JSON that keeps three things apart which Go's
// zero values blur: the key was absent (an older GitLab, or a token that may
// not see it), the value was null, or there was one. The zero Field is absent.
type Field[T any] struct {
	value T
	state fieldState
}

type fieldState uint8

const (
	absent fieldState = iota
	null
	present
)

// Of is a Field that holds v.
func Of[T any](v T) Field[T] { return Field[T]{v, present} }

// Null is a Field that was null.
func Null[T any]() Field[T] { return Field[T]{state: null} }

// Get gives the value, and false when it was null or absent.
func (f Field[T]) Get() (T, bool) { return f.value, f.state == present }

// Ptr gives a pointer to a copy of the value, nil when it was null or absent.
func (f Field[T]) Ptr() *T {
	if f.state != present {
		return nil
	}
	return &f.value
}

// Or gives the value, or other when it was null or absent.
func (f Field[T]) Or(other T) T {
	if f.state != present {
		return other
	}
	return f.value
}

// Absent says whether the key was missing.
func (f Field[T]) Absent() bool { return f.state == absent }

// UnmarshalJSON is called for every key that is there, null included.
func (f *Field[T]) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*f = Null[T]()
		return nil
	}
	if err := json.Unmarshal(b, &f.value); err != nil {
		return err
	}
	f.state = present
	return nil
}

// MarshalJSON writes the value, and null when it was null or absent.
func (f Field[T]) MarshalJSON() ([]byte, error) {
	if f.state != present {
		return []byte("null"), nil
	}
	return json.Marshal(f.value)
}
