package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// Reach is what a connection saw when it last looked at everything that its
// token may see. Only what a connection has seen can be missing from it: two
// tokens of one GitLab see different things, and what one of them does not see
// is no more deleted for that.
type Reach struct {
	Connection ci.ConnectionID `json:"-"`
	Groups     []ci.GroupID    `json:"groups"`
	Projects   []ci.ProjectID  `json:"projects"`           // or repositories, by the kind of the connection
	ListedAt   time.Time       `json:"listed_at,omitzero"` // when that was; zero: not known
}

// Reach gives what a connection saw last; an empty one when it never looked.
func (s *Store) Reach(ctx context.Context, connection ci.ConnectionID) (Reach, error) {
	reach := Reach{Connection: connection}
	err := s.each(ctx, "SELECT seen FROM reach WHERE connection_id = $1", []any{int64(connection)}, func(row []any) error {
		if err := json.Unmarshal([]byte(row[0].(string)), &reach); err != nil {
			return fmt.Errorf("reading what connection %d saw: %w", connection, err)
		}
		return nil
	})
	return reach, err
}

const saw = `INSERT INTO reach (connection_id, seen) VALUES ($1, $2)
ON CONFLICT (connection_id) DO UPDATE SET seen = excluded.seen`

func writeReach(ctx context.Context, w writer, list []Reach) error {
	for _, r := range list {
		seen, err := json.Marshal(r)
		if err != nil {
			return err
		}
		if _, err := w.exec(ctx, saw, int64(r.Connection), string(seen)); err != nil {
			return err
		}
	}
	return nil
}
