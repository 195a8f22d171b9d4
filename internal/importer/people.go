package importer

import (
	"reflect"
	"sync"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store"
)

// people is who was written in this run already: every pipeline and job names
// its user and its runner again, and all but the first mention are news of
// nothing.
type people struct {
	mu      sync.Mutex
	users   map[ci.UserID]ci.User
	runners map[ci.RunnerID]ci.Runner
}

func newPeople() *people {
	return &people{users: make(map[ci.UserID]ci.User), runners: make(map[ci.RunnerID]ci.Runner)}
}

// add adds the users and runners of a bundle that say something new.
func (p *people) add(batch *store.Batch, b bundle) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range b.users {
		said := u
		said.SyncedAt = time.Time{}
		if was, ok := p.users[u.ID]; ok {
			if u.Bot == nil {
				said.Bot = was.Bot // the short form of a user leaves it out
			}
			if reflect.DeepEqual(was, said) {
				continue
			}
		}
		p.users[u.ID] = said
		batch.Users = append(batch.Users, u)
	}
	for _, r := range b.runners {
		said := r
		said.SyncedAt = time.Time{}
		if was, ok := p.runners[r.ID]; ok && reflect.DeepEqual(was, said) {
			continue
		}
		p.runners[r.ID] = said
		batch.Runners = append(batch.Runners, r)
	}
}
