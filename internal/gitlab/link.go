package gitlab

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// paging are the parameters that lead from page to page: the only ones that a
// Link may set against what was asked for.
var paging = [...]string{"page", "cursor", "id_after", "id_before"}

// nextQuery finds the query of the page after an answer's; nil when it was the
// last. full says that the page held as many items as were asked for.
//
// A Link's parameters are followed, but not where they are ours: GitLab writes
// every parameter back in its own form, which cuts the milliseconds off times,
// and pages of two different lists do not fit together.
func nextQuery(ans answer, asked url.Values, full bool) (url.Values, error) {
	links, err := parseLinks(ans.header.Values("Link"))
	if err != nil {
		return nil, err
	}
	nextPages := ans.header.Values("X-Next-Page")
	if target, ok := links["next"]; ok {
		return followLink(ans, target, asked)
	}
	switch {
	case len(nextPages) > 0 && strings.TrimSpace(nextPages[0]) == "":
		return nil, nil
	case len(nextPages) > 0:
		text := strings.TrimSpace(nextPages[0])
		if n, err := strconv.ParseInt(text, 10, 64); err != nil || n < 1 {
			return nil, fmt.Errorf("the header X-Next-Page is %q, which is no page number", text)
		}
		next := cloneValues(asked)
		next.Set("page", text)
		return next, nil
	case full && asked.Get("pagination") != "keyset":
		// GitLab names the next page or says that there is none, on every offset
		// page; only keyset pages end without a word.
		return nil, errors.New("the page is full, and the headers Link and X-Next-Page are missing: something between weir and GitLab strips them")
	}
	return nil, nil
}

// followLink takes the query of a Link to the next page. Host, port and
// relative root stay ours, because GitLab's own idea of them may differ.
func followLink(ans answer, target string, asked url.Values) (url.Values, error) {
	to, err := ans.url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("the Link to the next page cannot be read: %w", err)
	}
	here, _ := belowAPI(ans.url)
	if there, ok := belowAPI(to); !ok || !samePath(there, here) {
		return nil, fmt.Errorf("the Link to the next page leads elsewhere, to %s", to.EscapedPath())
	}
	next, err := url.ParseQuery(to.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("the Link to the next page cannot be read: %w", err)
	}
	moves := false
	for _, key := range paging {
		moves = moves || next.Has(key)
	}
	if !moves {
		return nil, errors.New("the Link to the next page names no page")
	}
	for key, values := range asked {
		if !isPaging(key) {
			next[key] = values
		}
	}
	return next, nil
}

func isPaging(key string) bool {
	for _, p := range paging {
		if key == p {
			return true
		}
	}
	return false
}

// samePath compares escaped paths by what they mean, so that a%2Fb is a%2fb.
func samePath(a, b string) bool {
	x, errX := url.PathUnescape(a)
	y, errY := url.PathUnescape(b)
	return errX == nil && errY == nil && x == y
}

func cloneValues(v url.Values) url.Values { return url.Values(http.Header(v).Clone()) }

// parseLinks reads Link headers (RFC 8288) into targets by relation; the first
// of a relation counts. No header gives an empty map.
func parseLinks(headers []string) (map[string]string, error) {
	links := map[string]string{}
	for _, header := range headers {
		rest := strings.TrimSpace(header)
		for rest != "" {
			target, after, ok := strings.Cut(rest, ">")
			if !ok || !strings.HasPrefix(target, "<") {
				return nil, fmt.Errorf("the Link header cannot be read at %.60q", rest)
			}
			relations, left, err := linkRelations(after)
			if err != nil {
				return nil, err
			}
			for _, rel := range relations {
				if _, seen := links[rel]; !seen {
					links[rel] = target[1:]
				}
			}
			rest = left
		}
	}
	return links, nil
}

// linkRelations reads the parameters behind a target, up to the next target,
// and gives the words of rel in lower case.
func linkRelations(text string) (relations []string, rest string, err error) {
	fail := func() ([]string, string, error) {
		return nil, "", fmt.Errorf("the Link header cannot be read at %.60q", text)
	}
	for {
		text = strings.TrimLeft(text, " \t")
		switch {
		case text == "":
			return relations, "", nil
		case text[0] == ',':
			rest = strings.TrimLeft(text, ", \t")
			return relations, rest, nil
		case text[0] != ';':
			return fail()
		}
		text = strings.TrimLeft(text[1:], " \t")
		end := strings.IndexAny(text, "=;,")
		if end < 0 || text[end] != '=' {
			// A parameter without a value, or an empty one.
			if end < 0 {
				end = len(text)
			}
			text = text[end:]
			continue
		}
		name := strings.ToLower(strings.TrimSpace(text[:end]))
		text = strings.TrimLeft(text[end+1:], " \t")
		var value string
		if strings.HasPrefix(text, `"`) {
			var closed bool
			if value, text, closed = strings.Cut(text[1:], `"`); !closed {
				return fail()
			}
		} else {
			end := strings.IndexAny(text, ";, \t")
			if end < 0 {
				end = len(text)
			}
			value, text = text[:end], text[end:]
		}
		if name == "rel" && relations == nil {
			relations = strings.Fields(strings.ToLower(value))
		}
	}
}
