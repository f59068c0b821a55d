package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/usage"
	"moa/store/badgerstore"
	"moa/store/state"
)

// What the door says of a backup: before it how much it is, and in the trailer which
// events are damaged.
const (
	headBytes   = "Moa-Bytes"
	headEvents  = "Moa-Events"
	headTaken   = "Moa-Taken"
	headDamaged = "Moa-Damaged"
)

// extras are the files of the data folder that are not the event store's own, and belong
// in a backup. Backups of moa before state.db have a record instead.
var extras = []string{state.File, recordFile, config.KeyFile}

// addExtras puts them into a backup. What is decided was copied before the backup's events
// were: what is to be erased of them is then erased again once they are restored. nil:
// nothing is decided.
func addExtras(b *badgerstore.Backup, cfg *config.Config, decided *os.File, withKey bool) error {
	if decided != nil {
		if err := b.AddFile(state.File, decided); err != nil {
			return err
		}
	}
	if !withKey {
		return nil
	}
	if cfg.SelfKey != "" {
		return usage.Errorf("--with-key: the key is in the configuration (self.key), not in a file")
	}
	text, err := os.ReadFile(cmp.Or(cfg.SelfKeyFile, filepath.Join(cfg.Data, config.KeyFile)))
	if err != nil {
		return fmt.Errorf("--with-key: %w", err)
	}
	b.Add(config.KeyFile, text)
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
