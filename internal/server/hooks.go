package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/control"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/importer"
	"github.com/weirhq/weir/internal/store"
)

// Web hooks: POST /hooks/gitlab/{connection}. GitLab waits ten seconds for an
// answer, switches hooks off that fail, and does not send an event again. So an
// event is checked, reduced to what weir reads, put on disk, and answered;
// writing its rows comes after (hooks_write.go).

const (
	hookPath = "/hooks/gitlab/"
	// What is put on disk at once: as many as came while the commit before was
	// under way, up to so many events.
	hooksACommit = 256
	// A rotated secret is noticed by other processes after so long.
	hookSecretKept = 10 * time.Second
)

// hooks takes events in and has them written.
type hooks struct {
	log      *slog.Logger
	store    *store.Store
	control  *control.Control
	importer *importer.Importer
	now      func() time.Time

	arrivals chan arrival
	wake     chan struct{} // there are events to write
	again    chan struct{} // a sync has ended: what waits may be written now
	ended    chan struct{}
	cancel   context.CancelFunc
	group    errgroup.Group

	mu      sync.Mutex
	secrets map[ci.ConnectionID]knownSecret
	refused map[ci.ConnectionID]map[api.HookRefusal]int64 // of connections that have a secret
}

// arrival is an event on its way to the disk.
type arrival struct {
	event control.ArrivedEvent
	kept  chan error
}

type knownSecret struct {
	secret gitlab.Secret // "" for a connection that has none
	at     time.Time
}

// openHooks starts taking in and writing; close ends it. Events that a process
// before this one took in are written first.
func openHooks(ctx context.Context, h *hooks) *hooks {
	h.arrivals, h.wake, h.again, h.ended = make(chan arrival), make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{})
	h.secrets = map[ci.ConnectionID]knownSecret{}
	ctx, h.cancel = context.WithCancel(context.WithoutCancel(ctx))
	h.group.Go(func() error { h.keep(ctx); return nil })
	h.group.Go(func() error { h.write(ctx); return nil })
	return h
}

// close ends both. An event that is not on disk then was not answered.
func (h *hooks) close() error {
	h.cancel()
	return h.group.Wait()
}

// ServeHTTP takes an event in.
func (h *hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, code ci.Code, cause, remedy string) {
		p := *api.ProblemOf(&ci.Problem{Code: code, Cause: cause, Remedy: remedy})
		p.Status, p.Title = status, http.StatusText(status)
		api.WriteProblem(w, &p)
	}
	var connection ci.ConnectionID
	var secret gitlab.Secret
	count := func(why api.HookRefusal) {
		if secret != "" { // anybody can ask for any number
			h.countRefused(connection, why)
		}
	}
	stranger := func(err error) {
		count(api.WrongHookSecret)
		h.log.Warn("web hook refused", "connection", r.PathValue("connection"), "event", r.Header.Get("X-Gitlab-Event"), "error", err)
		refuse(http.StatusUnauthorized, ci.Unauthorized, "The event does not show the secret of a connection.",
			"Put URL and secret into the hook in GitLab as weir hooks show gives them.")
	}
	id, err := strconv.ParseInt(r.PathValue("connection"), 10, 64)
	if err != nil {
		id = 0 // no connection has it; whoever asks is told the same as for a wrong secret
	}
	connection = ci.ConnectionID(id)
	secret, err = h.secret(r.Context(), connection)
	if err != nil {
		h.log.Error("hook secret not opened", "connection", connection, "error", err)
		refuse(http.StatusServiceUnavailable, ci.CodeOf(err), "weir cannot look up the hook's secret now.", "Send the event again later; weir's log says why.")
		return
	}
	if !gitlab.MayBeHook(r.Header, secret) {
		stranger(gitlab.ErrHookSecret)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, gitlab.LargestHook))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		count(api.HookNotRead)
		refuse(http.StatusRequestEntityTooLarge, ci.BadRequest, "The event is larger than GitLab's are: 25 MB.", "Send GitLab's own events only.")
		return
	case err != nil:
		count(api.HookNotRead)
		refuse(http.StatusBadRequest, ci.BadRequest, "The event broke off.", "Send it again.")
		return
	}
	if err := gitlab.VerifyHook(r.Header, body, secret, h.now()); err != nil {
		stranger(err)
		return
	}
	event, err := gitlab.ParseHook(body)
	if err != nil {
		count(api.HookNotRead)
		h.log.Warn("web hook not understood", "connection", connection, "error", err)
		refuse(http.StatusBadRequest, ci.BadRequest, "The event is not understood: "+err.Error()+".", "If GitLab sent it, please report it with GitLab's version.")
		return
	}
	err = h.takeIn(r.Context(), control.ArrivedEvent{
		Connection: connection, Key: gitlab.HookKey(r.Header, body), Body: string(event.Reduced()), ReceivedAt: h.now().UTC().Truncate(time.Microsecond),
	})
	switch {
	case err != nil:
		count(api.HookNotKept)
		h.log.Error("web hook not kept", "connection", connection, "error", err)
		refuse(http.StatusServiceUnavailable, ci.CodeOf(err), "weir could not store the event.", "Send it again later; the next poll brings the same.")
	case event.Kind == gitlab.HookOther:
		w.WriteHeader(http.StatusAccepted) // counted, not kept
	default:
		w.WriteHeader(http.StatusOK)
	}
}

// secret gives the secret of a connection's hooks, "" where there is none.
func (h *hooks) secret(ctx context.Context, id ci.ConnectionID) (gitlab.Secret, error) {
	h.mu.Lock()
	known, ok := h.secrets[id]
	h.mu.Unlock()
	if ok && h.now().Sub(known.at) < hookSecretKept {
		return known.secret, nil
	}
	opened, err := h.control.HookSecret(ctx, id)
	if err != nil && ci.CodeOf(err) != ci.NotFound {
		return "", err
	}
	if err != nil {
		return "", nil // not remembered: anybody can ask for any number
	}
	known = knownSecret{gitlab.Secret(opened.Reveal()), h.now()}
	h.mu.Lock()
	h.secrets[id] = known
	h.mu.Unlock()
	return known.secret, nil
}

func (h *hooks) countRefused(id ci.ConnectionID, why api.HookRefusal) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refused == nil {
		h.refused = map[ci.ConnectionID]map[api.HookRefusal]int64{}
	}
	if h.refused[id] == nil {
		h.refused[id] = map[api.HookRefusal]int64{}
	}
	h.refused[id][why]++
}

// refusals gives what was counted.
func (h *hooks) refusals() map[ci.ConnectionID]map[api.HookRefusal]int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	counts := make(map[ci.ConnectionID]map[api.HookRefusal]int64, len(h.refused))
	for id, of := range h.refused {
		counts[id] = maps.Clone(of)
	}
	return counts
}

// forgetSecret has the next event look up the secret anew.
func (h *hooks) forgetSecret(id ci.ConnectionID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.secrets, id)
}

// takeIn returns when the event is on disk, or with why it is not.
func (h *hooks) takeIn(ctx context.Context, e control.ArrivedEvent) error {
	ending := &ci.Problem{Code: ci.Interrupted, Cause: "weir is ending.", Remedy: "Start it again."}
	a := arrival{e, make(chan error, 1)}
	select {
	case h.arrivals <- a:
	case <-h.ended:
		return ending
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return <-a.kept // answered whatever happens, once it is taken
}

// keep puts events on disk, many in one transaction while there are many.
func (h *hooks) keep(ctx context.Context) {
	defer close(h.ended)
	for {
		var turn []arrival
		select {
		case a := <-h.arrivals:
			turn = append(turn, a)
		case <-ctx.Done():
			return
		}
	gather:
		for len(turn) < hooksACommit {
			select {
			case a := <-h.arrivals:
				turn = append(turn, a)
			default:
				break gather
			}
		}
		events := make([]control.ArrivedEvent, len(turn))
		for i, a := range turn {
			events[i] = a.event
		}
		err := h.control.TakeIn(context.WithoutCancel(ctx), events)
		for _, a := range turn {
			a.kept <- err
		}
		nudge(h.wake)
	}
}

// nudge leaves a sign in a channel of one place.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// syncEnded says that a poll has brought what events may wait for.
func (h *hooks) syncEnded() { nudge(h.again) }
