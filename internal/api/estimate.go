package api

import (
	"context"
	"net/http"

	"github.com/weirhq/weir/internal/ci"
)

// Estimate says what an import of a connection would cost.
type Estimate struct {
	ConnectionID      ci.ConnectionID    `json:"connection_id"`
	Projects          int64              `json:"projects" doc:"with CI"`
	ProjectsCounted   int64              `json:"projects_counted" doc:"projects whose pipelines GitLab counted; the others are taken to be like them on average"`
	Pipelines         int64              `json:"pipelines" doc:"to be read"`
	AtLeast           bool               `json:"at_least" doc:"a project has more pipelines than GitLab counts"`
	BuildsPerPipeline float64            `json:"builds_per_pipeline" doc:"taken for all of them, every attempt counted"`
	BuildsFrom        string             `json:"builds_from" enum:"store,sample,none" doc:"store: the newest pipelines that are stored; sample: a few that were read for it"`
	Requests          map[string]int64   `json:"requests" doc:"that each plan would need; those that GitLab cannot serve are left out"`
	Minutes           map[string]float64 `json:"minutes" doc:"that each plan would take at least"`
	Auto              string             `json:"auto" doc:"the plan that auto would take"`
	RequestsSpent     int64              `json:"requests_spent" doc:"that this estimate has cost"`
}

// Estimates are what imports would cost, in the order of the connections.
type Estimates struct {
	Estimates []Estimate `json:"estimates" nullable:"false"`
}

func (a *API) registerEstimate() {
	register(a, a.operation(http.MethodPost, "/syncs/estimate", "estimate-syncs", "Estimate what imports would cost",
		"From one cheap look at GitLab, for each named connection or for every one. Nothing is imported, and nothing stored."),
		func(ctx context.Context, in *struct{ Body SyncRequest }) (Estimates, error) {
			list, err := a.Engine.EstimateSyncs(ctx, in.Body)
			return Estimates{orEmpty(list)}, err
		})
}

// EstimateSyncs says what StartSyncs would cost with the same request.
func (c *Client) EstimateSyncs(ctx context.Context, r SyncRequest) ([]Estimate, error) {
	list, err := call[Estimates](ctx, c, http.MethodPost, "/syncs/estimate", r)
	return list.Estimates, err
}
