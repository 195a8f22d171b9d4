package api

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// Polling: what a server that imports by itself tells of it.

// The values of Poll.State and Round.Kind.
const (
	PollWaiting = "waiting"
	PollRunning = "running"
	PollFailing = "failing"

	RoundAll  = "all"
	RoundOpen = "open"
)

// Poll says how a connection is polled.
type Poll struct {
	State           string     `json:"state" enum:"waiting,running,failing" doc:"failing: the last round failed, and the next one waits longer"`
	NextAt          *time.Time `json:"next_at" doc:"when the next round is due"`
	IntervalSeconds float64    `json:"interval_seconds" doc:"the pause between two rounds as it is now: shorter while they find something"`
	Following       int64      `json:"following" doc:"pipelines that had not ended and are asked about again"`
	Backfilling     bool       `json:"backfilling" doc:"history is still being read, a slice a round"`
	LastRound       *Round     `json:"last_round" doc:"null: none since the server started"`
}

// Round is one look of a poller at a GitLab.
type Round struct {
	ID               int64           `json:"id" doc:"order of this server's rounds, from 1"`
	ConnectionID     ci.ConnectionID `json:"connection_id"`
	SyncID           ci.SyncID       `json:"sync_id" doc:"0: it could not begin"`
	Kind             string          `json:"kind" enum:"all,open" doc:"open: only what had not ended"`
	State            ci.SyncState    `json:"state" doc:"as of a sync; paused: history goes on in the next round"`
	Shared           bool            `json:"shared" doc:"a person or another process made it"`
	StartedAt        time.Time       `json:"started_at"`
	FinishedAt       time.Time       `json:"finished_at"`
	Changed          bool            `json:"changed" doc:"it wrote pipelines, jobs or deployments"`
	Pipelines        int64           `json:"pipelines" doc:"rows written"`
	Jobs             int64           `json:"jobs" doc:"rows written"`
	Requests         int64           `json:"requests"`
	ThrottledSeconds float64         `json:"throttled_seconds"`
	Plan             string          `json:"plan"`
	Following        int64           `json:"following" doc:"pipelines that have not ended after it"`
	Backfilling      bool            `json:"backfilling"`
	NextAt           time.Time       `json:"next_at" doc:"when the next one of everything is due"`
	Problem          *Problem        `json:"problem" doc:"why it failed as a whole; null: it did not"`
}

// Rounds is what a poller did, oldest first.
type Rounds struct {
	Polling bool    `json:"polling" doc:"false: this server imports only when it is asked to"`
	Last    int64   `json:"last" doc:"id of the newest round, to ask for those after it"`
	Rounds  []Round `json:"rounds" nullable:"false"`
}

// RoundLog keeps the newest rounds. The zero RoundLog is ready for use, and it
// is safe for concurrent use.
type RoundLog struct {
	mu     sync.Mutex
	rounds []Round
	last   int64
	ended  bool
	more   chan struct{} // closed at the next Append; nil: nobody waits
}

const roundsKept = 1000

// Append adds a round and gives it with its id.
func (l *RoundLog) Append(r Round) Round {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	r.ID = l.last
	if len(l.rounds) == roundsKept {
		copy(l.rounds, l.rounds[1:])
		l.rounds = l.rounds[:roundsKept-1]
	}
	l.rounds = append(l.rounds, r)
	l.wake()
	return r
}

// Close says that there will be no more rounds, so that nobody waits for one.
func (l *RoundLog) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.wake()
}

func (l *RoundLog) wake() {
	if l.more != nil {
		close(l.more)
		l.more = nil
	}
}

// After gives the rounds after the one with that id, as far as they are kept,
// the id of the newest, and a channel that is closed when there are more; nil
// when there will be none.
func (l *RoundLog) After(id int64) (rounds []Round, last int64, more <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest := l.last - int64(len(l.rounds)) // the id before the oldest kept
	if id < l.last {
		rounds = append(rounds, l.rounds[max(id-oldest, 0):]...)
	}
	if l.ended {
		return rounds, l.last, nil
	}
	if l.more == nil {
		l.more = make(chan struct{})
	}
	return rounds, l.last, l.more
}

// PollEngine is what the API asks of a program that may poll.
type PollEngine interface {
	// Polls tells how each connection is polled; empty when this program does not.
	Polls() map[ci.ConnectionID]Poll
	// Rounds gives the log of rounds; nil when this program does not poll.
	Rounds() *RoundLog
	// Viewed says that somebody looks at a project, by its full path or id.
	Viewed(project string)
}

func (a *API) registerRounds() {
	register(a, a.operation(http.MethodGet, "/rounds", "list-rounds", "What polling did",
		"The rounds after the one with the id `after`, oldest first, as far as they are kept (a thousand). "+
			"With wait_seconds the answer waits so long for the first one; without `after` it begins with the oldest."),
		func(ctx context.Context, in *struct {
			After       int64   `query:"after" minimum:"0"`
			WaitSeconds float64 `query:"wait_seconds" minimum:"0" maximum:"60"`
		},
		) (Rounds, error) {
			log := a.Engine.Rounds()
			if log == nil {
				return Rounds{Rounds: []Round{}}, nil
			}
			rounds, last, more := log.After(in.After)
			if len(rounds) == 0 && more != nil && in.WaitSeconds > 0 {
				timer := time.NewTimer(time.Duration(in.WaitSeconds * float64(time.Second)))
				defer timer.Stop()
				select {
				case <-more:
					rounds, last, more = log.After(in.After)
				case <-timer.C:
				case <-ctx.Done():
				}
			}
			return Rounds{Polling: more != nil, Last: last, Rounds: orEmpty(rounds)}, nil
		})
}
