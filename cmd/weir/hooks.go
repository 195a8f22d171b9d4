package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
)

func (p *program) hooksCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hooks",
		Short: "Let GitLab tell of changes at once: secrets, install, list, remove",
		Long: `Let GitLab send pipeline and job events to a running weir serve, so that a change
is seen within a second. GitLab must reach weir: put a proxy with TLS in front
that forwards /hooks/ alone. Polls go on; they bring what events leave out.`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	connection := idArguments("the connection's id")
	secret := &cobra.Command{Use: "secret CONNECTION", Short: "Make the secret of a connection's hooks, and print it this once", Args: connection}
	rotate := secret.Flags().Bool("rotate", false, "replace the secret that is there")
	secret.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withClient(cmd.Context(), func(ctx context.Context, client *api.Client) error {
			made, err := client.HookSecret(ctx, ci.ConnectionID(mustID(args[0])), *rotate)
			if err != nil {
				return err
			}
			p.message("this is shown once; put it into the hooks in GitLab as their secret token")
			if f := p.format(); f == asJSON || f == asNDJSON {
				return writeDocument(p.stdout, f, made)
			}
			_, err = fmt.Fprintln(p.stdout, made.Secret)
			return err
		})
	}
	show := &cobra.Command{Use: "show CONNECTION", Short: "Show what to paste into GitLab, and what the hooks have brought", Args: connection}
	showURL := show.Flags().String("url", "", "the address at which GitLab reaches weir")
	show.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withClient(cmd.Context(), func(ctx context.Context, client *api.Client) error {
			h, err := client.Hooks(ctx, ci.ConnectionID(mustID(args[0])))
			if err != nil {
				return err
			}
			return p.showHooks(h, *showURL)
		})
	}
	cmd.AddCommand(show, secret, p.installHookCommand())
	for _, c := range []struct {
		use, short string
		call       func(context.Context, *api.Client, ci.ConnectionID, api.HookTarget) ([]api.InstalledHook, error)
	}{
		{"list CONNECTION", "List the hooks in GitLab that send events to a connection", func(ctx context.Context, client *api.Client, id ci.ConnectionID, t api.HookTarget) ([]api.InstalledHook, error) {
			return client.InstalledHooks(ctx, id, t)
		}},
		{"remove CONNECTION", "Remove the hooks in GitLab that send events to a connection", func(ctx context.Context, client *api.Client, id ci.ConnectionID, t api.HookTarget) ([]api.InstalledHook, error) {
			return client.RemoveHooks(ctx, id, t)
		}},
	} {
		sub := &cobra.Command{Use: c.use, Short: c.short, Args: connection}
		target := p.hookTargetFlags(sub)
		sub.RunE = func(cmd *cobra.Command, args []string) error {
			t, err := target()
			if err != nil {
				return err
			}
			return p.withClient(cmd.Context(), func(ctx context.Context, client *api.Client) error {
				list, err := c.call(ctx, client, ci.ConnectionID(mustID(args[0])), t)
				if err != nil {
					return err
				}
				return p.showInstalled(list)
			})
		}
		cmd.AddCommand(sub)
	}
	return cmd
}

func (p *program) installHookCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "install CONNECTION --url URL --project PATH|--group PATH",
		Short: "Install a hook in GitLab, with a token that is used once and not stored",
		Args:  idArguments("the connection's id"),
	}
	target := p.hookTargetFlags(cmd)
	public := cmd.Flags().String("url", "", "the address at which GitLab reaches weir, such as https://weir.example.com")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *public == "" {
			return &usageError{cause: "--url is missing", remedy: "Say where GitLab reaches weir: --url https://weir.example.com."}
		}
		t, err := target()
		if err != nil {
			return err
		}
		return p.withClient(cmd.Context(), func(ctx context.Context, client *api.Client) error {
			h, err := client.InstallHook(ctx, ci.ConnectionID(mustID(args[0])), api.InstallHookRequest{HookTarget: t, URL: *public})
			if err != nil {
				return err
			}
			return p.showInstalled([]api.InstalledHook{h})
		})
	}
	return cmd
}

// hookTargetFlags adds the flags that name a project or group and a token.
func (p *program) hookTargetFlags(cmd *cobra.Command) func() (api.HookTarget, error) {
	project := cmd.Flags().String("project", "", "full path of the project")
	group := cmd.Flags().String("group", "", "full path of the group (GitLab Premium)")
	addTokenFlags(cmd.Flags())
	return func() (api.HookTarget, error) {
		if (*project == "") == (*group == "") {
			return api.HookTarget{}, &usageError{cause: "one of --project and --group must be given", remedy: "Such as --project acme/shop."}
		}
		token, err := p.readToken("token-file", "GitLab token (scope api; Maintainer of the project or Owner of the group): ")
		return api.HookTarget{Project: *project, Group: *group, Token: token}, err
	}
}

func (p *program) showHooks(h api.Hooks, public string) error {
	f := p.format()
	if f == asJSON || f == asNDJSON {
		return writeDocument(p.stdout, f, h)
	}
	if public == "" {
		public = "https://YOUR-WEIR"
	}
	secret := fmt.Sprintf("none yet; make one: weir hooks secret %d", h.ConnectionID)
	if h.SecretAt != nil {
		secret = fmt.Sprintf("made %s; if it is lost: weir hooks secret %d --rotate", atText(h.SecretAt), h.ConnectionID)
	}
	rows := [][]any{
		{"url", strings.TrimRight(public, "/") + h.Path},
		{"secret", secret},
		{"in GitLab", "Settings, Webhooks: this URL, the secret as secret token, pipeline and job events"},
		{"received", h.Received},
		{"repeated", h.Repeated},
		{"dropped", h.Dropped},
		{"waiting", h.Waiting},
		{"failed", h.Failed},
		{"last_received_at", atText(h.LastReceivedAt)},
	}
	if h.LastError != "" {
		rows = append(rows, []any{"last_error", h.LastError})
	}
	return writeRows(p.stdout, f, []string{"hooks", "value"}, rows)
}

func (p *program) showInstalled(list []api.InstalledHook) error {
	f := p.format()
	if f == asJSON {
		return writeDocument(p.stdout, f, list)
	}
	var rows [][]any
	for _, h := range list {
		rows = append(rows, []any{h.ID, h.URL, h.AlertStatus})
	}
	return writeRows(p.stdout, f, []string{"id", "url", "alert_status"}, rows)
}
