package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/weirhq/weir/internal/ci"
)

// The suite: every behaviour, on every engine.
var suite = []struct {
	name string
	test func(*testing.T, *world)
}{
	{"a connection comes back as it was stored", testRoundTrip},
	{"removing is soft and wipes the token", testRemove},
	{"a credential can be added and removed, the last one not", testCredentials},
	{"a shared token is noticed", testShared},
	{"a missing gitlab connection is noticed", testMissing},
	{"a connection is claimed once", testClaim},
	{"twins are refused", testTwins},
	{"a check is remembered", testChecked},
	{"a connection is disabled and enabled", testDisabled},
	{"a ciphertext does not open in another row", testMoved},
	{"a missing or foreign key is told", testKeys},
	{"no token is in the file, a log or an error", testNoToken},
	{"a newer version is refused", testNewer},
	{"it opens again", testReopen},
}

func TestControl(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			for _, s := range suite {
				t.Run(s.name, func(t *testing.T) { s.test(t, newWorld(t, engine.database(t))) })
			}
		})
	}
}

func testRoundTrip(t *testing.T, w *world) {
	expires := time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC)
	want := Connection{
		Kind: KindPipelines, Name: "Ünïcode 'quoted'", InstanceID: 7, BaseURL: "https://gitlab.example.com/gitlab",
		Groups: []string{"acme/platform", "42"}, Since: "2026-01-31", CAFile: "/etc/ca.pem", MaxRequestsPerMinute: new(0.5),
		Warnings: []Warning{{ci.TokenExpiresSoon, "the token expires", "Renew it."}},
	}
	got, err := w.control.AddConnection(t.Context(), want, NewCredential{
		Token: NewSecret(token1), Label: "bot", Username: "group_1_bot", Scopes: []string{"read_api"}, ExpiresAt: &expires,
	})
	if err != nil {
		t.Fatal(err)
	}
	want.ID, want.State, want.CreatedAt, want.UpdatedAt, want.LastCheckedAt = got.ID, Verified, w.now, w.now, &w.now
	want.Credentials = []Credential{{
		ID: got.Credentials[0].ID, ConnectionID: got.ID, Label: "bot", Last4: "aa11", Username: "group_1_bot",
		Scopes: []string{"read_api"}, ExpiresAt: &expires, CreatedAt: w.now,
	}}
	want.Warnings = append(want.Warnings, got.Warnings[1:]...) // see testMissing
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("connection (-want +got):\n%s", diff)
	}

	bare := w.add(t, "https://two.example.com", token2)
	if bare.Groups == nil || len(bare.Groups) != 0 || bare.MaxRequestsPerMinute != nil || bare.LastErrorCode != nil || bare.Credentials[0].ExpiresAt != nil {
		t.Errorf("what was not given is not empty: %+v", bare)
	}
	list, err := w.control.Connections(t.Context())
	if diff := cmp.Diff([]Connection{got, bare}, list); diff != "" || err != nil {
		t.Errorf("list (-want +got):\n%s%v", diff, err)
	}
	opened, err := w.control.OpenCredentials(t.Context(), got.ID)
	if err != nil || len(opened) != 1 || opened[0].Token.Reveal() != token1 {
		t.Errorf("tokens %d, error %v", len(opened), err)
	}
}

func testRemove(t *testing.T, w *world) {
	n := w.add(t, "https://one.example.com", token1)
	if err := w.control.RemoveConnection(t.Context(), n.ID); err != nil {
		t.Fatal(err)
	}
	_, err := w.control.Connection(t.Context(), n.ID)
	wantCode(t, err, ci.NotFound)
	_, err = w.control.OpenCredentials(t.Context(), n.ID)
	wantCode(t, err, ci.NotFound)
	wantCode(t, w.control.RemoveConnection(t.Context(), n.ID), ci.NotFound)
	if list, err := w.control.Connections(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("list %v, error %v", list, err)
	}
	var rows, sealed int
	if err := w.control.db.QueryRow(`SELECT count(*), count(*) FILTER (WHERE sealed <> '' OR fingerprint <> '') FROM credentials`).Scan(&rows, &sealed); err != nil {
		t.Fatal(err)
	}
	if rows != 1 || sealed != 0 {
		t.Errorf("%d credentials, %d of them still sealed", rows, sealed)
	}
	again := w.add(t, "https://one.example.com", token1)
	if again.ID <= n.ID {
		t.Errorf("id %d was handed out again", again.ID)
	}
}

func testCredentials(t *testing.T, w *world) {
	n := w.add(t, "https://one.example.com", token1)
	second, err := w.control.AddCredential(t.Context(), n.ID, NewCredential{Token: NewSecret(token2)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.control.AddCredential(t.Context(), n.ID, NewCredential{Token: NewSecret(token2)})
	wantCode(t, err, ci.Conflict)
	_, err = w.control.AddCredential(t.Context(), n.ID+99, NewCredential{Token: NewSecret(token2)})
	wantCode(t, err, ci.NotFound)
	wantCode(t, w.control.RemoveCredential(t.Context(), n.ID, second+99), ci.NotFound)
	if err := w.control.RemoveCredential(t.Context(), n.ID, n.Credentials[0].ID); err != nil {
		t.Fatal(err)
	}
	wantCode(t, w.control.RemoveCredential(t.Context(), n.ID, second), ci.Conflict)
	opened, err := w.control.OpenCredentials(t.Context(), n.ID)
	if err != nil || len(opened) != 1 || opened[0].Token.Reveal() != token2 {
		t.Errorf("after a refused removal: %d tokens, error %v", len(opened), err)
	}
	expires := w.now.AddDate(0, 1, 0)
	if err := w.control.CredentialFacts(t.Context(), second, "alice", []string{"api"}, &expires); err != nil {
		t.Fatal(err)
	}
	if err := w.control.Used(t.Context(), n.ID); err != nil {
		t.Fatal(err)
	}
	got, err := w.control.Connection(t.Context(), n.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := []Credential{{
		ID: second, ConnectionID: n.ID, Last4: "bb22", Username: "alice", Scopes: []string{"api"}, ExpiresAt: &expires,
		CreatedAt: w.now, LastUsedAt: &w.now,
	}}
	if diff := cmp.Diff(want, got.Credentials); diff != "" {
		t.Errorf("credentials (-want +got):\n%s", diff)
	}
}

func testShared(t *testing.T, w *world) {
	one := w.add(t, "https://one.example.com", token1)
	two := w.add(t, "https://two.example.com", token1)
	three := w.add(t, "https://three.example.com", token2)
	w.wantWarnings(t, one.ID, ci.MissingGitLabConnection, ci.SharedToken)
	w.wantWarnings(t, two.ID, ci.MissingGitLabConnection, ci.SharedToken)
	w.wantWarnings(t, three.ID, ci.MissingGitLabConnection)
	if err := w.control.RemoveConnection(t.Context(), one.ID); err != nil {
		t.Fatal(err)
	}
	w.wantWarnings(t, two.ID, ci.MissingGitLabConnection) // the other one is gone
}

func testMissing(t *testing.T, w *world) {
	pipelines := w.add(t, "https://one.example.com", token1)
	w.wantWarnings(t, pipelines.ID, ci.MissingGitLabConnection)
	elsewhere := Connection{Kind: KindGitLab, InstanceID: pipelines.InstanceID + 1, BaseURL: "https://two.example.com", Since: "all"}
	if _, err := w.control.AddConnection(t.Context(), elsewhere, NewCredential{Token: NewSecret(token2)}); err != nil {
		t.Fatal(err)
	}
	w.wantWarnings(t, pipelines.ID, ci.MissingGitLabConnection)
	here := Connection{Kind: KindGitLab, InstanceID: pipelines.InstanceID, BaseURL: pipelines.BaseURL, Since: "all"}
	repositories, err := w.control.AddConnection(t.Context(), here, NewCredential{Token: NewSecret(token2 + "x")})
	if err != nil {
		t.Fatal(err)
	}
	w.wantWarnings(t, pipelines.ID)
	w.wantWarnings(t, repositories.ID)
	if err := w.control.RemoveConnection(t.Context(), repositories.ID); err != nil {
		t.Fatal(err)
	}
	w.wantWarnings(t, pipelines.ID, ci.MissingGitLabConnection)
}

func testClaim(t *testing.T, w *world) {
	release, err := w.control.Claim(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.control.Claim(t.Context(), 1)
	wantCode(t, err, ci.Conflict)
	other, err := w.control.Claim(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	other()
	release()
	release, err = w.control.Claim(t.Context(), 1)
	if err != nil {
		t.Fatalf("after the release: %v", err)
	}
	defer release()
	if w.control.engine != "postgres" {
		return
	}
	second, err := Open(t.Context(), w.cfg) // another process on the same database
	if err != nil {
		t.Fatal(err)
	}
	_, err = second.Claim(t.Context(), 1)
	wantCode(t, err, ci.Conflict)
	// A process that dies gives up what it held.
	if err := w.control.Close(); err != nil {
		t.Fatal(err)
	}
	w.control = second
	release()
	if _, err := second.Claim(t.Context(), 1); err != nil {
		t.Errorf("after the other process is gone: %v", err)
	}
}

func testTwins(t *testing.T, w *world) {
	w.add(t, "https://one.example.com", token1)
	n := Connection{Kind: KindPipelines, Name: "again", InstanceID: w.instance - 1, BaseURL: "https://one.example.com", Since: "all"}
	_, err := w.control.AddConnection(t.Context(), n, NewCredential{Token: NewSecret(token2)})
	wantCode(t, err, ci.Conflict)
	n.Kind = KindGitLab
	if _, err := w.control.AddConnection(t.Context(), n, NewCredential{Token: NewSecret(token2)}); err != nil {
		t.Errorf("another kind: %v", err)
	}
	n.Groups = []string{"acme"}
	if _, err := w.control.AddConnection(t.Context(), n, NewCredential{Token: NewSecret(token2)}); err != nil {
		t.Errorf("other groups: %v", err)
	}
}

func testChecked(t *testing.T, w *world) {
	n := w.add(t, "https://one.example.com", token1)
	w.now = w.now.Add(time.Hour)
	failed := fmt.Errorf("wrapped: %w", &ci.Problem{Code: ci.InvalidCredentials, Cause: "the token is revoked"})
	if err := w.control.Checked(t.Context(), n.ID, Check{Err: failed}); err != nil {
		t.Fatal(err)
	}
	got, _ := w.control.Connection(t.Context(), n.ID)
	if got.State != Failing || *got.LastErrorCode != ci.InvalidCredentials || !got.LastCheckedAt.Equal(w.now) || !got.UpdatedAt.Equal(w.now) {
		t.Errorf("after a failure: %+v", got)
	}
	warning := Warning{ci.ClockSkew, "clocks differ", "Set them."}
	if err := w.control.Checked(t.Context(), n.ID, Check{Warnings: []Warning{warning}}); err != nil {
		t.Fatal(err)
	}
	got, _ = w.control.Connection(t.Context(), n.ID)
	if got.State != Verified || got.LastErrorCode != nil || got.Warnings[0] != warning {
		t.Errorf("after a success: %+v", got)
	}
	wantCode(t, w.control.Checked(t.Context(), n.ID+1, Check{}), ci.NotFound)
}

func testDisabled(t *testing.T, w *world) {
	n := w.add(t, "https://one.example.com", token1)
	other := w.add(t, "https://two.example.com", token2)
	set := func(disabled bool) Connection {
		t.Helper()
		w.now = w.now.Add(time.Hour)
		if err := w.control.SetDisabled(t.Context(), n.ID, disabled); err != nil {
			t.Fatal(err)
		}
		got, err := w.control.Connection(t.Context(), n.ID)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := set(false); got.DisabledAt != nil || !got.UpdatedAt.Equal(n.UpdatedAt) {
		t.Errorf("enabling one that is enabled: %+v", got)
	}
	first := set(true)
	if first.DisabledAt == nil || !first.DisabledAt.Equal(w.now) || !first.UpdatedAt.Equal(w.now) || first.State != Verified {
		t.Errorf("disabled: %+v", first)
	}
	if again := set(true); !again.DisabledAt.Equal(*first.DisabledAt) || !again.UpdatedAt.Equal(first.UpdatedAt) {
		t.Errorf("disabled again: %+v", again)
	}
	if got, _ := w.control.Connection(t.Context(), other.ID); got.DisabledAt != nil {
		t.Errorf("the other one: %+v", got)
	}
	if got := set(false); got.DisabledAt != nil || !got.UpdatedAt.Equal(w.now) {
		t.Errorf("enabled again: %+v", got)
	}
	wantCode(t, w.control.SetDisabled(t.Context(), 99, true), ci.NotFound)
}

func testMoved(t *testing.T, w *world) {
	one := w.add(t, "https://one.example.com", token1)
	two := w.add(t, "https://two.example.com", token2)
	if _, err := w.control.db.Exec(`UPDATE credentials SET sealed = (SELECT sealed FROM credentials WHERE id = $1) WHERE id = $2`,
		one.Credentials[0].ID, two.Credentials[0].ID); err != nil {
		t.Fatal(err)
	}
	_, err := w.control.OpenCredentials(t.Context(), two.ID)
	wantCode(t, err, ci.SecretKeyMissing)
	if _, err := w.control.OpenCredentials(t.Context(), one.ID); err != nil {
		t.Errorf("the other row: %v", err)
	}
}

func testKeys(t *testing.T, w *world) {
	n := w.add(t, "https://one.example.com", token1)
	key := filepath.Join(w.dir, keyFile)
	lost := filepath.Join(t.TempDir(), "lost.key")
	if err := os.Rename(key, lost); err != nil {
		t.Fatal(err)
	}
	w.reopen(t)
	if _, err := os.Stat(key); !errors.Is(err, os.ErrNotExist) {
		t.Error("a new key was made beside tokens sealed with a lost one")
	}
	if list, err := w.control.Connections(t.Context()); len(list) != 1 || err != nil {
		t.Errorf("without the key: %d connections, error %v", len(list), err)
	}
	_, err := w.control.OpenCredentials(t.Context(), n.ID)
	wantCode(t, err, ci.SecretKeyMissing)
	_, err = w.control.AddCredential(t.Context(), n.ID, NewCredential{Token: NewSecret(token2)})
	wantCode(t, err, ci.SecretKeyMissing)

	w.cfg.KeyFile = lost
	w.reopen(t)
	if _, err := w.control.OpenCredentials(t.Context(), n.ID); err != nil {
		t.Errorf("with the key by name: %v", err)
	}
	foreign := filepath.Join(t.TempDir(), "foreign.key")
	if _, err := makeKey(foreign); err != nil {
		t.Fatal(err)
	}
	w.cfg.KeyFile = foreign
	w.reopen(t)
	_, err = w.control.OpenCredentials(t.Context(), n.ID)
	wantCode(t, err, ci.SecretKeyMissing)
	if !strings.Contains(err.Error(), w.control.key.ID()) {
		t.Errorf("the error does not name the keys: %v", err)
	}
	if err := w.control.Close(); err != nil {
		t.Fatal(err)
	}
	w.cfg.KeyFile = filepath.Join(t.TempDir(), "none")
	_, err = Open(t.Context(), w.cfg)
	wantCode(t, err, ci.SecretKeyMissing)
	w.cfg.KeyFile = ""
	w.control, err = Open(t.Context(), w.cfg) // the cleanup wants one to close
	if err != nil {
		t.Fatal(err)
	}
}

func testNoToken(t *testing.T, w *world) {
	n := w.add(t, "https://one.example.com", token1)
	_, err := w.control.AddCredential(t.Context(), n.ID, NewCredential{Token: NewSecret(token1)})
	opened, err2 := w.control.OpenCredentials(t.Context(), n.ID)
	if err2 != nil {
		t.Fatal(err2)
	}
	asJSON, _ := json.Marshal(opened)
	slog.New(slog.NewJSONHandler(&w.log, nil)).Error("x", "opened", opened, "token", opened[0].Token)
	told := fmt.Sprintf("%v %+v %#v %s %q %x %v %s", opened, opened, opened, opened[0].Token, opened[0].Token, opened[0].Token, err, asJSON)
	for name, text := range map[string]string{"text": told, "log": w.log.String()} {
		if strings.Contains(text, token1) || strings.Contains(text, fmt.Sprintf("%x", token1)) {
			t.Errorf("%s holds the token: %s", name, text)
		}
	}
	if err := w.control.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(w.dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(token1)) {
			t.Errorf("%s holds the token", e.Name())
		}
		if info, _ := e.Info(); info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %o", e.Name(), info.Mode().Perm())
		}
	}
	w.control, err = Open(t.Context(), w.cfg)
	if err != nil {
		t.Fatal(err)
	}
}

func testNewer(t *testing.T, w *world) {
	if _, err := w.control.db.Exec(`UPDATE control_version SET version = 99`); err != nil {
		t.Fatal(err)
	}
	if err := w.control.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), w.cfg)
	wantCode(t, err, ci.DatabaseNewer)
	if !strings.Contains(err.Error(), "99") {
		t.Errorf("the version is not named: %v", err)
	}
}

func testReopen(t *testing.T, w *world) {
	want := w.add(t, "https://one.example.com", token1)
	w.reopen(t)
	got, err := w.control.Connection(t.Context(), want.ID)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("after opening again (-want +got):\n%s%v", diff, err)
	}
}

func TestOpenTellsWhatIsWrong(t *testing.T) {
	t.Run("garbage", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, fileName), bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), Config{DataDir: dir})
		wantCode(t, err, ci.DatabaseCorrupt)
	})
	t.Run("no directory", func(t *testing.T) {
		_, err := Open(t.Context(), Config{DataDir: filepath.Join(t.TempDir(), "none")})
		wantCode(t, err, ci.DataDirUnwritable)
	})
	t.Run("no server", func(t *testing.T) {
		_, err := Open(t.Context(), Config{DataDir: t.TempDir(), Database: "postgres://weir:hunter2@127.0.0.1:1/weir"})
		wantCode(t, err, ci.DatabaseUnreachable)
		if strings.Contains(fmt.Sprintf("%v %v", err, errors.Unwrap(err)), "hunter2") {
			t.Errorf("the error holds the password: %v", errors.Unwrap(err))
		}
	})
	t.Run("URL", func(t *testing.T) {
		_, err := Open(t.Context(), Config{DataDir: t.TempDir(), Database: "postgres://weir:hunter2@[::1/weir"})
		wantCode(t, err, ci.BadRequest)
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error holds the password: %v", err)
		}
	})
}

func TestReadKey(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n"
	for _, c := range []struct {
		name, path, cause string
	}{
		{"good", write("good", good, 0o600), ""},
		{"read-only", write("ro", good, 0o400), ""},
		{"group may read", write("loose", good, 0o640), "0640"},
		{"short", write("short", "MDEyMzQ1\n", 0o600), "is not a secret key"},
		{"no base64", write("text", "correct horse battery staple", 0o600), "is not a secret key"},
		{"empty", write("empty", "", 0o600), "is not a secret key"},
		{"absent", filepath.Join(dir, "absent"), "cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadKey(c.path)
			if c.cause == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantCode(t, err, ci.SecretKeyMissing)
			if !strings.Contains(err.Error(), c.cause) {
				t.Errorf("%v does not say %q", err, c.cause)
			}
		})
	}
}

// What is sealed opens in its own row, and a change of any bit of it, of the
// row or of the key closes it.
func TestSealProperties(t *testing.T) {
	key, other := testKey(t, 1), testKey(t, 2)
	rapid.Check(t, func(t *rapid.T) {
		token := rapid.StringN(1, 80, -1).Draw(t, "token")
		connection := ci.ConnectionID(rapid.Int64Range(1, 1<<40).Draw(t, "connection"))
		credential := rapid.Int64Range(1, 1<<40).Draw(t, "credential")
		sealed := key.Seal(NewSecret(token), connection, credential)
		if len(token) > 3 && strings.Contains(sealed, token) {
			t.Fatalf("%s is not sealed", sealed)
		}
		got, err := key.Open(sealed, connection, credential)
		if err != nil || got.Reveal() != token {
			t.Fatalf("opened to %q, %v", got.Reveal(), err)
		}
		if again := key.Seal(NewSecret(token), connection, credential); again == sealed {
			t.Fatal("sealed twice to the same text")
		}
		for what, open := range map[string]func() (Secret, error){
			"another connection": func() (Secret, error) { return key.Open(sealed, connection+1, credential) },
			"another credential": func() (Secret, error) { return key.Open(sealed, connection, credential+1) },
			"another key":        func() (Secret, error) { return other.Open(sealed, connection, credential) },
			"a cut text":         func() (Secret, error) { return key.Open(sealed[:len(sealed)-2], connection, credential) },
		} {
			if _, err := open(); ci.CodeOf(err) != ci.SecretKeyMissing {
				t.Fatalf("%s: %v", what, err)
			}
		}
	})
}

func FuzzOpenSealed(f *testing.F) {
	key := testKey(f, 1)
	f.Add(key.Seal(NewSecret("glpat-x"), 1, 1))
	f.Add("v1:" + key.ID() + ":")
	f.Add("v1::")
	f.Add("")
	genuine := key.Seal(NewSecret("glpat-x"), 2, 2)
	f.Fuzz(func(t *testing.T, sealed string) {
		// Row 3:3 has no token: nothing may open there.
		if _, err := key.Open(sealed, 3, 3); ci.CodeOf(err) != ci.SecretKeyMissing {
			t.Errorf("%q: %v", sealed, err)
		}
		if sealed != genuine {
			return
		}
		if _, err := key.Open(sealed, 2, 2); err != nil {
			t.Error(err)
		}
	})
}

func TestParseSince(t *testing.T) {
	now := time.Date(2026, 3, 31, 12, 0, 0, 0, time.FixedZone("", 3600))
	for _, c := range []struct {
		text string
		want string // "" refuses
	}{
		{"90d", "2025-12-31T11:00:00Z"},
		{"36h", "2026-03-29T23:00:00Z"},
		{"2w", "2026-03-17T11:00:00Z"},
		{"1y", "2025-03-31T11:00:00Z"},
		{"2026-01-31", "2026-01-31T00:00:00Z"},
		{"2026-01-31T10:00:00+02:00", "2026-01-31T08:00:00Z"},
		{"all", "0001-01-01T00:00:00Z"},
		{"999999y", "0001-01-01T00:00:00Z"},
		{"0042-01-01", "0001-01-01T00:00:00Z"},
		{"", ""},
		{"0d", ""},
		{"-5d", ""},
		{"90", ""},
		{"3m", ""},
		{"yesterday", ""},
		{"2026-02-30", ""},
		{"2026-04-01", ""},
	} {
		got, err := ParseSince(c.text, now)
		if c.want == "" {
			if ci.CodeOf(err) != ci.BadRequest {
				t.Errorf("%q: %v, %v", c.text, got, err)
			}
			continue
		}
		if err != nil || got.Format(time.RFC3339) != c.want {
			t.Errorf("%q: %v, %v, want %s", c.text, got, err, c.want)
		}
	}
}

const (
	token1 = "glpat-aaaaaaaaaaaaaaaaaaaa-aa11"
	token2 = "glpat-bbbbbbbbbbbbbbbbbbbb-bb22"
)

// world is a private state under test.
type world struct {
	dir      string
	cfg      Config
	control  *Control
	now      time.Time
	instance ci.InstanceID
	log      bytes.Buffer
}

func newWorld(t *testing.T, database string) *world {
	w := &world{dir: t.TempDir(), now: time.Date(2026, 11, 22, 14, 0, 0, 123456000, time.UTC), instance: 1}
	w.cfg = Config{
		Log: slog.New(slog.NewJSONHandler(&w.log, nil)), Database: database, DataDir: w.dir,
		Now: func() time.Time { return w.now },
	}
	var err error
	if w.control, err = Open(t.Context(), w.cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.control.Close() })
	return w
}

func (w *world) reopen(t *testing.T) {
	t.Helper()
	if err := w.control.Close(); err != nil {
		t.Fatal(err)
	}
	var err error
	if w.control, err = Open(context.WithoutCancel(t.Context()), w.cfg); err != nil {
		t.Fatal(err)
	}
}

// add stores a connection to an instance of its own.
func (w *world) add(t *testing.T, url, token string) Connection {
	t.Helper()
	n, err := w.control.AddConnection(t.Context(), Connection{
		Kind: KindPipelines, Name: url, InstanceID: w.instance, BaseURL: url, Since: DefaultSince,
	}, NewCredential{Token: NewSecret(token)})
	if err != nil {
		t.Fatal(err)
	}
	w.instance++
	return n
}

// wantWarnings wants exactly these, each with cause and remedy.
func (w *world) wantWarnings(t *testing.T, id ci.ConnectionID, codes ...ci.Code) {
	t.Helper()
	n, err := w.control.Connection(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var got []ci.Code
	for _, warning := range n.Warnings {
		got = append(got, warning.Code)
		if warning.Cause == "" || warning.Remedy == "" {
			t.Errorf("%s has no cause or no remedy", warning.Code)
		}
	}
	if diff := cmp.Diff(codes, got); diff != "" {
		t.Errorf("warnings of connection %d (-want +got):\n%s", id, diff)
	}
}

func wantCode(t *testing.T, err error, code ci.Code) {
	t.Helper()
	var p *ci.Problem
	if !errors.As(err, &p) || p.Code != code {
		t.Errorf("error %v, want %s", err, code)
		return
	}
	if p.Cause == "" || p.Remedy == "" {
		t.Errorf("%s has no cause or no remedy: %+v", code, p)
	}
}

func testKey(t testing.TB, seed byte) *Key {
	key, err := NewKey(bytes.Repeat([]byte{seed}, keyBytes))
	if err != nil {
		t.Fatal(err)
	}
	return key
}
