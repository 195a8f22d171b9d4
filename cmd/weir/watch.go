package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
)

// weir sync --watch shows the rounds of a poller: of the weir serve that owns
// the data directory, else of its own process, which polls in the same way.

const (
	// idleRoundsALine is how many rounds that find nothing are told in a line.
	idleRoundsALine = 10
	// roundsWait is how long to wait for a round before asking again.
	roundsWait = 30 * time.Second
)

// errNoPolling is beneath the error of a watch that found a server without a poller.
var errNoPolling = errors.New("no poller")

// watch shows rounds until the context ends. When the server that polls ends
// before, another one is looked for, or opened.
func (p *program) watch(ctx context.Context, r api.SyncRequest) error {
	if f := p.format(); f != asTable && f != asJSON && f != asNDJSON {
		return &usageError{cause: fmt.Sprintf("rounds are not written as %s", p.settings.value("output")), remedy: "Use -o table, json or ndjson with --watch."}
	}
	if len(r.Projects) > 0 {
		return &usageError{
			cause:  "--watch keeps everything current, and --project names single projects",
			remedy: "Leave one of them out; weir sync --project PATH imports one project once.",
		}
	}
	poll, err := p.polling()
	if err != nil {
		return err
	}
	poll.Connections = r.Connections
	passing := time.Now().Add(lockPatience)
	for {
		err := p.withDoor(ctx, ownServer{poll: poll}, func(ctx context.Context, client *api.Client, own bool) error {
			if err := p.watchable(ctx, client, r.Connections); err != nil {
				return err
			}
			if r.Full || r.Since != "" { // asked for once
				err := p.sync(ctx, client, r)
				if err != nil && (ctx.Err() != nil || !errors.As(err, new(exit))) {
					return err
				}
				r.Full, r.Since = false, ""
			}
			return p.showRounds(ctx, client, r.Connections, own)
		})
		if errors.Is(err, errNoPolling) && time.Now().Before(passing) && ctx.Err() == nil {
			select { // most commands end within a moment
			case <-ctx.Done():
			case <-time.After(doorPause):
			}
			continue
		}
		switch {
		case ctx.Err() != nil:
			return interrupted(context.Cause(ctx))
		case err != nil && ci.CodeOf(err) != ci.ServerUnreachable:
			return err
		}
		p.message("the weir that polled has ended; going on")
	}
}

// watchable refuses to wait for rounds that cannot come.
func (p *program) watchable(ctx context.Context, client *api.Client, ids []ci.ConnectionID) error {
	all, err := client.Connections(ctx)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return &ci.Problem{Code: ci.NotFound, Cause: "There is no connection yet.", Remedy: "Connect a GitLab first: " + connectHint + "."}
	}
	for _, id := range ids {
		if !slices.ContainsFunc(all, func(c api.Connection) bool { return c.ID == id }) {
			_, err := client.Connection(ctx, id) // says that there is none
			return err
		}
	}
	return nil
}

// showRounds shows rounds until the server ends, which is no error.
func (p *program) showRounds(ctx context.Context, client *api.Client, ids []ci.ConnectionID, own bool) error {
	list, err := client.Rounds(ctx, 0, 0)
	if err != nil {
		return err
	}
	if !list.Polling {
		return &ci.Problem{
			Code:   ci.Conflict,
			Cause:  "The weir that owns the data directory does not poll: it is another command, or weir serve with --no-poll.",
			Remedy: "Wait for the command to end, or start weir serve without --no-poll.",
			Err:    errNoPolling,
		}
	}
	names, err := p.connectionNames(ctx, client)
	if err != nil {
		return err
	}
	after := int64(0)
	if own {
		p.message("polling; Ctrl-C ends it, and nothing is lost")
	} else {
		p.message("showing the rounds of the weir serve that runs, by its own settings; Ctrl-C ends the showing")
		after = list.Last
	}
	view := roundView{p: p, names: names, idle: map[ci.ConnectionID]*idleRounds{}}
	for list.Polling {
		if list, err = client.Rounds(ctx, after, roundsWait); err != nil {
			return err
		}
		for _, r := range list.Rounds {
			after = r.ID
			if len(ids) > 0 && !slices.Contains(ids, r.ConnectionID) {
				continue
			}
			if err := view.show(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// roundView shows rounds: one that found something in a line, those that did
// not many in one.
type roundView struct {
	p     *program
	names map[ci.ConnectionID]string
	idle  map[ci.ConnectionID]*idleRounds
}

type idleRounds struct{ rounds, requests int64 }

func (v *roundView) show(r api.Round) error {
	if f := v.p.format(); f != asTable {
		return writeDocument(v.p.stdout, asNDJSON, r)
	}
	name := v.names[r.ConnectionID]
	if name == "" { // connected since
		name = fmt.Sprintf("connection %d", r.ConnectionID)
	}
	before := v.idle[r.ConnectionID]
	if before == nil {
		before = &idleRounds{}
		v.idle[r.ConnectionID] = before
	}
	next := "next at " + r.NextAt.UTC().Format("15:04:05Z")
	if !r.Changed && !r.Backfilling && r.Problem == nil && (before.rounds > 0 || r.ID > 1) {
		before.rounds++
		before.requests += r.Requests
		if before.rounds < idleRoundsALine {
			return nil
		}
		_, err := fmt.Fprintf(v.p.stdout, "%s  %s: %d rounds without a change, %s; %s\n",
			atText(&r.FinishedAt), name, before.rounds, count(before.requests, "request"), next)
		*before = idleRounds{}
		return err
	}
	*before = idleRounds{}
	parts := []string{count(r.Pipelines, "pipeline") + ", " + count(r.Jobs, "job")}
	parts = append(parts, count(r.Requests, "request")+" in "+spanText(r.FinishedAt.Sub(r.StartedAt).Seconds()))
	if r.Shared {
		parts = append(parts, "made by another weir")
	}
	if r.Following > 0 {
		parts = append(parts, fmt.Sprintf("%s open", thousands(r.Following)))
	}
	if r.Backfilling {
		parts = append(parts, "history goes on")
	}
	if r.Problem != nil {
		v.p.tell(r.Problem.Problem())
		parts = append(parts, "failed")
	}
	_, err := fmt.Fprintf(v.p.stdout, "%s  %s: %s\n", atText(&r.FinishedAt), name, strings.Join(append(parts, next), "; "))
	return err
}
