package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/ci"
)

// A process that owns a data directory says so in DATA/server.json, so that a
// second weir talks to it instead of meeting the database's lock. The file
// holds the key to everything that the API can do: mode 0600, written whole or
// not at all, removed when the process ends. One that a crash left behind is
// recognised because nobody answers there, or somebody else does.
const announceFile = "server.json"

// announcement is the content of the file.
type announcement struct {
	Address string `json:"address"` // http://127.0.0.1:41337
	Token   string `json:"token"`
	PID     int    `json:"pid"`
}

// ErrNotRunning says that no live server owns a data directory.
var ErrNotRunning = errors.New("no weir server is running on this data directory")

// dialTimeout bounds the health check of Dial. It goes over loopback.
const dialTimeout = 2 * time.Second

// Dial finds the process that owns dataDir and gives a client of it;
// ErrNotRunning if there is none. It removes a file that a crash left behind.
func Dial(ctx context.Context, dataDir string) (*api.Client, error) {
	path := filepath.Join(dataDir, announceFile)
	found, err := readAnnouncement(path)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	hc := &http.Client{Transport: &http.Transport{Proxy: nil}} // loopback: a proxy has no place here
	// The token is shown only to a process that is the one of the file. Its
	// connection is not used again: should that process end now, the next call
	// finds nobody there and knows that nothing has happened.
	once := &http.Client{Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}
	health, err := api.NewClient(found.Address, api.Secret{}, once).Health(ctx)
	switch {
	case err == nil && health.PID == found.PID:
		return api.NewClient(found.Address, api.NewSecret(found.Token), hc), nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%w: process %d does not answer at %s", ErrNotRunning, found.PID, found.Address)
	}
	if again, err := readAnnouncement(path); err == nil && again == found {
		_ = os.Remove(path) // best effort: the next owner writes over it
	}
	return nil, ErrNotRunning
}

// readAnnouncement reads the file; ErrNotRunning if it is not there or not one.
func readAnnouncement(path string) (announcement, error) {
	var a announcement
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return a, ErrNotRunning
	case err != nil:
		return a, &ci.Problem{
			Code:   ci.DataDirUnwritable,
			Cause:  fmt.Sprintf("%s cannot be read", path),
			Remedy: "Run weir as the user who owns the data directory, or give another one by --data.",
			Err:    err,
		}
	}
	if err := json.Unmarshal(b, &a); err != nil || a.Address == "" || a.Token == "" {
		return announcement{}, ErrNotRunning
	}
	return a, nil
}

// announce writes the file.
func announce(dataDir string, a announcement) error {
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return writeWhole(filepath.Join(dataDir, announceFile), append(b, '\n'))
}

// withdraw removes the file unless another process has written its own since.
func withdraw(dataDir string, a announcement) {
	path := filepath.Join(dataDir, announceFile)
	if found, err := readAnnouncement(path); err == nil && found == a {
		_ = os.Remove(path)
	}
}

// writeWhole writes a file of mode 0600 that is never seen half written.
func writeWhole(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already when all went well
	if _, err := f.Write(content); err != nil {
		_ = f.Close()
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// loopback says whether only this machine can reach an address.
func loopback(address net.Addr) bool {
	tcp, ok := address.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
