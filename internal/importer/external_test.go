package importer_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
)

// TestExternalsBelowAPageWithoutNews has external pipelines without updated_at
// appear, and above them a whole page of others that are no news for the list:
// either they have an updated_at and so are in another one, or a visit that
// failed wrote them before it came to the rest.
func TestExternalsBelowAPageWithoutNews(t *testing.T) {
	t.Parallel()
	const page = 100
	for _, above := range []string{"dated", "written by a visit that failed"} {
		for _, plan := range []string{importer.PlanDocumented, importer.PlanKeyset, importer.PlanGraphQL} {
			t.Run(above+"/"+plan, func(t *testing.T) {
				t.Parallel()
				w := newSettledWorld()
				h := newHarness(t, openDuckDB(t), w.World)
				h.settle(t)
				outside := w.Project("acme/outside")
				add := func(undated bool) *gitlabtest.Pipeline {
					return w.AddPipeline(outside, gitlabtest.PipelineSpec{At: w.Now(), Source: "external", NullUpdated: undated, Status: "success"})
				}
				below := add(true)
				for range page + 20 {
					add(above != "dated")
				}
				h.server.Advance(time.Minute)
				if above != "dated" {
					detail := fmt.Sprintf("/pipelines/%d", below.ID)
					h.server.Fault(func(_ int, r *http.Request) gitlabtest.Fault {
						if strings.HasSuffix(r.URL.Path, detail) {
							return gitlabtest.Fault{Kind: gitlabtest.Unauthorized}
						}
						return gitlabtest.Fault{}
					})
					if s, err := h.importer.Sync(t.Context(), h.source, importer.Options{Plan: importer.PlanDocumented}, nil); s.State != ci.SyncFailed {
						t.Fatalf("the sync that should fail ended %s, %v", s.State, err)
					}
					if got := h.statusOf(t, below, outside.Pipelines[len(outside.Pipelines)-1]); got[0] != "" || got[1] == "" {
						t.Fatalf("the visit that should fail wrote of the lowest and the highest: %q", got)
					}
					h.server.Fault(nil)
				}
				h.sync(t, importer.Options{Plan: plan})
				h.compare(t)
			})
		}
	}
}
