package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestServerEndsBeforeItIsAsked: the server that a command has found ends
// before the command's first call; the command opens the door itself.
func TestServerEndsBeforeItIsAsked(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "server.json")
	var ending *httptest.Server
	ending = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/health") {
			t.Errorf("it was asked for %s after its end", r.URL.Path)
		}
		_ = ending.Listener.Close()
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"status":"ok","version":"x","pid":%d}`, os.Getpid())
	}))
	defer ending.Close()
	announced, err := json.Marshal(map[string]any{"address": ending.URL, "token": "t", "pid": os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, announced, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, message bytes.Buffer
	p := newProgram(strings.NewReader(""), &out, &message, lookup("WEIR_DATA", dir))
	if code := p.run(t.Context(), []string{"query", "-o", "csv", "select 42 as answer"}); code != 0 || out.String() != "answer\n42\n" {
		t.Errorf("exit code %d, %q, %s", code, out.String(), message.String())
	}
}
