package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/server"
)

func (p *program) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Keep everything current, and the API running on loopback",
		Long: `Keep all connections current and the API running on loopback until a signal ends
it. Every other weir command with the same data directory then talks to this
process.

It looks at each GitLab more often while it finds something and more rarely
while it does not, within --poll-interval-min and --poll-interval-max, and asks
about pipelines that still run in between. A costs.yaml in the data directory
that changes is taken within fifteen seconds, on SIGHUP at once; one that is
wrong stays out, and weir status says why. weir status says when the next round
is due; weir sync --watch shows the rounds as they go.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.serve(cmd.Context(), p.settings.value("listen"))
		},
	}
	for _, name := range []string{
		"listen", "poll-interval-min", "poll-interval-max", "no-poll", "plan", "max-requests-per-minute", "quiet-hours", "quiet-requests-per-minute",
	} {
		addSetting(cmd.Flags(), name)
	}
	return cmd
}

func (p *program) serve(ctx context.Context, listen string) error {
	if err := onlyLoopback(listen); err != nil {
		return err
	}
	poll, err := p.polling()
	if err != nil {
		return err
	}
	if off, err := p.toggled("no-poll"); err != nil {
		return err
	} else if off {
		poll = nil
	}
	if p.settings.values["log-level"].from == "default" {
		if err := p.logTo("info"); err != nil { // a server has nobody who asks it
			return err
		}
	}
	dir, err := p.settings.dataDir()
	if err != nil {
		return err
	}
	switch client, err := server.Dial(ctx, dir); {
	case err == nil:
		health, err := client.Health(ctx)
		if err != nil {
			return err
		}
		return &ci.Problem{
			Code:   ci.Conflict,
			Cause:  fmt.Sprintf("process %d serves %s already", health.PID, dir),
			Remedy: "Use it: every weir command with this data directory finds it. Or end it first, or name another --data.",
		}
	case !errors.Is(err, server.ErrNotRunning):
		return err
	}
	srv, err := p.openServer(ctx, dir, listen, ownServer{poll: poll})
	if err != nil {
		return err
	}
	p.message("weir serves %s on http://%s; Ctrl-C ends it", dir, srv.Addr())
	defer p.reloading(ctx, srv)()
	return errors.Join(srv.Serve(ctx), srv.Close())
}

// reloading has the server look at its files again on each SIGHUP, until the
// function that it gives is called. On a terminal the signal keeps its other
// meaning, that the terminal is gone, and ends the program.
func (p *program) reloading(ctx context.Context, srv *server.Server) (stop func()) {
	if terminal(p.stdin) {
		return func() {}
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(ctx)
	var group errgroup.Group
	group.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-hangup:
				srv.Reload(ctx)
			}
		}
	})
	return func() {
		signal.Stop(hangup)
		cancel()
		_ = group.Wait() // it gives no error
	}
}

// onlyLoopback refuses an address that other machines could reach: there are
// no users and no TLS yet to keep them out.
func onlyLoopback(listen string) error {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return &usageError{
			cause:  fmt.Sprintf("the address to listen on is %q, which is not of the form host:port", listen),
			remedy: "Use one such as --listen 127.0.0.1:8080.",
		}
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return &usageError{
		cause:  fmt.Sprintf("weir does not listen on %q yet: other machines could reach it, and it has no users to tell apart", listen),
		remedy: fmt.Sprintf("Listen on 127.0.0.1:%s and reach it through an SSH tunnel or an authenticating proxy.", port),
	}
}
