package store

import (
	"log/slog"
	"os"
	"testing"
)

// BenchmarkMeasureDays computes the daily aggregates (measure_days) of one day
// of ten million jobs anew, of all projects: what an import that touched that
// day costs them. The file is the one of internal/bench.
func BenchmarkMeasureDays(b *testing.B) {
	file := os.Getenv("WEIR_BENCH_FILE")
	if file == "" {
		b.Skip("WEIR_BENCH_FILE names no file of ten million jobs; make bench-query does")
	}
	s, err := Open(b.Context(), Config{Database: file, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for b.Loop() {
		err := s.engine.write(b.Context(), func(w writer) error {
			m := &measuring{w: w, dialect: s.engine.dialect()}
			// The last day is cut; the one before is whole.
			if err := m.step(b.Context(), "fresh_day", "SELECT max(day) - 1 AS day FROM measure_days"); err != nil {
				return err
			}
			if err := m.days(b.Context()); err != nil {
				return err
			}
			return m.step(b.Context(), "", "DROP TABLE fresh_day")
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
