// Command baseline is the relay that moa is compared with: khatru on eventstore's
// Badger, wired as khatru's own example wires it, and nothing else.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/fiatjaf/eventstore/badger"
	"github.com/fiatjaf/khatru"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:3334", "address to listen on")
	data := flag.String("data", "./baseline-data", "data folder")
	flag.Parse()
	if err := serve(*listen, *data); err != nil {
		fmt.Fprintln(os.Stderr, "baseline:", err)
		os.Exit(1)
	}
}

func serve(listen, data string) error {
	db := badger.BadgerBackend{Path: data}
	if err := db.Init(); err != nil {
		return fmt.Errorf("open %s: %w", data, err)
	}
	defer db.Close()
	relay := khatru.NewRelay()
	relay.StoreEvent = append(relay.StoreEvent, db.SaveEvent)
	relay.QueryEvents = append(relay.QueryEvents, db.QueryEvents)
	relay.CountEvents = append(relay.CountEvents, db.CountEvents)
	relay.DeleteEvent = append(relay.DeleteEvent, db.DeleteEvent)
	relay.ReplaceEvent = append(relay.ReplaceEvent, db.ReplaceEvent)
	relay.Negentropy = true

	server := &http.Server{Addr: listen, Handler: relay}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-stop
		server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
