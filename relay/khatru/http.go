package khatru

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"time"
)

// maxManagementBody bounds a management call, in bytes.
const maxManagementBody = 1 << 20

// Handler serves what khatru serves over HTTP: the management API (NIP-86)
// after moa's own check of who calls, and everything on the relay's Router
// (blossom and the like). url is the relay's public address, "": the host
// that was asked for.
func (d *Door) Handler(url string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/nostr+json+rpc" {
			d.manage(w, r, url)
			return
		}
		d.rl.ServeHTTP(w, r)
	})
}

// manage lets admins through to khatru, whose own check takes any kind of
// event, from anyone, and trips over one without a u tag.
func (d *Door) manage(w http.ResponseWriter, r *http.Request, url string) {
	if r.Method == http.MethodOptions {
		d.rl.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxManagementBody))
	if err != nil {
		fail(w, http.StatusRequestEntityTooLarge, errors.New("the request is too large"))
		return
	}
	if url == "" {
		url = "http://" + r.Host + "/"
	}
	pk, err := d.callers.Check(r.Header.Get("Authorization"), r.Method, url, body, time.Now())
	switch {
	case err != nil:
		fail(w, http.StatusUnauthorized, err)
	case !slices.Contains(d.o.Admins, pk):
		fail(w, http.StatusForbidden, errors.New("this key does not administer the relay"))
	default:
		r.Body = io.NopCloser(bytes.NewReader(body))
		d.rl.ServeHTTP(w, r)
	}
}

// Describe lays the relay information document (NIP-11) of the *khatru.Relay
// over the engine's: what khatru's Info says of name, owner and the like, and
// what its OverwriteRelayInformation hooks make of it. What only the engine
// knows (software, version, limits, NIPs) stays unless a hook changes it.
func (d *Door) Describe(r *http.Request, engine []byte) ([]byte, error) {
	info := *d.rl.Info
	info.Software, info.Version, info.SupportedNIPs, info.Limitation = "", "", nil, nil
	own, err := json.Marshal(info)
	if err != nil {
		return nil, err
	}
	merged, err := overlay(engine, own)
	if err != nil || len(d.rl.OverwriteRelayInformation) == 0 {
		return merged, err
	}
	if err := json.Unmarshal(merged, &info); err != nil {
		return nil, err
	}
	for _, overwrite := range d.rl.OverwriteRelayInformation {
		info = overwrite(r.Context(), r, info)
	}
	if own, err = json.Marshal(info); err != nil {
		return nil, err
	}
	return overlay(merged, own)
}

// overlay puts the fields of one JSON object that say something over those of another.
func overlay(under, over []byte) ([]byte, error) {
	var doc, own map[string]json.RawMessage
	if err := json.Unmarshal(under, &doc); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(over, &own); err != nil {
		return nil, err
	}
	for k, v := range own {
		switch string(v) {
		case `""`, "null", "[]", "{}":
		default:
			doc[k] = v
		}
	}
	return json.Marshal(doc)
}

func fail(w http.ResponseWriter, code int, err error) {
	w.Header().Set("Content-Type", "application/nostr+json+rpc")
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(map[string]string{"error": err.Error()})
}
