package store

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/ci"
)

// A project and its repository find each other, whichever comes first.
func TestRepositoryOfAProject(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		repository := func(id ci.ProjectID) ci.Repository {
			return ci.Repository{InstanceID: 1, ID: id, Source: "gitlab", ExternalID: "x", Name: "n", FullPath: "a/n", SyncedAt: at(1)}
		}
		project := func(instance ci.InstanceID, id ci.ProjectID) ci.Project {
			return ci.Project{InstanceID: instance, ID: id, FullPath: "a/n", Name: "n", CIAccess: ci.CIEnabled, SyncedAt: at(2)}
		}
		apply(t, s, Batch{Repositories: []ci.Repository{repository(1)}, Projects: []ci.Project{project(1, 2), project(1, 3), project(2, 1)}})
		apply(t, s, Batch{Repositories: []ci.Repository{repository(2)}, Projects: []ci.Project{project(1, 1)}})
		got := map[ci.ProjectID]*ci.ProjectID{}
		for _, instance := range []ci.InstanceID{1, 2} {
			list, err := s.Projects(t.Context(), instance)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range list {
				got[p.ID+ci.ProjectID(instance-1)*10] = p.RepositoryID
			}
		}
		want := map[ci.ProjectID]*ci.ProjectID{1: new(ci.ProjectID(1)), 2: new(ci.ProjectID(2)), 3: nil, 11: nil}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("repository_id by project (-want +got):\n%s", diff)
		}
	})
}

// GitLab lists only the latest attempt of a bridge; those stored before it are
// retried from then on.
func TestOlderAttemptsOfABridge(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		bridge := func(pipeline ci.PipelineID, id ci.JobID, name string, kind ci.JobKind, seconds float64) ci.Job {
			return ci.Job{
				InstanceID: 1, ID: id, ProjectID: 1, PipelineID: pipeline, Name: name, BaseName: name, Kind: kind,
				Status: ci.Success, Retried: new(false), TimePrecision: ci.Milliseconds, SyncedAt: at(seconds),
			}
		}
		apply(t, s, Batch{Jobs: []ci.Job{
			bridge(1, 10, "deploy", ci.Bridge, 1), bridge(1, 11, "other", ci.Bridge, 1), bridge(2, 12, "deploy", ci.Bridge, 1), bridge(1, 9, "deploy", ci.Build, 1),
		}})
		apply(t, s, Batch{Jobs: []ci.Job{bridge(1, 20, "deploy", ci.Bridge, 2)}})
		got := map[ci.JobID]bool{}
		for _, j := range jobs(t, s) {
			got[j.ID] = *j.Retried
		}
		want := map[ci.JobID]bool{9: false, 10: true, 11: false, 12: false, 20: false}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("retried (-want +got):\n%s", diff)
		}
	})
}

// A project that moved takes the addresses of its pipelines and jobs along, and
// nobody else's.
func TestMove(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		pipeline := func(project ci.ProjectID, id ci.PipelineID, url *string) ci.Pipeline {
			return ci.Pipeline{
				InstanceID: 1, ID: id, ProjectID: project, Status: ci.Success, RefType: ci.Branch, WebURL: url,
				TimePrecision: ci.Milliseconds, SyncedAt: at(1),
			}
		}
		apply(t, s, Batch{Pipelines: []ci.Pipeline{
			pipeline(1, 1, new("https://g/a/shop/-/pipelines/1")), pipeline(1, 2, nil), pipeline(1, 3, new("https://g/a/shop-2/-/pipelines/3")),
			pipeline(2, 4, new("https://g/a/shop/-/pipelines/4")),
		}, Jobs: []ci.Job{{
			InstanceID: 1, ID: 7, ProjectID: 1, PipelineID: 1, Name: "j", BaseName: "j", Kind: ci.Build, Status: ci.Success,
			WebURL: new("https://g/a/shop/-/jobs/7"), TimePrecision: ci.Milliseconds, SyncedAt: at(1),
		}}})
		apply(t, s, Batch{Moved: []Move{{InstanceID: 1, ProjectID: 1, From: "https://g/a/shop", To: "https://g/ü/laden"}}})
		got := map[ci.PipelineID]*string{}
		for _, p := range pipelines(t, s) {
			got[p.ID] = p.WebURL
		}
		want := map[ci.PipelineID]*string{
			1: new("https://g/ü/laden/-/pipelines/1"), 2: nil, 3: new("https://g/a/shop-2/-/pipelines/3"), 4: new("https://g/a/shop/-/pipelines/4"),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("web_url (-want +got):\n%s", diff)
		}
		if got := *jobs(t, s)[0].WebURL; got != "https://g/ü/laden/-/jobs/7" {
			t.Errorf("the job's web_url is %s", got)
		}
	})
}

func TestReach(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		want := Reach{Connection: 1}
		for _, next := range []*Reach{nil, {Connection: 1, Groups: []ci.GroupID{1, 2}, Projects: []ci.ProjectID{3}}, {Connection: 1, Projects: []ci.ProjectID{4}}} {
			if next != nil {
				want = *next
				apply(t, s, Batch{Reaches: []Reach{want, {Connection: 2, Groups: []ci.GroupID{9}}}})
			}
			got, err := s.Reach(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("what connection 1 saw (-want +got):\n%s", diff)
			}
		}
	})
}
