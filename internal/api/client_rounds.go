package api

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// Rounds gives what polling did after the round with the id after, waiting up
// to wait (at most a minute) for the first one; none is an empty list.
func (c *Client) Rounds(ctx context.Context, after int64, wait time.Duration) (Rounds, error) {
	path := "/rounds?after=" + strconv.FormatInt(after, 10) + "&wait_seconds=" + strconv.FormatFloat(wait.Seconds(), 'f', -1, 64)
	return call[Rounds](ctx, c, http.MethodGet, path, nil)
}
