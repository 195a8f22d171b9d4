package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/weirhq/weir/internal/ci"
)

// A setting has one name in three places: the flag --max-requests-per-minute,
// the variable WEIR_MAX_REQUESTS_PER_MINUTE, and a line of that name in
// DATA/weir.env. The flag wins over the variable, the variable over the line,
// the line over the default.

// settingKind describes a setting.
type settingKind struct {
	name      string
	shorthand string
	fallback  string // shown as the default; data's is worked out
	usage     string
	secret    bool // never shown, and never a flag: process lists show those
	noFile    bool // cannot stand in weir.env
	toggle    bool // true or false; the flag alone means true
	asks      bool // it changes how much GitLab is asked, so doc/gentle.md has it
}

func settingKinds() []settingKind {
	return []settingKind{
		{name: "data", usage: "directory of weir's data (default $XDG_DATA_HOME/weir, else ~/.local/share/weir)", noFile: true},
		{name: "database", usage: "where the imported rows are: a postgres:// URL (default a DuckDB file in the data directory)"},
		{name: "output", shorthand: "o", fallback: "table", usage: "how answers are written: table, json, ndjson, csv or md"},
		{name: "secret-key-file", usage: "file of the key that seals credentials (default secret.key in the data directory)"},
		{name: "log-level", fallback: "error", usage: "what is logged to stderr: debug, info, warn or error (weir serve: info)"},
		{name: "listen", fallback: "127.0.0.1:8080", usage: "address that weir serve listens on"},
		{name: "plan", fallback: "auto", usage: "how rows are fetched: auto (the fewest requests), documented, keyset (jobs exact, a hundred a request) or graphql (times in whole seconds)", asks: true},
		{name: "max-requests-per-minute", usage: "hard ceiling of requests to GitLab a credential, fractions allowed (default GitLab's own limits)", asks: true},
		{name: "quiet-hours", usage: "when what weir does by itself keeps low: '08:00-18:00 Mon-Fri Europe/Berlin', several with ; between them (default none)", asks: true},
		{name: "quiet-requests-per-minute", fallback: "0", usage: "ceiling of background requests to GitLab a credential in quiet hours, fractions allowed; 0 pauses them", asks: true},
		{name: "poll-interval-min", fallback: "30s", usage: "shortest pause between two rounds of weir serve and weir sync --watch, while they find something", asks: true},
		{name: "poll-interval-max", fallback: "15m", usage: "longest pause between two rounds, while they find nothing", asks: true},
		{name: "no-poll", fallback: "false", usage: "weir serve imports only when it is asked to", toggle: true, asks: true},
		{name: "token", usage: "GitLab token for weir connect", secret: true},
		{name: "token-file", usage: "file that holds the GitLab token"},
		{name: "gitlab-token-file", usage: "file that holds the token of the gitlab connection made by --with-gitlab"},
	}
}

func (k settingKind) env() string {
	return "WEIR_" + strings.ToUpper(strings.ReplaceAll(k.name, "-", "_"))
}

// addSetting registers a setting's flag.
func addSetting(flags *pflag.FlagSet, name string) {
	for _, k := range settingKinds() {
		if k.name == name {
			flags.StringP(k.name, k.shorthand, k.fallback, k.usage)
			if k.toggle {
				flags.Lookup(k.name).NoOptDefVal = "true"
			}
			return
		}
	}
	panic("no setting is named " + name) // a slip in a command, met by every run of it
}

// settings are the values that hold for one run.
type settings struct {
	values map[string]settingValue
}

// settingValue is a setting's value and where it comes from.
type settingValue struct {
	kind  settingKind
	value string
	from  string // "flag --data", "environment WEIR_DATA", "file …/weir.env line 3", "default"
}

func (s *settings) value(name string) string { return s.values[name].value }

// list gives every setting in the order of settingKinds.
func (s *settings) list() []settingValue {
	var all []settingValue
	for _, k := range settingKinds() {
		all = append(all, s.values[k.name])
	}
	return all
}

// readSettings works out every setting, whether or not the command has a flag
// for it. It never gives nil, so that a failure can be told in the format
// asked for.
func readSettings(flags *pflag.FlagSet, lookupEnv func(string) (string, bool)) (*settings, error) {
	s := &settings{values: map[string]settingValue{}}
	var lines map[string]settingValue
	for _, k := range settingKinds() {
		v := settingValue{kind: k, value: k.fallback, from: "default"}
		if line, ok := lines[k.name]; ok && !k.noFile {
			v.value, v.from = line.value, line.from
		}
		// An empty variable counts as not set, as everywhere in a shell.
		if value, _ := lookupEnv(k.env()); value != "" {
			v.value, v.from = value, "environment "+k.env()
		}
		if f := flags.Lookup(k.name); f != nil && f.Changed && !k.secret {
			v.value, v.from = f.Value.String(), "flag --"+k.name
		}
		if k.name == "data" {
			if v.value == "" {
				v.value = defaultData(lookupEnv)
			}
			if v.value != "" {
				var err error
				if lines, err = readEnvFile(filepath.Join(v.value, "weir.env")); err != nil {
					s.values[k.name] = v
					return s, err
				}
			}
		}
		s.values[k.name] = v
	}
	return s, nil
}

// defaultData is empty when the environment names no home at all.
func defaultData(lookupEnv func(string) (string, bool)) string {
	if dir, _ := lookupEnv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "weir")
	}
	if home, _ := lookupEnv("HOME"); home != "" {
		return filepath.Join(home, ".local", "share", "weir")
	}
	return ""
}

// dataDir is the data directory as an absolute path.
func (s *settings) dataDir() (string, error) {
	dir := s.value("data")
	if dir == "" {
		return "", &usageError{
			cause:  "there is no data directory: neither WEIR_DATA, XDG_DATA_HOME nor HOME is set",
			remedy: "Name one with --data DIR.",
		}
	}
	return filepath.Abs(dir)
}

// readEnvFile reads lines NAME=value, with # comments and optional quotes
// around the value, as systemd's EnvironmentFile does. A file that is not
// there has no lines.
func readEnvFile(name string) (map[string]settingValue, error) {
	f, err := os.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist), err != nil && errors.Is(err, syscall.ENOTDIR):
		return nil, nil
	case err != nil:
		return nil, &ci.Problem{
			Code: ci.DataDirUnwritable, Cause: fmt.Sprintf("%s cannot be read: %v", name, errors.Unwrap(err)),
			Remedy: "Make it readable, or name another data directory with --data.", Err: err,
		}
	}
	defer f.Close()
	byEnv := map[string]settingKind{}
	for _, k := range settingKinds() {
		byEnv[k.env()] = k
	}
	lines := map[string]settingValue{}
	scan := bufio.NewScanner(f)
	for n := 1; scan.Scan(); n++ {
		line := strings.TrimSpace(scan.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		at := fmt.Sprintf("%s line %d", name, n)
		key, value, ok := strings.Cut(line, "=")
		key = strings.TrimSpace(strings.TrimPrefix(key, "export "))
		kind, known := byEnv[key]
		switch {
		case !ok:
			return nil, &usageError{cause: at + " is not of the form NAME=value", remedy: "Write it so, or put a # before it."}
		case !known:
			// A misspelt setting that is silently ignored is one that holds in
			// its owner's mind only.
			remedy := "Run weir config for the settings."
			if near := closest(key, slices.Sorted(maps.Keys(byEnv))); near != "" {
				remedy = fmt.Sprintf("Did you mean %s? %s", near, remedy)
			}
			return nil, &usageError{cause: fmt.Sprintf("%s sets %q, which is no setting", at, key), remedy: remedy}
		case kind.noFile:
			return nil, &usageError{
				cause:  fmt.Sprintf("%s sets %s, which says where that very file is", at, key),
				remedy: "Set it in the environment or as --" + kind.name + ".",
			}
		}
		lines[kind.name] = settingValue{kind: kind, value: unquote(strings.TrimSpace(value)), from: "file " + at}
	}
	if err := scan.Err(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return lines, nil
}

func unquote(value string) string {
	if len(value) >= 2 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
		return value[1 : len(value)-1]
	}
	return value
}

// shown is the value without what must not be read over a shoulder.
func (v settingValue) shown() string {
	switch {
	case v.value == "":
		return ""
	case v.kind.secret:
		return "[redacted]"
	case v.kind.name == "database":
		return withoutPassword(v.value)
	}
	return v.value
}

// withoutPassword hides the password of a database URL, wherever it stands.
func withoutPassword(database string) string {
	if !strings.Contains(database, "://") && !strings.Contains(database, "password") {
		return database
	}
	u, err := url.Parse(database)
	if err != nil || u.Scheme == "" {
		return "[redacted]"
	}
	if _, has := u.User.Password(); has {
		u.User = url.UserPassword(u.User.Username(), "redacted")
	}
	query := u.Query()
	for key := range query {
		if strings.Contains(strings.ToLower(key), "password") {
			query.Set(key, "redacted")
		}
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// with is a copy in which one value differs.
func (s *settings) with(name, value string) *settings {
	changed := &settings{values: maps.Clone(s.values)}
	v := changed.values[name]
	v.value, v.from = value, "weir itself"
	changed.values[name] = v
	return changed
}
