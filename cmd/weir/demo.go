package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/gitlab/gitlabtest"
	"github.com/weirhq/weir/internal/server"
)

// demoSeed makes every demo's organisation the same, but for the day it ends.
const demoSeed = 7

// demoMarker is the file that says that a data directory is a demo's, and to
// which simulated GitLab it is connected. A demo is deleted by the next one, so
// nothing but a demo may be in such a directory: see clearDemo.
const demoMarker = "demo.json"

//go:embed demo/*.sql demo/services.yaml demo/costs.yaml
var demoFiles embed.FS

func (p *program) demoCommand() *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Import a simulated GitLab and ask it five questions; no token, no network",
		Long: `Start a simulated GitLab on loopback, connect it, import it as any other, and ask
the data five questions in SQL. Everything is as with a GitLab of yours, and the
data stays for your own queries, apart from your real data: in the data directory
whose name ends with -demo, or in the one named by --data.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.demo(cmd.Context(), once) },
	}
	cmd.Flags().BoolVar(&once, "once", false, "end after the report, instead of serving until a signal")
	return cmd
}

func (p *program) demo(ctx context.Context, once bool) error {
	if err := p.demoSettings(); err != nil {
		return err
	}
	dir, err := p.settings.dataDir()
	if err != nil {
		return err
	}
	if err := p.clearDemo(ctx, dir); err != nil {
		return err
	}
	world := gitlabtest.Demo(p.now(), demoSeed)
	simulator := gitlabtest.NewServer(world, gitlabtest.WithoutLog())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("opening a port for the simulated GitLab: %w", err)
	}
	url := "http://" + listener.Addr().String()
	if err := errors.Join(markDemo(dir, url), pricedDemo(dir)); err != nil {
		_ = listener.Close()
		return err
	}
	gitlab := &http.Server{Handler: simulator, ReadHeaderTimeout: 10 * time.Second}
	var group errgroup.Group
	group.Go(func() error {
		if err := gitlab.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving the simulated GitLab: %w", err)
		}
		return nil
	})
	p.message("a simulated GitLab answers at %s", url)
	tokens := map[string]string{
		kindGitLab: simulator.DefaultToken(), kindPipelines: simulator.Token(gitlabtest.TokenSpec{Name: "weir pipelines"}),
	}
	err = p.demoImport(ctx, dir, url, tokens, world.Stories, once)
	return errors.Join(err, gitlab.Close(), group.Wait())
}

// demoImport does what a newcomer would: connect, sync, status, query. Each kind
// of connection has a token of its own.
func (p *program) demoImport(ctx context.Context, dir, url string, tokens map[string]string, stories gitlabtest.Stories, once bool) error {
	return p.withClient(ctx, func(ctx context.Context, client *api.Client) error {
		var requests []api.ConnectRequest
		for _, kind := range []string{kindGitLab, kindPipelines} {
			requests = append(requests, api.ConnectRequest{
				Kind: kind, BaseURL: url, Name: "demo " + kind, Label: "demo", Token: api.NewSecret(tokens[kind]), Since: "all",
			})
		}
		connected := *p // its words go to stderr: stdout is for the report
		connected.stdout = p.stderr
		if err := connected.connect(ctx, client, requests); err != nil {
			return err
		}
		if p.format() != asTable {
			connected.settings = connected.settings.with("output", string(asTable))
		}
		// One project refuses the token, as some do: the import says so, ends
		// incomplete, and the demo goes on.
		var incomplete exit
		if err := connected.sync(ctx, client, api.SyncRequest{}); err != nil && (!errors.As(err, &incomplete) || incomplete != exitIncomplete) {
			return err
		}
		if err := demoCatalog(ctx, client); err != nil {
			return err
		}
		if err := p.demoReport(ctx, client, dir, stories); err != nil {
			return err
		}
		if once {
			return nil
		}
		p.message("\nthe simulated GitLab and the API keep running; Ctrl-C ends them")
		<-ctx.Done()
		return nil
	})
}

// demoQuery is a question with its SQL.
type demoQuery struct {
	Question  string            `json:"question"`
	SQL       string            `json:"sql"`
	Variables map[string]string `json:"variables,omitempty"`
	Rows      json.RawMessage   `json:"rows"`
}

// demoQueries are the questions in the order of their files' names. A file
// begins with its question as a comment.
func demoQueries(stories gitlabtest.Stories) ([]demoQuery, error) {
	names, err := fs.Glob(demoFiles, "demo/*.sql")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var all []demoQuery
	for _, name := range names {
		sql, err := demoFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		first, _, _ := strings.Cut(string(sql), "\n")
		q := demoQuery{Question: strings.TrimPrefix(first, "-- "), SQL: strings.TrimSpace(string(sql))}
		if strings.Contains(q.SQL, ":day") {
			q.Variables = map[string]string{"day": stories.JumpAt.UTC().Format(time.DateOnly)}
		}
		all = append(all, q)
	}
	return all, nil
}

func (p *program) demoReport(ctx context.Context, client *api.Client, dir string, stories gitlabtest.Stories) error {
	queries, err := demoQueries(stories)
	if err != nil {
		return err
	}
	f := p.format()
	commands := demoCommands(dir)
	if f == asJSON || f == asNDJSON {
		for i, q := range queries {
			var rows strings.Builder
			asked := *p
			asked.stdout, asked.settings = &rows, p.settings.with("output", string(asJSON))
			if err := asked.query(ctx, client, api.QueryRequest{SQL: q.SQL, Variables: q.Variables}); err != nil {
				return err
			}
			queries[i].Rows = json.RawMessage(rows.String())
		}
		return writeDocument(p.stdout, f, map[string]any{"data": dir, "queries": queries, "commands": commands})
	}
	if f == asTable {
		if err := p.status(ctx, client, false); err != nil {
			return err
		}
	}
	for _, q := range queries {
		if f == asTable {
			fmt.Fprintf(p.stdout, "\n%s\n", q.SQL)
			for name, value := range q.Variables {
				fmt.Fprintf(p.stdout, "-- with -v %s=%s\n", name, value)
			}
			fmt.Fprintln(p.stdout)
		}
		if err := p.query(ctx, client, api.QueryRequest{SQL: q.SQL, Variables: q.Variables}); err != nil {
			return err
		}
	}
	if f == asTable {
		fmt.Fprintf(p.stdout, "\nSome things are wrong in this organisation. What finds them:\n")
		for _, c := range commands {
			fmt.Fprintf(p.stdout, "  %s\n      %s\n", c.Command, c.Finds)
		}
		fmt.Fprintf(p.stdout, "\nThe data stays in %s. Ask it yourself:\n", dir)
		fmt.Fprintf(p.stdout, "  weir query --data %s \"select count(*) from jobs\"\n", quotedArgument(dir))
		fmt.Fprintf(p.stdout, "  weir schema --data %s\n", quotedArgument(dir))
		fmt.Fprintf(p.stdout, "With a GitLab of yours:\n  %s\n", connectHint)
	}
	return nil
}

// demoCommand is a command with what it finds in the demo's organisation.
type demoCommand struct {
	Command string `json:"command"`
	Finds   string `json:"finds"`
}

// demoCommands are the commands whose first row is a story of the organisation.
func demoCommands(dir string) []demoCommand {
	list := []demoCommand{
		{"weir slow", "the job that people wait for most, and what they would gain without it"},
		{"weir flaky", "the job that fails and passes on one commit, with its attempts"},
		{"weir regressions", "the job that became slower from one day to the next, with the commits on either side"},
		{"weir broken", "who broke a default branch, when, and who mended it"},
		{"weir queue", "the runner that is too few"},
		{"weir cost --by service", "the service that burns the money"},
		{"weir services coverage", "the project that belongs to no service"},
		{"weir failures", "what breaks, since which commit"},
		{"weir dora --by service", "how often each service reaches production"},
	}
	for i := range list {
		list[i].Command += " --data " + quotedArgument(dir)
	}
	return list
}

// pricedDemo puts prices of minutes into the demo's data directory, unless
// somebody has put some of their own there.
func pricedDemo(dir string) error {
	content, err := demoFiles.ReadFile("demo/costs.yaml")
	if err != nil {
		return err
	}
	name := filepath.Join(dir, "costs.yaml")
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return unwritable(name, err)
	}
	if _, err = file.Write(content); err != nil {
		_ = file.Close()
		return unwritable(name, err)
	}
	return file.Close()
}

// demoCatalog leads the organisation's runs to services, as a user would by weir
// services apply.
func demoCatalog(ctx context.Context, client *api.Client) error {
	content, err := demoFiles.ReadFile("demo/services.yaml")
	if err != nil {
		return err
	}
	_, err = client.ApplyCatalog(ctx, []api.CatalogFile{{Name: "services.yaml", Content: string(content)}})
	return err
}

// quotedArgument is a word that a shell reads as one.
func quotedArgument(word string) string {
	if !strings.ContainsFunc(word, func(r rune) bool {
		return !strings.ContainsRune("/._-+:", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// demoSettings keeps the demo away from real data: of where data, database and
// key are, only flags count, and the default directory is the real one's
// neighbour.
func (p *program) demoSettings() error {
	if from := p.settings.values["data"]; !strings.HasPrefix(from.from, "flag ") {
		dir, err := p.settings.dataDir()
		if err != nil {
			return err
		}
		p.settings = p.settings.with("data", dir+"-demo")
	}
	for _, name := range []string{"database", "secret-key-file", "max-requests-per-minute"} {
		if v := p.settings.values[name]; !strings.HasPrefix(v.from, "flag ") {
			p.settings = p.settings.with(name, v.kind.fallback)
		}
	}
	return nil
}

// marker is the content of demoMarker.
type marker struct {
	URL string `json:"url"` // of the simulated GitLab
}

func markDemo(dir, url string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return unwritable(dir, err)
	}
	content, _ := json.Marshal(marker{url}) // a string: cannot fail
	name := filepath.Join(dir, demoMarker)
	if err := os.WriteFile(name, append(content, '\n'), 0o600); err != nil {
		return unwritable(name, err)
	}
	return nil
}

// clearDemo removes the demo before, so that each begins from nothing. A
// directory that is not a demo's, or that was connected to another GitLab
// since, is left alone and refused.
func (p *program) clearDemo(ctx context.Context, dir string) error {
	refused := func(why string) error {
		return &ci.Problem{
			Code: ci.Conflict, Cause: fmt.Sprintf("%s %s, and a demo would replace it", dir, why),
			Remedy: "Name an empty directory, or one that does not exist: weir demo --data DIR.",
		}
	}
	if p.settings.value("database") == "" {
		entries, err := os.ReadDir(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist), err == nil && len(entries) == 0:
			return nil
		case err != nil:
			return unwritable(dir, err)
		}
	}
	var mark marker
	content, err := os.ReadFile(filepath.Join(dir, demoMarker))
	if err == nil {
		err = json.Unmarshal(content, &mark)
	}
	if p.settings.value("database") == "" && (err != nil || mark.URL == "") {
		return refused("holds something else than a demo")
	}
	if _, err := server.Dial(ctx, dir); err == nil {
		return refused("is in use by another weir")
	}
	if err := p.withClient(ctx, func(ctx context.Context, client *api.Client) error {
		connections, err := client.Connections(ctx)
		for _, c := range connections {
			if c.BaseURL != mark.URL || p.settings.value("database") != "" {
				return refused("is connected to " + c.BaseURL)
			}
		}
		return err
	}); err != nil {
		return err
	}
	if p.settings.value("database") != "" {
		return nil
	}
	return removeData(dir)
}

// removeData removes what weir keeps in a data directory, and nothing that a
// user may have put beside it.
func removeData(dir string) error {
	for _, pattern := range []string{"*.duckdb", "*.duckdb.wal", "*.duckdb.tmp", "secret.key", "server.json", demoMarker} {
		names, err := filepath.Glob(filepath.Join(escapeGlob(dir), pattern))
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := os.RemoveAll(name); err != nil {
				return unwritable(name, err)
			}
		}
	}
	return nil
}

func escapeGlob(dir string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(dir)
}
