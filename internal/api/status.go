package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/control"
)

// statusSyncs is how many imports the status shows.
const statusSyncs = 10

func (a *API) registerStatus() {
	register(a, a.operation(http.MethodGet, "/status", "status", "What is current, what failed, what it cost", ""),
		func(ctx context.Context, _ *struct{}) (Status, error) { return a.status(ctx) })
}

func (a *API) status(ctx context.Context) (Status, error) {
	s := Status{Engine: a.Store.Engine(), Connections: []ConnectionStatus{}, Projects: []ProjectStatus{}, Refused: a.Refusals.List()}
	connections, err := a.Control.Connections(ctx)
	if err != nil {
		return s, err
	}
	if s.Bytes, err = a.Store.Size(ctx); err != nil {
		return s, err
	}
	if s.Rows, err = a.Store.Counts(ctx); err != nil {
		return s, err
	}
	if s.Syncs, err = a.syncs(ctx, statusSyncs); err != nil {
		return s, err
	}
	if err := a.connectionStatus(ctx, connections, &s); err != nil {
		return s, err
	}
	return s, a.projectStatus(ctx, &s)
}

func (a *API) connectionStatus(ctx context.Context, connections []control.Connection, s *Status) error {
	running := a.Engine.Running()
	polls := a.Engine.Polls()
	last, err := a.Store.LastSyncs(ctx)
	if err != nil {
		return err
	}
	hooks, err := a.hookStatus(ctx)
	if err != nil {
		return err
	}
	for _, c := range connections {
		line := ConnectionStatus{Connection: show(c)}
		if brought, ok := hooks[c.ID]; ok {
			line.Hooks = &brought
		}
		if id, ok := running[c.ID]; ok {
			line.Running = &id
		}
		if poll, ok := polls[c.ID]; ok {
			line.Poll = &poll
		}
		if found, ok := last[c.ID]; ok {
			shown, err := a.withErrors(ctx, found)
			if err != nil {
				return err
			}
			line.LastSync = &shown[0]
		}
		var credentials []int64
		for _, credential := range c.Credentials {
			credentials = append(credentials, credential.ID)
		}
		line.GitLab = a.Engine.Standing(c.BaseURL, credentials)
		s.Connections = append(s.Connections, line)
	}
	return nil
}

// projectStatus tells of the projects of every GitLab, by instance and path.
func (a *API) projectStatus(ctx context.Context, s *Status) error {
	instances, err := a.Store.Instances(ctx)
	if err != nil {
		return err
	}
	unread := false
	for _, instance := range instances {
		projects, err := a.Store.Projects(ctx, instance.ID)
		if err != nil {
			return err
		}
		current, err := a.Store.ProjectSyncs(ctx, instance.ID)
		if err != nil {
			return err
		}
		slices.SortFunc(projects, func(a, b ci.Project) int { return strings.Compare(a.FullPath, b.FullPath) })
		for _, p := range projects {
			at := current[p.ID] // the zero value of a project that was never read says so
			s.Projects = append(s.Projects, ProjectStatus{
				InstanceID: instance.ID, ID: p.ID, FullPath: p.FullPath, CIAccess: p.CIAccess, DeletedAt: p.DeletedAt,
				SyncedTo: at.SyncedTo, BackfilledFrom: at.BackfilledFrom, OpenPipelines: at.OpenPipelines,
				LastSyncedAt: at.LastSyncedAt, LastErrorCode: at.LastErrorCode, LastErrorAt: at.LastErrorAt, Requests: at.Requests,
			})
			switch {
			case p.DeletedAt != nil || p.CIAccess != ci.CIEnabled:
			case at.SyncedTo == nil:
				unread = true
			case s.CompleteTo == nil || at.SyncedTo.Before(*s.CompleteTo):
				s.CompleteTo = at.SyncedTo
			}
		}
	}
	if unread {
		s.CompleteTo = nil
	}
	return nil
}
