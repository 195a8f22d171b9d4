package ci

import (
	"errors"
	"fmt"
	"testing"
)

func TestCodeOf(t *testing.T) {
	p := &Problem{Code: DiskFull, Cause: "no space left"}
	for _, tc := range []struct {
		err  error
		want Code
	}{
		{nil, ""},
		{p, DiskFull},
		{fmt.Errorf("while writing: %w", p), DiskFull},
		{errors.New("anything else"), Internal},
	} {
		if got := CodeOf(tc.err); got != tc.want {
			t.Errorf("CodeOf(%v) = %q, want %q", tc.err, got, tc.want)
		}
	}
	if got := p.Error(); got != "disk_full: no space left" {
		t.Errorf("Error() = %q", got)
	}
	if got := (&Problem{Code: Internal}).Error(); got != "internal" {
		t.Errorf("Error() without a cause = %q", got)
	}
}
