package importer_test

import (
	"flag"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir/internal/store/pgtest"
)

// The proof of what the importer promises (doc/decisions/0013): from a number
// alone come a world, what moves in it, what goes wrong, which events are heard
// and where syncs are cut off. At every commit what weir says to be complete has
// to be; and once the world is at rest, whole tables have to be the world.
//
// Time is that of a synctest bubble: whatever waits costs nothing. Requests run
// beside each other as ever, so a failure that hangs on their order may want
// -count=20 to show again.

var (
	worlds      = flag.Int("worlds", 0, "how many random worlds TestWorlds proves the importer on; 0: 200 with CI=true, else 25; 10 with the race detector")
	firstWorld  = flag.Uint64("from", 0, "the number of the first world")
	lastMinutes = flag.Float64("minutes", 0, "begin no further world after so many minutes; 0: prove all")
)

// TestWorlds proves the importer on random worlds.
func TestWorlds(t *testing.T) {
	began := time.Now()
	if *worlds == 0 {
		*worlds = 25
		switch {
		case raceDetector:
			*worlds = 10 // the 200 are run without it: make test
		case os.Getenv("CI") == "true":
			*worlds = 200
		}
	}
	var proved atomic.Int64
	if *lastMinutes > 0 {
		t.Cleanup(func() { fmt.Printf("proved on %d of %d worlds before the time was up\n", proved.Load(), *worlds) })
	}
	for seed := *firstWorld; seed < *firstWorld+uint64(*worlds); seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			if *lastMinutes > 0 && time.Since(began).Minutes() > *lastMinutes {
				t.SkipNow() // asked for by whoever set -minutes
			}
			s := drawScript(seed)
			database := ""
			if s.engine == "postgres" {
				database = pgtest.Database(t)
			}
			defer func() {
				if t.Failed() {
					t.Logf("the same again: go test ./internal/importer -run '^TestWorlds$' -worlds 1 -from %d -v", seed)
				}
			}()
			synctest.Test(t, func(t *testing.T) { newProof(t, s, database).play(t) })
			proved.Add(1)
		})
	}
}
