package server

import (
	"context"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/control"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/importer"
)

// Writing the rows of events: one worker, in order of arrival. Rows and inbox
// lie in two databases, so an event leaves the inbox after its rows are
// written; killed in between, it is written again, which changes nothing.

const (
	hooksATurn = 1_000
	// Events that wait are looked at again for so long whenever others come: a
	// job's event may be ahead of its pipeline's. Later, when a sync has ended.
	hookPatience = time.Minute
	// Those that waited in vain are forgotten, and with them the keys by which
	// repeated deliveries are noticed.
	hookMemory = 3 * 24 * time.Hour
	// How long to gather events before writing them: taking in goes first, and
	// one large transaction costs less than many small ones.
	hookGather = 250 * time.Millisecond
	// How long to wait when the database does not answer, and between looks for
	// events that other processes took in.
	hookPause = time.Second
)

// write writes events until ctx ends.
func (h *hooks) write(ctx context.Context) {
	tick := time.NewTicker(hookPause)
	defer tick.Stop()
	var swept time.Time
	all := true // what waits, however long, at the start
	for {
		err := h.turn(ctx, all)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			h.log.Warn("web hooks not written", "error", err)
		}
		if now := h.now(); now.Sub(swept) > time.Hour {
			if err := h.control.Forget(ctx, now.Add(-hookMemory)); err != nil && ctx.Err() == nil {
				h.log.Warn("old web hooks not forgotten", "error", err)
			}
			swept = now
		}
		all = false
		var again <-chan time.Time
		if err != nil || h.store.Engine() == "postgres" {
			again = tick.C
		}
		select {
		case <-h.wake:
			select {
			case <-time.After(hookGather):
			case <-ctx.Done():
				return
			}
		case <-h.again:
			all = true
		case <-again:
		case <-ctx.Done():
			return
		}
	}
}

// turn writes all events that can be written now.
func (h *hooks) turn(ctx context.Context, all bool) error {
	since := h.now().Add(-hookPatience)
	if all {
		since = time.Time{}
	}
	// Other processes may look at the same inbox: one at a time.
	release, err := h.control.ClaimInbox(ctx)
	if err != nil {
		if ci.CodeOf(err) == ci.Conflict {
			return nil
		}
		return err
	}
	defer release()
	for after := int64(0); ; {
		list, err := h.control.Inbox(ctx, after, since, hooksATurn)
		if err != nil || len(list) == 0 {
			return err
		}
		after = list[len(list)-1].ID
		if err := h.settle(ctx, list); err != nil {
			return err
		}
	}
}

// settle writes events and notes what became of them.
func (h *hooks) settle(ctx context.Context, list []control.InboxEvent) error {
	settled := control.Settled{Failed: map[int64]string{}}
	connections, err := h.control.Connections(ctx)
	if err != nil {
		return err
	}
	instances := map[ci.ConnectionID]ci.InstanceID{}
	for _, c := range connections {
		instances[c.ID] = c.InstanceID
	}
	events := map[ci.InstanceID][]importer.HookEvent{}
	for _, e := range list {
		instance, ok := instances[e.Connection]
		if !ok {
			settled.Written = append(settled.Written, e.ID) // its connection was removed
			continue
		}
		hook, err := gitlab.ParseHook([]byte(e.Body))
		if err != nil {
			settled.Failed[e.ID] = err.Error()
			continue
		}
		events[instance] = append(events[instance], importer.HookEvent{ID: e.ID, Hook: hook, ReceivedAt: e.ReceivedAt})
	}
	for instance, some := range events {
		outcomes, err := h.importer.ApplyHooks(ctx, instance, some)
		if err != nil {
			return err
		}
		for _, o := range outcomes {
			switch {
			case o.Err != nil:
				h.log.Error("web hook cannot be written", "event", o.ID, "error", o.Err)
				settled.Failed[o.ID] = o.Err.Error()
			case o.Waiting:
				settled.Waiting = append(settled.Waiting, o.ID)
			default:
				settled.Written = append(settled.Written, o.ID)
			}
		}
	}
	return h.control.Settle(context.WithoutCancel(ctx), settled)
}
