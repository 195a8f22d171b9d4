package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

func TestSettingsOrder(t *testing.T) {
	for _, test := range []struct {
		name             string
		file, env, flag  string
		want, wantSource string
	}{
		{"default", "", "", "", "error", "default"},
		{"line", "WEIR_LOG_LEVEL=info", "", "", "info", "file DATA/weir.env line 1"},
		{"line with quotes and a comment", "# note\n\n export WEIR_LOG_LEVEL = \"info\" ", "", "", "info", "file DATA/weir.env line 3"},
		{"variable over line", "WEIR_LOG_LEVEL=info", "debug", "", "debug", "environment WEIR_LOG_LEVEL"},
		{"flag over variable", "WEIR_LOG_LEVEL=info", "debug", "warn", "warn", "flag --log-level"},
		{"flag that repeats the default", "WEIR_LOG_LEVEL=info", "debug", "error", "error", "flag --log-level"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := dataDirWith(t, test.file)
			var args []string
			if test.flag != "" {
				args = []string{"--log-level", test.flag}
			}
			s, err := readSettings(parsed(t, args...), lookup("WEIR_DATA", dir, "WEIR_LOG_LEVEL", test.env))
			if err != nil {
				t.Fatal(err)
			}
			got := s.values["log-level"]
			if got.value != test.want || strings.ReplaceAll(got.from, dir, "DATA") != test.wantSource {
				t.Errorf("log-level = %q from %q, want %q from %q", got.value, got.from, test.want, test.wantSource)
			}
		})
	}
}

func TestSettingsRefuseWrongFiles(t *testing.T) {
	for name, test := range map[string]struct{ file, cause, remedy string }{
		"no assignment":      {"WEIR_PLAN", "DATA/weir.env line 1 is not of the form NAME=value", "Write it so, or put a # before it."},
		"misspelt":           {"# x\nWEIR_PLAM=auto", `DATA/weir.env line 2 sets "WEIR_PLAM", which is no setting`, "Did you mean WEIR_PLAN? Run weir config for the settings."},
		"not ours":           {"PATH=/bin", `DATA/weir.env line 1 sets "PATH", which is no setting`, "Run weir config for the settings."},
		"where it itself is": {"WEIR_DATA=/x", "DATA/weir.env line 1 sets WEIR_DATA, which says where that very file is", "Set it in the environment or as --data."},
	} {
		t.Run(name, func(t *testing.T) {
			dir := dataDirWith(t, test.file)
			_, err := readSettings(parsed(t, "--data", dir), lookup())
			usage, ok := err.(*usageError)
			if !ok {
				t.Fatalf("error = %v, want a usage error", err)
			}
			got := [2]string{strings.ReplaceAll(usage.cause, dir, "DATA"), usage.remedy}
			if diff := cmp.Diff([2]string{test.cause, test.remedy}, got); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDefaultData(t *testing.T) {
	for _, test := range []struct {
		env  []string
		want string
	}{
		{[]string{"XDG_DATA_HOME", "/x", "HOME", "/h"}, "/x/weir"},
		{[]string{"XDG_DATA_HOME", "relative", "HOME", "/h"}, "/h/.local/share/weir"}, // the XDG specification: ignore it
		{[]string{"HOME", "/h"}, "/h/.local/share/weir"},
		{nil, ""},
	} {
		s, err := readSettings(parsed(t), lookup(test.env...))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.value("data"); got != test.want {
			t.Errorf("data with %v = %q, want %q", test.env, got, test.want)
		}
		if _, err := s.dataDir(); (err != nil) != (test.want == "") {
			t.Errorf("dataDir with %v: %v", test.env, err)
		}
	}
}

func TestSettingsShowNoSecrets(t *testing.T) {
	for _, test := range []struct{ name, value, want string }{
		{"token", "glpat-topsecret", "[redacted]"},
		{"token", "", ""},
		{"database", "postgres://weir:topsecret@db:5432/weir?sslmode=disable", "postgres://weir:redacted@db:5432/weir?sslmode=disable"},
		{"database", "postgres://db/weir?user=weir&password=topsecret", "postgres://db/weir?password=redacted&user=weir"},
		{"database", "host=db password=topsecret", "[redacted]"},
		{"database", "postgres://weir:top%secret@db/weir", "[redacted]"}, // cannot be parsed
		{"database", "/var/lib/weir/weir.duckdb", "/var/lib/weir/weir.duckdb"},
		{"plan", "auto", "auto"},
	} {
		var v settingValue
		for _, k := range settingKinds() {
			if k.name == test.name {
				v = settingValue{kind: k, value: test.value}
			}
		}
		if got := v.shown(); got != test.want {
			t.Errorf("%s shows %q, want %q", test.name, got, test.want)
		}
	}
}

func FuzzEnvFile(f *testing.F) {
	f.Add("WEIR_PLAN='auto'\n# x\nWEIR_OUTPUT=json")
	f.Fuzz(func(t *testing.T, content string) {
		dir := dataDirWith(t, content)
		if _, err := readEnvFile(filepath.Join(dir, "weir.env")); err != nil && problemOf(err).Cause == "" {
			t.Errorf("an error without a cause for %q", content)
		}
	})
}

func dataDirWith(t *testing.T, envFile string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "weir.env"), []byte(envFile), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func parsed(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	flags := pflag.NewFlagSet("weir", pflag.ContinueOnError)
	addSetting(flags, "data")
	addSetting(flags, "log-level")
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return flags
}

// lookup is an environment of names and values in turn.
func lookup(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}
