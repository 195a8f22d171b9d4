package gitlab

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"net/url"
	"strconv"
	"time"
)

// Page is one page of a list.
type Page[T any] struct {
	Items   []T
	Total   Field[int64] // X-Total: items in the whole list; absent where GitLab does not count
	AskedAt time.Time    // local time just before the request that succeeded was sent
	Date    time.Time    // the server's Date; zero when absent
	Last    bool         // no page follows
	Next    string       // the cursor of the page that follows, where pages have one; else ""
}

// Answer is a single thing.
type Answer[T any] struct {
	Value   T
	AskedAt time.Time // local time just before the request that succeeded was sent
	Date    time.Time // the server's Date; zero when absent
}

// Items walks over the items of pages. The error that ends the pages ends the
// items.
func Items[T any](pages iter.Seq2[Page[T], error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for page, err := range pages {
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
		}
	}
}

const maxPerPage = 100 // GitLab cuts larger values to it

// checked is an answer that can tell whether it is what it should be: the keys
// that GitLab always sends are there.
type checked interface{ check() error }

// pages walks over a list from its first page; each range over it is a new
// walk. also, when not nil, checks each item against what was asked for.
func pages[T any](ctx context.Context, c *Client, r request, also func(*T) error) iter.Seq2[Page[T], error] {
	perPage, err := strconv.Atoi(r.query.Get("per_page"))
	if err != nil {
		perPage = maxPerPage
	}
	return func(yield func(Page[T], error) bool) {
		seed := maphash.MakeSeed()
		seen := map[uint64]bool{}
		asked := r
		for {
			seen[maphash.String(seed, asked.query.Encode())] = true
			var items []T
			ans, err := c.do(ctx, asked, func(b []byte) (err error) {
				items, err = decodeList(b, also)
				return err
			})
			var next url.Values
			if err == nil {
				next, err = nextQuery(ans, r.query, len(items) >= perPage)
				if err == nil && next != nil && seen[maphash.String(seed, next.Encode())] {
					err = errors.New("the Link to the next page leads back to a page that was read before")
				}
				if err != nil {
					err = &Error{
						Kind: BadAnswer, Method: r.verb(), Endpoint: r.endpoint, URL: ans.url.String(), Status: 200,
						Message: err.Error(), RequestID: ans.header.Get("X-Request-Id"), Err: err,
					}
				}
			}
			if err != nil {
				yield(Page[T]{}, err)
				return
			}
			page := Page[T]{Items: items, AskedAt: ans.askedAt, Date: ans.date, Last: next == nil, Next: next.Get("cursor")}
			if total := headerNumber(ans.header, "X-Total"); total >= 0 {
				page.Total = Of(int64(total))
			}
			if !yield(page, nil) || next == nil {
				return
			}
			asked.query = next
		}
	}
}

// decodeList reads a JSON array; anything else, null included, is an error.
func decodeList[T any](b []byte, also func(*T) error) ([]T, error) {
	items, err := decodeItems[T](b)
	if err != nil {
		return nil, err
	}
	if items == nil {
		return nil, errors.New("null where a list must be")
	}
	for i := range items {
		if err := checkItem(&items[i], also); err != nil {
			return nil, fmt.Errorf("item %d of the page: %w", i+1, err)
		}
	}
	return items, nil
}

func checkItem[T any](item *T, also func(*T) error) error {
	if c, ok := any(item).(checked); ok {
		if err := c.check(); err != nil {
			return err
		}
	}
	if also != nil {
		return also(item)
	}
	return nil
}

// one asks for a single thing.
func one[T any](ctx context.Context, c *Client, r request) (Answer[T], error) {
	var value T
	ans, err := c.do(ctx, r, func(b []byte) error {
		var fresh T // a retry must not see what a cut-off answer left
		if err := decode(b, &fresh); err != nil {
			return err
		}
		value = fresh
		return checkItem(&value, nil)
	})
	if err != nil {
		return Answer[T]{}, err
	}
	return Answer[T]{Value: value, AskedAt: ans.askedAt, Date: ans.date}, nil
}

// missing names the first key, of pairs of name and presence, that is not there.
func missing(what string, keys ...requiredKey) error {
	for _, k := range keys {
		if !k.there {
			return fmt.Errorf("%s without %s", what, k.name)
		}
	}
	return nil
}

type requiredKey struct {
	name  string
	there bool
}
