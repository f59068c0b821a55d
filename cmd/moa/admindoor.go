package main

import (
	"errors"
	"io"
	"net/http"

	"moa/nips/nip86"
	"moa/relay/desk"
)

// serveCall makes a call of somebody with access to the machine, who may call
// everything. It answers as a relay does over HTTP.
func (c *controller) serveCall(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostDecision))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var result any
	call, err := nip86.Parse(body)
	if err == nil {
		result, err = c.calls.Call(r.Context(), shell, desk.Administrator, call)
	}
	var answer []byte
	if err == nil {
		answer, err = nip86.AppendResult(nil, result)
	}
	if err != nil {
		if _, told := errors.AsType[*nip86.Error](err); !told && call != nil {
			c.log.Error("a call was not made", "method", call.Name, "err", err)
		}
		answer = nip86.AppendError(nil, err.Error())
	}
	w.Header().Set("Content-Type", nip86.ContentType)
	_, _ = w.Write(answer) // the client may be gone
}
