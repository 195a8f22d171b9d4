package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/server"
)

// A command reaches weir's data through one door, the API. When a process owns
// the data directory already, the door is that process; else the command opens
// a server of its own, calls it in memory, and closes it at the end. While it
// is open that server listens on loopback as well, so that a second command
// finds it instead of the database's lock.

// lockPatience is how long a command waits for another that is just opening or
// closing the data directory: then the database is locked and nobody answers.
const lockPatience = 5 * time.Second

// doorPause is how long to wait before trying the door again.
const doorPause = 50 * time.Millisecond

// withClient opens the door, runs f and closes the door again.
func (p *program) withClient(ctx context.Context, f func(context.Context, *api.Client) error) error {
	return p.withDoor(ctx, ownServer{}, func(ctx context.Context, client *api.Client, _ bool) error { return f(ctx, client) })
}

// ownServer is what a command wants of a server that it has to open itself.
type ownServer struct {
	poll    *server.Poll // nil: it imports only when asked to
	threads int          // see server.Config; 0: one a CPU
}

// withDoor is withClient for a command that wants something of a server of its
// own. f is told whether the server is that.
func (p *program) withDoor(ctx context.Context, own ownServer, f func(ctx context.Context, client *api.Client, own bool) error) error {
	dir, err := p.settings.dataDir()
	if err != nil {
		return err
	}
	deadline := time.Now().Add(lockPatience)
	for {
		switch client, err := server.Dial(ctx, dir); {
		case err == nil:
			p.log.Debug("found a running server", "data", dir)
			err := f(ctx, client, false)
			if !unreached(err) || client.Answered() || time.Now().After(deadline) {
				return err
			}
			continue // it ended between the two calls, and f has done nothing yet
		case !errors.Is(err, server.ErrNotRunning):
			return err
		}
		srv, err := p.openServer(ctx, dir, "", own)
		switch {
		case err == nil:
			return p.withServer(ctx, srv, func(ctx context.Context, client *api.Client) error { return f(ctx, client, true) })
		case ci.CodeOf(err) != ci.DatabaseLocked || time.Now().After(deadline):
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(doorPause):
		}
	}
}

// unreached says whether an error means that a server was not reached at all,
// so that nothing of what was asked has happened.
func unreached(err error) bool {
	var network *net.OpError
	return errors.As(err, &network) && network.Op == "dial"
}

// openServer opens a server on the data directory; listen "" is a free port on
// loopback.
func (p *program) openServer(ctx context.Context, dir, listen string, own ownServer) (*server.Server, error) {
	quiet, err := p.quietHours()
	if err != nil {
		return nil, err
	}
	return server.Open(ctx, server.Config{
		Log:           p.log,
		DataDir:       dir,
		Quiet:         quiet,
		Database:      p.settings.value("database"),
		Listen:        listen,
		SecretKeyFile: p.settings.value("secret-key-file"),
		Version:       buildVersion().Version,
		Poll:          own.poll,
		Threads:       own.threads,
		Now:           p.now,
	})
}

// withServer serves in this process while f runs. Serving does not end with
// ctx: an interrupted command still has to tell the server what to stop.
func (p *program) withServer(ctx context.Context, srv *server.Server, f func(context.Context, *api.Client) error) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var group errgroup.Group
	group.Go(func() error { return srv.Serve(serving) })
	client := api.NewClient("http://weir.internal", api.NewSecret(srv.LocalToken()), &http.Client{Transport: server.Transport(srv.Handler())})
	err := f(ctx, client)
	if ctx.Err() == nil {
		err = errors.Join(err, p.linger(ctx, client))
	}
	stop()
	return errors.Join(err, group.Wait(), srv.Close())
}

// linger waits for imports that another command started here: it found this
// process while f ran, and its work must not end because f's is done.
func (p *program) linger(ctx context.Context, client *api.Client) error {
	const newest = 20
	syncs, err := client.Syncs(ctx, newest)
	if err != nil {
		return err
	}
	for _, s := range syncs {
		if s.State != ci.SyncRunning {
			continue
		}
		p.message("waiting for sync %d, which another command started through this one; Ctrl-C stops it", s.ID)
		for _, err := range client.SyncEvents(ctx, s.ID, 0) {
			if err != nil {
				return err
			}
		}
	}
	return nil
}
