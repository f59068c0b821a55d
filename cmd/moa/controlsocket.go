package main

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// open serves until leave is called.
func (c *controller) open() (leave func(), err error) {
	path := doorPath(c.cfg.Data)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	_ = os.Remove(path) // a relay that was killed left it; a running one has the data folder locked
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /moderation", c.serveCases)
	mux.HandleFunc("GET /moderation/waiting", c.serveWaiting)
	mux.HandleFunc("GET /moderation/{author}", c.serveCase)
	mux.HandleFunc("POST /moderation", c.serveDecision)
	mux.HandleFunc("POST /members", c.serveMemberChange)
	mux.HandleFunc("POST /admin", c.serveCall)
	mux.HandleFunc("POST /backup", c.serveBackup)
	mux.HandleFunc("POST /backup/done", c.serveBackupDone)
	mux.HandleFunc("GET /export", c.serveExport)
	mux.HandleFunc("GET /stats", c.serveStats)
	mux.HandleFunc("GET /connections", c.serveConnections)
	mux.HandleFunc("POST /connections/close", c.serveDisconnection)
	var serving sync.WaitGroup
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serving.Add(1)
		defer serving.Done()
		mux.ServeHTTP(w, r)
	})
	server := &http.Server{Handler: handler, ErrorLog: slog.NewLogLogger(c.log.Handler(), slog.LevelDebug), ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			c.log.Error("moderation is closed to the operator", "socket", path, "err", err)
		}
	}()
	return func() {
		server.Close()
		<-ended
		serving.Wait()
		_ = os.Remove(filepath.Dir(path)) // it may belong to root, and the next relay may run as another user
	}, nil
}
