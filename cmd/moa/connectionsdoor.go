package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"

	"moa/relay/desk"
	"moa/store/state"
)

// disconnection is which connections are to end.
type disconnection struct {
	ID      uint64        `json:"id,omitempty"`
	Address *netip.Prefix `json:"address,omitempty"` // in place of ID: all from there
	Note    string        `json:"note,omitempty"`
}

// disconnected is the answer to a disconnection.
type disconnected struct {
	Ended int `json:"ended"`
}

// connected is desk.Deps.Connected.
func (in *instance) connected() (list []desk.Connected) {
	for _, c := range in.server.Connections() {
		list = append(list, desk.Connected{ID: c.ID, Address: c.Address})
	}
	return list
}

func (c *controller) serveConnections(w http.ResponseWriter, _ *http.Request) {
	answerJSON(w, c.server.Connections())
}

func (c *controller) serveDisconnection(w http.ResponseWriter, r *http.Request) {
	var one disconnection
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostDecision))
	body.DisallowUnknownFields()
	if err := body.Decode(&one); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	out := disconnected{Ended: 1}
	var err error
	if one.Address != nil {
		out.Ended, err = c.desk.DisconnectAddress(r.Context(), shell, *one.Address, one.Note)
	} else {
		err = c.desk.Disconnect(r.Context(), shell, one.ID, one.Note)
	}
	switch {
	case err == nil:
		answerJSON(w, out)
	case errors.Is(err, state.ErrRequest):
		http.Error(w, err.Error(), http.StatusBadRequest)
	default:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}
