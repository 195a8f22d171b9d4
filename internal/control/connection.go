package control

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// The kinds of connections, as in DX.
const (
	KindGitLab    = "gitlab"           // repositories
	KindPipelines = "gitlab-pipelines" // pipelines and jobs
)

// State says how the last check of a connection went.
type State string

// The values of Connection.State.
const (
	Verified State = "verified"
	Failing  State = "failing" // LastErrorCode says why
)

// Connection is a way into a GitLab.
type Connection struct {
	ID         ci.ConnectionID
	Kind       string
	Name       string
	InstanceID ci.InstanceID
	BaseURL    string
	// Groups are full paths or ids; empty: every group that the token is a member of.
	Groups []string
	Since  string // for ParseSince
	CAFile string // PEM with further roots, on this machine; empty: the system's
	// MaxRequestsPerMinute is a hard ceiling for each credential; nil: only GitLab's own limits.
	MaxRequestsPerMinute *float64
	State                State
	// DisabledAt says since when weir leaves this GitLab alone by itself; nil: it does not.
	DisabledAt    *time.Time
	Warnings      []Warning // of the last check, and those that follow from the other connections
	CreatedAt     time.Time
	UpdatedAt     time.Time
	DeletedAt     *time.Time
	LastCheckedAt *time.Time
	LastErrorCode *ci.Code // nil when the last check succeeded
	// Credentials are those not removed, by id. A live connection has at least one.
	Credentials []Credential
}

const connectionColumns = `id, kind, name, instance_id, base_url, groups, since, ca_file, max_requests_per_minute,
	state, warnings, created_at, updated_at, deleted_at, last_checked_at, last_error_code, disabled_at`

// Connections gives the connections that were not removed, by id; none is an
// empty list.
func (c *Control) Connections(ctx context.Context) ([]Connection, error) {
	list, err := c.connections(ctx)
	if err != nil {
		return nil, err
	}
	return list, c.addWarnings(ctx, list)
}

// Connection gives one connection; not_found if there is none of that id, or
// it was removed.
func (c *Control) Connection(ctx context.Context, id ci.ConnectionID) (Connection, error) {
	all, err := c.Connections(ctx) // the warnings are about all of them together
	if err != nil {
		return Connection{}, err
	}
	i := slices.IndexFunc(all, func(n Connection) bool { return n.ID == id })
	if i < 0 {
		return Connection{}, noConnection(id)
	}
	return all[i], nil
}

func noConnection(id ci.ConnectionID) *ci.Problem {
	return &ci.Problem{
		Code:   ci.NotFound,
		Cause:  fmt.Sprintf("There is no connection %d.", id),
		Remedy: "See which there are: weir connections.",
	}
}

func (c *Control) connections(ctx context.Context) (list []Connection, err error) {
	rows, err := c.db.QueryContext(ctx, `SELECT `+connectionColumns+` FROM connections WHERE deleted_at IS NULL ORDER BY id`)
	if err != nil {
		return nil, c.problem(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	list = []Connection{}
	for rows.Next() {
		var n Connection
		var groups, warnings string
		var code *string
		if err := rows.Scan(&n.ID, &n.Kind, &n.Name, &n.InstanceID, &n.BaseURL, &groups, &n.Since, &n.CAFile, &n.MaxRequestsPerMinute,
			&n.State, &warnings, &n.CreatedAt, &n.UpdatedAt, &n.DeletedAt, &n.LastCheckedAt, &code, &n.DisabledAt); err != nil {
			return nil, err
		}
		if err := errors.Join(json.Unmarshal([]byte(groups), &n.Groups), json.Unmarshal([]byte(warnings), &n.Warnings)); err != nil {
			return nil, fmt.Errorf("connection %d: %w", n.ID, err)
		}
		n.CreatedAt, n.UpdatedAt = n.CreatedAt.UTC(), n.UpdatedAt.UTC()
		n.DeletedAt, n.LastCheckedAt = inUTC(n.DeletedAt), inUTC(n.LastCheckedAt)
		n.DisabledAt = inUTC(n.DisabledAt)
		n.LastErrorCode = (*ci.Code)(code)
		list = append(list, n)
	}
	if err := rows.Err(); err != nil {
		return nil, c.problem(err)
	}
	credentials, err := c.credentials(ctx)
	for i := range list {
		list[i].Credentials = credentials[list[i].ID]
	}
	return list, err
}

func inUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	return new(t.UTC())
}

// AddConnection stores a verified connection with its first credential: both,
// or nothing. ID, State and the times are set here. A connection of the same
// kind, instance and groups is refused with conflict: two would fetch
// everything twice.
func (c *Control) AddConnection(ctx context.Context, n Connection, first NewCredential) (Connection, error) {
	key, err := c.usable()
	if err != nil {
		return Connection{}, err
	}
	groups, warnings := jsonList(n.Groups), jsonList(n.Warnings)
	err = c.write(ctx, func(tx *sql.Tx) error {
		var twin ci.ConnectionID
		err := tx.QueryRowContext(ctx, `SELECT id FROM connections
			WHERE deleted_at IS NULL AND kind = $1 AND instance_id = $2 AND groups = $3 ORDER BY id LIMIT 1`,
			n.Kind, int64(n.InstanceID), groups).Scan(&twin)
		switch {
		case err == nil:
			return &ci.Problem{
				Code:   ci.Conflict,
				Cause:  fmt.Sprintf("Connection %d reads the same from %s already.", twin, n.BaseURL),
				Remedy: fmt.Sprintf("Give it a further token (weir connections add-credential %d), or remove it first (weir connections remove %[1]d).", twin),
			}
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		if err := tx.QueryRowContext(ctx, `SELECT nextval('connection_ids')`).Scan(&n.ID); err != nil {
			return err
		}
		now := c.now().UTC()
		if _, err := tx.ExecContext(ctx, `INSERT INTO connections (`+connectionColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, NULL, $12, NULL, NULL)`,
			int64(n.ID), n.Kind, n.Name, int64(n.InstanceID), n.BaseURL, groups, n.Since, n.CAFile, n.MaxRequestsPerMinute,
			string(Verified), warnings, now); err != nil {
			return err
		}
		_, err = c.insertCredential(ctx, tx, key, n.ID, first, now)
		return err
	})
	if err != nil {
		return Connection{}, err
	}
	return c.Connection(ctx, n.ID)
}

// jsonList writes a list as JSON; nil is the empty list.
func jsonList[T any](list []T) string {
	if list == nil {
		list = []T{}
	}
	b, err := json.Marshal(list)
	if err != nil {
		panic(err) // strings and structs of strings: cannot fail
	}
	return string(b)
}

// Check is the outcome of a check of a connection's credentials.
type Check struct {
	Err      error     // nil: verified
	Warnings []Warning // nil, or beside an Err: as they were; empty: none
}

// Checked stores the outcome of a check.
func (c *Control) Checked(ctx context.Context, id ci.ConnectionID, outcome Check) error {
	return c.write(ctx, func(tx *sql.Tx) error {
		now := c.now().UTC()
		state, code, warnings := Verified, (*string)(nil), (*string)(nil)
		switch {
		case outcome.Err != nil:
			state, code = Failing, new(string(ci.CodeOf(outcome.Err)))
		case outcome.Warnings != nil:
			warnings = new(jsonList(outcome.Warnings))
		}
		res, err := tx.ExecContext(ctx, `UPDATE connections
			SET state = $1, last_error_code = $2, warnings = coalesce($3, warnings), last_checked_at = $4, updated_at = $4
			WHERE id = $5 AND deleted_at IS NULL`, string(state), code, warnings, now, int64(id))
		return existed(res, err, noConnection(id))
	})
}

// SetDisabled takes a connection out of all that weir does by itself, or back
// into it. One that is so already keeps the time since when.
func (c *Control) SetDisabled(ctx context.Context, id ci.ConnectionID, disabled bool) error {
	return c.write(ctx, func(tx *sql.Tx) error {
		now := c.now().UTC()
		var since *time.Time
		if disabled {
			since = &now
		}
		res, err := tx.ExecContext(ctx, `UPDATE connections
			SET updated_at = CASE WHEN (disabled_at IS NULL) = ($1::timestamptz IS NULL) THEN updated_at ELSE $2 END,
				disabled_at = CASE WHEN $1::timestamptz IS NULL THEN NULL ELSE coalesce(disabled_at, $1) END
			WHERE id = $3 AND deleted_at IS NULL`, since, now, int64(id))
		return existed(res, err, noConnection(id))
	})
}

// existed gives missing when a statement found no row.
func existed(res sql.Result, err error, missing *ci.Problem) error {
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		return missing
	}
	return err
}

// RemoveConnection removes a connection and wipes its tokens and its hooks' secret. The row stays,
// because the syncs it made name it.
func (c *Control) RemoveConnection(ctx context.Context, id ci.ConnectionID) error {
	return c.write(ctx, func(tx *sql.Tx) error {
		now := c.now().UTC()
		res, err := tx.ExecContext(ctx, `UPDATE connections SET deleted_at = $1, updated_at = $1
			WHERE id = $2 AND deleted_at IS NULL`, now, int64(id))
		if err := existed(res, err, noConnection(id)); err != nil {
			return err
		}
		for _, statement := range []string{`DELETE FROM hooks WHERE connection_id = $1`, `DELETE FROM hook_events WHERE connection_id = $1`} {
			if _, err := tx.ExecContext(ctx, statement, int64(id)); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, `UPDATE credentials SET deleted_at = $1, sealed = '', fingerprint = ''
			WHERE connection_id = $2 AND deleted_at IS NULL`, now, int64(id))
		return err
	})
}
