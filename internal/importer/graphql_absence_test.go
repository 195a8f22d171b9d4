package importer_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
)

// TestGraphQLIsNotAskedForEachTime: a GitLab without GraphQL is asked whether it
// has some once a day, and the answer is told when it is news. Each step is a
// sync, with how often GraphQL was asked for by it and what it told.
func TestGraphQLIsNotAskedForEachTime(t *testing.T) {
	const graphQL = "POST /graphql"
	answers := func(kind gitlabtest.FaultKind) func(int, *http.Request) gitlabtest.Fault {
		return func(_ int, r *http.Request) gitlabtest.Fault {
			if r.URL.Path == "/api/graphql" {
				return gitlabtest.Fault{Kind: kind}
			}
			return gitlabtest.Fault{}
		}
	}
	type step struct {
		what    string
		after   time.Duration
		answer  gitlabtest.FaultKind
		options importer.Options
		forget  bool // a person had the connection checked
		asked   int  // of GraphQL; -1: it is there, and used
		told    bool
		plan    string
	}
	absent, present, auto := gitlabtest.NotFound, gitlabtest.NoFault, importer.Options{Polled: true}
	person := importer.Options{Plan: importer.PlanGraphQL}
	for name, steps := range map[string][]step{
		"never there": {
			{"first", 0, absent, importer.Options{}, false, 1, true, importer.PlanKeyset},
			{"a minute later", time.Minute, absent, auto, false, 0, false, importer.PlanKeyset},
			{"by a person", time.Minute, absent, importer.Options{}, false, 0, false, importer.PlanKeyset},
			{"by a person who wants GraphQL", time.Minute, absent, person, false, 1, true, importer.PlanDocumented},
			{"as the setting of polls", time.Minute, absent, importer.Options{Plan: importer.PlanGraphQL, Polled: true}, false, 0, false, importer.PlanDocumented},
			{"the plan keyset", time.Minute, absent, importer.Options{Plan: importer.PlanKeyset}, false, 0, false, importer.PlanKeyset},
			{"a day later", 24 * time.Hour, absent, auto, false, 1, false, importer.PlanKeyset},
			{"and another minute", time.Minute, absent, auto, false, 0, false, importer.PlanKeyset},
			{"after a check", time.Minute, absent, auto, true, 1, true, importer.PlanKeyset},
			{"there by now, and nobody knows", time.Minute, present, auto, false, 0, false, importer.PlanKeyset},
			{"but after a day", 24 * time.Hour, present, auto, false, -1, false, importer.PlanGraphQL},
			{"and from then on", time.Minute, present, auto, false, -1, false, importer.PlanGraphQL},
		},
		"a check finds it": {
			{"first", 0, absent, importer.Options{}, false, 1, true, importer.PlanKeyset},
			{"after a check", time.Minute, present, auto, true, -1, false, importer.PlanGraphQL},
		},
		"a slip": {
			{"first", 0, present, importer.Options{}, false, -1, false, importer.PlanGraphQL},
			{"not found once", time.Minute, absent, auto, false, 1, true, importer.PlanKeyset},
			{"there again", time.Minute, present, auto, false, -1, false, importer.PlanGraphQL},
			{"not found", time.Minute, absent, auto, false, 1, true, importer.PlanKeyset},
			{"not found twice", time.Minute, absent, auto, false, 1, false, importer.PlanKeyset},
			{"believed", time.Minute, absent, auto, false, 0, false, importer.PlanKeyset},
		},
		"an outage of GraphQL": {
			{"first", 0, gitlabtest.Unavailable, importer.Options{}, false, 1, true, importer.PlanKeyset},
			{"still", time.Minute, gitlabtest.Unavailable, auto, false, 1, true, importer.PlanKeyset},
			{"over", time.Minute, present, auto, false, -1, false, importer.PlanGraphQL},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, openDuckDB(t), gitlabtest.Uniform(2, 3, 2))
			now := today
			h.importer = importer.New(importer.Config{Store: h.store, Now: func() time.Time { return now }})
			for _, s := range steps {
				now = now.Add(s.after)
				h.server.Advance(s.after)
				h.server.Fault(answers(s.answer))
				if s.forget {
					h.must(t, h.importer.Checked(t.Context(), h.source.Connection))
				}
				h.server.ResetRequests()
				row := h.sync(t, s.options)
				if got := h.server.RequestCount()[graphQL]; got != s.asked && (s.asked >= 0 || got < 2) {
					t.Errorf("%s: GraphQL was asked %d times, want %d", s.what, got, s.asked)
				}
				if row.Plan != s.plan || row.State != ci.SyncComplete {
					t.Errorf("%s: the plan was %s and the sync is %s, want %s and complete", s.what, row.Plan, row.State, s.plan)
				}
				var want []string
				if s.told {
					want = []string{fmt.Sprintf("%s 0", ci.PlanFallback)}
				}
				h.wantErrors(t, row, want...)
			}
			h.compare(t)
		})
	}
}
