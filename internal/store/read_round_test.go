package store

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/ci"
)

// TestReadsOfManyProjects: what is read of many projects at once is what is read
// of each.
func TestReadsOfManyProjects(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx, from := t.Context(), at(100)
		row := func(id ci.PipelineID, project ci.ProjectID, source ci.Source, updated *time.Time) ci.Pipeline {
			return ci.Pipeline{
				InstanceID: 1, ID: id, ProjectID: project, Status: ci.Success, Source: &source, CreatedAt: new(at(150)), UpdatedAt: updated,
				RefType: "branch", TimePrecision: ci.Milliseconds, SyncedAt: at(200),
			}
		}
		elsewhere := row(1, 10, "push", new(at(160)))
		elsewhere.InstanceID = 2
		apply(t, s, Batch{
			Pipelines: []ci.Pipeline{
				elsewhere,
				row(1, 10, "push", new(at(100))), row(2, 10, "schedule", new(at(160))), row(3, 10, "push", new(at(99))),
				row(4, 10, "parent_pipeline", new(at(160))), row(5, 10, "external", nil), row(6, 10, "push", nil),
				row(7, 11, "push", new(at(160))), row(8, 12, "external", nil), row(9, 13, "push", new(at(160))),
			},
			Deleted: []Tombstone{{Table: "pipelines", InstanceID: 1, ID: 9, At: at(300)}},
		})
		projects := []ci.ProjectID{10, 11, 12, 13, 14}
		counts, err := s.CountsOf(ctx, 1, projects, from)
		if diff := cmp.Diff(map[ci.ProjectID]PipelineCount{10: {Own: 2, Children: 1}, 11: {Own: 1}}, counts); diff != "" || err != nil {
			t.Errorf("counts: %v (-want +got):\n%s", err, diff)
		}
		undated, err := s.UndatedOf(ctx, 1, projects, from)
		if diff := cmp.Diff(map[ci.ProjectID][]ci.PipelineID{10: {5}, 12: {8}}, undated); diff != "" || err != nil {
			t.Errorf("undated: %v (-want +got):\n%s", err, diff)
		}
		hooked, err := s.HookedProjects(ctx, 1, projects)
		if diff := cmp.Diff(map[ci.ProjectID]bool{10: true}, hooked); diff != "" || err != nil {
			t.Errorf("hooked: %v (-want +got):\n%s", err, diff)
		}
		ids := []ci.PipelineID{1, 4, 6, 9, 99}
		versions, err := s.AllVersions(ctx, 1, ids)
		if err != nil || len(versions) != 4 {
			t.Errorf("%d versions, %v, want 4", len(versions), err)
		}
		for _, p := range projects {
			own, err := s.CountPipelines(ctx, 1, p, from, false)
			if err != nil || own != counts[p].Own {
				t.Errorf("project %d: %d pipelines of its own, %v, want %d", p, own, err, counts[p].Own)
			}
			children, err := s.CountPipelines(ctx, 1, p, from, true)
			if err != nil || children != counts[p].Children {
				t.Errorf("project %d: %d children, %v, want %d", p, children, err, counts[p].Children)
			}
			some, err := s.UndatedPipelineIDs(ctx, 1, p, from)
			if err != nil || !slices.Equal(some, undated[p]) {
				t.Errorf("project %d: %v without a time, %v, want %v", p, some, err, undated[p])
			}
			each, err := s.Versions(ctx, 1, p, ids)
			for id, v := range each {
				if diff := cmp.Diff(v, versions[id]); diff != "" || err != nil {
					t.Errorf("pipeline %d: %v (-one +many):\n%s", id, err, diff)
				}
			}
		}
		for name, ask := range map[string]func() (int, error){
			"counts":   func() (int, error) { got, err := s.CountsOf(ctx, 1, nil, from); return len(got), err },
			"undated":  func() (int, error) { got, err := s.UndatedOf(ctx, 1, nil, from); return len(got), err },
			"hooked":   func() (int, error) { got, err := s.HookedProjects(ctx, 1, nil); return len(got), err },
			"versions": func() (int, error) { got, err := s.AllVersions(ctx, 1, nil); return len(got), err },
		} {
			if n, err := ask(); n != 0 || err != nil {
				t.Errorf("%s of nothing: %d, %v", name, n, err)
			}
		}
	})
}
