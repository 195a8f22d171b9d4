package api

import (
	"context"
	"net/http"
)

func (a *API) registerSystem() {
	health := a.operation(http.MethodGet, "/health", "health", "Does the process answer", "Needs no token.")
	health.Security = []map[string][]string{{}}
	register(a, health, func(context.Context, *struct{}) (Health, error) {
		return Health{Status: "ok", Version: a.Version.Version, PID: a.PID}, nil
	})

	register(a, a.operation(http.MethodGet, "/version", "version", "What is running", ""),
		func(ctx context.Context, _ *struct{}) (Version, error) {
			v := a.Version
			v.Engine = a.Store.Engine()
			var err error
			if v.EngineVersion, err = a.Store.EngineVersion(ctx); err != nil {
				return Version{}, err
			}
			v.SchemaVersion, err = a.Store.SchemaVersion(ctx)
			return v, err
		})
}
