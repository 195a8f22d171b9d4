package catalog

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/weirhq/weir/internal/ci"
)

// Finding is something wrong with a configuration.
type Finding struct {
	File   string
	Line   int    // from 1; 0 when the whole file is meant
	Cause  string // a sentence: what is wrong
	Remedy string // a sentence: what to do
}

func (f Finding) String() string {
	return fmt.Sprintf("%s: %s %s", f.Place(), f.Cause, f.Remedy)
}

// Place is file:line, or the file.
func (f Finding) Place() string {
	if f.Line == 0 {
		return f.File
	}
	return fmt.Sprintf("%s:%d", f.File, f.Line)
}

// Refused is a configuration that cannot be put in force, with everything that
// is wrong with it, in the order of files and lines.
type Refused struct{ Findings []Finding }

func (r *Refused) Error() string { return r.Unwrap().Error() }

// Unwrap gives the problem that the findings make together.
func (r *Refused) Unwrap() error {
	cause := "One thing is wrong with the catalog, so the old one stays in force."
	if len(r.Findings) > 1 {
		cause = fmt.Sprintf("%d things are wrong with the catalog, so the old one stays in force.", len(r.Findings))
	}
	return &ci.Problem{Code: ci.BadRequest, Cause: cause, Remedy: "Correct each place that is named; weir services schema describes the file."}
}

// refused gives nil for no findings.
func refused(findings []Finding) error {
	if len(findings) == 0 {
		return nil
	}
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return &Refused{slices.Compact(findings)}
}
