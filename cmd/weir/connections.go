package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
)

func (p *program) connectionsCommand() *cobra.Command {
	list := func(cmd *cobra.Command, _ []string) error {
		return p.withClient(cmd.Context(), p.listConnections)
	}
	cmd := &cobra.Command{
		Use:   "connections",
		Short: "List, check and remove connections and their credentials",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return group(cmd, args)
			}
			return list(cmd, nil)
		},
	}
	add := &cobra.Command{
		Use:   "add-credential ID",
		Short: "Add a token to a connection; its work spreads over all of them",
		Args:  idArguments("the connection's id"),
	}
	var label string
	add.Flags().StringVar(&label, "label", "", "a name for the credential")
	addTokenFlags(add.Flags())
	add.RunE = func(cmd *cobra.Command, args []string) error {
		token, err := p.readToken("token-file", "GitLab token: ")
		if err != nil {
			return err
		}
		id := ci.ConnectionID(mustID(args[0]))
		return p.withClient(cmd.Context(), func(ctx context.Context, client *api.Client) error {
			v, err := client.AddCredential(ctx, id, api.CredentialRequest{Token: token, Label: label})
			return p.showVerified(v, err)
		})
	}
	cmd.AddCommand(
		&cobra.Command{Use: "list", Short: "List the connections", Args: noArguments, RunE: list},
		&cobra.Command{
			Use: "show ID", Short: "Show a connection", Args: idArguments("the connection's id"),
			RunE: func(cmd *cobra.Command, args []string) error {
				return p.withClient(cmd.Context(), func(ctx context.Context, client *api.Client) error {
					c, err := client.Connection(ctx, ci.ConnectionID(mustID(args[0])))
					if err != nil {
						return err
					}
					return p.showConnection(c)
				})
			},
		},
		&cobra.Command{
			Use: "check ID", Short: "Verify a connection's stored credentials again", Args: idArguments("the connection's id"),
			RunE: func(cmd *cobra.Command, args []string) error {
				return p.withClient(cmd.Context(), func(ctx context.Context, client *api.Client) error {
					v, err := client.CheckConnection(ctx, ci.ConnectionID(mustID(args[0])))
					return p.showVerified(v, err)
				})
			},
		},
		p.disableCommand("disable ID", "Leave a connection alone until it is enabled; a running import of it stops", (*api.Client).DisableConnection),
		p.disableCommand("enable ID", "Take a disabled connection up again", (*api.Client).EnableConnection),
		&cobra.Command{
			Use: "remove ID", Short: "Remove a connection and wipe its tokens; imported data stays", Args: idArguments("the connection's id"),
			RunE: func(cmd *cobra.Command, args []string) error {
				return p.withClient(cmd.Context(), func(ctx context.Context, client *api.Client) error {
					if err := client.RemoveConnection(ctx, ci.ConnectionID(mustID(args[0]))); err != nil {
						return err
					}
					p.message("connection %s is removed and its tokens are wiped; what it imported stays", args[0])
					return nil
				})
			},
		},
		add,
		&cobra.Command{
			Use: "remove-credential ID CREDENTIAL", Short: "Wipe one token of a connection",
			Args: idArguments("the connection's id", "the credential's id"),
			RunE: func(cmd *cobra.Command, args []string) error {
				return p.withClient(cmd.Context(), func(ctx context.Context, client *api.Client) error {
					if err := client.RemoveCredential(ctx, ci.ConnectionID(mustID(args[0])), mustID(args[1])); err != nil {
						return err
					}
					p.message("credential %s of connection %s is wiped", args[1], args[0])
					return nil
				})
			},
		},
	)
	return cmd
}

// disableCommand is one of the pair that sets and clears a connection's
// disabled_at.
func (p *program) disableCommand(use, short string, set func(*api.Client, context.Context, ci.ConnectionID) (api.Connection, error)) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: idArguments("the connection's id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withClient(cmd.Context(), func(ctx context.Context, client *api.Client) error {
				c, err := set(client, ctx, ci.ConnectionID(mustID(args[0])))
				if err != nil {
					return err
				}
				return p.showConnection(c)
			})
		},
	}
}

// stateText is a connection's state in one word: a disabled one may have been
// verified or failing before, which weir connections show tells.
func stateText(c api.Connection) string {
	if c.DisabledAt != nil {
		return "disabled"
	}
	return c.State
}

// idArguments wants one id for each thing named.
func idArguments(things ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		wanted := strings.Join(things, " and ")
		e := &usageError{
			cause:  fmt.Sprintf("%s wants %s", cmd.CommandPath(), wanted),
			remedy: "Run weir connections for the ids.",
		}
		if len(args) != len(things) {
			return e
		}
		for i, arg := range args {
			// The argument is not repeated: it may be a token in the wrong place.
			if id, err := strconv.ParseInt(arg, 10, 64); err != nil || id < 1 {
				e.cause = fmt.Sprintf("%s wants %s, which is a number from 1", cmd.CommandPath(), things[i])
				return e
			}
		}
		return nil
	}
}

// mustID reads an id that idArguments has let through.
func mustID(arg string) int64 {
	id, _ := strconv.ParseInt(arg, 10, 64)
	return id
}

func (p *program) listConnections(ctx context.Context, client *api.Client) error {
	all, err := client.Connections(ctx)
	if err != nil {
		return err
	}
	f := p.format()
	switch f {
	case asJSON:
		return writeDocument(p.stdout, f, all)
	case asNDJSON:
		for _, c := range all {
			if err := writeDocument(p.stdout, f, c); err != nil {
				return err
			}
		}
		return nil
	case asTable:
		if len(all) == 0 {
			p.message("there are no connections yet; the first step is\n  %s", connectHint)
			return nil
		}
	}
	var rows [][]any
	for _, c := range all {
		var failed any
		if c.LastErrorCode != nil {
			failed = string(*c.LastErrorCode)
		} else if f == asTable {
			failed = ""
		}
		rows = append(rows, []any{int64(c.ID), c.Kind, c.Name, c.BaseURL, groupsText(c.Groups), c.Since, stateText(c), failed, len(c.Credentials)})
	}
	return writeRows(p.stdout, f, []string{"id", "kind", "name", "base_url", "groups", "since", "state", "last_error", "credentials"}, rows)
}

// connectHint is what a newcomer runs first.
const connectHint = "weir connect gitlab-pipelines --url https://gitlab.com --with-gitlab"

func groupsText(groups []string) string {
	if len(groups) == 0 {
		return "(all of the token's)"
	}
	return strings.Join(groups, ", ")
}

func (p *program) showConnection(c api.Connection) error {
	f := p.format()
	if f == asJSON || f == asNDJSON {
		return writeDocument(p.stdout, f, c)
	}
	ceiling := "GitLab's own limits"
	if c.MaxRequestsPerMinute != nil {
		ceiling = fmt.Sprint(*c.MaxRequestsPerMinute)
	}
	failed := "none"
	if c.LastErrorCode != nil {
		failed = string(*c.LastErrorCode)
	}
	rows := [][]any{
		{"id", int64(c.ID)},
		{"kind", c.Kind},
		{"name", c.Name},
		{"base_url", c.BaseURL},
		{"groups", groupsText(c.Groups)},
		{"since", c.Since},
		{"max_requests_per_minute", ceiling},
		{"state", c.State},
		{"disabled_at", atText(c.DisabledAt)},
		{"last_error", failed},
		{"last_checked_at", atText(c.LastCheckedAt)},
		{"created_at", atText(&c.CreatedAt)},
	}
	if c.CAFile != "" {
		rows = append(rows, []any{"ca_file", c.CAFile})
	}
	for _, k := range c.Credentials {
		rows = append(rows, []any{fmt.Sprintf("credential %d", k.ID), credentialText(k)})
	}
	for _, w := range c.Warnings {
		rows = append(rows, []any{"warning", fmt.Sprintf("%s (%s); what to do: %s", w.Cause, w.Code, w.Remedy)})
	}
	return writeRows(p.stdout, f, []string{"connection", "value"}, rows)
}

func credentialText(k api.Credential) string {
	parts := []string{"token …" + k.Last4}
	if k.Label != "" {
		parts = append([]string{k.Label}, parts...)
	}
	if k.Username != "" {
		parts = append(parts, "of "+k.Username)
	}
	if len(k.Scopes) > 0 {
		parts = append(parts, "scopes "+strings.Join(k.Scopes, " "))
	}
	if k.ExpiresAt != nil {
		parts = append(parts, "expires "+k.ExpiresAt.UTC().Format("2006-01-02"))
	}
	return strings.Join(parts, ", ")
}

// showVerified tells how a verification went: its steps on stderr as far as it
// came, then the connection on stdout or the error.
func (p *program) showVerified(v api.Verified, err error) error {
	p.showSteps(v.Steps)
	if err != nil {
		return err
	}
	switch f := p.format(); f {
	case asJSON, asNDJSON:
		return writeDocument(p.stdout, f, v)
	case asCSV:
		return p.showConnection(v.Connection)
	}
	var token string
	for _, k := range v.Connection.Credentials {
		if k.ID == v.CredentialID {
			token = "\n  " + printable(credentialText(k))
		}
	}
	c := v.Connection
	_, err = fmt.Fprintf(p.stdout, "connection %d (%s) to %s is %s%s\n", c.ID, c.Kind, printable(c.BaseURL), c.State, token)
	for _, w := range c.Warnings {
		p.message("%s", warningText(w))
	}
	return err
}

func warningText(w api.Warning) string {
	return fmt.Sprintf("  warning: %s (%s)\n    what to do: %s", printable(w.Cause), w.Code, printable(w.Remedy))
}

func (p *program) showSteps(steps []api.Step) {
	if f := p.format(); f == asJSON || f == asNDJSON {
		return // they are in the document, or told by the problem
	}
	for _, s := range steps {
		p.message("  %s %-9s  %s (%s)", p.tick(s.OK, p.stderr), s.Name, printable(s.Detail), spanText(s.TookSeconds))
	}
}
