package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/weirhq/weir/internal/ci"
)

// Operations on imports: start, list, show, cancel, follow.

const (
	heartbeat     = 15 * time.Second
	writePatience = 10 * time.Second // a reader who takes nothing for so long is let go; it reconnects
)

type syncPathIn struct {
	ID int64 `path:"id" minimum:"1"`
}

func (in syncPathIn) id() ci.SyncID { return ci.SyncID(in.ID) }

func (a *API) registerSyncs() {
	start := a.operation(http.MethodPost, "/syncs", "start-syncs", "Start imports",
		"One for each named connection, or for every one. They go on when the answer is there; follow them by their events.")
	start.DefaultStatus = http.StatusAccepted
	register(a, start, func(ctx context.Context, in *struct{ Body SyncRequest }) (StartedSyncs, error) {
		started, err := a.Engine.StartSyncs(ctx, in.Body)
		return StartedSyncs{orEmpty(started)}, err
	})

	register(a, a.operation(http.MethodGet, "/syncs", "list-syncs", "List imports", "Newest first."),
		func(ctx context.Context, in *struct {
			Limit int `query:"limit" minimum:"1" maximum:"200" default:"20"`
		},
		) (Syncs, error) {
			list, err := a.syncs(ctx, in.Limit)
			return Syncs{list}, err
		})

	register(a, a.operation(http.MethodGet, "/syncs/{id}", "show-sync", "Show an import with its errors", ""),
		func(ctx context.Context, in *syncPathIn) (Sync, error) { return a.sync(ctx, in.id()) })

	register(a, a.operation(http.MethodPost, "/syncs/{id}/cancel", "cancel-sync", "Stop an import",
		"What it stored stays, and the next one goes on from there. The answer is the import as it is now; it may need a moment to end. One that has ended is left as it is."),
		func(ctx context.Context, in *syncPathIn) (Sync, error) {
			if _, err := a.sync(ctx, in.id()); err != nil {
				return Sync{}, err
			}
			a.Engine.CancelSync(in.id())
			return a.sync(ctx, in.id())
		})

	// The stream's type says text, so the description needs telling what is in it.
	a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[SyncEvent](), true, "SyncEvent")
	registerStream(a, a.operation(http.MethodGet, "/syncs/{id}/events", "follow-sync", "Follow an import",
		"Server-sent events: started, phase, project, progress, warning, and at the end done with the summary. Each has an id; "+
			"with Last-Event-ID the stream goes on after that one, as far as events are kept. The data of each is a SyncEvent."),
		[]string{"text/event-stream"},
		func(ctx context.Context, in *struct {
			ID          int64 `path:"id" minimum:"1"`
			LastEventID int64 `header:"Last-Event-ID" minimum:"0"`
		},
		) (func(huma.Context), error) {
			s, err := a.sync(ctx, ci.SyncID(in.ID))
			if err != nil {
				return nil, err
			}
			log := a.Engine.Events(ci.SyncID(in.ID))
			if log == nil {
				// It ran before this process: all that is left to tell is its end.
				log = &EventLog{}
				log.Append(SyncEvent{
					SyncID: s.ID, Kind: "done", Message: string(s.State), Rows: s.Rows, Requests: s.Requests,
					ThrottledSeconds: s.ThrottledSeconds, At: a.Now().UTC(), Sync: &s,
				})
				in.LastEventID = 0
			}
			return func(hc huma.Context) {
				r, w := humago.Unwrap(hc)
				followEvents(r.Context(), w, log, in.LastEventID, func(e *SyncEvent) {
					if stored, err := a.sync(r.Context(), ci.SyncID(in.ID)); err == nil {
						e.Sync = &stored // with its errors, which the importer's own summary lacks
					}
				})
			}, nil
		})
}

// followEvents writes events as they come until the last one, which is
// completed first, or until the reader is gone or too slow.
func followEvents(ctx context.Context, w http.ResponseWriter, log *EventLog, after int64, complete func(*SyncEvent)) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	control := http.NewResponseController(w)
	write := func(text string) bool {
		_ = control.SetWriteDeadline(time.Now().Add(writePatience)) // a writer without deadlines has a reader that never stalls
		if _, err := io.WriteString(w, text); err != nil {
			return false
		}
		return control.Flush() == nil
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		events, ended, more := log.After(after)
		for _, e := range events {
			if e.Kind == "done" {
				complete(&e)
			}
			b, err := json.Marshal(e)
			if err != nil || !write(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", e.ID, e.Kind, b)) {
				return
			}
			after = e.ID
		}
		if ended {
			return
		}
		select {
		case <-more:
		case <-beat.C:
			if !write(": " + strconv.FormatInt(after, 10) + "\n\n") {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// syncs gives the newest imports with their errors.
func (a *API) syncs(ctx context.Context, limit int) ([]Sync, error) {
	list, err := a.Store.Syncs(ctx, limit)
	if err != nil {
		return nil, err
	}
	return a.withErrors(ctx, list...)
}

func (a *API) sync(ctx context.Context, id ci.SyncID) (Sync, error) {
	s, err := a.Store.Sync(ctx, id)
	if err != nil {
		return Sync{}, err
	}
	shown, err := a.withErrors(ctx, s)
	if err != nil {
		return Sync{}, err
	}
	return shown[0], nil
}

// withErrors completes imports with what they could not do.
func (a *API) withErrors(ctx context.Context, list ...ci.Sync) ([]Sync, error) {
	paths := map[ci.InstanceID]map[ci.ProjectID]string{}
	shown := make([]Sync, len(list))
	for i, s := range list {
		shown[i] = ShowSync(s)
		found, err := a.Store.SyncErrors(ctx, s.ID)
		if err != nil {
			return nil, err
		}
		if len(found) > 0 && paths[s.InstanceID] == nil {
			projects, err := a.Store.Projects(ctx, s.InstanceID)
			if err != nil {
				return nil, err
			}
			paths[s.InstanceID] = make(map[ci.ProjectID]string, len(projects))
			for _, p := range projects {
				paths[s.InstanceID][p.ID] = p.FullPath
			}
		}
		for _, e := range found {
			line := SyncError{Seq: e.Seq, ProjectID: e.ProjectID, Code: e.Code, Detail: e.Detail, At: e.At}
			if e.ProjectID != nil {
				line.Project = paths[s.InstanceID][*e.ProjectID]
			}
			shown[i].Errors = append(shown[i].Errors, line)
		}
	}
	return shown, nil
}

// ShowSync gives a run of the importer in the API's words, without its errors.
func ShowSync(s ci.Sync) Sync {
	return Sync{
		ID: s.ID, InstanceID: s.InstanceID, ConnectionID: s.ConnectionID, Kind: s.Kind, State: s.State,
		StartedAt: s.StartedAt, FinishedAt: s.FinishedAt, Rows: s.Rows, Requests: s.Requests,
		RequestsByEndpoint: s.RequestsBy, PlanRequests: s.PlanRequests, ThrottledSeconds: s.ThrottledSeconds, Plan: s.Plan, Errors: []SyncError{},
	}
}
