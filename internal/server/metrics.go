package server

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/metric"
	"github.com/weirhq/weir/internal/store"
)

// costsFile names the prices of minutes, in the data directory. It is read when
// the program opens; where there is none, nothing has a price.
const costsFile = "costs.yaml"

// openMetrics makes the engine of metrics. A costs.yaml that is wrong is an
// error: money that is counted by half of somebody's prices would be a lie.
func openMetrics(dataDir string, s *store.Store, now func() time.Time) (*metric.Engine, error) {
	c := metric.Config{Store: s, Now: now}
	text, err := os.ReadFile(filepath.Join(dataDir, costsFile))
	switch {
	case err == nil:
		if c.Costs, err = metric.ReadCosts(text); err != nil {
			return nil, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, &ci.Problem{
			Code: ci.BadRequest, Cause: costsFile + " cannot be read: " + err.Error() + ".",
			Remedy: "Make it readable for this user, or move it away.", Err: err,
		}
	}
	return metric.New(c)
}
