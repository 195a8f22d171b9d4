package control

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirhq/weir/internal/ci"
)

// Warning is a problem that does not stop a connection.
type Warning struct {
	Code   ci.Code `json:"code"`
	Cause  string  `json:"cause"`
	Remedy string  `json:"remedy"`
}

// addWarnings adds what follows from the connections together. It is worked
// out at each reading and stored nowhere, so that it is never out of date.
func (c *Control) addWarnings(ctx context.Context, list []Connection) error {
	repositories := map[ci.InstanceID]bool{}
	for _, n := range list {
		repositories[n.InstanceID] = repositories[n.InstanceID] || n.Kind == KindGitLab
	}
	shared, err := c.shared(ctx)
	if err != nil {
		return err
	}
	for i := range list {
		n := &list[i]
		if n.Kind == KindPipelines && !repositories[n.InstanceID] {
			n.Warnings = append(n.Warnings, Warning{
				Code:   ci.MissingGitLabConnection,
				Cause:  fmt.Sprintf("There is no gitlab connection to %s, so pipelines belong to no repository.", n.BaseURL),
				Remedy: fmt.Sprintf("Connect it too: weir connect gitlab --url %s.", n.BaseURL),
			})
		}
		if other, ok := shared[n.ID]; ok {
			n.Warnings = append(n.Warnings, Warning{
				Code:   ci.SharedToken,
				Cause:  fmt.Sprintf("Connection %d has the same token, so both share one rate limit.", other),
				Remedy: fmt.Sprintf("Give each a token of a user of its own: weir connections add-credential %d.", n.ID),
			})
		}
	}
	return nil
}

// shared gives, for each connection with a token that another has too, the
// first such other.
func (c *Control) shared(ctx context.Context) (with map[ci.ConnectionID]ci.ConnectionID, err error) {
	rows, err := c.db.QueryContext(ctx, `SELECT a.connection_id, min(b.connection_id)
		FROM credentials a JOIN credentials b ON b.fingerprint = a.fingerprint AND b.connection_id <> a.connection_id
		WHERE a.deleted_at IS NULL AND b.deleted_at IS NULL GROUP BY a.connection_id`)
	if err != nil {
		return nil, c.problem(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	with = map[ci.ConnectionID]ci.ConnectionID{}
	for rows.Next() {
		var id, other ci.ConnectionID
		if err := rows.Scan(&id, &other); err != nil {
			return nil, err
		}
		with[id] = other
	}
	return with, c.problem(rows.Err())
}
