package main

import (
	"encoding/json"
	"errors"
	"net/http"

	"moa/store/state"
)

// readJSON reads a request at the control socket into v, which names all fields that
// there may be. If it cannot, the caller has been answered.
func readJSON(w http.ResponseWriter, r *http.Request, most int64, v any) bool {
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, most))
	body.DisallowUnknownFields()
	if err := body.Decode(v); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

// answerChange answers with what became of a change, or why it was not made.
func answerChange(w http.ResponseWriter, v any, err error) {
	switch {
	case err == nil:
		answerJSON(w, v)
	case errors.Is(err, state.ErrRequest):
		http.Error(w, err.Error(), http.StatusBadRequest)
	default:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func answerJSON(w http.ResponseWriter, v any) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}
