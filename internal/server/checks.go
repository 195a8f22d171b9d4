package server

import (
	"context"
	"fmt"
	"os"

	"github.com/weirhq/weir/internal/api"
)

// Checks looks at the data directory: whether weir can write there, and
// whether others can read it.
func (e *engine) Checks(context.Context) []api.Check {
	check := api.Check{Name: "data directory", OK: true, Detail: e.dataDir}
	f, err := os.CreateTemp(e.dataDir, "doctor-*")
	if err != nil {
		check.OK = false
		check.Detail = fmt.Sprintf("%s is not writable: %v", e.dataDir, err)
		check.Remedy = "Make it writable for the user that runs weir, or free some space."
		return []api.Check{check}
	}
	_ = f.Close()
	_ = os.Remove(f.Name())
	private := api.Check{Name: "privacy of the data directory", OK: true, Detail: "only its owner can look into it"}
	info, err := os.Stat(e.dataDir)
	switch {
	case err != nil:
		private.OK, private.Detail, private.Remedy = false, err.Error(), "See whether the directory is still there."
	case info.Mode().Perm()&0o077 != 0:
		private.OK = false
		private.Detail = fmt.Sprintf("its mode is %04o: other users of this machine can look into it", info.Mode().Perm())
		private.Remedy = "Close it: chmod 700 " + e.dataDir + "."
	}
	return []api.Check{check, private}
}
