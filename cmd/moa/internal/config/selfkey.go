package config

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"moa/cmd/moa/internal/usage"
	"moa/nips/nip19"
	"moa/policy/conf"
	"moa/relay"
)

// KeyFile is where the relay's own key is if the configuration does not say: in
// the data folder.
const KeyFile = "relay.key"

// secret is a value of the configuration that is never shown.
type secret string

const hidden = "(secret)"

// Format and LogValue hide it when a Config is printed.
func (s secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, hidden) }
func (s secret) LogValue() slog.Value       { return slog.StringValue(hidden) }

// checkKey finds what is wrong with the relay's own key, if it is in c.
func (c *Config) checkKey(bad *conf.Faults) {
	if c.SelfKey == "" {
		return
	}
	if c.SelfKeyFile != "" {
		bad.Add("self.key_file", "there is self.key, too; one of them is enough")
	}
	id, err := ParseIdentity(string(c.SelfKey))
	switch {
	case err != nil:
		bad.AddError("self.key", err)
	case c.Info.Self != "" && c.Info.Self != id.PubKey().String():
		bad.Add("info.self", "it is not %s, the public key of self.key; leave it out", id.PubKey())
	}
}

// ParseIdentity reads a secret key, nsec or hex. No error repeats it.
func ParseIdentity(text string) (*relay.Identity, error) {
	key, err := nip19.ParseSecret(text)
	if err != nil {
		return nil, err
	}
	return relay.NewIdentity(key)
}

// Identity is the relay's own key, nil if it has none. It is made if it should
// be in a file and is not. The data folder exists, and is locked.
func (c *Config) Identity(log *slog.Logger) (*relay.Identity, error) {
	path := c.SelfKeyFile
	switch {
	case c.SelfKey != "":
		return ParseIdentity(string(c.SelfKey))
	case path == "" && !c.Self.Publish && !c.Members.Enabled && !c.Alerts.Enabled:
		return nil, nil
	case path == "":
		path = filepath.Join(c.Data, KeyFile)
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeIdentity(path)
	}
	if err != nil {
		return nil, fmt.Errorf("the relay's key: %w", err)
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		log.Warn("others than its owner can read the relay's secret key: chmod 600 it", "file", path)
	}
	id, err := ParseIdentity(string(text))
	if err != nil {
		return nil, usage.Errorf("%s: %w", path, err)
	}
	return id, nil
}

// makeIdentity writes a new key, all of it or none.
func makeIdentity(path string) (id *relay.Identity, err error) {
	key, err := makeKey(path)
	if err != nil {
		return nil, fmt.Errorf("the relay's key: %w", err)
	}
	return relay.NewIdentity(key)
}

// KeyIn is the secret key in a file, which is made if it is not there.
func KeyIn(path string) (key [32]byte, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(path)
	}
	if err != nil {
		return key, err
	}
	if key, err = nip19.ParseSecret(string(text)); err != nil {
		return key, usage.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// makeKey writes a new key, all of it or none.
func makeKey(path string) (key [32]byte, err error) {
	for id := (*relay.Identity)(nil); id == nil; { // one of 2^128 is no key
		rand.Read(key[:])
		id, _ = relay.NewIdentity(key)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // with mode 0600
	if err != nil {
		return key, err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(nip19.Nsec(key) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	return key, err
}
