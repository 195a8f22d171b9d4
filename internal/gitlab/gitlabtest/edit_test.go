package gitlabtest_test

import (
	"strings"
	"testing"

	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
)

// What a test changes by Edit shows in the next answer, also where the server
// keeps parts of answers.
func TestEditShows(t *testing.T) {
	w := gitlabtest.NewWorld()
	p := w.AddProject("acme/shop")
	ada := w.AddUser("ada")
	w.AddPipeline(p, gitlabtest.PipelineSpec{User: ada, Jobs: []gitlabtest.JobSpec{{Name: "test"}}})
	s := gitlabtest.NewServer(w)
	if r := get(t, s, path("projects/1/jobs")); !strings.Contains(r.body, `"username":"ada"`) {
		t.Fatal(r.body)
	}
	w.Edit(func() { ada.Username, p.Pipelines[0].Jobs[0].Name = "lovelace", "renamed" })
	if r := get(t, s, path("projects/1/jobs")); !strings.Contains(r.body, `"username":"lovelace"`) || !strings.Contains(r.body, `"name":"renamed"`) {
		t.Error(r.body)
	}
}

// Deleting takes everything along that pointed there.
func TestDeletions(t *testing.T) {
	w := gitlabtest.Generate(3, gitlabtest.Size{PipelinesPerProject: 3})
	s := gitlabtest.NewServer(w)
	p := w.Projects[0]
	var parent, child *gitlabtest.Pipeline
	for _, pl := range p.Pipelines {
		if pl.Source == "parent_pipeline" && pl.Parent.Parent == nil {
			parent, child = pl.Parent, pl
		}
	}
	bridges := path("projects/%d/pipelines/%d/bridges", p.ID, parent.ID)
	downstream := `"downstream_pipeline":{"id":` + path("%d", child.ID)[len("/api/v4/"):]
	if r := get(t, s, bridges); !strings.Contains(r.body, downstream) {
		t.Fatal(r.body)
	}
	if err := w.DeletePipeline(child); err != nil {
		t.Fatal(err)
	}
	if r := get(t, s, bridges); strings.Contains(r.body, downstream) || !strings.Contains(r.body, `"downstream_pipeline":null`) {
		t.Error(r.body)
	}
	if r := get(t, s, path("projects/%d/pipelines/%d", p.ID, child.ID)); r.body != `{"message":"404 Not found"}` {
		t.Error(r.body)
	}
	w.DeleteProject(p)
	if r := get(t, s, path("projects/%d", p.ID)); r.body != `{"message":"404 Project Not Found"}` {
		t.Error(r.body)
	}
	if r := get(t, s, path("projects/acme%%2Fproject-0")); r.body != `{"message":"404 Project Not Found"}` {
		t.Error(r.body)
	}
}
