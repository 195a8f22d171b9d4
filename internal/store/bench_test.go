package store

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store/pgtest"
)

// BenchmarkApply writes batches of 2,000 new jobs with their 200 pipelines.
func BenchmarkApply(b *testing.B) {
	for _, engine := range []string{"duckdb", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			database := filepath.Join(b.TempDir(), "weir.duckdb")
			if engine == "postgres" {
				database = pgtest.Database(b)
			}
			s := openTest(b, database)
			id := 0
			for b.Loop() {
				var batch Batch
				for range 200 {
					id++
					batch.Pipelines = append(batch.Pipelines, ci.Pipeline{
						InstanceID: 1, ID: ci.PipelineID(id), ProjectID: 1, Status: "success", Source: new(ci.Source("push")), Ref: new("main"),
						SHA: new(fmt.Sprintf("%040x", id)), RefType: ci.Branch, CreatedAt: new(at(float64(id))), UpdatedAt: new(at(float64(id))), TimePrecision: "ms", SyncedAt: at(float64(id)),
					})
					for k := range 10 {
						batch.Jobs = append(batch.Jobs, ci.Job{
							InstanceID: 1, ID: ci.JobID(id*10 + k), ProjectID: 1, PipelineID: ci.PipelineID(id), Name: "rspec 1/3", BaseName: "rspec",
							Kind: ci.Build, Status: "success", CreatedAt: new(at(float64(id))), StartedAt: new(at(float64(id))), Tags: []string{"docker"}, TimePrecision: "ms", SyncedAt: at(float64(id)),
						})
					}
				}
				apply(b, s, batch)
			}
			b.ReportMetric(float64(b.N)*2200/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
