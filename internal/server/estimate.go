package server

import (
	"cmp"
	"context"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/control"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/importer"
)

// EstimateSyncs says what imports would cost. It claims nothing: a look may be
// had while an import runs.
func (e *engine) EstimateSyncs(ctx context.Context, r api.SyncRequest) ([]api.Estimate, error) {
	connections, err := e.chosen(ctx, r.Connections)
	if err != nil {
		return nil, err
	}
	var list []api.Estimate
	for _, c := range connections {
		one, err := e.estimate(ctx, c, r)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}

func (e *engine) estimate(ctx context.Context, c control.Connection, r api.SyncRequest) (api.Estimate, error) {
	since, err := control.ParseSince(cmp.Or(r.Since, c.Since), e.now())
	if err != nil {
		return api.Estimate{}, err
	}
	tokens, err := e.control.OpenCredentials(ctx, c.ID)
	if err != nil {
		return api.Estimate{}, err
	}
	instance, err := e.store.EnsureInstance(ctx, c.BaseURL, e.now())
	if err != nil {
		return api.Estimate{}, err
	}
	gitLab, err := e.open(c, tokens, r.MaxRequestsPerMinute)
	if err != nil {
		return api.Estimate{}, err
	}
	defer gitLab.release()
	found, err := e.importer.Estimate(ctx, importer.Source{
		Connection: c.ID, Instance: instance, Kind: c.Kind, Client: gitLab.client.As(gitlab.NewCaller(false)), Groups: c.Groups, Since: since,
	}, importer.Options{Projects: r.Projects, Full: r.Full, Plan: r.Plan})
	if err != nil {
		return api.Estimate{}, err
	}
	return api.Estimate{
		ConnectionID: c.ID, Projects: found.Projects, ProjectsCounted: found.Counted, Pipelines: found.Pipelines, AtLeast: found.AtLeast,
		BuildsPerPipeline: found.BuildsPerPipeline, BuildsFrom: cmp.Or(found.BuildsFrom, "none"), Requests: found.Requests, Minutes: found.Minutes,
		Auto: found.Auto, RequestsSpent: found.Spent,
	}, nil
}
