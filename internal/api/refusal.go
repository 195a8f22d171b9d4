package api

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// RefusedFile is a configuration that was given to the running server and is
// not in force, because something is wrong with it: what held before still does.
type RefusedFile struct {
	Kind     string    `json:"kind" enum:"catalog,costs" doc:"what it would have replaced: services and rules, or prices"`
	Files    []string  `json:"files" nullable:"false" doc:"the names of the files"`
	At       time.Time `json:"at" doc:"when it was refused"`
	Findings []Finding `json:"findings" nullable:"false" doc:"all that is wrong"`
}

// Refusals remembers of each kind the newest configuration that was refused,
// until one of that kind is taken. It is safe for concurrent use, and forgotten
// with the process: the next start reads files anew, and who applied a catalog
// was told.
type Refusals struct {
	log  *slog.Logger
	mu   sync.Mutex
	last map[string]RefusedFile
}

// NewRefusals makes an empty memory. What it takes in is logged as well.
func NewRefusals(log *slog.Logger) *Refusals {
	return &Refusals{log: log, last: map[string]RefusedFile{}}
}

// Refused takes a refusal in.
func (r *Refusals) Refused(ctx context.Context, f RefusedFile) {
	for _, one := range f.Findings {
		r.log.WarnContext(ctx, "configuration refused, the old one stays in force", "kind", f.Kind, "place", one.Place, "cause", one.Cause, "remedy", one.Remedy)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last[f.Kind] = f
}

// Taken forgets what was refused of a kind.
func (r *Refusals) Taken(kind string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.last, kind)
}

// List gives what is refused, by kind; an empty list for nothing. It is the caller's.
func (r *Refusals) List() []RefusedFile {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := []RefusedFile{}
	for _, f := range r.last {
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b RefusedFile) int { return strings.Compare(a.Kind, b.Kind) })
	return list
}
