package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/metric"
)

// What is defined is what is listed: a metric more shows here without a line of
// ours.
func TestReportsListWhatIsDefined(t *testing.T) {
	engine, err := metric.New(metric.Config{})
	if err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	New(Config{Metrics: engine}).Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, Prefix+"/reports", nil))
	var listed Reports
	if err := json.Unmarshal(answer.Body.Bytes(), &listed); err != nil {
		t.Fatalf("%s: %v", answer.Body, err)
	}
	if diff := cmp.Diff(engine.Definitions(), listed.Metrics); diff != "" {
		t.Errorf("defined (-) and listed (+) differ:\n%s", diff)
	}
	if diff := cmp.Diff(engine.Findings(), listed.Findings); diff != "" || len(listed.Findings) == 0 {
		t.Errorf("findings defined (-) and listed (+) differ:\n%s", diff)
	}
	if want := len(metric.Dims()) + 1; len(listed.Dimensions) != want {
		t.Errorf("%d dimensions, want %d", len(listed.Dimensions), want)
	}
}

func TestReportRefuses(t *testing.T) {
	engine, err := metric.New(metric.Config{})
	if err != nil {
		t.Fatal(err)
	}
	handler := New(Config{Metrics: engine}).Handler()
	for query, want := range map[string]struct {
		status int
		code   ci.Code
	}{
		"speed":                          {http.StatusNotFound, ci.NotFound},
		"runs?by=job_name":               {http.StatusBadRequest, ci.BadRequest},
		"runs?by=project,project":        {http.StatusBadRequest, ci.BadRequest},
		"runs?where=project":             {http.StatusBadRequest, ci.BadRequest},
		"runs?where=ref=a&where=stage=b": {http.StatusBadRequest, ci.BadRequest},
		"runs?from=tomorrow":             {http.StatusBadRequest, ci.BadRequest},
		"slow_jobs?by=project":           {http.StatusBadRequest, ci.BadRequest},
		"slow_runs?limit=-1":             {http.StatusBadRequest, ci.BadRequest},
		"slow_runs?limit=many":           {http.StatusUnprocessableEntity, ci.BadRequest},
		"runs?limit=5":                   {http.StatusBadRequest, ci.BadRequest},
		"runs?tz=Mars/Olympus":           {http.StatusBadRequest, ci.BadRequest},
		"runs?from=1d&to=2d":             {http.StatusBadRequest, ci.BadRequest},
		"runs?until=now":                 {http.StatusUnprocessableEntity, ci.BadRequest},
	} {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, Prefix+"/report/"+query, nil))
		var p Problem
		if err := json.Unmarshal(answer.Body.Bytes(), &p); err != nil || answer.Code != want.status || p.Code != want.code {
			t.Errorf("%s: %d %s, want %d %s", query, answer.Code, answer.Body, want.status, want.code)
		}
	}
}
