package importer

import (
	"context"
	"fmt"
	"math"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/store"
)

// The plans: ways of fetching the same rows. Which pipelines there are, which
// changed and which are gone is decided in the same way by all of them.
//
//   - PlanDocumented asks for each pipeline's details, jobs and bridges. It
//     needs the most requests, works everywhere, and is exact to the millisecond.
//   - PlanKeyset reads the builds of many pipelines with one request, exact to
//     the millisecond, and details and bridges by GraphQL where that works.
//   - PlanGraphQL reads all of it by GraphQL. It needs the fewest requests and
//     cuts most times to seconds, which time_precision says.
//   - PlanAuto is PlanGraphQL where GitLab answers GraphQL, else PlanKeyset,
//     which never needs more requests than PlanDocumented: where a walk over the
//     builds would cost more, it asks as that one does.
const (
	PlanAuto       = "auto"
	PlanDocumented = "documented"
	PlanKeyset     = "keyset"
	PlanGraphQL    = "graphql"
)

// Plans lists the names that Options.Plan may have.
func Plans() []string { return []string{PlanAuto, PlanDocumented, PlanKeyset, PlanGraphQL} }

// plannedFirst is the plan that a run's row shows until the plan is chosen. What
// needs none reads as the documented plan does.
func (r *run) plannedFirst() string {
	if r.source.Kind == KindGitLab || r.options.Only != ScopeAll {
		return PlanDocumented
	}
	return r.options.Plan
}

// choosePlan settles by which plan the run fetches, with one request at most. A
// wish that GitLab cannot fulfil is recorded with the reason, where that is news;
// nothing is missing for it. Its error is that of a run that was stopped meanwhile:
// that says nothing of GitLab, and no plan was chosen.
func (r *run) choosePlan(ctx context.Context) error {
	r.sync.Plan = r.options.Plan
	if r.options.Plan == PlanDocumented {
		return nil
	}
	missing, news, err := r.graphQLMissing(ctx)
	switch {
	case err != nil:
		return err
	case missing == nil:
		r.bulkSize = newBulkSize()
		if r.options.Plan == PlanAuto {
			r.sync.Plan = PlanGraphQL
		}
	case r.options.Plan == PlanGraphQL:
		r.sync.Plan = PlanDocumented
	default:
		r.sync.Plan = PlanKeyset
	}
	if news {
		r.fellBack(nil, "", missing)
	}
	r.log.Info("plan chosen", "sync", r.sync.ID, "plan", r.sync.Plan, "asked", r.options.Plan, "graphql", missing == nil)
	return nil
}

// fellBack says that GraphQL could not be used, and why. Nothing is missing for
// that: REST gives the same rows.
func (r *run) fellBack(project *ci.ProjectID, where string, err error) {
	instead := "the documented plan was"
	if r.sync.Plan == PlanKeyset {
		instead = "REST was"
	}
	r.tellFallback(project, fmt.Sprintf("%sGraphQL could not be used, so %s: %s", where, instead, Explain(err).Cause))
}

// noKeyset says that a project's builds could not be walked, and why. Nothing
// is missing for that: each pipeline's jobs are asked for instead.
func (r *run) noKeyset(project ci.Project, err error) {
	r.tellFallback(&project.ID, fmt.Sprintf("%s: the list of all its jobs could not be used, so each pipeline's was: %s", project.FullPath, Explain(err).Cause))
}

// noFailures says that the list of a project's failed jobs could not be read, and
// why. Where GitLab could not cope with the question, it is not asked again in
// this run, of no project.
func (r *run) noFailures(project ci.Project, err error) {
	if gitlab.KindOf(err) == gitlab.Server {
		r.saved.Store(math.MinInt32)
	}
	r.tellFallback(&project.ID, fmt.Sprintf("%s: the list of its failed jobs could not be used, so each pipeline's jobs were: %s", project.FullPath, Explain(err).Cause))
}

func (r *run) tellFallback(project *ci.ProjectID, detail string) {
	row := r.syncError(project, ci.PlanFallback, detail)
	if err := r.committer.apply(store.Batch{SyncErrors: []ci.SyncError{row}}); err != nil {
		r.log.Error("writing a sync error", "error", err) // the next commit fails too, and ends the run
	}
}

// readAhead fetches pipelines many at a time.
type readAhead interface {
	// fetch gives the bundles of listed pipelines, by id. Those that it does
	// not give are read by the documented plan.
	fetch(ctx context.Context, items []gitlab.PipelineListItem) map[int64]bundle
}

// ahead gives what reads the list's pipelines many at a time; nil when the plan
// reads one at a time.
func (v *visit) ahead(l list) readAhead {
	if *l.ahead != nil {
		return *l.ahead
	}
	var many *bulk
	if v.run.bulkSize != nil {
		if v.failures == nil {
			v.failures = newFailures(v)
		}
		many = &bulk{visit: v, source: l.source, turn: make(chan struct{}, 1), runs: make(map[int64]readRun)}
	}
	switch {
	case v.run.sync.Plan == PlanKeyset:
		if many != nil {
			many.onlyBridges = true
		}
		if v.builds == nil {
			v.builds = newBuilds(v)
		}
		*l.ahead = &keyset{visit: v, runs: many, builds: v.builds}
	case many != nil:
		*l.ahead = many
	default:
		return nil
	}
	return *l.ahead
}
