package store

import (
	"context"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// GraphQLAbsence is that the GitLab of a connection answers no GraphQL. The zero
// value says nothing of the kind.
type GraphQLAbsence struct {
	AskedAt    time.Time // when it was last asked
	AskAgainAt time.Time // until then its answer is taken to be the same
}

// GraphQLAbsence gives what GitLab last answered; the zero value where it answers
// GraphQL, or was never asked.
func (s *Store) GraphQLAbsence(ctx context.Context, connection ci.ConnectionID) (GraphQLAbsence, error) {
	var a GraphQLAbsence
	err := s.each(ctx, "SELECT asked_at, ask_again_at FROM graphql_absence WHERE connection_id = $1", []any{int64(connection)}, func(row []any) error {
		a.AskedAt, a.AskAgainAt = row[0].(time.Time).UTC(), row[1].(time.Time).UTC()
		return nil
	})
	return a, err
}

const absent = `INSERT INTO graphql_absence (connection_id, asked_at, ask_again_at) VALUES ($1, $2, $3)
ON CONFLICT (connection_id) DO UPDATE SET asked_at = excluded.asked_at, ask_again_at = excluded.ask_again_at`

// NoteGraphQLAbsence keeps what GitLab answered; the zero value forgets it.
func (s *Store) NoteGraphQLAbsence(ctx context.Context, connection ci.ConnectionID, a GraphQLAbsence) error {
	err := s.engine.write(ctx, func(w writer) error {
		var err error
		if a == (GraphQLAbsence{}) {
			_, err = w.exec(ctx, "DELETE FROM graphql_absence WHERE connection_id = $1", int64(connection))
		} else {
			_, err = w.exec(ctx, absent, int64(connection), a.AskedAt.UTC(), a.AskAgainAt.UTC())
		}
		return err
	})
	if err != nil {
		return s.engine.problem(err)
	}
	return nil
}
