package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"moa/cmd/moa/internal/transfer"
	"moa/nips/event"
	"moa/store"
)

// serveBackup sends a backup as one stream.
func (c *controller) serveBackup(w http.ResponseWriter, r *http.Request) {
	decided, err := c.desk.State().Copy(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer decided.Close()
	b, err := c.store.Backup()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer b.Close()
	if err := addExtras(b, c.cfg, decided, r.FormValue("key") != ""); err != nil {
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
		c.log.Warn("a backup was not finished", "err", err)
		panic(http.ErrAbortHandler) // the other end must see that it is not whole
	}
	list := make([]string, len(damaged))
	for i, n := range damaged {
		list[i] = strconv.FormatUint(n, 10)
	}
	h.Set(headDamaged, strings.Join(list, ","))
	c.log.Info("a backup was taken", "events", b.Events, "bytes", b.Size(), "damaged", len(damaged))
}

// serveExport sends everything that has not expired, private events too, as JSON
// lines.
func (c *controller) serveExport(w http.ResponseWriter, r *http.Request) {
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
	err := transfer.Scan(r.Context(), c.store, filter, func(raw []byte) error {
		if _, err := out.Write(raw); err != nil {
			return err
		}
		_, err := out.Write([]byte("\n"))
		return err
	})
	if err != nil {
		if !errors.Is(err, context.Canceled) && !errors.Is(err, store.ErrClosed) {
			c.log.Warn("an export was not finished", "err", err)
		}
		panic(http.ErrAbortHandler)
	}
	w.Header().Set(headDamaged, strconv.Itoa(c.store.Damaged()))
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

// doorPatience is how long the client may read nothing.
const doorPatience = time.Minute
