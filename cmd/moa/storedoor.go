package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"moa/cmd/moa/internal/transfer"
	"moa/nips/event"
	"moa/store"
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

// serveBackup sends a backup as one stream.
func (in *instance) serveBackup(w http.ResponseWriter, r *http.Request) {
	b, err := in.store.Backup()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer b.Close()
	if err := addExtras(b, &in.cfg, r.FormValue("key") != ""); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/x-tar")
	h.Set("Trailer", headDamaged)
	h.Set(headBytes, strconv.FormatInt(b.Size(), 10))
	h.Set(headEvents, strconv.FormatUint(b.Events, 10))
	h.Set(headTaken, b.Taken.Format(time.RFC3339))
	damaged, err := b.WriteStream(r.Context(), patient(w), nil)
	if err != nil {
		in.log.Warn("a backup was not finished", "err", err)
		panic(http.ErrAbortHandler) // the other end must see that it is not whole
	}
	list := make([]string, len(damaged))
	for i, n := range damaged {
		list[i] = strconv.FormatUint(n, 10)
	}
	h.Set(headDamaged, strings.Join(list, ","))
	in.log.Info("a backup was taken", "events", b.Events, "bytes", b.Size(), "damaged", len(damaged))
}

// serveExport sends everything that has not expired, private events too, as JSON
// lines.
func (in *instance) serveExport(w http.ResponseWriter, r *http.Request) {
	filter := new(event.Filter)
	if text := r.FormValue("filter"); text != "" {
		var err error
		if filter, err = event.ParseFilter([]byte(text)); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	w.Header().Set("Content-Type", "application/jsonl")
	w.Header().Set("Trailer", headDamaged)
	out := patient(w)
	err := transfer.Scan(r.Context(), in.store, filter, func(raw []byte) error {
		if _, err := out.Write(raw); err != nil {
			return err
		}
		_, err := out.Write([]byte("\n"))
		return err
	})
	if err != nil {
		if !errors.Is(err, context.Canceled) && !errors.Is(err, store.ErrClosed) {
			in.log.Warn("an export was not finished", "err", err)
		}
		panic(http.ErrAbortHandler)
	}
	w.Header().Set(headDamaged, strconv.Itoa(in.store.Damaged()))
}

// patient writes an answer for as long as somebody reads it.
func patient(w http.ResponseWriter) io.Writer {
	return &patientWriter{w, http.NewResponseController(w), time.Time{}}
}

type patientWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	until   time.Time
}

func (p *patientWriter) Write(b []byte) (int, error) {
	if now := time.Now(); p.until.Sub(now) < doorPatience/2 {
		p.until = now.Add(doorPatience)
		if err := p.control.SetWriteDeadline(p.until); err != nil {
			return 0, err
		}
	}
	return p.ResponseWriter.Write(b)
}

// doorPatience is how long who asked may not read.
const doorPatience = time.Minute

// fromRelay backs up the store of a relay that runs.
func (to *backupTo) fromRelay(ctx context.Context, bar *bytesProgress) (done backedUp, err error) {
	path := "/backup"
	if to.key {
		path += "?key=1"
	}
	res, err := door{to.cfg.Data}.open(ctx, http.MethodPost, path, nil)
	if err != nil {
		return done, err
	}
	defer res.Body.Close()
	total, _ := strconv.ParseInt(res.Header.Get(headBytes), 10, 64)
	done.events, _ = strconv.ParseUint(res.Header.Get(headEvents), 10, 64)
	if done.taken, err = time.Parse(time.RFC3339, res.Header.Get(headTaken)); err != nil {
		return done, fmt.Errorf("the relay's answer: %w", err)
	}
	if to.stage == nil {
		err = passStream(os.Stdout, res.Body)
	} else {
		var n int64
		_, err = to.stage.Receive(ctx, res.Body, extras, func(more int64) { n += more; bar.set("backing up", n, total) })
	}
	if err != nil {
		return done, err
	}
	for text := range strings.SplitSeq(res.Trailer.Get(headDamaged), ",") {
		if n, err := strconv.ParseUint(text, 10, 64); err == nil {
			done.damaged = append(done.damaged, n)
		}
	}
	return done, nil
}

// passStream copies a backup, which must end as one does.
func passStream(w io.Writer, r io.Reader) error {
	both := io.TeeReader(r, w)
	last := ""
	for t := tar.NewReader(both); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		last = h.Name
	}
	if last != badgerstore.BackupManifest {
		return errors.New("the relay's answer is cut off")
	}
	_, err := io.Copy(io.Discard, both)
	return err
}

// exportAll reads everything that matches from the relay that runs with the data
// folder. left says what was left out.
func exportAll(ctx context.Context, data, filter string, emit func([]byte) error) (left, err error) {
	res, err := door{data}.open(ctx, http.MethodGet, "/export?filter="+url.QueryEscape(filter), nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	in := transfer.Lines(res.Body)
	for {
		line, err := in.NextLine()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = emit(line)
		}
		if err != nil {
			return nil, err
		}
	}
	return leftOut(strconv.Atoi(res.Trailer.Get(headDamaged))), nil
}
