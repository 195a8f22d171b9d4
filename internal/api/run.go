package api

import (
	"context"
	"net/http"
	"net/url"

	"github.com/weirhq/weir/internal/metric"
)

func (a *API) registerRun() {
	register(a, a.operation(http.MethodGet, "/run", "show-run", "One run with its jobs, for a waterfall",
		"Every attempt with its wait and its work, the pipelines that bridges started, and the critical path with its gaps."),
		func(ctx context.Context, in *struct {
			Pipeline string `query:"pipeline" required:"true" doc:"GitLab's id, INSTANCE/ID, or the address of the pipeline's page"`
		},
		) (metric.Trace, error) {
			trace, err := a.Metrics.Trace(ctx, in.Pipeline)
			if err == nil && trace.Project != nil {
				a.Engine.Viewed(*trace.Project)
			}
			return trace, err
		})
}

// Run looks at one run: GitLab's id, INSTANCE/ID, or the address of its page.
// Its errors are not_found and bad_request.
func (c *Client) Run(ctx context.Context, pipeline string) (metric.Trace, error) {
	return call[metric.Trace](ctx, c, http.MethodGet, "/run?pipeline="+url.QueryEscape(pipeline), nil)
}
