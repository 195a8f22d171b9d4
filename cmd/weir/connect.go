package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/weirhq/weir/internal/api"
)

const (
	kindGitLab    = "gitlab"
	kindPipelines = "gitlab-pipelines"
)

func (p *program) connectCommand() *cobra.Command {
	var r api.ConnectRequest
	var withGitLab bool
	cmd := &cobra.Command{
		Use:   "connect gitlab|gitlab-pipelines --url URL",
		Short: "Connect a GitLab: verify a token, then store it sealed",
		Long: `Connect a GitLab. A connection of kind gitlab brings repositories, one of kind
gitlab-pipelines brings pipelines and jobs; --with-gitlab makes both at once.

The token (role Developer, scope read_api; best a group access token) comes from
--token-file, else WEIR_TOKEN, else stdin, where it is asked for on a terminal.
It is verified step by step before anything is stored, and stored sealed.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 && (args[0] == kindGitLab || args[0] == kindPipelines) {
				return nil
			}
			return &usageError{
				cause:  "weir connect wants the kind of connection: gitlab (repositories) or gitlab-pipelines (pipelines and jobs)",
				remedy: "Such as: " + connectHint + ".",
			}
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&r.BaseURL, "url", "", "https://gitlab.com, or where your GitLab is")
	flags.StringArrayVar(&r.Groups, "group", nil, "full path of a group to import (repeatable; default every group of the token)")
	flags.StringVar(&r.Since, "since", "", "how far back to import: 90d, a date, or all (default 90d)")
	flags.StringVar(&r.Name, "name", "", "a name for the connection (default the host and the kind)")
	flags.StringVar(&r.Label, "label", "", "a name for the credential")
	flags.StringVar(&r.CAFile, "ca-file", "", "PEM file with further root certificates")
	flags.BoolVar(&withGitLab, "with-gitlab", false, "connect gitlab too (with gitlab-pipelines)")
	addSetting(flags, "max-requests-per-minute")
	addTokenFlags(flags)
	addSetting(flags, "gitlab-token-file")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r.Kind = args[0]
		if r.BaseURL == "" {
			return &usageError{cause: "--url is missing", remedy: "Say where the GitLab is: --url https://gitlab.com, or your own."}
		}
		if withGitLab && r.Kind != kindPipelines {
			return &usageError{cause: "--with-gitlab goes with the kind gitlab-pipelines only", remedy: "Run weir connect gitlab-pipelines --with-gitlab, or leave it out."}
		}
		var err error
		if r.MaxRequestsPerMinute, err = p.ceiling(); err != nil {
			return err
		}
		if r.Token, err = p.readToken("token-file", "GitLab token (role Developer, scope read_api): "); err != nil {
			return err
		}
		requests := []api.ConnectRequest{r}
		if withGitLab {
			base := r
			base.Kind, base.Name = kindGitLab, ""
			if p.settings.value("gitlab-token-file") != "" {
				if base.Token, err = p.readToken("gitlab-token-file", ""); err != nil {
					return err
				}
			}
			// First, so that the other finds it.
			requests = []api.ConnectRequest{base, r}
		}
		return p.withClient(cmd.Context(), func(ctx context.Context, client *api.Client) error {
			if err := p.connect(ctx, client, requests); err != nil {
				return err
			}
			p.message("next: weir sync")
			return nil
		})
	}
	return cmd
}

// connect makes all connections or none.
func (p *program) connect(ctx context.Context, client *api.Client, requests []api.ConnectRequest) error {
	var made []api.Verified
	for _, r := range requests {
		p.message("verifying %s at %s", r.Kind, printable(r.BaseURL))
		v, err := client.Connect(ctx, r)
		if err == nil {
			made = append(made, v)
			if err = p.showVerified(v, nil); err == nil {
				continue
			}
		} else {
			p.showSteps(v.Steps)
		}
		for _, m := range made {
			if undo := client.RemoveConnection(context.WithoutCancel(ctx), m.Connection.ID); undo != nil {
				return errors.Join(err, undo)
			}
			p.message("connection %d is removed again: both or none", m.Connection.ID)
		}
		return err
	}
	return nil
}

// ceiling reads max-requests-per-minute; nil is none.
func (p *program) ceiling() (*float64, error) {
	given := p.settings.value("max-requests-per-minute")
	if given == "" {
		return nil, nil
	}
	n, err := strconv.ParseFloat(given, 64)
	if err != nil || !(n > 0) || n > 1e9 {
		return nil, &usageError{
			cause:  fmt.Sprintf("max-requests-per-minute is %q, which is not a number above 0", given),
			remedy: "Use one such as 120, or 0.5 for one request in two minutes.",
		}
	}
	return &n, nil
}

// addTokenFlags adds --token-file, and --token to refuse it: a token on the
// command line is in the process list and in the shell's history.
func addTokenFlags(flags *pflag.FlagSet) {
	addSetting(flags, "token-file")
	flags.Var(refusedToken{}, "token", "refused: see --token-file")
	_ = flags.MarkHidden("token") // it is there: the line above
}

type refusedToken struct{}

func (refusedToken) String() string { return "" }
func (refusedToken) Type() string   { return "" }
func (refusedToken) Set(string) error {
	return errTokenFlag
}

var errTokenFlag = errors.New("--token is refused: every user of the machine can read it in the process list, and the shell keeps it in its history")

// tokenLimit is far above any token and far below a file named by mistake.
const tokenLimit = 8 << 10

// readToken reads the token from the file that the setting names ("-" is
// stdin), else for token-file from WEIR_TOKEN, else from stdin. Errors never
// hold it.
func (p *program) readToken(setting, prompt string) (api.Secret, error) {
	remedy := "Put the token alone into a file and name it by --" + setting + "."
	var content []byte
	var err error
	var from string
	switch name := p.settings.value(setting); {
	case name != "" && name != "-":
		from = name
		content, err = readSmall(name)
	case name == "" && p.settings.value("token") != "":
		from = "WEIR_TOKEN"
		content = []byte(p.settings.value("token"))
	case terminal(p.stdin):
		from = "the terminal"
		fmt.Fprint(p.stderr, prompt)
		content, err = term.ReadPassword(int(p.stdin.(*os.File).Fd())) // terminal has seen that it is one
		fmt.Fprintln(p.stderr)
	default:
		from = "stdin"
		content, err = io.ReadAll(io.LimitReader(p.stdin, tokenLimit+1))
	}
	if err != nil {
		return api.Secret{}, &usageError{cause: fmt.Sprintf("the token cannot be read: %v", err), remedy: remedy}
	}
	token := strings.TrimSpace(string(content))
	switch {
	case token == "":
		return api.Secret{}, &usageError{
			cause:  "there is no token: " + from + " is empty",
			remedy: "Give it by --token-file FILE, by WEIR_TOKEN, or on stdin.",
		}
	case len(token) > tokenLimit, strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return api.Secret{}, &usageError{cause: "what " + from + " holds is no token: a token is one word of plain letters", remedy: remedy}
	}
	return api.NewSecret(token), nil
}

func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, tokenLimit+1))
}
