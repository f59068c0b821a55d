package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"moa/nips/event"
	"moa/store/state"
)

const (
	mostShown    = 100      // reports, and events
	mostDecision = 64 << 10 // bytes of a request
)

func (c *controller) serveCases(w http.ResponseWriter, r *http.Request) {
	list, err := decisions(r.Context(), c.desk)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answerJSON(w, moderated{c.reports().Cases(), list})
}

// serveWaiting answers with what waits for approval, those that wait longest first.
func (c *controller) serveWaiting(w http.ResponseWriter, _ *http.Request) {
	list := []waits{}
	for _, one := range c.desk.Waiting() {
		list = append(list, waits{one.At, one.Until, json.RawMessage(one.Event.Raw)})
	}
	answerJSON(w, list)
}

func (c *controller) serveCase(w http.ResponseWriter, r *http.Request) {
	d := c.reports()
	author, err := event.ParsePubKey(r.PathValue("author"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	out := reported{Reporter: d.Trusts(author), Reports: []json.RawMessage{}, Trusted: []event.PubKey{}, Events: []json.RawMessage{}}
	decided, err := decisions(r.Context(), c.desk)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	for _, one := range decided {
		if one.Author != nil && *one.Author == author {
			out.Decision = &one
		}
	}
	for _, one := range d.Cases() {
		if one.Author == author {
			out.Case = &one
		}
	}
	reports := event.Filter{Kinds: []uint16{event.KindReport}, Tags: []event.TagFilter{{Name: 'p', Values: []string{author.String()}}}}
	err = c.collect(r.Context(), &reports, &out.Reports, func(e *event.Event) {
		if d.Trusts(e.PubKey) && !slices.Contains(out.Trusted, e.PubKey) {
			out.Trusted = append(out.Trusted, e.PubKey)
		}
	})
	if err == nil && out.Case != nil && len(out.Case.Events) > 0 {
		err = c.collect(r.Context(), &event.Filter{IDs: slices.SortedFunc(slices.Values(out.Case.Events), event.CompareIDs)}, &out.Events, nil)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answerJSON(w, out)
}

var errEnough = errors.New("that is enough")

// collect appends the stored events that match, hidden or not, and shows each to also,
// which may be nil.
func (c *controller) collect(ctx context.Context, f *event.Filter, list *[]json.RawMessage, also func(*event.Event)) error {
	err := c.stored(ctx, f, func(e *event.Event) error {
		*list = append(*list, json.RawMessage(e.Raw))
		if also != nil {
			also(e)
		}
		if len(*list) == mostShown {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// shell is the actor at the control socket: somebody with access to the machine.
var shell = state.Actor{Door: "shell"}

func (c *controller) serveDecision(w http.ResponseWriter, r *http.Request) {
	var one decision
	if !readJSON(w, r, mostDecision, &one) {
		return
	}
	removed, err := one.make(r.Context(), c.desk, shell)
	if err != nil {
		answerChange(w, nil, err)
		return
	}
	unknown, err := c.unknown(r.Context(), &one)
	if err != nil {
		http.Error(w, "decided; whether such an event is stored is not known: "+err.Error(), http.StatusInternalServerError)
		return
	}
	answerJSON(w, outcome{len(c.reports().Cases()), removed, unknown || one.Do == doDelete && removed == 0})
}

// unknown reports a decision to hide an event that is not stored.
func (c *controller) unknown(ctx context.Context, one *decision) (bool, error) {
	if one.Do != doHide {
		return false, nil
	}
	found := false
	err := c.stored(ctx, &event.Filter{IDs: []event.ID{*one.Event}}, func(*event.Event) error {
		found = true
		return nil
	})
	return !found, err
}
