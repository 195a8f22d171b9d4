package control

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/weirhq/weir/internal/ci"
)

// migrations are the versions of the tables, the first one first. Both engines
// run the same text. Lists are JSON in a text column: nothing ever searches in
// them.
var migrations = []string{
	`CREATE SEQUENCE connection_ids;
	 CREATE SEQUENCE credential_ids;
	 CREATE TABLE connections (
		id                      bigint PRIMARY KEY,
		kind                    text NOT NULL,
		name                    text NOT NULL,
		instance_id             bigint NOT NULL,
		base_url                text NOT NULL,
		groups                  text NOT NULL,
		since                   text NOT NULL,
		ca_file                 text NOT NULL,
		max_requests_per_minute double precision,
		state                   text NOT NULL,
		warnings                text NOT NULL,
		created_at              timestamptz NOT NULL,
		updated_at              timestamptz NOT NULL,
		deleted_at              timestamptz,
		last_checked_at         timestamptz,
		last_error_code         text
	 );
	 CREATE TABLE credentials (
		id            bigint PRIMARY KEY,
		connection_id bigint NOT NULL,
		label         text NOT NULL,
		last4         text NOT NULL,
		username      text NOT NULL,
		scopes        text NOT NULL,
		expires_at    timestamptz,
		sealed        text NOT NULL,
		fingerprint   text NOT NULL,
		created_at    timestamptz NOT NULL,
		last_used_at  timestamptz,
		deleted_at    timestamptz
	 );`,
	`CREATE SEQUENCE hook_event_ids;
	 CREATE TABLE hooks (
		connection_id    bigint PRIMARY KEY,
		sealed           text NOT NULL,
		created_at       timestamptz NOT NULL,
		received         bigint NOT NULL,
		repeated         bigint NOT NULL,
		dropped          bigint NOT NULL,
		last_received_at timestamptz
	 );
	 CREATE TABLE hook_events (
		id            bigint PRIMARY KEY,
		connection_id bigint NOT NULL,
		body          text NOT NULL,
		received_at   timestamptz NOT NULL,
		state         text NOT NULL,
		error         text
	 );
	 CREATE TABLE hook_keys (
		key         text PRIMARY KEY,
		received_at timestamptz NOT NULL
	 );`,
	`ALTER TABLE connections ADD COLUMN disabled_at timestamptz;`,
}

// migrationLock is the PostgreSQL advisory lock under which one process at a
// time migrates: the bytes of "weir ctl".
const migrationLock = 0x77656972_2063746c

func (c *Control) migrate(ctx context.Context) error {
	return c.write(ctx, func(tx *sql.Tx) error {
		if c.engine == "postgres" {
			// The lock ends with the transaction. PUBLIC has no right on a new schema
			// unless someone changed the defaults; for this one we make sure.
			if _, err := tx.ExecContext(ctx, fmt.Sprintf(
				`SELECT pg_advisory_xact_lock(%d);
				 CREATE SCHEMA IF NOT EXISTS %s;
				 REVOKE ALL ON SCHEMA %[2]s FROM PUBLIC`, int64(migrationLock), schemaName)); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS control_version (version bigint NOT NULL)`); err != nil {
			return err
		}
		var version int
		if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM control_version`).Scan(&version); err != nil {
			return err
		}
		if version > len(migrations) {
			return &ci.Problem{
				Code:   ci.DatabaseNewer,
				Cause:  fmt.Sprintf("The private state has version %d, and this weir knows up to %d.", version, len(migrations)),
				Remedy: "Run the newer weir that wrote it.",
			}
		}
		for i, statement := range migrations[version:] {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("migration %d of the private state: %w", version+i+1, err)
			}
		}
		if version == len(migrations) {
			return nil
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM control_version`); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO control_version VALUES ($1)`, len(migrations))
		return err
	})
}
