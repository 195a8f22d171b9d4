package control

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/weirhq/weir/internal/ci"
)

// Key seals tokens. From the 32 bytes of its file three keys are derived
// (HKDF-SHA256, RFC 5869), each for one purpose: sealing, fingerprints, and the
// key's own id, which tells a wrong key from a damaged token.
type Key struct {
	id          string
	gcm         cipher.AEAD
	fingerprint []byte
}

const (
	keyBytes = 32
	keyFile  = "secret.key"
	sealedV1 = "v1"
)

// NewKey derives a key from 32 random bytes.
func NewKey(secret []byte) (*Key, error) {
	if len(secret) != keyBytes {
		return nil, fmt.Errorf("a key has %d bytes, not %d", keyBytes, len(secret))
	}
	derive := func(purpose string, n int) ([]byte, error) {
		return hkdf.Key(sha256.New, secret, nil, "weir "+purpose, n)
	}
	seal, err1 := derive("seal v1", 32)
	fingerprint, err2 := derive("fingerprint v1", 32)
	id, err3 := derive("key id", 4)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(seal)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &Key{id: hex.EncodeToString(id), gcm: gcm, fingerprint: fingerprint}, nil
}

// ID names the key; it says nothing about it.
func (k *Key) ID() string { return k.id }

// Seal encrypts a token for one row: v1:<key id>:<base64>. Moved to another row
// it does not open.
func (k *Key) Seal(token Secret, connection ci.ConnectionID, credential int64) string {
	return k.seal(token, row(connection, credential))
}

// SealHook encrypts the secret of a connection's hooks.
func (k *Key) SealHook(secret Secret, connection ci.ConnectionID) string {
	return k.seal(secret, hookRow(connection))
}

func (k *Key) seal(secret Secret, place []byte) string {
	box := k.gcm.Seal(nil, nil, []byte(secret.Reveal()), place)
	return sealedV1 + ":" + k.id + ":" + base64.RawStdEncoding.EncodeToString(box)
}

// Open decrypts what Seal gave for the same row. Its error is a *ci.Problem,
// secret_key_missing, whose cause tells a foreign key from a damaged or moved
// token.
func (k *Key) Open(sealed string, connection ci.ConnectionID, credential int64) (Secret, error) {
	return k.open(sealed, row(connection, credential), fmt.Sprintf("The token of credential %d", credential),
		fmt.Sprintf("Remove the credential and add the token again: weir connections remove-credential %d %d.", connection, credential))
}

// OpenHook decrypts what SealHook gave for the same connection, with the same errors.
func (k *Key) OpenHook(sealed string, connection ci.ConnectionID) (Secret, error) {
	return k.open(sealed, hookRow(connection), fmt.Sprintf("The hook secret of connection %d", connection),
		fmt.Sprintf("Make another and put it into GitLab: weir hooks secret %d --rotate.", connection))
}

func (k *Key) open(sealed string, place []byte, what, remedy string) (Secret, error) {
	broken := &ci.Problem{Code: ci.SecretKeyMissing, Cause: what + " is damaged or was moved to another row.", Remedy: remedy}
	version, rest, _ := strings.Cut(sealed, ":")
	id, text, ok := strings.Cut(rest, ":")
	if !ok || version != sealedV1 {
		return Secret{}, broken
	}
	if id != k.id {
		return Secret{}, &ci.Problem{
			Code:   ci.SecretKeyMissing,
			Cause:  fmt.Sprintf("%s is sealed with key %s, and weir has key %s.", what, id, k.id),
			Remedy: "Give the right key file by WEIR_SECRET_KEY_FILE or put it back as secret.key in the data directory; if it is lost, remove the connection and connect again.",
		}
	}
	box, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return Secret{}, broken
	}
	secret, err := k.gcm.Open(nil, nil, box, place)
	if err != nil {
		return Secret{}, broken
	}
	return NewSecret(string(secret)), nil
}

// row is the additional data that binds a sealed token to its place.
func row(connection ci.ConnectionID, credential int64) []byte {
	return fmt.Appendf(nil, "connection:%d:token:%d", connection, credential)
}

func hookRow(connection ci.ConnectionID) []byte {
	return fmt.Appendf(nil, "connection:%d:hook", connection)
}

// Fingerprint is the same for the same token and key, and says nothing else.
func (k *Key) Fingerprint(token Secret) string {
	mac := hmac.New(sha256.New, k.fingerprint)
	mac.Write([]byte(token.Reveal()))
	return hex.EncodeToString(mac.Sum(nil))
}

// loadKey reads the key, or makes one when nothing is sealed yet.
func (c *Control) loadKey(ctx context.Context, cfg Config) error {
	path, own := cfg.KeyFile, false
	if path == "" {
		path, own = filepath.Join(cfg.DataDir, keyFile), true
	}
	key, err := ReadKey(path)
	if errors.Is(err, fs.ErrNotExist) && own {
		var sealed int
		if err := c.db.QueryRowContext(ctx, `SELECT count(*) FROM credentials WHERE deleted_at IS NULL`).Scan(&sealed); err != nil {
			return c.problem(err)
		}
		if sealed > 0 {
			// A new key would hide that the old one is gone.
			c.lost = err
			c.log.Warn("secret key missing", "path", path, "sealed_credentials", sealed)
			return nil
		}
		key, err = makeKey(path)
	}
	c.key = key
	return err
}

// ReadKey reads a key file: 32 bytes in base64, readable by its owner alone.
// Its error is a *ci.Problem, secret_key_missing; one that wraps
// fs.ErrNotExist when there is no file.
func ReadKey(path string) (*Key, error) {
	refuse := func(cause, remedy string, err error) error {
		return &ci.Problem{Code: ci.SecretKeyMissing, Cause: cause, Remedy: remedy, Err: err}
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, refuse(fmt.Sprintf("The secret key %s cannot be read.", path),
			"Put the key file back, or make its path known by WEIR_SECRET_KEY_FILE; if it is lost, remove the connections and connect again.", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, refuse(fmt.Sprintf("Other users can reach the secret key %s (its mode is %04o).", path, mode),
			fmt.Sprintf("Close it: chmod 600 %s. If others had access, replace the GitLab tokens.", path), nil)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, refuse(fmt.Sprintf("The secret key %s cannot be read.", path),
			"Make it readable for the user that runs weir.", err)
	}
	secret, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(b)))
	if err != nil || len(secret) != keyBytes {
		return nil, refuse(fmt.Sprintf("%s is not a secret key.", path), // the decoder's error would show a byte of it
			"A key is 32 random bytes in base64. Put the right file there; a new one is made by: openssl rand -base64 32.", nil)
	}
	return NewKey(secret)
}

// makeKey makes a key file that is there whole or not at all. When another
// process is faster, its key counts.
func makeKey(path string) (*Key, error) {
	unwritable := func(err error) error {
		return &ci.Problem{
			Code:   ci.DataDirUnwritable,
			Cause:  fmt.Sprintf("weir cannot write its secret key %s.", path),
			Remedy: "Make the directory writable for the user that runs weir, or give another one by --data.",
			Err:    err,
		}
	}
	secret := make([]byte, keyBytes)
	_, _ = rand.Read(secret) // never fails
	f, err := os.CreateTemp(filepath.Dir(path), keyFile+".*")
	if err != nil {
		return nil, unwritable(err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(secret) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, unwritable(err)
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, unwritable(err)
	}
	return ReadKey(path)
}

// usable gives the key, or says why there is none.
func (c *Control) usable() (*Key, error) {
	if c.key == nil {
		return nil, c.lost
	}
	return c.key, nil
}
