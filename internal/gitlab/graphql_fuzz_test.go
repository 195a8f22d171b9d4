package gitlab

import (
	"encoding/json"
	"testing"
)

// FuzzRuns: an answer that is taken is JSON without an error in it, and every
// row of it can be stored.
func FuzzRuns(f *testing.F) {
	for _, seed := range []string{
		`{"data":{"project":{"id":"gid://gitlab/Project/7","pipelines":{"pageInfo":{"hasNextPage":true,"endCursor":"x"},"nodes":[{"id":"gid://gitlab/Ci::Pipeline/9","iid":"3","status":"SUCCESS","refPath":"refs/tags/x","path":"/a","user":{"id":"gid://gitlab/User/1"},"jobs":{"pageInfo":{"hasNextPage":false},"nodes":[{"id":"gid://gitlab/Ci::Build/5","name":"u","status":"FAILED","artifacts":{"nodes":[{"size":"1"}]},"runner":{"id":"gid://gitlab/Ci::Runner/1"},"stage":{"name":"t"}}]}}]}}}}`,
		`{"data":{"project":null}}`, `{"data":{"project":{"pipelines":null}}}`, `{"errors":[{"message":"Request timed out."}],"data":null}`, `{"errors":{}}`,
		`{"data":{"project":{"id":"gid://gitlab/Project/7","pipelines":{"nodes":[null]}}},"errors":[]}`, `{"data":1,"errors":["a",null,1]}`, `{"data":{},"data":{}}`, `null`,
	} {
		f.Add([]byte(seed))
	}
	c, err := New(Config{BaseURL: "https://gitlab.example"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var found runsAnswer
		err := graphQLAnswer(func(s *scanner) error {
			found = runsAnswer{}
			return found.scan(s)
		}, func() error { return found.check(c, RunQuery{ProjectPath: "a/b"}) })(b)
		if err != nil {
			return
		}
		if !json.Valid(b) {
			t.Errorf("no JSON was taken: %q", b)
		}
		var said struct{ Errors []json.RawMessage }
		if !oddKeys(b) && json.Unmarshal(b, &said) == nil && len(said.Errors) > 0 {
			t.Errorf("an answer with errors was taken: %q", b)
		}
		for _, run := range found.runs {
			if run.ID <= 0 || run.Status == "" || run.ProjectID.Or(0) <= 0 {
				t.Errorf("pipeline without id, status or project was taken: %q", b)
			}
			for _, j := range run.Jobs {
				if j.ID <= 0 || j.Name == "" || j.Status == "" || j.Kind == "" || j.PipelineID != run.ID {
					t.Errorf("a job without id, name, status, kind or pipeline was taken: %q", b)
				}
			}
		}
	})
}
