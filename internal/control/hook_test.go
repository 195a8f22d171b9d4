package control

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/ci"
)

const hookSecret = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U="

func TestHooks(t *testing.T) {
	for _, engine := range engines {
		for _, s := range []struct {
			name string
			test func(*testing.T, *world)
		}{
			{"a secret is sealed, shown once and wiped", testHookSecret},
			{"events come out as they came in, once", testInbox},
			{"what became of an event is remembered", testSettle},
			{"large events fit", testLargeEvent},
		} {
			t.Run(engine.name+"/"+s.name, func(t *testing.T) { s.test(t, newWorld(t, engine.database(t))) })
		}
	}
}

func testHookSecret(t *testing.T, w *world) {
	n, other := w.add(t, "https://one.example.com", token1), w.add(t, "https://two.example.com", token2)
	_, err := w.control.HookSecret(t.Context(), n.ID)
	wantCode(t, err, ci.NotFound)
	wantCode(t, w.control.SetHookSecret(t.Context(), 99, NewSecret(hookSecret), false), ci.NotFound)
	if err := w.control.SetHookSecret(t.Context(), n.ID, NewSecret(hookSecret), false); err != nil {
		t.Fatal(err)
	}
	wantCode(t, w.control.SetHookSecret(t.Context(), n.ID, NewSecret("other"), false), ci.Conflict)
	w.reopen(t)
	if got, err := w.control.HookSecret(t.Context(), n.ID); err != nil || got.Reveal() != hookSecret {
		t.Errorf("opened to %q, %v", got.Reveal(), err)
	}
	var sealed string
	if err := w.control.db.QueryRow(`SELECT sealed FROM hooks`).Scan(&sealed); err != nil || strings.Contains(sealed, hookSecret) {
		t.Errorf("stored as %q, %v", sealed, err)
	}
	if _, err := w.control.db.Exec(`INSERT INTO hooks (connection_id, sealed, created_at, received, repeated, dropped)
		SELECT $1, sealed, created_at, 0, 0, 0 FROM hooks`, int64(other.ID)); err != nil {
		t.Fatal(err)
	}
	_, err = w.control.HookSecret(t.Context(), other.ID)
	wantCode(t, err, ci.SecretKeyMissing) // moved to another row
	if err := w.control.SetHookSecret(t.Context(), n.ID, NewSecret("another"), true); err != nil {
		t.Fatal(err)
	}
	if got, _ := w.control.HookSecret(t.Context(), n.ID); got.Reveal() != "another" {
		t.Errorf("after rotation %q", got.Reveal())
	}
	if err := w.control.RemoveConnection(t.Context(), n.ID); err != nil {
		t.Fatal(err)
	}
	_, err = w.control.HookSecret(t.Context(), n.ID)
	wantCode(t, err, ci.NotFound)
}

func testInbox(t *testing.T, w *world) {
	n := w.add(t, "https://one.example.com", token1)
	if err := w.control.SetHookSecret(t.Context(), n.ID, NewSecret(hookSecret), false); err != nil {
		t.Fatal(err)
	}
	event := func(key, body string) ArrivedEvent {
		return ArrivedEvent{Connection: n.ID, Key: key, Body: body, ReceivedAt: w.now}
	}
	var first, want []string
	var list []ArrivedEvent
	for i := range 300 {
		body := fmt.Sprintf(`{"n":%d,"é":"'$1"}`, i)
		list = append(list, event(fmt.Sprint(i), body))
		want = append(want, body)
	}
	list = append(list, event("7", "again"), event("", ""), event("push", ""))
	if err := w.control.TakeIn(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	if err := w.control.TakeIn(t.Context(), []ArrivedEvent{event("8", "again"), event("new", "last")}); err != nil {
		t.Fatal(err)
	}
	if err := w.control.TakeIn(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	w.reopen(t) // what was taken in is on disk
	want = append(want, "last")
	after := int64(0)
	for {
		page, err := w.control.Inbox(t.Context(), after, w.now, 70)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			if e.Connection != n.ID || !e.ReceivedAt.Equal(w.now) || e.ID <= after {
				t.Errorf("event %+v after %d", e, after)
			}
			after = e.ID
			first = append(first, e.Body)
		}
	}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	stats, err := w.control.HookStats(t.Context())
	if diff := cmp.Diff(map[ci.ConnectionID]HookStats{n.ID: {
		SecretAt: w.now, Received: 301, Repeated: 2, Dropped: 2, LastReceivedAt: &w.now, Waiting: 301, OldestAt: &w.now,
	}}, stats); diff != "" || err != nil {
		t.Errorf("stats (-want +got):\n%s%v", diff, err)
	}
	// A key that is forgotten is new again.
	if err := w.control.Forget(t.Context(), w.now.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := w.control.TakeIn(t.Context(), []ArrivedEvent{event("7", "again")}); err != nil {
		t.Fatal(err)
	}
	if stats, _ := w.control.HookStats(t.Context()); stats[n.ID].Received != 302 || stats[n.ID].Waiting != 302 {
		t.Errorf("after forgetting: %+v", stats[n.ID])
	}
}

func testSettle(t *testing.T, w *world) {
	n := w.add(t, "https://one.example.com", token1)
	if err := w.control.SetHookSecret(t.Context(), n.ID, NewSecret(hookSecret), false); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		if err := w.control.TakeIn(t.Context(), []ArrivedEvent{{Connection: n.ID, Key: fmt.Sprint(i), Body: fmt.Sprint(i), ReceivedAt: w.now}}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := w.control.Inbox(t.Context(), 0, w.now, 10)
	if err != nil || len(all) != 4 {
		t.Fatalf("%v, %v", all, err)
	}
	bodies := func(since time.Time) (got []string) {
		list, err := w.control.Inbox(t.Context(), 0, since, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			got = append(got, e.Body)
		}
		return got
	}
	if err := w.control.Settle(t.Context(), Settled{
		Written: []int64{all[0].ID}, Waiting: []int64{all[1].ID}, Failed: map[int64]string{all[2].ID: "it's broken"},
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1", "3"}, bodies(w.now)); diff != "" {
		t.Errorf("with those that wait (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"3"}, bodies(w.now.Add(time.Second))); diff != "" {
		t.Errorf("without (-want +got):\n%s", diff)
	}
	checks := w.control.Checks(t.Context())
	if last := checks[len(checks)-1]; last.OK || !strings.Contains(last.Detail, "it's broken") || last.Remedy == "" {
		t.Errorf("doctor says %+v", last)
	}
	if err := w.control.Forget(t.Context(), w.now.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"3"}, bodies(w.now)); diff != "" {
		t.Errorf("after forgetting what waits in vain (-want +got):\n%s", diff)
	}
	if stats, _ := w.control.HookStats(t.Context()); stats[n.ID].Failed != 1 {
		t.Errorf("the failed one is gone: %+v", stats[n.ID])
	}
}

func testLargeEvent(t *testing.T, w *world) {
	body := strings.Repeat("x", 24<<20)
	if err := w.control.TakeIn(t.Context(), []ArrivedEvent{{Connection: 1, Key: "k", Body: body, ReceivedAt: w.now}}); err != nil {
		t.Fatal(err)
	}
	if list, err := w.control.Inbox(t.Context(), 0, w.now, 1); err != nil || len(list) != 1 || list[0].Body != body {
		t.Errorf("%d events, %v", len(list), err)
	}
}
