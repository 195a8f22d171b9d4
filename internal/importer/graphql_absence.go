package importer

import (
	"context"
	"errors"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/store"
)

// A GitLab that answers no GraphQL will not do so in a minute either. So that a
// poll need not ask it each time, and tell each time what is known, the answer is
// kept for a day. It is forgotten when a person has the connection checked, which
// is what one does after an update of GitLab.

// absenceHolds is for how long GitLab is not asked again.
const absenceHolds = 24 * time.Hour

// errKnownAbsent stands for an answer of an earlier run.
var errKnownAbsent = errors.New("GitLab answered no GraphQL when it was last asked")

// graphQLMissing says why GitLab answers no GraphQL, nil where it does, and
// whether that has yet to be told. Who asks for the plan graphql in person wants
// to know how it is now. The second error is that of a run that was stopped, or
// the store's.
func (r *run) graphQLMissing(ctx context.Context) (missing error, news bool, err error) {
	known, err := r.store.GraphQLAbsence(ctx, r.source.Connection)
	if err != nil {
		return nil, false, err
	}
	now := r.now().UTC()
	inPerson := r.options.Plan == PlanGraphQL && !r.options.Polled
	if !inPerson && now.Before(known.AskAgainAt) && !now.Before(known.AskedAt) {
		return errKnownAbsent, false, nil
	}
	_, missing = r.source.Client.GraphQLLimits(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, false, context.Cause(ctx)
	case missing == nil && known == store.GraphQLAbsence{}:
		return nil, false, nil
	case missing == nil:
		return nil, false, r.store.NoteGraphQLAbsence(ctx, r.source.Connection, store.GraphQLAbsence{})
	case !absence(missing):
		return missing, true, nil
	}
	news = inPerson || known == store.GraphQLAbsence{}
	last, err := r.store.LastRound(ctx, r.source.Connection)
	if err != nil {
		return nil, false, err
	}
	answer := store.GraphQLAbsence{AskedAt: now, AskAgainAt: now}
	if last.Plan != PlanGraphQL { // else it was there just now: one answer may be a slip
		answer.AskAgainAt = now.Add(absenceHolds)
	}
	return missing, news, r.store.NoteGraphQLAbsence(ctx, r.source.Connection, answer)
}

// Checked has the next sync of a connection ask GitLab anew what it can do: a
// person has looked at it, perhaps after an update.
func (i *Importer) Checked(ctx context.Context, connection ci.ConnectionID) error {
	return i.store.NoteGraphQLAbsence(ctx, connection, store.GraphQLAbsence{})
}

// absence says whether an error means that there is no GraphQL to be had, rather
// than that GitLab could not answer just now.
func absence(err error) bool {
	switch gitlab.KindOf(err) {
	case gitlab.NotFound, gitlab.Gone, gitlab.Forbidden, gitlab.MethodNotAllowed, gitlab.NotGitLab, gitlab.Redirected:
		return true
	}
	return false
}
