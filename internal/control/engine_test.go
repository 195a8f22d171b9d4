package control

import (
	"os"
	"testing"

	"github.com/weirhq/weir/internal/store/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// engines are the databases that the suite runs on.
var engines = []struct {
	name     string
	database func(*testing.T) string // a fresh database
}{
	{"duckdb", func(*testing.T) string { return "" }},
	{"postgres", func(t *testing.T) string { return pgtest.Database(t) }},
}
