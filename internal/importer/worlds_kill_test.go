package importer_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
)

// TestWorldsKilled plays a few worlds with syncs in processes of their own, and
// kills each process at a commit that the seed names: what TestWorlds imitates
// by cutting the database off. It takes place in real time and over a socket.
func TestWorldsKilled(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 9))
			w := gitlabtest.Generate(seed, gitlabtest.Size{Groups: 2, Projects: 3, PipelinesPerProject: 6, JobsPerPipeline: 3, Days: 10, Sparse: true, Until: time.Now().UTC().Truncate(time.Microsecond)})
			w.SetClock(func() time.Time { return time.Now().Truncate(time.Microsecond) })
			server := gitlabtest.NewServer(w, gitlabtest.ExternalURL(base), gitlabtest.LargestPage(4))
			front := httptest.NewServer(server)
			defer front.Close()
			meanwhile := rand.New(rand.NewPCG(seed, 10)) // asked by one request at a time
			server.EachRequest(func(int, *http.Request) {
				if meanwhile.IntN(20) == 0 {
					t.Log(happen(meanwhile, w))
				}
			})
			database := filepath.Join(t.TempDir(), "weir.duckdb")
			sync := func(at string) bool {
				plans := importer.Plans()
				child := childSync(t, front.URL, server.DefaultToken(), database, at)
				child.Env = append(child.Env, "WEIR_CHILD_PLAN="+plans[random.IntN(len(plans))])
				return killed(t, child.Run())
			}
			kills := 0
			for range 4 {
				for range random.IntN(8) {
					t.Log(happen(random, w))
				}
				at := fmt.Sprintf("%s %d", []string{"before", "after"}[random.IntN(2)], 1+random.IntN(6))
				if sync(at) {
					kills++
				}
			}
			if kills == 0 {
				t.Error("no sync was killed")
			}
			server.EachRequest(nil)
			w.SetNow(w.Now())
			sync("")
			sync("")
			want, got := truth(w, 1, base), stored(t.Context(), t, open(t, database))
			traceless(want, got)
			retriedBridges(want, got)
			hiddenDownstreams(want, got)
			erasedTwice(want, got)
			knownBots(want, got)
			configErrors(w, want, got)
			compareTables(t, want, got)
		})
	}
}
