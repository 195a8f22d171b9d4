package api

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store"
)

// Half a table never reads like a whole one: the stream ends with an error, and
// the log says why.
func TestExportBreaksOff(t *testing.T) {
	var log bytes.Buffer
	a := New(Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		out := newStream(w)
		a.must(store.Table{Name: "jobs"}, out.write([]byte("{\"id\":1}\n")))
		a.must(store.Table{Name: "jobs"}, out.flush())
		a.must(store.Table{Name: "jobs"}, errors.New("the disk is gone"))
		t.Error("it went on")
	}))
	body, err := NewClient(web.URL, Secret{}, nil).Export(t.Context(), "jobs", "ndjson")
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(body)
	if ci.CodeOf(err) != ci.Interrupted || string(b) != "{\"id\":1}\n" {
		t.Errorf("read %q, %v", b, err)
	}
	if err := body.Close(); err != nil {
		t.Error(err)
	}
	web.Close()
	if !strings.Contains(log.String(), "the disk is gone") {
		t.Errorf("the log does not say why: %s", log.String())
	}
}
