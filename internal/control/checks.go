package control

import (
	"context"
	"fmt"
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
	return []Finding{state, key}
}
