package control

import "testing"

// engines are the databases that the suite runs on.
var engines = []struct {
	name     string
	database func(*testing.T) string // a fresh database
}{
	{"duckdb", func(*testing.T) string { return "" }},
}
