package store

import (
	"log/slog"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store/pgtest"
)

// BenchmarkReplaceCatalog maps 1,000,000 pipelines with 3,000,000 jobs of 1,000
// projects: by a group a service, which looks at no job; by a monorepo's rules,
// which look at the jobs of a tenth of them, with deployments; and from one
// service to others, by which every row there is goes and another comes. cpu-s is
// the processor's time of both cores, of this process, for one mapping.
func BenchmarkReplaceCatalog(b *testing.B) {
	for _, engine := range []string{"duckdb", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			database := filepath.Join(b.TempDir(), "weir.duckdb")
			if engine == "postgres" {
				database = pgtest.Database(b)
			}
			s, err := Open(b.Context(), Config{Log: slog.New(slog.DiscardHandler), Database: database})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { s.Close() })
			million(b, s)
			const none = "version: 1\nservices: []\nrules: []\ndeploys: []\n"
			const groups = "version: 1\nservices:\n  - {identifier: a, match: {group: g1}}\n  - {identifier: b, match: {group: \"g*\"}}\nrules: []\ndeploys: []\n"
			const jobs = "version: 1\nservices:\n  - {identifier: a}\n  - {identifier: b, match: {group: \"g*\"}}\nrules:\n  - match: {group: g1}\n    each:\n      - {match: {job: build}, service: a}\n      - {match: {job: test}, service: b}\ndeploys:\n  - {match: {group: g1, job: \"deploy*\"}, environment: production}\n"
			const others = "version: 1\nservices:\n  - {identifier: c, match: {group: g1}}\n  - {identifier: d, match: {group: \"g*\"}}\nrules: []\ndeploys: []\n"
			for _, rules := range []struct{ name, from, to string }{
				{"runs", none, groups}, {"jobs", none, jobs}, {"others", groups, others}, {"same", groups, groups},
			} {
				b.Run(rules.name, func(b *testing.B) {
					var spent time.Duration
					for range b.N {
						b.StopTimer()
						if _, err := s.ReplaceCatalog(b.Context(), false, building(b, rules.from)); err != nil {
							b.Fatal(err)
						}
						before := processor(b)
						b.StartTimer()
						change, err := s.ReplaceCatalog(b.Context(), false, building(b, rules.to))
						if err != nil || change.Mapped != 1_000_000 {
							b.Fatalf("%+v, %v", change, err)
						}
						spent += processor(b) - before
					}
					b.ReportMetric(spent.Seconds()/float64(b.N), "cpu-s/op")
				})
			}
		})
	}
}

// processor gives the processor's time that this process has taken so far.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// million fills a store with history, by SQL.
func million(b *testing.B, s *Store) {
	b.Helper()
	var batch Batch
	for i := range 1000 {
		path := "g" + string(rune('0'+i%10)) + "/p" + string(rune('0'+i/100)) + string(rune('0'+i/10%10)) + string(rune('0'+i%10))
		batch.Projects = append(batch.Projects, ci.Project{InstanceID: 1, ID: ci.ProjectID(i), FullPath: path, Name: path, CIAccess: ci.CIEnabled, SyncedAt: at(0)})
	}
	apply(b, s, batch)
	err := s.engine.write(b.Context(), func(w writer) error {
		for _, statement := range []string{
			`INSERT INTO pipelines (instance_id, id, project_id, status, source, ref, ref_type, created_at, updated_at, time_precision, synced_at)
				SELECT 1, i, i % 1000, 'success', 'push', 'branch-' || (i % 50), 'branch', now(), now(), 'ms', now() FROM generate_series(1, 1000000) AS t(i)`,
			`INSERT INTO jobs (instance_id, id, project_id, pipeline_id, name, base_name, stage, kind, status, finished_at, time_precision, synced_at)
				SELECT 1, i, 0, CAST(floor((i + 2) / 3.0) AS BIGINT), CASE i % 3 WHEN 0 THEN 'build' WHEN 1 THEN 'test' ELSE 'deploy' END, 'x', 'stage', 'build', 'success', now(), 'ms', now()
				FROM generate_series(1, 3000000) AS t(i)`,
		} {
			if _, err := w.exec(b.Context(), statement); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}
