package api

import (
	"context"
	"strconv"
	"strings"

	"github.com/weirhq/weir/internal/ci"
)

// viewed tells whoever polls which projects somebody looks at: those that a
// report is filtered by, and that of the one run that is asked for. What cannot
// be read is refused by the report itself.
func (a *API) viewed(ctx context.Context, where []string, run string) {
	for _, filter := range where {
		if project, ok := strings.CutPrefix(filter, "project="); ok && project != "" {
			a.Engine.Viewed(project)
		}
	}
	slash := strings.LastIndexByte(run, '/')
	if slash < 1 {
		return
	}
	id, err := strconv.ParseInt(run[slash+1:], 10, 64)
	if err != nil {
		return
	}
	if project, err := a.Store.ProjectOf(ctx, run[:slash], ci.PipelineID(id)); err == nil && project != "" {
		a.Engine.Viewed(project)
	}
}
