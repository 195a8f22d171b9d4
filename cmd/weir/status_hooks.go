package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirhq/weir/internal/api"
)

// hookStatus tells what web hooks bring; nothing where there is no secret for any.
func (p *program) hookStatus(h *api.HookStatus) {
	if h == nil {
		return
	}
	line := "  web hooks: none came yet"
	if h.LastReceivedAt != nil {
		line = fmt.Sprintf("  web hooks: %s, the last at %s", count(h.Received, "event"), atText(h.LastReceivedAt))
	}
	if h.Waiting > 0 {
		line += fmt.Sprintf("; %d wait", h.Waiting)
		if h.OldestAt != nil {
			line += " since " + atText(h.OldestAt)
		}
	}
	if h.Failed > 0 {
		line += fmt.Sprintf("; %d could not be written (weir hooks show says why)", h.Failed)
	}
	var refused []string
	for reason, n := range h.Refused {
		refused = append(refused, fmt.Sprintf("%d %s", n, strings.ReplaceAll(string(reason), "_", " ")))
	}
	if slices.Sort(refused); len(refused) > 0 {
		line += "; refused: " + strings.Join(refused, ", ")
	}
	fmt.Fprintln(p.stdout, line)
}
