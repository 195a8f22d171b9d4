package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

func TestEventLog(t *testing.T) {
	log := &EventLog{}
	if events, ended, _ := log.After(0); len(events) != 0 || ended {
		t.Errorf("empty: %v %v", events, ended)
	}
	_, _, more := log.After(0)
	for range eventsKept + 10 {
		log.Append(SyncEvent{Kind: "progress"})
	}
	select {
	case <-more:
	default:
		t.Error("nobody was woken")
	}
	events, _, _ := log.After(0)
	if len(events) != eventsKept || events[0].ID != 11 || events[eventsKept-1].ID != eventsKept+10 {
		t.Errorf("%d kept, from %d to %d", len(events), events[0].ID, events[len(events)-1].ID)
	}
	if events, _, _ := log.After(eventsKept + 8); len(events) != 2 || events[0].ID != eventsKept+9 {
		t.Errorf("after the last but two: %v", events)
	}
	if events, _, _ := log.After(eventsKept + 99); len(events) != 0 {
		t.Errorf("after one to come: %v", events)
	}
	log.Append(SyncEvent{Kind: "done"})
	log.Append(SyncEvent{Kind: "progress"})
	events, ended, _ := log.After(eventsKept + 10)
	if len(events) != 1 || events[0].Kind != "done" || !ended {
		t.Errorf("the end: %v %v", events, ended)
	}
}

// A stream that has nothing to tell says every 15 s that it lives, and a reader
// who takes nothing is let go.
func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := &slowWriter{header: http.Header{}}
		log := &EventLog{}
		log.Append(SyncEvent{Kind: "started"})
		go followEvents(ctx, w, log, 0, func(*SyncEvent) {})
		time.Sleep(heartbeat*3 + time.Second) // the bubble's clock
		synctest.Wait()
		if got := strings.Count(w.text.String(), "\n: ") + strings.Count(w.text.String(), "\n\n: 1\n"); got < 3 {
			t.Errorf("%d heartbeats in %q", got, w.text.String())
		}
		if !strings.HasPrefix(w.text.String(), "id: 1\nevent: started\ndata: {") || w.header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("%v %q", w.header, w.text.String())
		}
		if left := time.Until(w.deadline); left > writePatience || left < 0 && -left > heartbeat {
			t.Errorf("the last write had until %s from now", left)
		}
		cancel()
		synctest.Wait()
		before := w.text.Len()
		time.Sleep(heartbeat * 2)
		if w.text.Len() != before {
			t.Error("it went on after the reader was gone")
		}
	})
}

// slowWriter is a ResponseWriter that remembers its deadline.
type slowWriter struct {
	header   http.Header
	text     strings.Builder
	deadline time.Time
}

func (w *slowWriter) Header() http.Header { return w.header }
func (w *slowWriter) WriteHeader(int)     {}
func (w *slowWriter) Flush()              {}
func (w *slowWriter) Write(b []byte) (int, error) {
	return w.text.Write(b)
}

func (w *slowWriter) SetWriteDeadline(t time.Time) error {
	w.deadline = t
	return nil
}

// The client takes a stream up where it broke, and gives up on one that only breaks.
func TestSyncEventsReconnect(t *testing.T) {
	var calls atomic.Int64
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := calls.Add(1)
		if want := map[int64]string{1: "", 2: "1", 3: "2"}[n]; r.Header.Get("Last-Event-ID") != want {
			t.Errorf("call %d says %q, want %q", n, r.Header.Get("Last-Event-ID"), want)
		}
		kind := "progress"
		if n == 3 {
			kind = "done"
		}
		_, _ = fmt.Fprintf(w, ": hello\n\nid: %d\nevent: %s\ndata: {\"id\":%d,\"kind\":%q}\n\n", n, kind, n, kind)
		if n < 3 {
			_, _ = io.WriteString(w, "data: {\"half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	}))
	defer web.Close()
	var ids []int64
	for event, err := range NewClient(web.URL, Secret{}, nil).SyncEvents(t.Context(), 1, 0) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, event.ID)
	}
	if fmt.Sprint(ids) != "[1 2 3]" {
		t.Errorf("events %v", ids)
	}
	broken := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer broken.Close()
	var last error
	for _, err := range NewClient(broken.URL, Secret{}, nil).SyncEvents(t.Context(), 1, 0) {
		last = err
	}
	if ci.CodeOf(last) != ci.ServerUnreachable {
		t.Errorf("a server that only breaks off: %v", last)
	}
}

// Bytes of a server's event stream never make the client do anything but
// yield or fail.
func FuzzSyncEvents(f *testing.F) {
	f.Add("id: 1\nevent: done\ndata: {\"id\":1,\"kind\":\"done\"}\n\n")
	f.Add("data: {\"id\":1}\n\ndata: {\"id\":2,\"kind\":\"done\"}\r\n\r\n")
	f.Add("data: [")
	f.Add(": \n\n\n\n")
	f.Fuzz(func(t *testing.T, stream string) {
		c := NewClient("http://x", Secret{}, &http.Client{Transport: answering(stream)})
		var after int64
		_, err := c.follow(t.Context(), 1, &after, func(SyncEvent, error) bool { return true })
		if err != nil && ci.CodeOf(err) == "" {
			t.Errorf("%q: %v", stream, err)
		}
	})
}

// answering answers everything with one text.
type answering string

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(string(a))), Request: r, Header: http.Header{}}, nil
}
