package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/usage"
	"moa/policy/builtin"
	"moa/store/badgerstore"
)

// What the door says of a backup: before it how much it is, and in the trailer which
// events are damaged.
const (
	headBytes   = "Moa-Bytes"
	headEvents  = "Moa-Events"
	headTaken   = "Moa-Taken"
	headDamaged = "Moa-Damaged"
)

// extras are the files of the data folder that are not the store's own, and belong
// in a backup.
var extras = []string{builtin.ModerationFile, config.KeyFile}

// addExtras puts them into a backup.
func addExtras(b *badgerstore.Backup, cfg *config.Config, withKey bool) error {
	files := map[string]string{builtin.ModerationFile: filepath.Join(cfg.Data, builtin.ModerationFile)}
	if withKey {
		if cfg.SelfKey != "" {
			return usage.Errorf("--with-key: the key is in the configuration (self.key), not in a file")
		}
		files[config.KeyFile] = cfg.SelfKeyFile
		if cfg.SelfKeyFile == "" {
			files[config.KeyFile] = filepath.Join(cfg.Data, config.KeyFile)
		}
	}
	for _, name := range extras {
		text, err := os.ReadFile(files[name])
		switch {
		case files[name] == "" || name != config.KeyFile && errors.Is(err, os.ErrNotExist):
			continue
		case err != nil:
			return fmt.Errorf("--with-key: %w", err)
		}
		b.Add(name, text)
	}
	return nil
}

// serials lists numbers of events, the first few.
func serials(list []uint64) string {
	const most = 10
	var b strings.Builder
	for i, n := range list[:min(len(list), most)] {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.FormatUint(n, 10))
	}
	if len(list) > most {
		b.WriteString(", …")
	}
	return b.String()
}
