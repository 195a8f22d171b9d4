package store

import (
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/ci"
)

// countedTwice lists deployments that are there as GitLab's and as a rule's.
const countedTwice = `SELECT d.id || ' is ' || g.id FROM deployments d JOIN deployments g ON g.instance_id = d.instance_id AND g.source = 'gitlab'
	AND (g.job_id = d.job_id OR d.job_id IS NULL AND g.pipeline_id = d.pipeline_id AND g.environment = d.environment) WHERE d.source = 'rule'`

// recorded is a deployment as a list of GitLab's gives it.
func recorded(id ci.DeploymentID, job ci.JobID, pipeline ci.PipelineID, project ci.ProjectID, environment string) ci.Deployment {
	return ci.Deployment{
		InstanceID: 1, ID: id, ProjectID: project, Environment: environment, Tier: new("production"), SHA: new("abc"), PipelineID: &pipeline, JobID: &job,
		DeployedAt: new(at(60.5)), Success: new(true), Source: ci.FromGitLab, IID: new(int64(id)), Ref: new("main"), Status: new("success"),
		UserID: new(ci.UserID(5)), CreatedAt: new(at(1)), UpdatedAt: new(at(60.75)), SyncedAt: at(70),
	}
}

func storedDeployments(t *testing.T, s *Store) []ci.Deployment {
	t.Helper()
	list, err := all[ci.Deployment](t.Context(), s, "deployments", "ORDER BY instance_id, id")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Of two answers the later counts, but a job and a tier that GitLab forgets, or
// an answer leaves out, stay known, and so does what rules said.
func TestDeploymentsMeet(t *testing.T) {
	full := recorded(7, 13, 1, 1, "production")
	change := func(f func(*ci.Deployment)) ci.Deployment { d := full; f(&d); return d }
	running := change(func(d *ci.Deployment) {
		d.DeployedAt, d.Success, d.Status, d.SyncedAt = nil, nil, new("running"), at(50)
	})
	jobGone := change(func(d *ci.Deployment) {
		d.JobID, d.PipelineID, d.Tier, d.SyncedAt, d.UpdatedAt = nil, nil, nil, at(80), new(at(79))
	})
	mapped := change(func(d *ci.Deployment) { d.ServiceID, d.RuleID = new(ci.ServiceID(3)), new(ci.RuleID(4)) })
	for _, tt := range []struct {
		name        string
		first, then ci.Deployment
		want        ci.Deployment
	}{
		{"it ends", running, full, full},
		{"an older answer comes later", full, running, full},
		{"its job is deleted", full, jobGone, change(func(d *ci.Deployment) { d.SyncedAt, d.UpdatedAt = at(80), new(at(79)) })},
		{"the job known only from the older one", jobGone, full, change(func(d *ci.Deployment) { d.SyncedAt, d.UpdatedAt = at(80), new(at(79)) })},
		{"what rules said", mapped, change(func(d *ci.Deployment) { d.SyncedAt = at(90) }), change(func(d *ci.Deployment) {
			d.ServiceID, d.RuleID, d.SyncedAt = mapped.ServiceID, mapped.RuleID, at(90)
		})},
		{"a word that nobody knows", running, change(func(d *ci.Deployment) { d.Status, d.Success = new("teleported"), nil }), change(func(d *ci.Deployment) {
			d.Status, d.Success = new("teleported"), nil
		})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, s *Store) {
				apply(t, s, Batch{Deployments: []ci.Deployment{tt.first}})
				apply(t, s, Batch{Deployments: []ci.Deployment{tt.then}})
				if diff := gocmp.Diff([]ci.Deployment{tt.want}, storedDeployments(t, s)); diff != "" {
					t.Errorf("stored (-want +got):\n%s", diff)
				}
				apply(t, s, Batch{Deployments: []ci.Deployment{tt.then, tt.first}})
				if diff := gocmp.Diff([]ci.Deployment{tt.want}, storedDeployments(t, s)); diff != "" {
					t.Errorf("once more in the other order (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A web hook says a few columns, in whole seconds.
func TestPatchDeployment(t *testing.T) {
	said := []string{"status", "success", "deployed_at"}
	event := ci.Deployment{
		InstanceID: 1, ID: 7, ProjectID: 1, Environment: "production", JobID: new(ci.JobID(13)), DeployedAt: new(at(60)), Success: new(true),
		Source: ci.FromGitLab, Status: new("success"), SyncedAt: at(60),
	}
	running := event
	running.DeployedAt, running.Success, running.Status = nil, nil, new("running")
	polled := recorded(7, 13, 1, 1, "production")
	before := polled
	before.DeployedAt, before.Success, before.Status, before.SyncedAt, before.UpdatedAt = nil, nil, new("running"), at(55), new(at(54))
	merged := before
	merged.DeployedAt, merged.Success, merged.Status, merged.SyncedAt, merged.UpdatedAt = event.DeployedAt, event.Success, event.Status, at(60), nil
	later := event
	later.SyncedAt = at(75)
	exact := polled
	exact.SyncedAt, exact.UpdatedAt = at(75), nil
	patch := func(d ci.Deployment) Batch {
		return Batch{Patches: []Patch{{Said: said, Deployments: []ci.Deployment{d}}}}
	}
	poll := func(d ci.Deployment) Batch { return Batch{Deployments: []ci.Deployment{d}} }
	for _, tt := range []struct {
		name        string
		first, then Batch
		want        ci.Deployment
	}{
		{"alone", Batch{}, patch(event), event},
		{"after a poll", poll(before), patch(event), merged},
		{"before the poll that was asked later", patch(event), poll(polled), polled},
		{"late, after a newer poll", poll(polled), patch(event), polled},
		{"out of order within a second", patch(event), patch(running), event},
		{"in order within a second", patch(running), patch(event), event},
		{"the exact end of the job stays", poll(polled), patch(later), exact},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, s *Store) {
				apply(t, s, tt.first)
				apply(t, s, tt.then)
				if diff := gocmp.Diff([]ci.Deployment{tt.want}, storedDeployments(t, s)); diff != "" {
					t.Errorf("stored (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// What GitLab recorded gets its run's service, by the job where a run has
// several, and takes the place of what rules found, at once and for good.
func TestRecordedDeploymentsAreMapped(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		apply(t, s, history())
		put(t, s, monorepo)
		apply(t, s, Batch{Deployments: []ci.Deployment{
			recorded(100, 11, 1, 1, "eu"),      // no deploy rule takes the job: its run is shop's
			recorded(101, 13, 1, 1, "qa"),      // a deploy rule takes the job and calls it production
			recorded(102, 21, 2, 2, "staging"), // a run with two services, by its job
			recorded(103, 31, 3, 2, "staging"), // the child of pay
			recorded(104, 61, 6, 3, "staging"), // a rule takes the whole run; its job is not stored
			recorded(105, 99, 99, 3, "staging"),
		}})
		// A run's own row must not be counted beside GitLab's until the rules are asked.
		if list := deployed(t, s); slices.Contains(list, "-1000000000000006: staging staging <nil> <nil> true rule") {
			t.Errorf("the rule's row of a run stays: %q", list)
		}
		if pending, err := s.PendingMappings(t.Context()); !pending || err != nil {
			t.Errorf("nothing waits for the rules: %v", err)
		}
		mapChanged(t, s)
		want := []string{
			"100: eu production shop 11 true gitlab", "101: qa production shop 13 true gitlab", "102: staging production cart 21 true gitlab",
			"103: staging production pay 31 true gitlab", "104: staging production <nil> 61 true gitlab", "105: staging production <nil> 99 true gitlab",
			"-51: production production shop 51 <nil> rule", "-22: staging staging pay 22 true rule", "-12: production production shop 12 false rule",
		}
		slices.Sort(want)
		if diff := gocmp.Diff(want, deployed(t, s)); diff != "" {
			t.Errorf("deployments (-want +got):\n%s", diff)
		}
		byRule := texts(t, s, "SELECT d.id || ' by ' || r.environment FROM deployments d JOIN deploy_rules r ON r.id = d.rule_id WHERE d.source = 'gitlab'")
		if diff := gocmp.Diff([]string{"101 by production", "102 by staging", "104 by staging"}, byRule); diff != "" {
			t.Errorf("known by rule too (-want +got):\n%s", diff)
		}
		// It deployed, whatever became of the row in GitLab.
		execAs(t, s, "UPDATE deployments SET deleted_at = now() WHERE source = 'gitlab'")
		put(t, s, monorepo)
		if diff := gocmp.Diff(want, deployed(t, s)); diff != "" {
			t.Errorf("deleted in GitLab (-want +got):\n%s", diff)
		}
	})
}

// A rule may match GitLab's environment, as soon as GitLab has told it.
func TestRulesMatchRecordedEnvironments(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		apply(t, s, history())
		put(t, s, "version: 1\nservices:\n  - identifier: live\n  - identifier: trial\nrules:\n  - {match: {environment: prod}, service: live}\ndeploys:\n  - {match: {environment: \"review/*\"}, environment: review, service: trial}\n")
		if got := mapped(t, s); len(got) != 0 {
			t.Errorf("mapped before anything was deployed: %q", got)
		}
		apply(t, s, Batch{Deployments: []ci.Deployment{recorded(100, 13, 1, 1, "prod"), recorded(101, 51, 5, 1, "review/x")}})
		mapChanged(t, s)
		if diff := gocmp.Diff([]string{"1:live"}, mapped(t, s)); diff != "" {
			t.Errorf("services (-want +got):\n%s", diff)
		}
		if diff := gocmp.Diff([]string{"100: prod production live 13 true gitlab", "101: review/x production trial 51 true gitlab"}, deployed(t, s)); diff != "" {
			t.Errorf("deployments (-want +got):\n%s", diff)
		}
	})
}

// Deployments get their repository whatever comes first, and go with their project.
func TestDeploymentsOfProjects(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		b := history()
		repository := func(id ci.ProjectID) ci.Repository {
			return ci.Repository{InstanceID: 1, ID: id, Source: "gitlab", ExternalID: "1", Organization: "acme", Name: "x", FullPath: "acme/x", SyncedAt: at(0)}
		}
		apply(t, s, Batch{Projects: b.Projects[:1], Repositories: []ci.Repository{repository(1), repository(2)}})
		apply(t, s, Batch{Deployments: []ci.Deployment{recorded(1, 11, 1, 1, "eu"), recorded(2, 21, 2, 2, "eu"), recorded(3, 61, 6, 3, "eu")}})
		apply(t, s, Batch{Projects: b.Projects[1:]})
		repositories := func() []string {
			return texts(t, s, "SELECT id || ' of ' || coalesce(CAST(repository_id AS VARCHAR), 'none') || CASE WHEN deleted_at IS NULL THEN '' ELSE ', deleted' END FROM deployments")
		}
		if diff := gocmp.Diff([]string{"1 of 1", "2 of 2", "3 of none"}, repositories()); diff != "" {
			t.Errorf("repositories (-want +got):\n%s", diff)
		}
		apply(t, s, Batch{Repositories: []ci.Repository{repository(3)}, Deleted: []Tombstone{{Table: "projects", InstanceID: 1, ID: 1, At: at(100)}}})
		late := recorded(4, 12, 1, 1, "eu") // asked for before its project was found to be gone
		apply(t, s, Batch{Deployments: []ci.Deployment{late}})
		if diff := gocmp.Diff([]string{"1 of 1, deleted", "2 of 2", "3 of 3", "4 of 1, deleted"}, repositories()); diff != "" {
			t.Errorf("after the project went (-want +got):\n%s", diff)
		}
		late.SyncedAt = at(100).Add(time.Minute) // it is back
		apply(t, s, Batch{Deployments: []ci.Deployment{late}})
		if got := repositories(); got[3] != "4 of 1" {
			t.Errorf("seen alive later: %q", got)
		}
	})
}
