package witness_test

import (
	"fmt"
	"slices"
	"testing"

	gitlab "gitlab.com/gitlab-org/api/client-go/v2"

	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
)

// TestOfficialClientReadsGraphQL asks questions that weir does not ask, through
// the official client, and wants the world's pipelines and jobs.
func TestOfficialClientReadsGraphQL(t *testing.T) {
	w := gitlabtest.Generate(7, gitlabtest.Size{Projects: 6, PipelinesPerProject: 20})
	s := gitlabtest.NewServer(w)
	c := client(t, s, s.DefaultToken())
	const query = `query ($path: ID!, $after: String) { it: project(fullPath: $path) { ...runs } }
		fragment runs on Project { pipelines(first: 7, after: $after) { pageInfo { hasNextPage endCursor } edges { node { id status jobs { nodes { id name } } } } } }`
	for _, p := range w.Projects {
		var want, got []string
		for _, pl := range slices.Backward(p.Pipelines) {
			if pl.Source == "parent_pipeline" || p.Forbidden || p.BuildsAccess == "disabled" {
				continue
			}
			for _, j := range slices.Backward(pl.Jobs) {
				model := map[string]string{gitlabtest.Build: "Ci::Build", gitlabtest.Bridge: "Ci::Bridge", gitlabtest.External: "GenericCommitStatus"}[j.Kind]
				if len(pl.Jobs) < 100 {
					want = append(want, fmt.Sprintf("gid://gitlab/Ci::Pipeline/%d gid://gitlab/%s/%d %s", pl.ID, model, j.ID, j.Name))
				}
			}
		}
		variables := map[string]any{"path": p.FullPath}
		for more := true; more; {
			var answer struct {
				Data struct {
					It struct {
						Pipelines struct {
							PageInfo gitlab.PageInfo
							Edges    []struct {
								Node struct {
									ID, Status string
									Jobs       struct{ Nodes []struct{ ID, Name string } }
								}
							}
						}
					}
				}
			}
			if _, err := c.GraphQL.Do(gitlab.GraphQLQuery{Query: query, Variables: variables}, &answer); err != nil {
				t.Fatal(err)
			}
			page := answer.Data.It.Pipelines
			for _, e := range page.Edges {
				for _, j := range e.Node.Jobs.Nodes {
					if len(e.Node.Jobs.Nodes) < 100 { // a longer list has further pages
						got = append(got, e.Node.ID+" "+j.ID+" "+j.Name)
					}
				}
			}
			variables["after"], more = page.PageInfo.EndCursor, page.PageInfo.HasNextPage
		}
		same(t, p.FullPath, want, got)
	}
}
