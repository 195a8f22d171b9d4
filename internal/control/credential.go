package control

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// Credential is a token of a connection, as far as it may be shown.
type Credential struct {
	ID           int64
	ConnectionID ci.ConnectionID
	Label        string
	Last4        string // the token's last four characters; empty for a short token
	Username     string // whose token it is
	Scopes       []string
	ExpiresAt    *time.Time // nil: never, or GitLab does not say
	CreatedAt    time.Time
	LastUsedAt   *time.Time
}

// NewCredential is a verified token and what GitLab said of it.
type NewCredential struct {
	Token     Secret
	Label     string
	Username  string
	Scopes    []string
	ExpiresAt *time.Time
}

// Opened is a credential with its token.
type Opened struct {
	Credential
	Token       Secret
	Fingerprint string // see Control.Fingerprint
}

// AddCredential seals a further token for a connection. The same token twice
// is refused with conflict: it would not carry more.
func (c *Control) AddCredential(ctx context.Context, id ci.ConnectionID, n NewCredential) (int64, error) {
	key, err := c.usable()
	if err != nil {
		return 0, err
	}
	var credential int64
	err = c.write(ctx, func(tx *sql.Tx) error {
		now := c.now().UTC()
		res, err := tx.ExecContext(ctx, `UPDATE connections SET updated_at = $1 WHERE id = $2 AND deleted_at IS NULL`, now, int64(id))
		if err := existed(res, err, noConnection(id)); err != nil {
			return err
		}
		credential, err = c.insertCredential(ctx, tx, key, id, n, now)
		return err
	})
	return credential, err
}

func (c *Control) insertCredential(ctx context.Context, tx *sql.Tx, key *Key, id ci.ConnectionID, n NewCredential, now time.Time) (int64, error) {
	fingerprint := key.Fingerprint(n.Token)
	var twin int64
	err := tx.QueryRowContext(ctx, `SELECT id FROM credentials
		WHERE connection_id = $1 AND fingerprint = $2 AND deleted_at IS NULL ORDER BY id LIMIT 1`, int64(id), fingerprint).Scan(&twin)
	switch {
	case err == nil:
		return 0, &ci.Problem{
			Code:   ci.Conflict,
			Cause:  fmt.Sprintf("Connection %d has this token already, as credential %d.", id, twin),
			Remedy: "Give it another token: only several tokens spread the load over several limits.",
		}
	case !errors.Is(err, sql.ErrNoRows):
		return 0, err
	}
	var credential int64
	if err := tx.QueryRowContext(ctx, `SELECT nextval('credential_ids')`).Scan(&credential); err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO credentials
		(id, connection_id, label, last4, username, scopes, expires_at, sealed, fingerprint, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		credential, int64(id), n.Label, n.Token.last4(), n.Username, jsonList(n.Scopes), inUTC(n.ExpiresAt),
		key.Seal(n.Token, id, credential), fingerprint, now)
	return credential, err
}

// credentials gives all live credentials by connection.
func (c *Control) credentials(ctx context.Context) (by map[ci.ConnectionID][]Credential, err error) {
	rows, err := c.db.QueryContext(ctx, `SELECT id, connection_id, label, last4, username, scopes, expires_at, created_at, last_used_at
		FROM credentials WHERE deleted_at IS NULL ORDER BY id`)
	if err != nil {
		return nil, c.problem(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	by = map[ci.ConnectionID][]Credential{}
	for rows.Next() {
		var n Credential
		var scopes string
		if err := rows.Scan(&n.ID, &n.ConnectionID, &n.Label, &n.Last4, &n.Username, &scopes, &n.ExpiresAt, &n.CreatedAt, &n.LastUsedAt); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(scopes), &n.Scopes); err != nil {
			return nil, fmt.Errorf("credential %d: %w", n.ID, err)
		}
		n.CreatedAt, n.ExpiresAt, n.LastUsedAt = n.CreatedAt.UTC(), inUTC(n.ExpiresAt), inUTC(n.LastUsedAt)
		by[n.ConnectionID] = append(by[n.ConnectionID], n)
	}
	return by, c.problem(rows.Err())
}

// OpenCredentials gives the tokens of a connection, by id. Its errors are
// not_found and secret_key_missing; one token that does not open fails the
// call, because working on with half of them would hide it.
func (c *Control) OpenCredentials(ctx context.Context, id ci.ConnectionID) ([]Opened, error) {
	connection, err := c.Connection(ctx, id)
	if err != nil {
		return nil, err
	}
	key, err := c.usable()
	if err != nil {
		return nil, err
	}
	opened := make([]Opened, len(connection.Credentials))
	for i, n := range connection.Credentials {
		var sealed string
		if err := c.db.QueryRowContext(ctx, `SELECT sealed FROM credentials WHERE id = $1`, n.ID).Scan(&sealed); err != nil {
			return nil, c.problem(err)
		}
		token, err := key.Open(sealed, id, n.ID)
		if err != nil {
			return nil, err
		}
		opened[i] = Opened{n, token, key.Fingerprint(token)}
	}
	return opened, nil
}

// Fingerprint is the same for the same token, and says nothing else of it.
func (c *Control) Fingerprint(token Secret) (string, error) {
	key, err := c.usable()
	if err != nil {
		return "", err
	}
	return key.Fingerprint(token), nil
}

// CredentialFacts stores what GitLab says of a token now.
func (c *Control) CredentialFacts(ctx context.Context, credential int64, username string, scopes []string, expires *time.Time) error {
	return c.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE credentials SET username = $1, scopes = $2, expires_at = $3
			WHERE id = $4 AND deleted_at IS NULL`, username, jsonList(scopes), inUTC(expires), credential)
		return err
	})
}

// Used notes that the tokens of a connection were used now.
func (c *Control) Used(ctx context.Context, id ci.ConnectionID) error {
	return c.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE credentials SET last_used_at = $1
			WHERE connection_id = $2 AND deleted_at IS NULL`, c.now().UTC(), int64(id))
		return err
	})
}

// RemoveCredential wipes a token. Its errors are not_found, and conflict for a
// connection's last one.
func (c *Control) RemoveCredential(ctx context.Context, id ci.ConnectionID, credential int64) error {
	return c.write(ctx, func(tx *sql.Tx) error {
		now := c.now().UTC()
		// It locks the connection's row, so that two removals on PostgreSQL cannot
		// each leave the other's.
		res, err := tx.ExecContext(ctx, `UPDATE connections SET updated_at = $1 WHERE id = $2 AND deleted_at IS NULL`, now, int64(id))
		if err := existed(res, err, noConnection(id)); err != nil {
			return err
		}
		res, err = tx.ExecContext(ctx, `UPDATE credentials SET deleted_at = $1, sealed = '', fingerprint = ''
			WHERE id = $2 AND connection_id = $3 AND deleted_at IS NULL`, now, credential, int64(id))
		if err := existed(res, err, &ci.Problem{
			Code:   ci.NotFound,
			Cause:  fmt.Sprintf("Connection %d has no credential %d.", id, credential),
			Remedy: fmt.Sprintf("See which it has: weir connections show %d.", id),
		}); err != nil {
			return err
		}
		var left int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM credentials
			WHERE connection_id = $1 AND deleted_at IS NULL`, int64(id)).Scan(&left); err != nil {
			return err
		}
		if left == 0 {
			return &ci.Problem{
				Code:   ci.Conflict,
				Cause:  fmt.Sprintf("Credential %d is the last one of connection %d.", credential, id),
				Remedy: fmt.Sprintf("Add another first (weir connections add-credential %d), or remove the connection.", id),
			}
		}
		return nil
	})
}
