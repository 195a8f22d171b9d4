package gitlab_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/gitlab"
)

const (
	deploymentEvent = `{"object_kind":"deployment","status":"success","status_changed_at":"2021-04-28 21:50:00 +0200","deployment_id":15,"deployable_id":796,
		"deployable_url":"http://g/root/t/-/jobs/796","environment":"staging","environment_tier":"staging",
		"project":{"id":30,"name":"t","path_with_namespace":"root/t","default_branch":"master","git_ssh_url":"ssh://secret"},
		"short_sha":"279484c0","user":{"id":42,"name":"User1","username":"user1","email":"u@example.com"},
		"commit_url":"http://g/root/t/-/commit/279484c09fbe69ededfced8c1bb6e6d24616b468","commit_title":"Add new file","ref":"1.0.0"}`
	renameEvent = `{"created_at":"2012-07-21T07:30:58Z","updated_at":"2012-07-21T07:38:22Z","event_name":"project_rename","name":"Underscore","path":"underscore",
		"path_with_namespace":"jsmith/underscore","project_id":73,"owner_name":"John Smith","owner_email":"j@example.com","old_path_with_namespace":"jsmith/overscore"}`
)

func TestParseDeploymentHook(t *testing.T) {
	hook, err := gitlab.ParseHook([]byte(deploymentEvent))
	if err != nil || hook.Kind != gitlab.HookDeployment || hook.ProjectID() != 30 {
		t.Fatalf("%+v, %v", hook, err)
	}
	newest, _ := hook.Newest()
	if d := hook.Deployment; d.ID != 15 || d.JobID.Or(0) != 796 || d.Status != "success" || d.Tier.Or("") != "staging" ||
		!newest.Equal(time.Date(2021, 4, 28, 19, 50, 0, 0, time.UTC)) || d.SHA() != "279484c09fbe69ededfced8c1bb6e6d24616b468" {
		t.Errorf("%+v, newest %v", hook.Deployment, newest)
	}
	reduced := string(hook.Reduced())
	if strings.Contains(reduced, "example.com") || strings.Contains(reduced, "Add new file") || strings.Contains(reduced, "secret") {
		t.Errorf("what is kept of it says too much: %s", reduced)
	}
	again, err := gitlab.ParseHook([]byte(reduced))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(again.Reduced()), reduced); diff != "" {
		t.Errorf("reduced twice:\n%s", diff)
	}
}

func TestDeploymentHookSHA(t *testing.T) {
	const whole = "279484c09fbe69ededfced8c1bb6e6d24616b468"
	for address, want := range map[string]string{
		"http://g/x/-/commit/" + whole:                           whole,
		"http://g/x/-/commit/" + whole[:39]:                      "",
		"http://g/x/-/commit/a" + whole[1:]:                      "", // not the one that short_sha begins
		"http://g/x/-/commit/279484c0" + strings.Repeat("x", 32): "",
		"": "",
	} {
		d := gitlab.DeploymentHook{ShortSHA: gitlab.Of("279484c0"), CommitURL: gitlab.Of(address)}
		if got := d.SHA(); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
	if got := (&gitlab.DeploymentHook{CommitURL: gitlab.Of("http://g/x/-/commit/" + whole)}).SHA(); got != "" {
		t.Errorf("without short_sha: %q", got)
	}
}

func TestParseProjectHook(t *testing.T) {
	hook, err := gitlab.ParseHook([]byte(renameEvent))
	if err != nil || hook.Kind != gitlab.HookProjects || hook.ProjectID() != 73 || hook.Change.Path != "jsmith/underscore" || hook.Change.OldPath.Or("") != "jsmith/overscore" {
		t.Fatalf("%+v, %v", hook, err)
	}
	if reduced := string(hook.Reduced()); strings.Contains(reduced, "John") || strings.Contains(reduced, "example.com") {
		t.Errorf("what is kept of it says too much: %s", reduced)
	}
}

func TestOtherEventsOfTheseKinds(t *testing.T) {
	for body, want := range map[string]string{
		`{"object_kind":"deployment","status":"success","environment":"x","project":{"id":1}}`:                                      "other", // before 14.6
		`{"event_name":"project_create","project_id":1,"path_with_namespace":"a/b"}`:                                                "other",
		`{"object_kind":"deployment","deployment_id":1,"environment":"x","project":{"id":1}}`:                                       "without status",
		`{"object_kind":"deployment","deployment_id":1,"status":"success","project":{"id":1}}`:                                      "without environment",
		`{"object_kind":"deployment","deployment_id":-1,"status":"success","environment":"x","project":{"id":1}}`:                   "without deployment_id",
		`{"object_kind":"deployment","deployment_id":1,"status":"success","environment":"x","project":{"id":1},"deployable_id":-4}`: "without deployable_id",
		`{"object_kind":"deployment","deployment_id":1,"status":"success","environment":"x","project":{}}`:                          "without project.id",
		`{"object_kind":"deployment","deployment_id":"one"}`:                                                                        "cannot be read",
		`{"event_name":"project_rename","path_with_namespace":"a/b"}`:                                                               "without project_id",
		`{"event_name":"project_destroy","project_id":3}`:                                                                           "without path_with_namespace",
		`{"event_name":"project_destroy","project_id":[]}`:                                                                          "cannot be read",
	} {
		hook, err := gitlab.ParseHook([]byte(body))
		got := string(hook.Kind)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}
