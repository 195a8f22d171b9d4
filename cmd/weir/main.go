// Command weir imports GitLab CI/CD into DuckDB or PostgreSQL and measures it.
//
// main does the signals that end it and the exit code, and nothing else: the program is a value
// (program.go) with its streams, its environment and its arguments, one file a
// command. A command is always a client of the API (door.go): over loopback
// when another weir process owns the data directory, else over an in-memory
// transport to a server of its own.
//
// Data goes to stdout, progress and messages to stderr. Exit codes are a
// contract; failure.go has them.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks to stop cleanly; a second one, handled by the
	// system again, ends the process at once.
	context.AfterFunc(ctx, stop)
	code := newProgram(os.Stdin, os.Stdout, os.Stderr, os.LookupEnv).run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}
