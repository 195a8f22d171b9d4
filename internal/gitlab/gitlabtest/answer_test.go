package gitlabtest_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
)

// TestRefusals: each refusal has its own status and body, and clients tell
// them apart by both.
func TestRefusals(t *testing.T) {
	w := gitlabtest.NewWorld()
	p := w.AddProject("acme/shop") // 1
	w.AddPipeline(p, gitlabtest.PipelineSpec{})
	w.AddProject("other/secret")                       // 2
	w.AddProject("acme/off").BuildsAccess = "disabled" // 3
	w.AddProject("acme/shut").Forbidden = true         // 4
	w.AddProject("acme/open").Visibility = "public"    // 5
	s := gitlabtest.NewServer(w, gitlabtest.RelativeRoot("/gitlab"))
	yesterday := time.Now().AddDate(0, 0, -1)
	acme := s.Token(gitlabtest.TokenSpec{Groups: []string{"acme"}})
	revoked := s.Token(gitlabtest.TokenSpec{Revoked: true})
	expired := s.Token(gitlabtest.TokenSpec{ExpiresAt: &yesterday})
	narrow := s.Token(gitlabtest.TokenSpec{Scopes: []string{"read_repository"}})
	userOnly := s.Token(gitlabtest.TokenSpec{Scopes: []string{"read_user"}})
	guest := s.Token(gitlabtest.TokenSpec{Role: gitlabtest.Guest})
	blocked := s.Token(gitlabtest.TokenSpec{Blocked: true})
	const scope = `{"error":"insufficient_scope","error_description":"The request requires higher privileges than provided by the access token.","scope":"api read_api"}`
	for _, c := range []struct {
		name, token, path string
		status            int
		body              string
	}{
		{"wrong token", "glpat-wrong", "user", 401, `{"message":"401 Unauthorized"}`},
		{"wrong token on a public project", "glpat-wrong", "projects/5", 401, `{"message":"401 Unauthorized"}`},
		{"no token", "", "user", 401, `{"message":"401 Unauthorized"}`},
		{"no token, version", "", "version", 401, `{"message":"401 Unauthorized"}`},
		{"no token, private project", "", "projects/1/pipelines", 404, `{"message":"404 Project Not Found"}`},
		{"no token, jobs", "", "projects/5/jobs", 401, `{"message":"401 Unauthorized"}`},
		{"no token, public project", "", "projects/5/pipelines", 200, `[]`},
		{"revoked", revoked, "user", 401, `{"error":"invalid_token","error_description":"Token was revoked. You have to re-authorize from the user."}`},
		{"expired", expired, "user", 401, `{"error":"invalid_token","error_description":"Token is expired. You can either do re-authorization or token refresh."}`},
		{"scope", narrow, "groups", 403, scope},
		{"scope read_user", userOnly, "projects/1", 403, scope},
		{"blocked", blocked, "user", 403, `{"message":"403 Forbidden - Your account has been blocked."}`},
		{"not a member", acme, "projects/2", 404, `{"message":"404 Project Not Found"}`},
		{"not a member of the group", acme, "groups/other", 404, `{"message":"404 Group Not Found"}`},
		{"no such project", acme, "projects/999/jobs", 404, `{"message":"404 Project Not Found"}`},
		{"CI off", acme, "projects/3/pipelines", 403, `{"message":"403 Forbidden"}`},
		{"forbidden jobs", acme, "projects/4/jobs", 403, `{"message":"403 Forbidden"}`},
		{"guest", guest, "projects/1/pipelines", 403, `{"message":"403 Forbidden"}`},
		{"no such pipeline", acme, "projects/1/pipelines/77", 404, `{"message":"404 Not found"}`},
		{"no such pipeline's jobs", acme, "projects/1/pipelines/77/jobs", 404, `{"message":"404 Not found"}`},
		{"pipeline of another project", acme, "projects/5/pipelines/1", 404, `{"message":"404 Not found"}`},
		{"pipeline id is a word", acme, "projects/1/pipelines/abc", 400, `{"error":"pipeline_id is invalid"}`},
		{"no latest pipeline", acme, "projects/5/pipelines/latest", 403, `{"message":"403 Forbidden"}`},
		{"unknown route", acme, "projects/1/pipes", 404, `{"error":"404 Not Found"}`},
		{"decoded slash", acme, "projects/acme/shop/pipelines", 404, `{"error":"404 Not Found"}`},
		{"order", acme, "projects/1/pipelines?order_by=created_at", 400, `{"error":"order_by does not have a valid value"}`},
		{"two mistakes", acme, "projects/1/pipelines?status=done&page=x", 400, `{"error":"page is invalid, status does not have a valid value"}`},
		{"time", acme, "projects/1/pipelines?updated_after=yesterday", 400, `{"error":"updated_after is invalid"}`},
		{"plus sign that became a space", acme, "projects/1/pipelines?updated_after=2026-01-01T00:00:00+02:00", 400, `{"error":"updated_after is invalid"}`},
		{"job scope", acme, "projects/1/jobs?scope[]=nope", 400, `{"error":"scope does not have a valid value"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := getWith(t, s, c.token, "/gitlab"+path("%s", c.path))
			if r.status != c.status || r.body != c.body {
				t.Errorf("got %d %s, want %d %s", r.status, r.body, c.status, c.body)
			}
			if challenge := r.header.Get("WWW-Authenticate"); strings.Contains(c.body, "invalid_token") != strings.HasPrefix(challenge, `Bearer realm="The API", error="invalid_token"`) {
				t.Errorf("WWW-Authenticate: %q", challenge)
			}
			if ct := r.header.Get("Content-Type"); ct != "application/json" {
				t.Errorf("Content-Type %q", ct)
			}
		})
	}
	for _, c := range []struct {
		path   string
		status int
	}{{"/gitlab/acme", 302}, {"/gitlab/users/sign_in", 200}, {"/gitlab/acme/api/v4/version", 302}, {"/api/v4/version", 404}} {
		r := getWith(t, s, acme, c.path)
		if r.status != c.status || !strings.HasPrefix(r.header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: %d %s", c.path, r.status, r.header.Get("Content-Type"))
		}
	}
}

func TestTokenAnswers(t *testing.T) {
	w := gitlabtest.NewWorld()
	w.SetNow(time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC))
	w.AddProject("acme/shop")
	s := gitlabtest.NewServer(w)
	until := time.Date(2026, 2, 9, 0, 0, 0, 0, time.UTC)
	token := s.Token(gitlabtest.TokenSpec{Groups: []string{"acme"}, Scopes: []string{"read_api", "read_user"}, ExpiresAt: &until, Name: "importer"})
	for _, headers := range [][]string{{"Authorization", "Bearer " + token}, {"PRIVATE-TOKEN", token}} {
		var user struct {
			Username string
			Bot      bool
		}
		decode(t, getWith(t, s, "", path("user"), headers...), &user)
		if !user.Bot || !strings.HasPrefix(user.Username, "group_1_bot_") {
			t.Errorf("the user of a group token is %+v", user)
		}
	}
	var self struct {
		Name      string
		Scopes    []string
		Active    bool
		ExpiresAt string `json:"expires_at"`
	}
	decode(t, getWith(t, s, token, path("personal_access_tokens/self")), &self)
	if self.Name != "importer" || len(self.Scopes) != 2 || !self.Active || self.ExpiresAt != "2026-02-09" {
		t.Errorf("%+v", self)
	}
	s.SetNow(until)
	if r := getWith(t, s, token, path("user")); r.status != http.StatusUnauthorized {
		t.Errorf("on the day of its expiry: %d", r.status)
	}
}

func TestMovedProject(t *testing.T) {
	w := gitlabtest.NewWorld()
	p := w.AddProject("acme/shop")
	s := gitlabtest.NewServer(w)
	if err := w.MoveProject(p, "acme/retail/shop"); err != nil {
		t.Fatal(err)
	}
	r := get(t, s, path("projects/acme%%2Fshop/pipelines?per_page=5"))
	if want := "http://gitlab.example/api/v4/projects/1/pipelines?per_page=5"; r.status != http.StatusMovedPermanently || r.header.Get("Location") != want {
		t.Errorf("%d to %s, want %s", r.status, r.header.Get("Location"), want)
	}
	if !strings.HasPrefix(r.body, "This resource has been moved permanently to ") {
		t.Errorf("body %q", r.body)
	}
	if r := get(t, s, path("projects/acme%%2Fretail%%2Fshop")); r.status != http.StatusOK {
		t.Errorf("at the new path: %d", r.status)
	}
	w.AddProject("acme/shop") // takes over the old path
	if r := get(t, s, path("projects/acme%%2Fshop")); r.status != http.StatusOK || !strings.HasPrefix(r.body, `{"id":2,`) {
		t.Errorf("a new project at the old path: %d %s", r.status, r.body)
	}
}

func TestTransfer(t *testing.T) {
	s := gitlabtest.NewServer(gitlabtest.Uniform(1, 30, 4))
	plain := get(t, s, path("projects/1/jobs?per_page=100"))
	packed := getWith(t, s, s.DefaultToken(), path("projects/1/jobs?per_page=100"), "Accept-Encoding", "gzip")
	if packed.header.Get("Content-Encoding") != "gzip" || len(packed.body) > len(plain.body)/4 {
		t.Errorf("%d bytes packed, %d plain, encoding %q", len(packed.body), len(plain.body), packed.header.Get("Content-Encoding"))
	}
	z, err := gzip.NewReader(strings.NewReader(packed.body))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil || string(b) != plain.body {
		t.Errorf("gzip gives something else: %v", err)
	}
	tag := plain.header.Get("Etag")
	same := getWith(t, s, s.DefaultToken(), path("projects/1/jobs?per_page=100"), "If-None-Match", tag)
	if same.status != http.StatusNotModified || same.body != "" {
		t.Errorf("If-None-Match: %d, %d bytes", same.status, len(same.body))
	}
	for _, h := range []string{"X-Request-Id", "X-Runtime", "Date", "Etag"} {
		if plain.header.Get(h) == "" {
			t.Errorf("no %s", h)
		}
	}
}

// A running job gets longer, and a job that was canceled in the queue waits on.
func TestTimesThatMove(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	w := gitlabtest.NewWorld()
	w.SetNow(at)
	p := w.AddProject("acme/shop")
	w.AddPipeline(p, gitlabtest.PipelineSpec{Jobs: []gitlabtest.JobSpec{
		{Name: "runs", Status: "running", Wait: time.Second}, {Name: "canceled", Status: "canceled", NeverStarted: true, Wait: time.Second},
	}})
	s := gitlabtest.NewServer(w)
	read := func() []map[string]any {
		var list []map[string]any
		decode(t, get(t, s, path("projects/1/jobs")), &list)
		return list
	}
	s.SetNow(at.Add(10 * time.Second))
	before := read()
	s.Advance(5 * time.Second)
	after := read()
	if d := cmp.Diff([]any{9.0, 14.0, 10.0, 15.0, nil, nil}, []any{
		before[1]["duration"], after[1]["duration"], before[0]["queued_duration"], after[0]["queued_duration"], before[0]["duration"], before[0]["started_at"],
	}); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestRequestsAreCounted(t *testing.T) {
	s := gitlabtest.NewServer(gitlabtest.Uniform(1, 3, 1))
	get(t, s, path("projects/1/pipelines"))
	get(t, s, path("projects/load%%2Fproject-000/pipelines/1/jobs?per_page=3"))
	getWith(t, s, "wrong", path("user"))
	get(t, s, "/elsewhere")
	get(t, s, path("nothing"))
	want := map[string]int{
		"": 5, "GET /projects/:id/pipelines": 1, "GET /projects/:id/pipelines/:id/jobs": 1, "GET /user": 1, "GET other": 1, "GET other /api/v4": 1,
	}
	if diff := cmp.Diff(want, s.RequestCount()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	log := s.Requests()
	if len(log) != 5 || log[1].Query != "per_page=3" || log[2].Status != http.StatusUnauthorized || log[0].N != 1 {
		t.Errorf("%+v", log)
	}
	s.ResetRequests()
	if n := s.RequestCount()[""]; n != 0 {
		t.Errorf("%d after the reset", n)
	}
}

func TestOverNetwork(t *testing.T) {
	s := gitlabtest.NewServer(gitlabtest.Uniform(1, 3, 1))
	over := httptest.NewServer(s)
	defer over.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, over.URL+"/api/v4/projects/1", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := over.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", resp.StatusCode)
	}
}

func decode(t *testing.T, r reply, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), into); err != nil {
		t.Fatalf("%d: %v in %s", r.status, err, r.body)
	}
}
