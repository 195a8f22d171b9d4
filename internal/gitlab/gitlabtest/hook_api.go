package gitlabtest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
)

// The endpoints of web hooks: /projects/:id/hooks wants a Maintainer,
// /groups/:id/hooks an Owner, and both the scope api (gitlab-api §1, §2).

// InstalledHook is a web hook that somebody has put into the server.
type InstalledHook struct {
	ID      int64
	Group   bool  // of a group, else of a project
	OwnerID int64 // of the group or project
	URL     string
	Token   string // never shown
}

// InstalledHooks gives the hooks that are there, oldest first.
func (s *Server) InstalledHooks() []InstalledHook {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.hooks)
}

func hookRoutes() []*route {
	api := []string{"api"}
	var list []*route
	for _, owner := range []string{"/projects", "/groups"} {
		list = append(list,
			&route{name: "GET " + owner + "/:id/hooks", handle: listHooks, scopes: api},
			&route{name: "POST " + owner + "/:id/hooks", handle: addHook, scopes: api},
			&route{name: "DELETE " + owner + "/:id/hooks/:id", handle: deleteHook, args: []string{"id", "hook_id"}, scopes: api})
	}
	return list
}

// hookOwner finds what a hook belongs to, or says why not.
func (c *call) hookOwner() (id int64, isGroup bool, refusal *answer) {
	if c.route.pattern[0] == "groups" {
		g := c.group()
		switch {
		case g == nil:
			return 0, true, notFound("Group ")
		case c.token.Role < Owner:
			return 0, true, forbidden()
		}
		return g.ID, true, nil
	}
	p, refusal := c.project()
	switch {
	case refusal != nil:
		return 0, false, refusal
	case c.token.Role < Maintainer || !c.token.member(p.Group):
		return 0, false, forbidden()
	}
	return p.ID, false, nil
}

func listHooks(c *call) *answer {
	id, isGroup, refusal := c.hookOwner()
	if refusal != nil {
		return refusal
	}
	return ok(func(w *jsonWriter) {
		w.open('[')
		for _, h := range c.server.InstalledHooks() {
			if h.OwnerID == id && h.Group == isGroup {
				h.write(w)
			}
		}
		w.close(']')
	})
}

func addHook(c *call) *answer {
	id, isGroup, refusal := c.hookOwner()
	if refusal != nil {
		return refusal
	}
	var wanted struct{ URL, Token string }
	if err := json.NewDecoder(c.r.Body).Decode(&wanted); err != nil || wanted.URL == "" {
		return refuse(http.StatusBadRequest, "error", "url is missing")
	}
	s := c.server
	s.mu.Lock()
	s.lastHook++
	h := InstalledHook{ID: s.lastHook, Group: isGroup, OwnerID: id, URL: wanted.URL, Token: wanted.Token}
	s.hooks = append(s.hooks, h)
	s.mu.Unlock()
	a := ok(h.write)
	a.status = http.StatusCreated
	return a
}

func deleteHook(c *call) *answer {
	id, isGroup, refusal := c.hookOwner()
	if refusal != nil {
		return refusal
	}
	hook, _ := strconv.ParseInt(c.args[1], 10, 64) // decide has checked it
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.hooks)
	s.hooks = slices.DeleteFunc(s.hooks, func(h InstalledHook) bool { return h.ID == hook && h.OwnerID == id && h.Group == isGroup })
	if len(s.hooks) == before {
		return recordNotFound()
	}
	return &answer{status: http.StatusNoContent}
}

func (h InstalledHook) write(w *jsonWriter) {
	w.open('{')
	w.int("id", h.ID)
	w.str("url", h.URL)
	if h.Group {
		w.int("group_id", h.OwnerID)
	} else {
		w.int("project_id", h.OwnerID)
	}
	w.bool("push_events", false)
	w.bool("pipeline_events", true)
	w.bool("job_events", true)
	w.bool("deployment_events", true)
	w.str("alert_status", "executable")
	w.null("disabled_until")
	w.close('}')
}
