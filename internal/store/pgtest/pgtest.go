// Package pgtest gives tests a PostgreSQL of their own: a throw-away cluster
// that starts once for a test binary and a database for each test.
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }
//	func TestX(t *testing.T)    { url := pgtest.Database(t); … }
//
// WEIR_TEST_POSTGRES may name a running server instead (a URL of a user that
// may create databases). Where there is no PostgreSQL, tests are skipped,
// except with CI=true, where they fail.
package pgtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const environment = "WEIR_TEST_POSTGRES"

// Run starts a cluster, runs the tests and stops it again; it gives the exit
// code for os.Exit. It starts none where WEIR_TEST_POSTGRES names a server or
// where PostgreSQL is not installed.
func Run(m *testing.M) int {
	if os.Getenv(environment) != "" {
		return m.Run()
	}
	bin, ok := binaries()
	if !ok {
		return m.Run()
	}
	// The kernel ends the server when the thread that started it ends.
	runtime.LockOSThread()
	stop, address, err := start(bin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		return 1
	}
	defer stop()
	os.Setenv(environment, address)
	return m.Run()
}

// Database gives the URL of a new, empty database, which is dropped when the
// test ends.
func Database(t testing.TB) string {
	t.Helper()
	address := os.Getenv(environment)
	if address == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("pgtest: PostgreSQL is not installed (Debian: apt-get install postgresql), and CI must not skip it")
		}
		t.Skip("pgtest: PostgreSQL is not installed, and " + environment + " names no server")
	}
	name := "weir_" + strings.ToLower(rand.Text())
	execute(t, address, "CREATE DATABASE "+name)
	t.Cleanup(func() { execute(t, address, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

func execute(t testing.TB, address, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatalf("pgtest: %s: %v", statement, err)
	}
}

// binaries finds the directory of initdb and postgres; the newest where Debian
// has several.
func binaries() (string, bool) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if _, err := exec.LookPath("postgres"); err == nil {
			return filepath.Dir(path), true
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", false
	}
	slices.SortFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(found[len(found)-1]), true
}

func version(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

// start makes a cluster in a temporary directory and waits until it answers on
// a Unix socket there. It keeps nothing safe: no fsync.
func start(bin string) (stop func(), address string, err error) {
	dir, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		return nil, "", err
	}
	owner, err := unprivileged(dir)
	if err != nil {
		os.RemoveAll(dir)
		return nil, "", err
	}
	data := filepath.Join(dir, "data")
	var output bytes.Buffer
	run := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.Dir, cmd.SysProcAttr, cmd.Stdout, cmd.Stderr = dir, owner, &output, &output
		return cmd
	}
	if err := run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync").Run(); err != nil {
		os.RemoveAll(dir)
		return nil, "", fmt.Errorf("initdb: %w\n%s", err, output.String())
	}
	output.Reset()
	server := run("postgres", "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "synchronous_commit=off",
		"-c", "full_page_writes=off", "-c", "shared_buffers=32MB", "-c", "max_connections=200")
	if err := server.Start(); err != nil {
		os.RemoveAll(dir)
		return nil, "", fmt.Errorf("postgres: %w", err)
	}
	stop = func() {
		server.Process.Signal(syscall.SIGQUIT) // at once: nothing is to be kept
		server.Wait()
		os.RemoveAll(dir)
	}
	address = "postgres://postgres@/postgres?host=" + url.QueryEscape(dir)
	if err := await(address); err != nil {
		stop()
		return nil, "", fmt.Errorf("postgres: %w\n%s", err, output.String())
	}
	return stop, address, nil
}

// unprivileged gives the attributes of a process that PostgreSQL accepts as its
// owner: it refuses root, so root hands the directory to user postgres.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	attributes := withParent()
	if os.Geteuid() != 0 {
		return attributes, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root: %w", err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	attributes.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attributes, os.Chown(dir, uid, gid)
}

func await(address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, address)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-tick.C:
		}
	}
}
