package importer_test

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/importer"
)

// ear takes events in as the server does: by their secret, once each, reduced,
// in order of arrival, and those that wait again and again.
type ear struct {
	mu      sync.Mutex
	secret  gitlab.Secret
	known   map[string]bool
	inbox   []importer.HookEvent
	late    []gitlabtest.Delivery // not delivered yet
	held    []gitlabtest.Delivery // of jobs, delivered when polls know better
	arrived int64
}

func newEar() *ear { return &ear{secret: gitlab.NewHookSecret(), known: map[string]bool{}} }

// hear delivers the events since it was last called, mangled, and writes them.
func (p *proof) hear(sync, n int) {
	p.ear.mu.Lock()
	defer p.ear.mu.Unlock()
	random := rand.New(rand.NewPCG(p.seed<<8|uint64(sync), uint64(n)<<8|1))
	var list []gitlabtest.Delivery
	for _, d := range p.events.Take() {
		if d.Event == "Job Hook" && random.IntN(3) == 0 {
			p.ear.held = append(p.ear.held, d)
		} else {
			list = append(list, d)
		}
	}
	// Some come late, whatever came since: after others of the same job, or
	// after a poll that knew more.
	late := random.IntN(len(list)/2 + 1)
	random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	lost := []float64{0, 0.3, 1}[random.IntN(3)]
	mangled := append(gitlabtest.Mangle(random, list[late:], lost, 0.3), p.ear.late...)
	p.ear.late = slices.Clone(list[:late])
	p.write(mangled)
}

// hearHeld delivers events of jobs that were held back until polls had read what
// came after them, so that an older truth may meet a newer one.
func (p *proof) hearHeld() {
	p.ear.mu.Lock()
	defer p.ear.mu.Unlock()
	random := p.random(len(p.rounds), 1)
	held := p.ear.held
	p.ear.held = nil
	random.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
	p.write(held)
}

// write delivers events and writes what waits.
func (p *proof) write(list []gitlabtest.Delivery) {
	for _, d := range list {
		p.deliver(d)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.store == nil {
		return // cut off; what has arrived is on disk
	}
	outcomes, err := p.importer.ApplyHooks(p.t.Context(), p.instance.ID, p.ear.inbox)
	if err != nil {
		p.t.Errorf("hooks: %v", err)
		return
	}
	var waiting []importer.HookEvent
	for i, o := range outcomes {
		if o.Err != nil {
			p.t.Errorf("hook: %v", o.Err)
		}
		if o.Waiting {
			waiting = append(waiting, p.ear.inbox[i])
		}
	}
	p.ear.inbox = waiting
	p.t.Logf("heard %d events, %d wait", len(list), len(waiting))
}

func (p *proof) deliver(d gitlabtest.Delivery) {
	request, err := d.Request(p.t.Context(), "https://weir.test/hooks/gitlab/1", p.ear.secret.Reveal())
	if err != nil {
		p.t.Fatal(err)
	}
	if err := gitlab.VerifyHook(request.Header, d.Body, p.ear.secret, time.Now()); err != nil {
		p.t.Errorf("hook refused: %v", err)
		return
	}
	key := gitlab.HookKey(request.Header, d.Body)
	if p.ear.known[key] {
		return
	}
	p.ear.known[key] = true
	event, err := gitlab.ParseHook(d.Body)
	if err == nil {
		event, err = gitlab.ParseHook(event.Reduced()) // it is kept in between
	}
	if err != nil {
		p.t.Errorf("hook not understood: %v", err)
		return
	}
	p.ear.arrived++
	p.ear.inbox = append(p.ear.inbox, importer.HookEvent{ID: p.ear.arrived, Hook: event, ReceivedAt: time.Now()})
}
