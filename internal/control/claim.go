package control

import (
	"context"
	"database/sql"
	"fmt"
	"sync"

	"github.com/weirhq/weir/internal/ci"
)

// claimLock is the first of the PostgreSQL advisory locks by which processes
// claim connections: the bytes of "weircla" and room for the id.
const claimLock = int64(0x77656972_636c6100)

// Claim reserves a connection for one import: conflict if it is claimed
// already, here or, on PostgreSQL, by another process. The claim ends with
// release, which may be called twice, or with the process.
func (c *Control) Claim(ctx context.Context, id ci.ConnectionID) (release func(), err error) {
	busy := &ci.Problem{
		Code:   ci.Conflict,
		Cause:  fmt.Sprintf("Connection %d is being imported already.", id),
		Remedy: "Wait for it, or stop it first: weir status shows it.",
	}
	c.claiming.Lock()
	defer c.claiming.Unlock()
	if c.claimed[id] {
		return nil, busy
	}
	var conn *sql.Conn
	if c.engine == "postgres" {
		// The lock belongs to the session, so the session is kept for it.
		if conn, err = c.db.Conn(ctx); err != nil {
			return nil, c.problem(err)
		}
		var got bool
		err := conn.QueryRowContext(ctx, `SELECT pg_try_advisory_lock($1)`, claimLock+int64(id)).Scan(&got)
		if err != nil || !got {
			_ = conn.Close()
			if err != nil {
				return nil, c.problem(err)
			}
			return nil, busy
		}
	}
	c.claimed[id] = true
	return sync.OnceFunc(func() {
		c.claiming.Lock()
		defer c.claiming.Unlock()
		delete(c.claimed, id)
		if conn == nil {
			return
		}
		// If this fails the session is broken, and its locks are gone with it.
		_, _ = conn.ExecContext(context.Background(), `SELECT pg_advisory_unlock($1)`, claimLock+int64(id))
		_ = conn.Close()
	}), nil
}

// ClaimInbox reserves the inbox for one writer, as Claim does a connection:
// conflict if it is claimed already.
func (c *Control) ClaimInbox(ctx context.Context) (release func(), err error) {
	return c.Claim(ctx, 0) // no connection has this id
}
