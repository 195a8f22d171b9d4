// Package server is the program in one value: it opens the databases, wires
// the API to the importer, and answers requests, over loopback and in memory.
//
// # Life
//
// Open does everything that can fail: directories, databases, key, address.
// Serve answers until its context ends; while it does, DATA/server.json tells
// other processes where. Close ends what still runs and closes the databases.
// In between, Handler may be called in memory through Transport, which is how a
// command works when nobody else owns the data directory.
//
// # Who may
//
// Only this machine reaches the server, and every call but health shows the
// token that is made anew at each Open and stands in DATA/server.json, mode
// 0600: who can read the data directory can use the API. Web hooks show the
// secret of their connection instead, and can do nothing but bring events.
package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/control"
	"github.com/weirhq/weir/internal/gitlab"
	"github.com/weirhq/weir/internal/importer"
	"github.com/weirhq/weir/internal/store"
)

// Config says what to serve.
type Config struct {
	Log *slog.Logger // nil: silent
	// DataDir holds the databases, the key and server.json. It is made, mode
	// 0700, when it is not there.
	DataDir string
	// Database is the path of the DuckDB file, or the URL of a PostgreSQL; "":
	// DataDir/weir.duckdb.
	Database string
	// Threads bounds the threads with which DuckDB works on one statement, as
	// store.Config does. 0: one a CPU.
	Threads int
	// Listen is an address on loopback; "": 127.0.0.1:0, a free port.
	Listen string
	// SecretKeyFile holds the key that seals tokens; "": DataDir/secret.key.
	SecretKeyFile string
	Version       string // of weir; "": devel
	// Quiet is when imports that nobody has asked for keep to a lower ceiling.
	Quiet gitlab.QuietHours
	// Poll has the server import by itself while it serves; nil: only when asked.
	Poll *Poll
	Now  func() time.Time // nil: time.Now
}

// The name of the DuckDB file in the data directory.
const databaseFile = "weir.duckdb"

// How long a server that ends waits for requests under way.
const shutdownPatience = 5 * time.Second

// Server is the program, open.
type Server struct {
	log      *slog.Logger
	dataDir  string
	store    *store.Store
	control  *control.Control
	engine   *engine
	hooks    *hooks
	prices   *prices
	handler  http.Handler
	listener net.Listener
	told     announcement
	closing  sync.Once
	closed   error
}

// Open opens everything and starts listening; it does not answer yet. Imports
// that a dead process left running are marked interrupted. Errors are
// *ci.Problem where a person can do something about them: those of store.Open
// and control.Open, data_dir_unwritable, and bad_request or conflict for an
// address that cannot be listened on.
func Open(ctx context.Context, cfg Config) (_ *Server, err error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Server{log: cfg.Log}
	if s.dataDir, err = makeDataDir(cfg.DataDir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	s.store, err = store.Open(ctx, store.Config{Log: cfg.Log, Database: cmp.Or(cfg.Database, filepath.Join(s.dataDir, databaseFile)), Threads: cfg.Threads})
	if err != nil {
		return nil, err
	}
	s.control, err = control.Open(ctx, control.Config{
		Log: cfg.Log, Database: cfg.Database, DataDir: s.dataDir, KeyFile: cfg.SecretKeyFile, Now: cfg.Now,
	})
	if err != nil {
		return nil, err
	}
	version := build(cfg.Version)
	s.engine = &engine{
		log: cfg.Log, store: s.store, control: s.control,
		importer:  importer.New(importer.Config{Log: cfg.Log, Store: s.store, Now: cfg.Now}),
		governors: &governors{log: cfg.Log, quiet: cfg.Quiet}, userAgent: "weir/" + version.Version, now: cfg.Now, dataDir: s.dataDir,
		running: map[ci.ConnectionID]*running{}, logs: map[ci.SyncID]*api.EventLog{},
	}
	if cfg.Poll != nil {
		s.engine.polling = importer.New(importer.Config{Log: slog.New(quieter{cfg.Log.Handler()}), Store: s.store, Now: cfg.Now})
		s.engine.poller = newPoller(cfg.Log, *cfg.Poll, s.engine, cfg.Now)
	}
	if err := s.engine.closeLeftovers(ctx); err != nil {
		return nil, err
	}
	s.hooks = openHooks(ctx, &hooks{log: cfg.Log, store: s.store, control: s.control, importer: s.engine.importer, now: cfg.Now})
	s.engine.hooks = s.hooks
	if s.listener, err = listen(ctx, cmp.Or(cfg.Listen, "127.0.0.1:0")); err != nil {
		return nil, err
	}
	s.told = announcement{Address: "http://" + s.listener.Addr().String(), Token: rand.Text() + rand.Text(), PID: os.Getpid()}
	refusals := api.NewRefusals(cfg.Log)
	if s.prices, err = openMetrics(s.dataDir, s.store, cfg.Now, refusals); err != nil {
		return nil, err
	}
	s.handler = s.routes(api.New(api.Config{
		Log: cfg.Log, Store: s.store, Control: s.control, Engine: s.engine, Metrics: s.prices.engine, Refusals: refusals, Version: version,
		PID: s.told.PID, TempDir: s.dataDir, Now: cfg.Now,
	}))
	return s, nil
}

func makeDataDir(dir string) (string, error) {
	absolute, err := filepath.Abs(dir)
	if err == nil && dir != "" {
		err = os.MkdirAll(absolute, 0o700)
	}
	if err != nil || dir == "" {
		return "", &ci.Problem{
			Code:   ci.DataDirUnwritable,
			Cause:  fmt.Sprintf("weir cannot make its data directory %q.", dir),
			Remedy: "Give a directory that you may write to by --data.",
			Err:    err,
		}
	}
	return absolute, nil
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, &ci.Problem{
			Code:   ci.Conflict,
			Cause:  fmt.Sprintf("weir cannot listen on %s.", address),
			Remedy: "Another program may have the port; give another address by --listen.",
			Err:    err,
		}
	}
	if !loopback(l.Addr()) {
		return nil, errors.Join(&ci.Problem{
			Code:   ci.BadRequest,
			Cause:  fmt.Sprintf("Other machines could reach weir on %s, and it has no users and no TLS yet.", address),
			Remedy: "Listen on 127.0.0.1 and reach it through an SSH tunnel or an authenticating proxy.",
		}, l.Close())
	}
	return l, nil
}

// build says what is running, as far as the binary knows.
func build(version string) api.Version {
	v := api.Version{Version: cmp.Or(version, "devel"), Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			v.Commit = setting.Value
		}
	}
	return v
}

// routes lists everything that the server answers.
func (s *Server) routes(a *api.API) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST "+hookPath+"{connection}", s.hooks)
	mux.Handle("/api/", sameOrigin(authenticated(s.told.Token, a.Handler())))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		api.WriteProblem(w, &ci.Problem{
			Code:   ci.NotFound,
			Cause:  fmt.Sprintf("There is nothing at %s.", r.URL.Path),
			Remedy: "weir's API lies under " + api.Prefix + ".",
		})
	})
	return recovered(s.log, secured(logged(s.log, mux)))
}

// Handler answers what Serve answers, for Transport.
func (s *Server) Handler() http.Handler { return s.handler }

// Addr is the address that Serve answers on, host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// LocalToken is the token that every call but health must show.
func (s *Server) LocalToken() string { return s.told.Token }

// Serve answers requests until ctx ends, then stops running imports, gives
// requests under way a moment, and returns nil. While it runs, server.json in
// the data directory leads other processes here.
func (s *Server) Serve(ctx context.Context) error {
	if err := announce(s.dataDir, s.told); err != nil {
		return &ci.Problem{
			Code:   ci.DataDirUnwritable,
			Cause:  fmt.Sprintf("weir cannot write %s in %s.", announceFile, s.dataDir),
			Remedy: "Make the directory writable for the user that runs weir, or give another one by --data.",
			Err:    err,
		}
	}
	defer withdraw(s.dataDir, s.told)
	web := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		// No limit on writing: exports and events are long. Events bound each write.
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	serving, stop := context.WithCancel(ctx)
	defer stop()
	var group errgroup.Group
	group.Go(func() error {
		defer stop() // a listener that breaks ends the other half too
		if err := web.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error { s.engine.keepMapped(serving); return nil })
	group.Go(func() error { s.engine.keepMeasured(serving); return nil })
	group.Go(func() error { s.prices.keep(serving); return nil })
	if s.engine.poller != nil {
		group.Go(func() error { return s.engine.poller.run(serving) })
	}
	group.Go(func() error {
		<-serving.Done()
		// First the imports: who follows one hears its end.
		err := s.engine.close()
		patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownPatience)
		defer cancel()
		if web.Shutdown(patience) != nil {
			return errors.Join(err, web.Close())
		}
		return err
	})
	return group.Wait()
}

// Close ends running imports and closes everything. It may be called twice.
func (s *Server) Close() error {
	s.closing.Do(func() {
		var errs []error
		if s.engine != nil {
			errs = append(errs, s.engine.close())
		}
		if s.hooks != nil {
			errs = append(errs, s.hooks.close())
		}
		if s.listener != nil {
			if err := s.listener.Close(); !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
			withdraw(s.dataDir, s.told)
		}
		if s.control != nil {
			errs = append(errs, s.control.Close())
		}
		if s.store != nil {
			errs = append(errs, s.store.Close())
		}
		s.closed = errors.Join(errs...)
	})
	return s.closed
}
