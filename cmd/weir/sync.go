package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
)

// stopPatience is how long an interrupted sync may take to write down where it
// stands. It ends between two answers of GitLab, so this is a bound, not a wait.
const stopPatience = 30 * time.Second

func (p *program) syncCommand() *cobra.Command {
	var r api.SyncRequest
	var connections []int64
	var watch, dryRun bool
	cmd := &cobra.Command{
		Use:   "sync",
		Short: "Import what changed in GitLab",
		Long: `Import what changed in GitLab since the last time; the first time everything back
to the connection's --since, newest first. An import that is interrupted goes on
where it stopped.

Exit code 3 says that the import ended without everything: what it could not
read is listed, and what it read is kept.`,
		Args: noArguments,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.Int64SliceVar(&connections, "connection", nil, "id of a connection to import from (repeatable; default all)")
	flags.StringArrayVar(&r.Projects, "project", nil, "full path of a project to import (repeatable; default all)")
	flags.StringVar(&r.Since, "since", "", "how far back to import this time: 90d, a date, or all (default the connection's)")
	flags.BoolVar(&r.Full, "full", false, "ask for everything again, not only for what changed")
	flags.BoolVar(&dryRun, "dry-run", false, "say what the import would cost by each plan, and import nothing")
	addSetting(flags, "plan")
	addSetting(flags, "max-requests-per-minute")
	flags.BoolVar(&watch, "watch", false, "keep everything current until a signal ends it, as weir serve does, and show each round")
	addSetting(flags, "poll-interval-min")
	addSetting(flags, "poll-interval-max")
	addSetting(flags, "quiet-hours")
	addSetting(flags, "quiet-requests-per-minute")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var err error
		if dryRun && watch {
			return &usageError{cause: "--dry-run imports nothing, and --watch imports again and again", remedy: "Leave out one of the two."}
		}
		if r.MaxRequestsPerMinute, err = p.ceiling(); err != nil {
			return err
		}
		r.Plan = p.settings.value("plan")
		for _, id := range connections {
			r.Connections = append(r.Connections, ci.ConnectionID(id))
		}
		if watch {
			return p.watch(cmd.Context(), r)
		}
		return p.withDoor(cmd.Context(), ownServer{threads: importThreads}, func(ctx context.Context, client *api.Client, _ bool) error {
			if dryRun {
				return p.dryRun(ctx, client, r)
			}
			return p.sync(ctx, client, r)
		})
	}
	return cmd
}

// importThreads is how many threads DuckDB has in a process that only imports.
// With more, the one that writes waits actively for the others after each of
// its many small statements, on a processor that decoding could have
// (doc/decisions/0020).
const importThreads = 1

// sync imports once, from every connection asked for, and tells how it went.
// What failed has been told when it gives an exit.
func (p *program) sync(ctx context.Context, client *api.Client, r api.SyncRequest) error {
	started, err := client.StartSyncs(ctx, r)
	if err != nil {
		return err
	}
	names, err := p.connectionNames(ctx, client)
	if err != nil {
		return err
	}
	view := p.newProgress(names)
	outcomes := make([]api.SyncEvent, len(started))

	// The events are followed beyond the interruption, to the summary.
	following, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var group errgroup.Group
	for i, s := range started {
		group.Go(func() error {
			for e, err := range client.SyncEvents(following, s.ID, 0) {
				if err != nil {
					return err
				}
				view.event(s, e)
				outcomes[i] = e
			}
			return nil
		})
	}
	stopped := context.AfterFunc(ctx, func() {
		view.note("stopping; what was read is kept, and the next weir sync goes on from there (Ctrl-C again ends at once)")
		asking, done := context.WithTimeout(following, stopPatience)
		defer done()
		for _, s := range started {
			if _, err := client.CancelSync(asking, s.ID); err != nil {
				p.log.Warn("sync not cancelled", "sync_id", s.ID, "error", err)
			}
		}
		// Whoever does not end in time is left to the next start to find.
		time.AfterFunc(stopPatience, cancel)
	})
	err = group.Wait()
	stopped()
	view.end()
	if err != nil {
		if ctx.Err() != nil {
			return interrupted(err)
		}
		return err
	}
	for i, s := range started {
		if err := p.summary(names[s.ConnectionID], outcomes[i]); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return exit(exitInterrupted)
	}
	return p.outcome(ctx, client, outcomes)
}

// connectionNames says what to call each connection in messages.
func (p *program) connectionNames(ctx context.Context, client *api.Client) (map[ci.ConnectionID]string, error) {
	all, err := client.Connections(ctx)
	if err != nil {
		return nil, err
	}
	names := map[ci.ConnectionID]string{}
	for _, c := range all {
		names[c.ID] = fmt.Sprintf("%s (connection %d)", printable(c.Name), c.ID)
	}
	return names, nil
}

// outcome turns how the imports ended into the exit: a run that failed as a
// whole weighs more than one that is incomplete.
func (p *program) outcome(ctx context.Context, client *api.Client, outcomes []api.SyncEvent) error {
	if p.format() == asTable {
		status, err := client.Status(ctx)
		if err != nil {
			return err
		}
		if status.CompleteTo != nil {
			fmt.Fprintf(p.stdout, "complete up to %s in every project with CI\n", atText(status.CompleteTo))
		} else {
			fmt.Fprintln(p.stdout, "not complete yet: see weir status")
		}
	}
	var codes []int
	for _, o := range outcomes {
		switch {
		case o.Problem != nil:
			shown := o.Problem.Problem()
			p.tell(shown)
			codes = append(codes, exitCode(shown.Code))
		case o.Sync == nil || o.Sync.State == ci.SyncFailed:
			codes = append(codes, exitFailure)
		case o.Sync.State == ci.SyncInterrupted:
			codes = append(codes, exitInterrupted)
		case o.Sync.State != ci.SyncComplete:
			codes = append(codes, exitIncomplete)
		}
	}
	if len(codes) == 0 {
		return nil
	}
	// Incomplete is the mildest of these.
	if i := slices.IndexFunc(codes, func(c int) bool { return c != exitIncomplete }); i >= 0 {
		return exit(codes[i])
	}
	return exit(exitIncomplete)
}
