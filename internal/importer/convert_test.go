package importer

import (
	"testing"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab"
)

// TestOnlyBuildsHaveTagsAndArtifacts: of a bridge or an external status some
// GitLabs give empty lists and others null, and REST nothing. All mean the same.
func TestOnlyBuildsHaveTagsAndArtifacts(t *testing.T) {
	for _, kind := range []ci.JobKind{ci.Build, ci.Bridge, ci.External} {
		job := gitlab.RunJob{Kind: string(kind), Job: gitlab.Job{
			ID: 1, Name: "x", Status: "success",
			TagList: gitlab.Of([]string{}), Artifacts: gitlab.Of([]gitlab.Artifact{}),
		}}
		row, _ := convertRunJob(ci.Project{}, gitlab.Run{}, job, time.Time{})
		if tags, bytes := row.Tags != nil, row.ArtifactsBytes != nil; tags != (kind == ci.Build) || bytes != (kind == ci.Build) {
			t.Errorf("%s: tags said: %t, bytes said: %t", kind, tags, bytes)
		}
	}
}
