package store

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirhq/weir/internal/ci"
)

// problem says what an error of PostgreSQL's means. Errors that are problems
// already, cancellations and errors of unknown kind pass as they are. pgx keeps
// the password out of its errors.
func (e *postgresEngine) problem(err error) error {
	var p *ci.Problem
	var refused *pgconn.PgError
	var connect *pgconn.ConnectError
	var network net.Error
	switch {
	case err == nil, errors.As(err, &p), errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &refused):
		return e.refusal(refused, err)
	case errors.As(err, &connect), errors.As(err, &network):
		return problem(ci.DatabaseUnreachable, fmt.Sprintf("PostgreSQL at %s does not answer: %v.", e.database, errors.Unwrap(err)),
			"See that it runs there and that host, port and TLS settings are right.", err)
	case pgconn.SafeToRetry(err):
		return problem(ci.DatabaseUnreachable, fmt.Sprintf("The connection to PostgreSQL at %s broke.", e.database),
			"Try again; if it goes on, look at the server's log.", err)
	}
	return err
}

func (e *postgresEngine) refusal(refused *pgconn.PgError, err error) error {
	switch refused.Code[:2] {
	case "28", "3D": // invalid authorization; no such database
		return problem(ci.DatabaseUnreachable, fmt.Sprintf("PostgreSQL at %s refuses weir: %s.", e.database, refused.Message),
			"Correct user, password and database in the database URL.", err)
	case "57", "08": // shut down, connection failure
		if refused.Code != "57014" {
			return problem(ci.DatabaseUnreachable, fmt.Sprintf("PostgreSQL at %s went away: %s.", e.database, refused.Message),
				"See that it runs, then try again.", err)
		}
	}
	switch refused.Code {
	case "53100":
		return problem(ci.DiskFull, fmt.Sprintf("No space is left for PostgreSQL at %s.", e.database), "Free some space on its disk.", err)
	case "53300":
		return problem(ci.DatabaseUnreachable, fmt.Sprintf("PostgreSQL at %s has no connection free.", e.database),
			"Raise max_connections, or lower pool_max_conns in the database URL.", err)
	case "42501":
		return problem(ci.DataDirUnwritable, fmt.Sprintf("PostgreSQL at %s does not let weir do it: %s.", e.database, refused.Message),
			"Grant CREATE on the database, or have an administrator create schema weir with weir's user as its owner.", err)
	case "XX001", "XX002":
		return problem(ci.DatabaseCorrupt, fmt.Sprintf("PostgreSQL at %s reports damage: %s.", e.database, refused.Message),
			"Restore it from a backup.", err)
	}
	return err
}
