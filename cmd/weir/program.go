package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/weirhq/weir/internal/ci"
)

// program is weir as a value: what a run of it reads and writes.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	lookupEnv      func(string) (string, bool)
	now            func() time.Time

	settings *settings // of the command that runs; nil before its flags are parsed
	log      *slog.Logger
}

func newProgram(stdin io.Reader, stdout, stderr io.Writer, lookupEnv func(string) (string, bool)) *program {
	return &program{stdin: stdin, stdout: stdout, stderr: stderr, lookupEnv: lookupEnv, now: time.Now, log: slog.New(slog.DiscardHandler)}
}

// run executes the command that args name and gives the exit code. Whatever
// goes wrong is told on stderr, once.
func (p *program) run(ctx context.Context, args []string) int {
	root := p.command()
	root.SetArgs(args)
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && ctx.Err() != nil && !errors.As(err, new(exit)) {
		err = interrupted(err)
	}
	return p.fail(err)
}

// command builds the command tree. Commands appear in the order in which a
// newcomer meets them.
func (p *program) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "weir",
		Short: "Import GitLab CI/CD into a database of yours and measure it",
		Long: `weir imports GitLab CI/CD pipelines and jobs into DuckDB (a file, the default)
or PostgreSQL, completely and with the fewest requests, and measures them.

Try it without a GitLab:      weir demo --once
Connect yours:                weir connect gitlab-pipelines --url https://gitlab.com --with-gitlab
Import, then ask:             weir sync && weir query "select * from pipelines limit 10"`,
		SilenceErrors: true, // told by fail
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE:          group,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return p.settle(cmd.Flags())
		},
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(&cobra.Command{Use: "no-help", Hidden: true})
	flags := root.PersistentFlags()
	flags.SortFlags = false
	for _, name := range []string{"data", "database", "output", "secret-key-file", "log-level"} {
		addSetting(flags, name)
	}
	root.AddCommand(
		p.demoCommand(), p.connectCommand(), p.syncCommand(), p.statusCommand(), p.queryCommand(),
		p.reportCommand(), p.schemaCommand(), p.exportCommand(), p.servicesCommand(), p.rulesCommand(), p.connectionsCommand(), p.hooksCommand(), p.doctorCommand(), p.serveCommand(),
		p.runCommand(), p.configCommand(), p.versionCommand(), completionCommand(),
	)
	root.AddCommand(p.findingCommands()...)
	return root
}

// settle works out the settings of the command that is about to run.
func (p *program) settle(flags *pflag.FlagSet) error {
	s, err := readSettings(flags, p.lookupEnv)
	p.settings = s
	if err != nil {
		return err
	}
	if err := p.logTo(s.value("log-level")); err != nil {
		return err
	}
	if _, err := formatOf(s.value("output")); err != nil {
		return err
	}
	return nil
}

// logTo logs to stderr from a level on. Commands tell their failures
// themselves, so what they log is for those who look for more.
func (p *program) logTo(name string) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(name)); err != nil {
		return &usageError{
			cause:  fmt.Sprintf("log-level is %q, which is no level", name),
			remedy: "Use debug, info, warn or error.",
		}
	}
	p.log = slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: level}))
	return nil
}

// format is what -o asks for.
func (p *program) format() format {
	f, _ := formatOf(p.settings.value("output")) // settle has refused any other
	return f
}

// message tells a person something, on stderr.
func (p *program) message(form string, args ...any) {
	fmt.Fprintf(p.stderr, form+"\n", args...)
}

// terminal says whether a stream is one.
func terminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// width is how many letters fit on a line of stdout: what COLUMNS says, else the
// terminal, else what is given.
func (p *program) width(otherwise int) int {
	if text, ok := p.lookupEnv("COLUMNS"); ok {
		if n, err := strconv.Atoi(text); err == nil && n > 0 {
			return n
		}
	}
	if f, ok := p.stdout.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			return n
		}
	}
	return otherwise
}

// movable says whether a stream is a terminal that can move its cursor.
func (p *program) movable(stream any) bool {
	kind, _ := p.lookupEnv("TERM")
	return kind != "dumb" && terminal(stream)
}

// color says whether a stream shows colours: https://no-color.org.
func (p *program) color(stream any) bool {
	off, _ := p.lookupEnv("NO_COLOR")
	return off == "" && p.movable(stream)
}

// group is a command that only holds others: alone it explains them, and a
// word that it does not know is a usage error with what may have been meant.
func group(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	e := &usageError{
		cause:  fmt.Sprintf("%q is not a command of %s", args[0], cmd.CommandPath()),
		remedy: fmt.Sprintf("%s --help lists them.", cmd.CommandPath()),
	}
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		e.remedy = fmt.Sprintf("Did you mean %s? %s", quoted(near, " or "), e.remedy)
	}
	return e
}

// flagError tells a flag that is unknown or has a wrong value.
func flagError(cmd *cobra.Command, err error) error {
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return err
	case errors.Is(err, errTokenFlag):
		// pflag's own text repeats the value.
		return &usageError{cause: errTokenFlag.Error(), remedy: "Use --token-file FILE, WEIR_TOKEN, or stdin."}
	}
	e := &usageError{cause: err.Error(), remedy: cmd.CommandPath() + " --help lists the flags."}
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		if near := closest(unknown.GetSpecifiedName(), names); near != "" {
			e.remedy = fmt.Sprintf("Did you mean --%s? %s", near, e.remedy)
		}
	}
	return e
}

// noArguments refuses arguments without repeating them: one of them may be a
// token that went to the wrong place.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return &usageError{
		cause:  fmt.Sprintf("%s takes no arguments, and %d were given", cmd.CommandPath(), len(args)),
		remedy: cmd.CommandPath() + " --help shows its flags.",
	}
}

// closest gives the name with the fewest edits from word, "" when none is
// near: a third of the word's letters may differ, and two always.
func closest(word string, names []string) string {
	best, fewest := "", max(2, len(word)/3)+1
	for _, name := range names {
		if d := distance(word, name); d < fewest {
			best, fewest = name, d
		}
	}
	return best
}

// distance is Levenshtein's, over bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			above := row[j]
			if a[i-1] == b[j-1] {
				row[j] = diagonal
			} else {
				row[j] = 1 + min(diagonal, above, row[j-1])
			}
			diagonal = above
		}
	}
	return row[len(b)]
}

func quoted(words []string, between string) string {
	var q []string
	for _, w := range words {
		q = append(q, fmt.Sprintf("%q", w))
	}
	return strings.Join(q, between)
}

// interrupted is the problem of a run that a signal ended.
func interrupted(err error) error {
	return &ci.Problem{Code: ci.Interrupted, Cause: "interrupted", Err: err}
}
