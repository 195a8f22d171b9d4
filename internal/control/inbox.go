package control

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// The inbox: events of web hooks between the moment in which GitLab is told
// that they have arrived and the one in which their rows are written. GitLab
// does not send an event again, so it is on disk before GitLab hears of it.

// ArrivedEvent is an event to take in.
type ArrivedEvent struct {
	Connection ci.ConnectionID
	Key        string // names the event, the same for each delivery
	Body       string // what is kept of it; "": of a kind that weir does not read, to be counted only
	ReceivedAt time.Time
}

// InboxEvent is an event that was taken in.
type InboxEvent struct {
	ID         int64 // in order of arrival
	Connection ci.ConnectionID
	Body       string
	ReceivedAt time.Time
}

// TakeIn stores events in one transaction, those that were not there before,
// and counts the others: when it returns without an error they survive a kill
// of the process. No events are nothing to do.
func (c *Control) TakeIn(ctx context.Context, list []ArrivedEvent) error {
	type figures struct{ received, repeated, dropped int64 }
	counts := map[ci.ConnectionID]*figures{}
	first := map[string]ArrivedEvent{}
	var keys []string
	var last time.Time
	for _, e := range list {
		n := counts[e.Connection]
		if n == nil {
			n = &figures{}
			counts[e.Connection] = n
		}
		key := fmt.Sprintf("%d:%s", e.Connection, e.Key)
		_, twice := first[key]
		switch {
		case e.Body == "":
			n.dropped++
		case twice:
			n.repeated++
		default:
			first[key] = e
			keys = append(keys, key)
		}
		if e.ReceivedAt.After(last) {
			last = e.ReceivedAt
		}
	}
	if len(list) == 0 {
		return nil
	}
	return c.write(ctx, func(tx *sql.Tx) error {
		fresh, err := freshKeys(ctx, tx, keys, last)
		if err != nil {
			return err
		}
		var rows rowList
		for _, key := range keys {
			e := first[key]
			if !fresh[key] {
				counts[e.Connection].repeated++
				continue
			}
			counts[e.Connection].received++
			rows.add(int64(e.Connection), e.Body, e.ReceivedAt.UTC())
		}
		if len(rows.values) > 0 {
			if _, err := tx.ExecContext(ctx, `INSERT INTO hook_events (id, connection_id, body, received_at, state)
				SELECT nextval('hook_event_ids'), v.connection_id, v.body, v.received_at, 'new'
				FROM (VALUES `+rows.placeholders("bigint", "text", "timestamptz")+`) v (connection_id, body, received_at)`, rows.values...); err != nil {
				return err
			}
		}
		for id, n := range counts {
			if _, err := tx.ExecContext(ctx, `UPDATE hooks SET received = received + $1, repeated = repeated + $2, dropped = dropped + $3,
				last_received_at = $4 WHERE connection_id = $5`, n.received, n.repeated, n.dropped, last.UTC(), int64(id)); err != nil {
				return err
			}
		}
		return nil
	})
}

// freshKeys notes keys and says which of them were not known.
func freshKeys(ctx context.Context, tx *sql.Tx, keys []string, at time.Time) (_ map[string]bool, err error) {
	fresh := make(map[string]bool, len(keys))
	if len(keys) == 0 {
		return fresh, nil
	}
	var rows rowList
	for _, key := range keys {
		rows.add(key, at.UTC())
	}
	found, err := tx.QueryContext(ctx, `INSERT INTO hook_keys (key, received_at)
		SELECT v.key, v.received_at FROM (VALUES `+rows.placeholders("text", "timestamptz")+`) v (key, received_at)
		ON CONFLICT DO NOTHING RETURNING key`, rows.values...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	for found.Next() {
		var key string
		if err := found.Scan(&key); err != nil {
			return nil, err
		}
		fresh[key] = true
	}
	return fresh, found.Err()
}

// rowList collects the values of a VALUES clause.
type rowList struct {
	values []any
	rows   int
}

func (l *rowList) add(values ...any) {
	l.values = append(l.values, values...)
	l.rows++
}

// placeholders writes ($1, $2), ($3, $4), …, of the given types.
func (l *rowList) placeholders(types ...string) string {
	var b strings.Builder
	for row := range l.rows {
		for i, name := range types {
			lead := ", "
			switch {
			case i == 0 && row == 0:
				lead = "("
			case i == 0:
				lead = "), ("
			}
			fmt.Fprintf(&b, "%sCAST($%d AS %s)", lead, row*len(types)+i+1, name)
		}
	}
	return b.String() + ")"
}

// Inbox gives events that are to be written, in order of arrival: those after
// an id that nobody has looked at, and those that wait and came at or after
// since; at most limit.
func (c *Control) Inbox(ctx context.Context, after int64, since time.Time, limit int) (list []InboxEvent, err error) {
	rows, err := c.db.QueryContext(ctx, `SELECT id, connection_id, body, received_at FROM hook_events
		WHERE id > $1 AND (state = 'new' OR state = 'waiting' AND received_at >= $2) ORDER BY id LIMIT $3`, after, since.UTC(), limit)
	if err != nil {
		return nil, c.problem(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var e InboxEvent
		if err := rows.Scan(&e.ID, &e.Connection, &e.Body, &e.ReceivedAt); err != nil {
			return nil, err
		}
		e.ReceivedAt = e.ReceivedAt.UTC()
		list = append(list, e)
	}
	return list, c.problem(rows.Err())
}

// Settled is what became of events, by id.
type Settled struct {
	Written []int64          // gone from the inbox
	Waiting []int64          // kept: what they are about is not stored yet
	Failed  map[int64]string // kept, with why they cannot be written
}

// Settle takes note of what became of events.
func (c *Control) Settle(ctx context.Context, s Settled) error {
	return c.write(ctx, func(tx *sql.Tx) error {
		if err := byID(ctx, tx, `DELETE FROM hook_events WHERE id IN `, s.Written); err != nil {
			return err
		}
		if err := byID(ctx, tx, `UPDATE hook_events SET state = 'waiting' WHERE state = 'new' AND id IN `, s.Waiting); err != nil {
			return err
		}
		for id, why := range s.Failed {
			if _, err := tx.ExecContext(ctx, `UPDATE hook_events SET state = 'failed', error = $1 WHERE id = $2`, why, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// byID runs a statement on a list of ids, which are numbers of our own.
func byID(ctx context.Context, tx *sql.Tx, statement string, ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, statement+"("+strings.Trim(strings.Join(strings.Fields(fmt.Sprint(ids)), ", "), "[]")+")")
	return err
}

// Forget drops what is older than a time: keys, after which a repeated event
// would be taken for a new one, which changes nothing; and events that waited in
// vain, whose project no connection brings. Failed ones stay.
func (c *Control) Forget(ctx context.Context, before time.Time) error {
	return c.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM hook_keys WHERE received_at < $1`, before.UTC()); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM hook_events WHERE state = 'waiting' AND received_at < $1`, before.UTC())
		return err
	})
}
