package importer

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/store"
)

// How many builds a pipeline has, and how often it fails in a way that GraphQL
// cannot name: the newest in the store say it, else a few that are read.

// storedSample sums up the newest pipelines that are stored.
const storedSample = `SELECT count(*), coalesce(sum(builds), 0), coalesce(sum(greatest(1, ceil(CAST(builds AS double precision) / 100))), 0),
  coalesce(sum(CASE WHEN odd > 0 THEN greatest(1, ceil(CAST(builds AS double precision) / 100)) ELSE 0 END), 0), count(*) FILTER (WHERE bridges > 0),
  coalesce(sum(failed), 0)
FROM (SELECT p.id, count(*) FILTER (WHERE j.kind = 'build') AS builds,
    count(*) FILTER (WHERE j.kind = 'build' AND j.status = 'failed' AND coalesce(j.failure_reason, '') <> '%s') AS odd,
    count(*) FILTER (WHERE j.kind = 'build' AND j.status = 'failed') AS failed,
    count(*) FILTER (WHERE j.kind = 'bridge' AND j.status = 'failed' AND j.retried IS NOT TRUE) AS bridges
  FROM (SELECT instance_id, id FROM pipelines WHERE instance_id = %d AND deleted_at IS NULL AND updated_at IS NOT NULL ORDER BY id DESC LIMIT 1000) p
  LEFT JOIN jobs j ON j.instance_id = p.instance_id AND j.pipeline_id = p.id AND j.deleted_at IS NULL
  GROUP BY p.id) runs`

// sample gives every pipeline that is to be read the usual builds.
func (l *look) sample(ctx context.Context) error {
	if l.source.Kind == KindGitLab {
		return nil
	}
	all, err := l.stored(ctx)
	if err != nil {
		return err
	}
	l.estimate.BuildsFrom = "store"
	if all.pipelines < enoughStored {
		if all, err = l.sampled(ctx); err != nil {
			return err
		}
		l.estimate.BuildsFrom = "sample"
	}
	if all.pipelines == 0 {
		l.estimate.BuildsFrom = ""
		return nil
	}
	l.estimate.BuildsPerPipeline = all.builds / all.pipelines
	for id, lists := range l.work.projects {
		for i, v := range lists {
			n := v.pipelines / all.pipelines
			l.work.projects[id][i] = volume{v.pipelines, n * all.builds, n * all.pages, n * all.failed, n * all.explained, n * all.bridges}
		}
	}
	return nil
}

func (l *look) stored(ctx context.Context) (volume, error) {
	result, err := l.store.Query(ctx, store.Query{SQL: fmt.Sprintf(storedSample, scriptFailure, l.source.Instance.ID)})
	if err != nil {
		return volume{}, err
	}
	defer result.Close()
	for row, err := range result.Rows() {
		if err != nil {
			return volume{}, err
		}
		return volume{number(row[0]), number(row[1]), number(row[2]), number(row[5]), number(row[3]), number(row[4])}, nil
	}
	return volume{}, nil
}

// number reads a count or a sum, in whichever type the engine gives it.
func number(v any) float64 {
	switch n := v.(type) {
	case int64:
		return float64(n)
	case float64:
		return n
	case fmt.Stringer: // json.Number: a sum that may be larger than 64 bits
		var f float64
		_, _ = fmt.Sscan(n.String(), &f)
		return f
	}
	return 0
}

// sampled reads pipelines of the projects in which most are to be read.
func (l *look) sampled(ctx context.Context) (all volume, err error) {
	largest := slices.SortedFunc(maps.Keys(l.newest), func(a, b ci.ProjectID) int {
		return cmp.Or(cmp.Compare(l.work.projects[b][ownList].pipelines, l.work.projects[a][ownList].pipelines), cmp.Compare(a, b))
	})
	for _, id := range largest[:min(len(largest), sampledMost)] {
		some, err := l.sampleOf(ctx, id)
		if err != nil && (ctx.Err() != nil || !projectOnly(err)) {
			return all, err
		}
		all = all.plus(some) // of a project that refuses, none
	}
	return all, nil
}

// sampleOf reads the project's newest pipelines: a page of them by GraphQL, or
// the jobs of the newest by REST.
func (l *look) sampleOf(ctx context.Context, id ci.ProjectID) (all volume, err error) {
	if !l.graphQL {
		b := bundle{id: ci.PipelineID(l.newest[id])}
		err := b.addJobs(ci.Project{InstanceID: l.source.Instance.ID, ID: id}, ci.Build, l.client.PipelineJobs(ctx, int64(id), l.newest[id]))
		return volumeOf(b), err
	}
	page, err := l.client.Runs(ctx, gitlab.RunQuery{
		ProjectPath: l.paths[id], ProjectID: int64(id), UpdatedAfter: l.source.Since, First: startingPage, JobsFirst: perPage,
	})
	if err != nil {
		return all, err
	}
	for _, run := range page.Runs {
		b := bundle{id: ci.PipelineID(run.ID)}
		for _, j := range run.Jobs {
			row, _ := convertRunJob(ci.Project{}, run, j, page.AskedAt)
			b.jobs = append(b.jobs, row)
		}
		all = all.plus(volumeOf(b))
	}
	return all, nil
}
