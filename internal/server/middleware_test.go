package server

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestPanicsAreAnsweredWithoutStack(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	w := httptest.NewRecorder()
	recovered(logger, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("the inner state") })).
		ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/x", nil))
	body := w.Body.String()
	if w.Code != http.StatusInternalServerError || strings.Contains(body, "inner state") || strings.Contains(body, "goroutine") || !strings.Contains(body, `"internal"`) {
		t.Errorf("%d %s", w.Code, body)
	}
	if !strings.Contains(log.String(), "the inner state") || !strings.Contains(log.String(), "middleware_test.go") {
		t.Errorf("the log does not say where: %s", log.String())
	}
	defer func() {
		if recover() != http.ErrAbortHandler {
			t.Error("half an answer was ended like a whole one")
		}
	}()
	recovered(logger, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		panic("late")
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/x", nil))
}

func TestLocalToken(t *testing.T) {
	handler := authenticated("right", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	for header, want := range map[string]int{
		"Bearer right":  http.StatusNoContent,
		"bearer right":  http.StatusNoContent,
		"Bearer wrong":  http.StatusUnauthorized,
		"Bearer righ":   http.StatusUnauthorized,
		"Bearer right ": http.StatusUnauthorized,
		"Bearer":        http.StatusUnauthorized,
		"Bearer ":       http.StatusUnauthorized,
		"Basic right":   http.StatusUnauthorized,
		"right":         http.StatusUnauthorized,
		"":              http.StatusUnauthorized,
	} {
		r := httptest.NewRequest(http.MethodGet, "/api/v1/status", nil)
		r.Header.Set("Authorization", header)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != want || want != http.StatusNoContent && w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%q: %d, want %d", header, w.Code, want)
		}
	}
}
