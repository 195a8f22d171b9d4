package gitlab_test

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/gitlab"
)

const pipelineEvent = `{"object_kind":"pipeline","object_attributes":{"id":31,"iid":3,"ref":"main","tag":false,"status":"success",
 "source":"push","detailed_status":"passed","created_at":"2016-08-12 15:23:28 UTC","finished_at":null,"duration":0,
 "variables":[{"key":"K","value":"hunter2"}]},"merge_request":null,
 "user":{"id":1,"username":"root","name":"R","email":"root@example.com"},
 "project":{"id":7,"path_with_namespace":"acme/shop","default_branch":"main"},
 "builds":[{"id":380,"name":"deploy","status":"running","created_at":"2016-08-12T15:23:29.886Z","started_at":"2016-08-12 17:23:40 +0200","runner":null}]}`

const jobEvent = `{"object_kind":"build","build_id":1977,"build_name":"test","build_status":"created",
 "build_created_at":"2021-02-23T02:41:37.886Z","build_started_at":null,"project_id":380,"commit":{"id":2366,"message":"secret plan"}}`

func TestParseHook(t *testing.T) {
	for _, c := range []struct {
		name, body string
		kind       gitlab.HookKind
		err        string
	}{
		{"pipeline", pipelineEvent, gitlab.HookPipeline, ""},
		{"job of an old GitLab: the commit's id is the pipeline's", jobEvent, gitlab.HookJob, ""},
		{"push", `{"object_kind":"push","object_attributes":7}`, gitlab.HookOther, ""},
		{"system", `{"event_name":"project_create"}`, gitlab.HookOther, ""},
		{"garbage", `{"object_kind":`, "", "not a JSON object"},
		{"list", `[]`, "", "not a JSON object"},
		{"null", `null`, "", "no object_kind"},
		{"no kind", `{}`, "", "no object_kind"},
		{"no pipeline id", `{"object_kind":"pipeline","object_attributes":{"status":"x"},"project":{"id":1}}`, "", "without object_attributes.id"},
		{"a build without a name", `{"object_kind":"pipeline","object_attributes":{"id":1,"status":"x"},"project":{"id":1},"builds":[{"id":1,"status":"x"}]}`, "", "build 1"},
		{"no project", `{"object_kind":"build","build_id":1,"build_name":"a","build_status":"x","pipeline_id":1}`, "", "without project_id"},
		{"a time that is none", strings.Replace(jobEvent, "02:41", "2h41", 1), "", "not a time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			hook, err := gitlab.ParseHook([]byte(c.body))
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want one that says %q", err, c.err)
				}
				return
			}
			if err != nil || hook.Kind != c.kind {
				t.Errorf("kind %s, error %v", hook.Kind, err)
			}
		})
	}
}

func TestHookKeepsAbsentNullAndZeroApart(t *testing.T) {
	hook, err := gitlab.ParseHook([]byte(pipelineEvent))
	if err != nil {
		t.Fatal(err)
	}
	again, err := gitlab.ParseHook(hook.Reduced())
	if err != nil {
		t.Fatalf("%v: %s", err, hook.Reduced())
	}
	for _, h := range []gitlab.Hook{hook, again} {
		a, b := h.Pipeline.Attributes, h.Pipeline.Builds.Or(nil)[0]
		if d, ok := a.Duration.Get(); !ok || d != 0 {
			t.Error("the duration 0 is lost")
		}
		if _, ok := a.FinishedAt.Get(); ok || a.FinishedAt.Absent() {
			t.Error("finished_at is not null")
		}
		if !a.QueuedDuration.Absent() || !b.FinishedAt.Absent() {
			t.Error("what is absent is not")
		}
		if h.Pipeline.MergeRequest.Absent() || b.Runner.Absent() {
			t.Error("a null object became absent")
		}
		// All three forms of times, in UTC.
		if got := b.StartedAt.Or(gitlab.Time{}).Format(time.RFC3339); got != "2016-08-12T15:23:40Z" {
			t.Errorf("started_at is %s", got)
		}
		if got, ok := h.Newest(); !ok || !got.Equal(b.StartedAt.Or(gitlab.Time{}).Time) {
			t.Errorf("the newest time is %s", got)
		}
	}
	for _, private := range []string{"hunter2", "root@example.com", "variables"} {
		if strings.Contains(string(hook.Reduced()), private) {
			t.Errorf("%s is kept", private)
		}
	}
	job, err := gitlab.ParseHook([]byte(jobEvent))
	if err != nil || job.Job.PipelineID != 2366 || strings.Contains(string(job.Reduced()), "secret plan") {
		t.Errorf("pipeline %d, error %v, kept %s", job.Job.PipelineID, err, job.Reduced())
	}
}

func TestVerifyHook(t *testing.T) {
	secret := gitlab.NewHookSecret()
	now := time.Unix(1_800_000_000, 0)
	body := []byte(jobEvent)
	signed := gitlab.SignHook(secret, "id-1", "1800000000", body)
	other := gitlab.SignHook(gitlab.NewHookSecret(), "id-1", "1800000000", body)
	token := func(t string) map[string]string { return map[string]string{"X-Gitlab-Token": t} }
	signature := func(s, id, at string) map[string]string {
		return map[string]string{"webhook-signature": s, "webhook-id": id, "webhook-timestamp": at}
	}
	for _, c := range []struct {
		name   string
		header map[string]string
		body   string
		secret gitlab.Secret
		want   error
	}{
		{"token", token(secret.Reveal()), jobEvent, secret, nil},
		{"wrong token", token("whsec_"), jobEvent, secret, gitlab.ErrHookSecret},
		{"no token", nil, jobEvent, secret, gitlab.ErrHookUnsigned},
		{"empty token and empty secret", token(""), jobEvent, "", gitlab.ErrHookUnsigned},
		{"signature", signature(signed, "id-1", "1800000000"), jobEvent, secret, nil},
		{"one of several", signature("v2,xyz "+other+" "+signed, "id-1", "1800000000"), jobEvent, secret, nil},
		{"of another secret", signature(other, "id-1", "1800000000"), jobEvent, secret, gitlab.ErrHookSecret},
		{"another id", signature(signed, "id-2", "1800000000"), jobEvent, secret, gitlab.ErrHookSecret},
		{"another body", signature(signed, "id-1", "1800000000"), jobEvent + " ", secret, gitlab.ErrHookSecret},
		{"another time", signature(signed, "id-1", "1800000001"), jobEvent, secret, gitlab.ErrHookSecret},
		{"an empty secret", signature(signed, "id-1", "1800000000"), jobEvent, "", gitlab.ErrHookSecret},
		{"old", signature(gitlab.SignHook(secret, "a", "1799999699", body), "a", "1799999699"), jobEvent, secret, gitlab.ErrHookStale},
		{"just young enough", signature(gitlab.SignHook(secret, "a", "1799999700", body), "a", "1799999700"), jobEvent, secret, nil},
		{"from the future", signature(gitlab.SignHook(secret, "a", "1800000301", body), "a", "1800000301"), jobEvent, secret, gitlab.ErrHookStale},
		{"a time that is none", signature(gitlab.SignHook(secret, "a", "now", body), "a", "now"), jobEvent, secret, gitlab.ErrHookStale},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := gitlab.VerifyHook(header(c.header), []byte(c.body), c.secret, now); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

func TestHookKey(t *testing.T) {
	key := func(body string, pairs map[string]string) string { return gitlab.HookKey(header(pairs), []byte(body)) }
	same := key("a", map[string]string{"Idempotency-Key": "k", "X-Gitlab-Event-UUID": "1"})
	if same != key("b", map[string]string{"Idempotency-Key": "k"}) || same != key("b", map[string]string{"webhook-id": "k"}) {
		t.Error("one Idempotency-Key gives two keys")
	}
	event := key("a", map[string]string{"X-Gitlab-Event-UUID": "1"})
	if event == key("b", map[string]string{"X-Gitlab-Event-UUID": "1"}) || event == key("a", nil) || event == same {
		t.Error("different events have one key")
	}
}

// The events that others recorded are read, or passed over, without an error.
func TestRecordedHooks(t *testing.T) {
	root := filepath.Join("..", "..", "..", "shared", "gitlab-contract")
	if _, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) {
		if os.Getenv("CI") == "true" {
			t.Fatal("the recordings are not there")
		}
		t.Skip("the recordings are not beside this repository")
	}
	want := map[string]gitlab.HookKind{
		"examples/webhook_job.json":                   gitlab.HookJob,
		"recorded/client-go/webhooks/build.json":      gitlab.HookJob,
		"recorded/client-go/webhooks/job.json":        gitlab.HookJob,
		"recorded/client-go/webhooks/pipeline.json":   gitlab.HookPipeline,
		"recorded/client-go/webhooks/deployment.json": gitlab.HookDeployment,
		"recorded/client-go/webhooks/project.json":    gitlab.HookOther,
		"recorded/go-scm/webhooks/pipeline_hook.json": gitlab.HookPipeline,
		"recorded/gitlab4j/pipeline-event.json":       gitlab.HookPipeline,
		"recorded/gitlab4j/build-event.json":          gitlab.HookJob,
		"recorded/gitlab4j/job-event.json":            gitlab.HookOther, // object_kind "job", which GitLab does not send
	}
	got := map[string]gitlab.HookKind{}
	for name := range want {
		body, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		hook, err := gitlab.ParseHook(body)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got[name] = hook.Kind
		if _, timed := hook.Newest(); hook.Kind != gitlab.HookOther && !timed {
			t.Errorf("%s has no time", name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
}

// Whatever the bytes, reading them ends without a panic, and what was read and
// reduced is read again as the same.
func FuzzParseHook(f *testing.F) {
	f.Add([]byte(pipelineEvent))
	f.Add([]byte(jobEvent))
	f.Add([]byte(deploymentEvent))
	f.Add([]byte(renameEvent))
	f.Add([]byte(`{"object_kind":"pipeline","object_attributes":{"id":1,"status":"é"},"project":{"id":1},"builds":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		hook, err := gitlab.ParseHook(body)
		if err != nil || hook.Kind == gitlab.HookOther {
			return
		}
		reduced := hook.Reduced()
		again, err := gitlab.ParseHook(reduced)
		if err != nil {
			t.Fatalf("%v: %s", err, reduced)
		}
		if twice := again.Reduced(); string(twice) != string(reduced) {
			t.Fatalf("reduced once %s, twice %s", reduced, twice)
		}
	})
}

// No header but a genuine one lets anybody in.
func FuzzVerifyHook(f *testing.F) {
	secret := gitlab.NewHookSecret()
	now := time.Unix(1_800_000_000, 0)
	f.Add("whsec_", "id", "1800000000", gitlab.SignHook(gitlab.NewHookSecret(), "id", "1800000000", nil), []byte{})
	f.Add("", "id", "1800000000", "v1, v1,====", []byte("{}"))
	f.Fuzz(func(t *testing.T, token, id, at, signature string, body []byte) {
		h := http.Header{"X-Gitlab-Token": {token}, "Webhook-Id": {id}, "Webhook-Timestamp": {at}, "Webhook-Signature": {signature}}
		if gitlab.VerifyHook(h, body, secret, now) == nil {
			t.Fatal("it is let in")
		}
		h.Set("Webhook-Signature", gitlab.SignHook(secret, id, "1800000000", body)+" "+signature)
		h.Set("Webhook-Timestamp", "1800000000")
		if err := gitlab.VerifyHook(h, body, secret, now); id != "" && err != nil {
			t.Fatalf("the genuine one is refused: %v", err)
		}
	})
}

func header(pairs map[string]string) http.Header {
	h := http.Header{}
	for k, v := range pairs {
		h.Set(k, v)
	}
	return h
}
