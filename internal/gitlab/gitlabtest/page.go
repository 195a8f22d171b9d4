package gitlabtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Limits of GitLab's pages (gitlab-api §3).
const (
	maxPerPage   = 100
	maxCounted   = 10_000 // above it no totals are counted
	maxOffset    = 50_000 // for types that have keyset pages
	keysetWanted = "Keyset pagination is not yet available for this type of request"
)

// pageOf cuts one offset page out of a sorted list and writes its headers.
// counted says whether GitLab counts this list at all; limited names the type
// that the maximum offset applies to, empty where there is none.
func pageOf[T any](c *call, rows []T, counted bool, limited string) ([]T, *answer) {
	page := max(c.params.int("page"), 1)
	per := c.perPage()
	if limited != "" && page*per > maxOffset {
		return nil, refuse(http.StatusMethodNotAllowed, "error", fmt.Sprintf(
			"Offset pagination has a maximum allowed offset of %d for requests that return objects of type %s. Remaining records can be retrieved using keyset pagination.",
			maxOffset, limited))
	}
	total := int64(len(rows))
	from := min((page-1)*per, total)
	to := min(from+per, total)
	if page > total/per+1 {
		from, to = total, total
	}
	pages := (total + per - 1) / per
	h := c.header
	h.Set("X-Page", strconv.FormatInt(page, 10))
	h.Set("X-Per-Page", strconv.FormatInt(per, 10))
	h.Set("X-Next-Page", "")
	h.Set("X-Prev-Page", "")
	var links []string
	if page > 1 && (!counted || page <= pages+1) {
		h.Set("X-Prev-Page", strconv.FormatInt(page-1, 10))
		links = append(links, c.link("prev", map[string]string{"page": strconv.FormatInt(page-1, 10)}))
	}
	if to < total {
		h.Set("X-Next-Page", strconv.FormatInt(page+1, 10))
		links = append(links, c.link("next", map[string]string{"page": strconv.FormatInt(page+1, 10)}))
	}
	links = append(links, c.link("first", map[string]string{"page": "1"}))
	if counted && total <= c.server.countedUpTo {
		links = append(links, c.link("last", map[string]string{"page": strconv.FormatInt(max(pages, 1), 10)}))
		h.Set("X-Total", strconv.FormatInt(total, 10))
		h.Set("X-Total-Pages", strconv.FormatInt(max(pages, 1), 10))
	}
	h.Set("Link", strings.Join(links, ", "))
	return rows[from:to], nil
}

// perPage is the page size that the client gets.
func (c *call) perPage() int64 {
	per := c.params.int("per_page")
	if per <= 0 {
		return 20
	}
	return min(per, int64(c.server.largest))
}

// link writes one member of a Link header: the path that was asked, with every
// parameter that was given or has a default, on the host that GitLab believes
// to have.
func (c *call) link(rel string, change map[string]string, drop ...string) string {
	q := url.Values{}
	for k, list := range c.params.given {
		q[k] = list
	}
	for i, name := range c.route.args {
		if i < len(c.args) {
			q.Set(name, c.args[i])
		}
	}
	for _, name := range drop {
		q.Del(name)
	}
	for k, v := range change {
		q.Set(k, v)
	}
	base := strings.TrimSuffix(c.render().base, c.server.root)
	return "<" + base + c.r.URL.EscapedPath() + "?" + q.Encode() + `>; rel="` + rel + `"`
}

// cursor is the position of a keyset page, as GitLab writes it.
type cursor struct {
	ID        string `json:"id"`
	Direction string `json:"_kd"`
}

func (k cursor) String() string {
	b, err := json.Marshal(k)
	if err != nil {
		panic(err) // two strings always marshal
	}
	return base64.URLEncoding.EncodeToString(b)
}

// readCursor gives the id to go on from; ok is false for a cursor that GitLab
// did not write.
func readCursor(s string) (id int64, ok bool) {
	b, err := base64.URLEncoding.DecodeString(s)
	if err != nil {
		return 0, false
	}
	var k cursor
	if err := json.Unmarshal(b, &k); err != nil {
		return 0, false
	}
	id, err = strconv.ParseInt(k.ID, 10, 64)
	return id, err == nil
}
