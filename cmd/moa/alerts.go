package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"moa/cmd/moa/internal/outfile"
	"moa/cmd/moa/internal/terminal"
	"moa/nips/event"
)

const (
	alertsEvery = 10 * time.Minute // between two looks
	alertAgain  = 24 * time.Hour   // between two messages about the same matter
)

// alert is what an operator must act on.
type alert struct {
	matter string // one of few words
	text   string
}

// alerter tells the operator what must be acted on, about each matter once a day at most,
// also over restarts. Only run's goroutine uses it.
type alerter struct {
	log  *slog.Logger
	now  func() time.Time
	file string
	look func() []alert
	send func(text string) error
}

// run looks until ctx ends.
func (a *alerter) run(ctx context.Context) {
	again := time.NewTicker(alertsEvery)
	defer again.Stop()
	for {
		if err := a.tell(); err != nil && ctx.Err() == nil {
			a.log.Error("the operator cannot be told what is to be done", "err", err)
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
	}
}

// tell sends what is due. That a message was sent is noted before it is: one that is lost in
// a crash comes a day later.
func (a *alerter) tell() (err error) {
	sent, err := a.sent()
	if err != nil {
		return err
	}
	for _, one := range a.look() {
		before := sent[one.matter]
		if age := a.now().Sub(before); age >= 0 && age < alertAgain {
			continue
		}
		sent[one.matter] = a.now().UTC().Truncate(time.Second)
		if err := a.note(sent); err != nil {
			return err
		}
		if failed := a.send(one.text); failed != nil {
			sent[one.matter] = before
			err = errors.Join(err, failed, a.note(sent))
		}
	}
	return err
}

func (a *alerter) sent() (sent map[string]time.Time, err error) {
	sent = map[string]time.Time{}
	text, err := os.ReadFile(a.file)
	if errors.Is(err, fs.ErrNotExist) {
		return sent, nil
	}
	if err == nil && (json.Unmarshal(text, &sent) != nil || sent == nil) {
		sent = map[string]time.Time{} // it is only a note
	}
	return sent, err
}

func (a *alerter) note(sent map[string]time.Time) error {
	text, err := json.Marshal(sent)
	if err != nil {
		return err
	}
	return outfile.WriteText(a.file, append(text, '\n'))
}

// alerts are what is to be acted on now.
func (in *instance) alerts() (list []alert) {
	add := func(matter, format string, args ...any) {
		list = append(list, alert{matter, in.cfg.Info.Name + ": " + fmt.Sprintf(format, args...)})
	}
	limits := &in.cfg.Alerts
	if used, free, err := diskUse(in.cfg.Data); err == nil && used >= limits.DiskPercent {
		add("disk", "%d %% of the relay's disk are in use, %s are left. moa store stats says what takes the room.", used, terminal.Bytes(free))
	}
	if age, known := backupAge(in.cfg.Data, time.Now()); limits.BackupAfter > 0 && (!known || age > limits.BackupAfter) {
		if known {
			add("backup", "the newest backup is %v old. moa store backup makes one.", age.Round(time.Hour))
		} else {
			add("backup", "no backup is known. moa store backup makes one.")
		}
	}
	if r := in.force.reports(); r != nil {
		if n := len(r.Cases()); n > 0 {
			add("reports", "%s reported and wait for your decision: moa moderation list.", terminal.Count(n, "author is", "authors are"))
		}
	}
	if n := len(in.desk.Waiting()); n > 0 {
		add("waiting", "%s for your approval: moa moderation waiting.", terminal.Count(n, "event waits", "events wait"))
	}
	if troubles := in.store.Troubles(); len(troubles) > 0 {
		add("store", "the store has trouble: %s. The relay's log says more.", strings.Join(troubles, "; "))
	}
	return list
}

// newAlerter returns what tells the operator, whose public key the configuration has.
func (in *instance) newAlerter() *alerter {
	return &alerter{
		log: in.log, now: time.Now, file: filepath.Join(in.cfg.Data, alertsFile), look: in.alerts,
		send: func(text string) error {
			to, err := event.ParsePubKey(in.cfg.Info.PubKey)
			if err != nil {
				return err
			}
			return in.server.Message(to, text)
		},
	}
}

// diskUse is how many percent of dir's disk are in use, of what ordinary users may have, and
// how many bytes they may have more.
func diskUse(dir string) (percent int, free int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	used := st.Blocks - st.Bfree
	if used+st.Bavail == 0 {
		return 0, 0, nil
	}
	return int(100 * used / (used + st.Bavail)), freeBytes(dir), nil
}

func backupAge(dir string, now time.Time) (age time.Duration, known bool) {
	taken := lastBackup(dir)
	return now.Sub(taken), !taken.IsZero()
}
