package control

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// Finding is one thing that weir doctor looked at.
type Finding struct {
	Name   string
	OK     bool
	Detail string // what was found
	Remedy string // what to do when it is not OK
}

// Checks looks at the private state: whether it answers, and whether every
// sealed token opens with the key.
func (c *Control) Checks(ctx context.Context) []Finding {
	connections, err := c.Connections(ctx)
	state := Finding{Name: "private state", OK: err == nil}
	if err != nil {
		state.Detail, state.Remedy = err.Error(), "See weir's log, and whether the database answers."
		return []Finding{state}
	}
	state.Detail = fmt.Sprintf("%d connections (%s)", len(connections), c.engine)
	key := Finding{Name: "secret key", OK: true, Detail: "nothing is sealed yet"}
	if c.key != nil {
		key.Detail = "key " + c.key.ID() + " opens every token"
	}
	for _, n := range connections {
		if _, err := c.OpenCredentials(ctx, n.ID); err != nil {
			key.OK = false
			key.Detail, key.Remedy = told(err)
			break
		}
	}
	return append([]Finding{state, key}, c.hookChecks(ctx)...)
}

// hookChecks looks at the hooks of each connection that has a secret for them.
func (c *Control) hookChecks(ctx context.Context) []Finding {
	stats, err := c.HookStats(ctx)
	if err != nil {
		cause, remedy := told(err)
		return []Finding{{Name: "web hooks", Detail: cause, Remedy: remedy}}
	}
	var list []Finding
	for _, id := range slices.Sorted(maps.Keys(stats)) {
		s := stats[id]
		f := Finding{
			Name: fmt.Sprintf("web hooks of connection %d", id), OK: s.Failed == 0,
			Detail: fmt.Sprintf("%d events received, %d waiting", s.Received, s.Waiting),
		}
		if !f.OK {
			f.Detail += fmt.Sprintf(", %d could not be written: %s", s.Failed, s.LastError)
			f.Remedy = "Please report the error; polls bring the same data, so nothing is missing after the next weir sync."
		}
		list = append(list, f)
	}
	return list
}
