package gitlab_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir/internal/gitlab"
)

// TestGovernorKnowsGraphQL: a time-out is trouble even with status 200, and an
// answer is slow only against answers to questions of its own size.
func TestGovernorKnowsGraphQL(t *testing.T) {
	const none = `{"data":{"project":null,"projects":{"pageInfo":{"hasNextPage":false},"nodes":[]}}}`
	type ask func(context.Context, *gitlab.Client) error
	probe := func(ctx context.Context, c *gitlab.Client) error {
		_, err := c.Changes(ctx, gitlab.ChangeQuery{ProjectIDs: []int64{1}, First: 5})
		return err
	}
	page := func(first int) ask {
		return func(ctx context.Context, c *gitlab.Client) error {
			_, err := c.Runs(ctx, gitlab.RunQuery{ProjectPath: "a/b", First: first})
			return err
		}
	}
	for _, tt := range []struct {
		name          string
		first, then   ask
		latency, body string // of then
		width         int
	}{
		{"quick stays quick", page(100), page(100), "20ms", none, 4},
		{"the same becomes slow", page(100), page(100), "5s", none, 1},
		{"about the same becomes slow", page(100), page(90), "5s", none, 1},
		{"a large page after small ones", page(5), page(100), "5s", none, 4},
		{"a page after probes", probe, page(100), "5s", none, 4},
		{"a time-out", page(100), page(100), "20ms", timeout, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				latency, body := 20*time.Millisecond, none
				governor := gitlab.NewGovernor(gitlab.GovernorConfig{MaxConcurrency: 4})
				c := clientOf(t, "https://gitlab.example.com", func(cfg *gitlab.Config) {
					cfg.Credentials[0].Governor = governor
					cfg.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
						<-time.After(latency)
						return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body))}, nil
					})
				})
				for range 5 {
					if err := tt.first(t.Context(), c); err != nil && gitlab.KindOf(err) != gitlab.NotFound {
						t.Fatal(err)
					}
				}
				slower, err := time.ParseDuration(tt.latency)
				if err != nil {
					t.Fatal(err)
				}
				latency, body = slower, tt.body
				for range 3 {
					if err := tt.then(t.Context(), c); err != nil && gitlab.KindOf(err) != gitlab.NotFound && gitlab.KindOf(err) != gitlab.Timeout {
						t.Fatal(err)
					}
				}
				if got := governor.State().Concurrency; got != tt.width {
					t.Errorf("%d requests at once, want %d", got, tt.width)
				}
			})
		})
	}
}
