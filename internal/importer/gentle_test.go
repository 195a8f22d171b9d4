package importer_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
)

// TestGentleTellsIdleRequests: doc/gentle.md says what an import that finds
// nothing new asks for, by plan. That depends on how many projects there are, not
// on their pipelines, so the world here has fewer of these.
func TestGentleTellsIdleRequests(t *testing.T) {
	t.Parallel()
	counted := map[string]string{}
	for _, plan := range importer.Plans()[1:] {
		h := newHarness(t, openDuckDB(t), gitlabtest.Uniform(100, 1, 1))
		h.sync(t, importer.Options{Plan: plan, Recount: true})
		h.server.ResetRequests()
		again := h.sync(t, importer.Options{Plan: plan, Recount: true})
		if again.State != ci.SyncComplete || again.Rows["pipelines"] != 0 {
			t.Errorf("%s: asking again was %s, with rows %v; want it complete, without pipelines", plan, again.State, again.Rows)
		}
		counted[plan] = fmt.Sprint(h.requests())
	}
	if diff := cmp.Diff(counted, gentleIdle(t)); diff != "" {
		t.Errorf("requests when nothing is new (-counted +doc/gentle.md):\n%s", diff)
	}
}

// gentleIdle gives the last column of the rows of weir's plans.
func gentleIdle(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "doc", "gentle.md"))
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if plan, ok := strings.CutPrefix(line, "| weir, plan `"); ok && len(cells) == 5 {
			plan, _, _ = strings.Cut(plan, "`")
			told[plan] = strings.TrimSpace(cells[3])
		}
	}
	return told
}
