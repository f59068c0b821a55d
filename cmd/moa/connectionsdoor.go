package main

import (
	"net/http"
	"net/netip"

	"moa/relay/desk"
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
	if !readJSON(w, r, mostDecision, &one) {
		return
	}
	out := disconnected{Ended: 1}
	var err error
	if one.Address != nil {
		out.Ended, err = c.desk.DisconnectAddress(r.Context(), shell, *one.Address, one.Note)
	} else {
		err = c.desk.Disconnect(r.Context(), shell, one.ID, one.Note)
	}
	answerChange(w, out, err)
}
