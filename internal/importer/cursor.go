package importer

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// cursor is where a project's import stands: what project_syncs.cursor holds,
// as JSON. It commits in the transaction of the rows that it follows, so after
// a kill it says exactly what is stored.
type cursor struct {
	Version  int        `json:"v"`
	Own      coverage   `json:"own"`                // /pipelines
	Children coverage   `json:"children"`           // /pipelines?source=parent_pipeline
	External *time.Time `json:"external,omitempty"` // externals without updated_at: read down to this creation time
	// GitLab's clock when their list was last asked for; zero in cursors of before.
	ExternalAsked time.Time       `json:"external_asked,omitzero"`
	Deployed      deployed        `json:"deployed,omitzero"` // /deployments
	Erased        swept           `json:"erased,omitzero"`
	Open          []ci.PipelineID `json:"open,omitempty"` // to be asked for again whatever the lists say
}

const cursorVersion = 1

// coverage is the stretch of updated_at in which everything of one list is
// stored: from From up to To, where the next visit takes over. While Asked is
// zero nothing is.
type coverage struct {
	From  time.Time `json:"from,omitzero"`
	To    time.Time `json:"to,omitzero"`
	Asked time.Time `json:"asked,omitzero"` // GitLab's clock then: every change before it is stored
	// Gap is a catch-up that was cut off: it walks down from the top, and what
	// was changed in [To, Gap.Before) is still to come.
	Gap *gap `json:"gap,omitempty"`
	// Settled is by how many rows the store differed from GitLab's X-Total when
	// they were last compared row by row; another difference means that
	// something was deleted, or lost.
	Settled int64 `json:"settled,omitempty"`
	// Counted is when the store's number of rows was last held against GitLab's,
	// on weir's clock.
	Counted time.Time `json:"counted,omitzero"`
}

type gap struct {
	To     time.Time `json:"to"` // To and Asked of the coverage once it is closed
	Asked  time.Time `json:"asked"`
	Before time.Time `json:"before"`
}

// read says whether the list was read at all.
func (c coverage) read() bool { return !c.Asked.IsZero() }

func parseCursor(text *string) (cursor, error) {
	c := cursor{Version: cursorVersion}
	if text == nil {
		return c, nil
	}
	if err := json.Unmarshal([]byte(*text), &c); err != nil {
		return cursor{}, fmt.Errorf("reading a project's cursor: %w", err)
	}
	if c.Version != cursorVersion {
		return cursor{}, fmt.Errorf("a project's cursor has version %d, this weir knows %d", c.Version, cursorVersion)
	}
	return c, nil
}

func (c cursor) text() *string {
	b, err := json.Marshal(c)
	if err != nil {
		panic(err) // times, numbers and lists always marshal
	}
	return new(string(b))
}

// syncedTo is the time before which every change of any list is stored; nil
// while a list has not been read at all.
func (c cursor) syncedTo() *time.Time {
	if !c.Own.read() || !c.Children.read() || c.External == nil {
		return nil
	}
	to := c.Own.Asked
	if c.Children.Asked.Before(to) {
		to = c.Children.Asked
	}
	if !c.ExternalAsked.IsZero() && c.ExternalAsked.Before(to) {
		to = c.ExternalAsked
	}
	return &to
}

// backfilledFrom is the time since which every change of any list is stored;
// nil while a list has not been read at all.
func (c cursor) backfilledFrom() *time.Time {
	if c.syncedTo() == nil {
		return nil
	}
	from := *c.External
	for _, f := range []time.Time{c.Own.From, c.Children.From} {
		if f.After(from) {
			from = f
		}
	}
	return &from
}

// follow keeps or drops a pipeline among those to be asked for again.
func (c *cursor) follow(id ci.PipelineID, open bool) {
	i, found := slices.BinarySearch(c.Open, id)
	switch {
	case open && !found:
		c.Open = slices.Insert(c.Open, i, id)
	case !open && found:
		c.Open = slices.Delete(c.Open, i, i+1)
	}
}
