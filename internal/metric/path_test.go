package metric

import "testing"

// A single run is looked for in all of time, which nobody must cut into weeks.
func TestRunIsAskedForCheaply(t *testing.T) {
	engine, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := engine.named("critical_path")
	if err != nil {
		t.Fatal(err)
	}
	q, err := engine.read(m, Query{Run: "1/2"})
	if err != nil {
		t.Fatal(err)
	}
	allocations := testing.AllocsPerRun(1, func() {
		if _, err := q.render(engine.files); err != nil {
			t.Error(err)
		}
	})
	if allocations > 50_000 {
		t.Errorf("%.0f allocations for the statement of one run", allocations)
	}
}
