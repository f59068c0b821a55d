package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"moa/cmd/moa/internal/outfile"
)

// backupFile, in the data folder, holds the time of the newest backup of which
// `moa store backup` has seen that it is whole.
const backupFile = "backup.time"

// noteBackup notes a backup.
func noteBackup(dir string, taken time.Time) error {
	return outfile.WriteText(filepath.Join(dir, backupFile), []byte(taken.UTC().Format(time.RFC3339)+"\n"))
}

// lastBackup is the time of the newest backup; zero: none is known.
func lastBackup(dir string) (taken time.Time) {
	text, err := os.ReadFile(filepath.Join(dir, backupFile))
	if err != nil {
		return taken
	}
	taken, _ = time.Parse(time.RFC3339, strings.TrimSpace(string(text))) // zero if it fails
	return taken
}

// registerBackups lets a scrape ask for the time of the newest backup.
func registerBackups(r *prometheus.Registry, dir string) {
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "moa_store_backup_timestamp_seconds",
		Help: "Time of the newest backup by moa store backup; 0 if none is known.",
	}, func() float64 {
		if taken := lastBackup(dir); !taken.IsZero() {
			return float64(taken.Unix())
		}
		return 0
	}))
}

// serveBackupDone notes a backup that this relay has sent and that is whole.
func (c *controller) serveBackupDone(w http.ResponseWriter, r *http.Request) {
	var taken time.Time
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostDecision)).Decode(&taken)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := noteBackup(c.cfg.Data, taken); err != nil {
		http.Error(w, fmt.Sprintf("the time of the backup cannot be noted: %v", err), http.StatusInternalServerError)
	}
}
