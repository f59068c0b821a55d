package khatru

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/nbd-wtf/go-nostr/nip11"
)

// object is a JSON object whose fields are not looked into.
type object = map[string]json.RawMessage

// Describe lays the relay information document (NIP-11) of the *khatru.Relay
// over the engine's: first what its Info says of name, owner and the like, then
// what its OverwriteRelayInformation hooks change. Of what only the engine
// knows, its NIPs are added to, and its limits stay unless Info or a hook names
// stricter ones, for then hooks enforce them.
//
// A hook that panics changes nothing.
func (d *Door) Describe(r *http.Request, engine []byte) (_ []byte, err error) {
	defer func() {
		if value := recover(); value != nil {
			d.panicked(value)
			err = errors.New("khatru: a hook has panicked")
		}
	}()
	var doc object
	if err := json.Unmarshal(engine, &doc); err != nil {
		return nil, fmt.Errorf("khatru: the engine's document: %w", err)
	}
	info := *d.rl.Info
	if err := d.overlay(doc, &info, d.baseURL(r)); err != nil {
		return nil, err
	}
	if len(d.overwriteInfo) > 0 {
		if err := d.overwrite(r, doc); err != nil {
			return nil, err
		}
	}
	return json.Marshal(doc)
}

// overlay writes the fields of info that say something over doc's.
func (d *Door) overlay(doc object, info *nip11.RelayInformationDocument, base string) error {
	if info.Software == "https://github.com/fiatjaf/khatru" { // what NewRelay writes
		info.Software, info.Version = "", ""
	}
	info.Icon, info.Banner = absolute(info.Icon, base), absolute(info.Banner, base)
	nips, err := d.allNIPs(doc["supported_nips"], info.SupportedNIPs)
	if err != nil {
		return err
	}
	info.SupportedNIPs = nips
	limits, err := stricter(doc["limitation"], info.Limitation)
	if err != nil {
		return err
	}
	info.Limitation = nil
	own, err := fields(info)
	if err != nil {
		return err
	}
	for name, value := range own {
		if string(value) != `""` && string(value) != "null" {
			doc[name] = value
		}
	}
	if limits != nil {
		doc["limitation"] = limits
	}
	return nil
}

// absolute resolves an image's address, as khatru does.
func absolute(image, base string) string {
	if image == "" || strings.HasPrefix(image, "http://") || strings.HasPrefix(image, "https://") {
		return image
	}
	return base + "/" + strings.TrimPrefix(image, "/")
}

// allNIPs adds those that hooks make of the relay to the engine's. khatru names
// some unasked, which the engine has if they work, and the management API,
// which works if there is somebody who may call it.
func (d *Door) allNIPs(engine json.RawMessage, own []any) ([]any, error) {
	var all []any
	if len(engine) > 0 {
		if err := json.Unmarshal(engine, &all); err != nil {
			return nil, fmt.Errorf("khatru: supported_nips: %w", err)
		}
	}
	all = wholeNumbers(all)
	for _, n := range own {
		if n == 86 && (len(d.o.Admins) == 0 || reflect.ValueOf(d.rl.ManagementAPI).IsZero()) {
			continue
		}
		if !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all, nil
}

// wholeNumbers turns what JSON has made of integers back, for hooks compare
// with int.
func wholeNumbers(list []any) []any {
	for i, n := range list {
		if f, ok := n.(float64); ok && f == float64(int(f)) {
			list[i] = int(f)
		}
	}
	return list
}

// stricter is the engine's limits with those of own that ask for more.
func stricter(engine json.RawMessage, own *nip11.RelayLimitationDocument) (json.RawMessage, error) {
	if own == nil {
		return engine, nil
	}
	limits := map[string]any{}
	if len(engine) > 0 {
		if err := json.Unmarshal(engine, &limits); err != nil {
			return nil, fmt.Errorf("khatru: limitation: %w", err)
		}
	}
	theirs, err := fields(own)
	if err != nil {
		return nil, err
	}
	for name, raw := range theirs {
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			return nil, fmt.Errorf("khatru: limitation: %w", err)
		}
		ours, known := limits[name]
		switch v := v.(type) {
		case bool:
			limits[name] = v || ours == true
		case float64:
			o, _ := ours.(float64)
			least := name == "min_pow_difficulty" // the only one that is a lower bound
			if v != 0 && (!known || least && v > o || !least && v < o) {
				limits[name] = v
			}
		}
	}
	return json.Marshal(limits)
}

// overwrite gives the hooks the document and takes over what they change.
func (d *Door) overwrite(r *http.Request, doc object) error {
	whole, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	var info nip11.RelayInformationDocument
	if err := json.Unmarshal(whole, &info); err != nil {
		return fmt.Errorf("khatru: the document: %w", err)
	}
	info.SupportedNIPs = wholeNumbers(info.SupportedNIPs)
	before, err := fields(&info)
	if err != nil {
		return err
	}
	for _, hook := range d.overwriteInfo {
		info = hook(r.Context(), r, info)
	}
	after, err := fields(&info)
	if err != nil {
		return err
	}
	return patch(doc, before, after)
}

// patch does to doc what has been done to before. Limits are patched one by
// one: nip11's type writes zeros that would forbid everything.
func patch(doc, before, after object) error {
	for name := range before {
		if _, ok := after[name]; !ok {
			delete(doc, name)
		}
	}
	for name, value := range after {
		if bytes.Equal(before[name], value) {
			continue
		}
		if name != "limitation" {
			doc[name] = value
			continue
		}
		var limits [3]object
		for i, o := range []object{doc, before, after} {
			limits[i] = object{}
			if raw := o[name]; len(raw) > 0 {
				if err := json.Unmarshal(raw, &limits[i]); err != nil {
					return fmt.Errorf("khatru: limitation: %w", err)
				}
			}
		}
		if err := patch(limits[0], limits[1], limits[2]); err != nil {
			return err
		}
		patched, err := json.Marshal(limits[0])
		if err != nil {
			return err
		}
		doc[name] = patched
	}
	return nil
}

// fields is v as a JSON object.
func fields(v any) (object, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("khatru: the document: %w", err)
	}
	var out object
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("khatru: the document: %w", err)
	}
	return out, nil
}
