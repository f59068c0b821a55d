package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"moa/nips/event"
	"moa/policy/moderation"
)

const (
	mostShown    = 100      // reports, and events
	mostDecision = 64 << 10 // bytes of a request
)

func (c *controller) serveCases(w http.ResponseWriter, _ *http.Request) {
	d := c.desk()
	answerJSON(w, moderated{Cases: d.Cases(), Decisions: d.Decisions()})
}

func (c *controller) serveCase(w http.ResponseWriter, r *http.Request) {
	d := c.desk()
	author, err := event.ParsePubKey(r.PathValue("author"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	out := reported{Reporter: d.Trusts(author), Reports: []json.RawMessage{}, Trusted: []event.PubKey{}, Events: []json.RawMessage{}}
	for _, one := range d.Decisions() {
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

func (c *controller) serveDecision(w http.ResponseWriter, r *http.Request) {
	d := c.desk()
	var one moderation.Decision
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostDecision))
	body.DisallowUnknownFields()
	if err := body.Decode(&one); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := d.Decide(one); err != nil {
		status := http.StatusInternalServerError
		if errors.Is(err, moderation.ErrDecision) {
			status = http.StatusBadRequest
		}
		http.Error(w, err.Error(), status)
		return
	}
	removed, err := c.removeDecided(r.Context(), &one)
	if err != nil {
		http.Error(w, "decided, and not removed: "+err.Error(), http.StatusInternalServerError)
		return
	}
	unknown, err := c.unknown(r.Context(), &one)
	if err != nil {
		http.Error(w, "decided; whether such an event is stored is not known: "+err.Error(), http.StatusInternalServerError)
		return
	}
	answerJSON(w, moderated{d.Cases(), d.Decisions(), removed, unknown || one.Do == moderation.Delete && removed == 0})
}

// unknown reports a decision to hide an event that is not stored.
func (c *controller) unknown(ctx context.Context, one *moderation.Decision) (bool, error) {
	if one.Do != moderation.Hide {
		return false, nil
	}
	found := false
	err := c.stored(ctx, &event.Filter{IDs: []event.ID{*one.Event}}, func(*event.Event) error {
		found = true
		return nil
	})
	return !found, err
}

// removeDecided removes from the store what the decision says. It
// is in force already: nobody is shown the events, and they are refused if they come again.
func (c *controller) removeDecided(ctx context.Context, one *moderation.Decision) (n int, err error) {
	var ids []event.ID
	switch {
	case one.Do == moderation.Delete:
		ids = append(ids, *one.Event)
	case one.Removes():
		all := event.Filter{Authors: []event.PubKey{*one.Author}}
		err = c.stored(ctx, &all, func(e *event.Event) error {
			ids = append(ids, e.ID)
			return nil
		})
	}
	if err == nil && len(ids) > 0 {
		n, err = c.server.Remove(ctx, ids)
	}
	if n > 0 || err != nil {
		c.log.Info("moderation: events removed", "events", n, "err", err)
	}
	return n, err
}

// removeDeleted removes what is still stored of the events that were deleted
// before: a crash may have come in between, or an import.
func (c *controller) removeDeleted(ctx context.Context) {
	chain, _ := c.force.get()
	d := deskOf(chain)
	if d == nil {
		return
	}
	var ids []event.ID
	for _, one := range d.Decisions() {
		if one.Do == moderation.Delete {
			ids = append(ids, *one.Event)
		}
	}
	if n, err := c.server.Remove(ctx, ids); err != nil && ctx.Err() == nil {
		c.log.Error("events that were deleted are still stored", "err", err)
	} else if n > 0 {
		c.log.Info("moderation: events removed", "events", n)
	}
}

func answerJSON(w http.ResponseWriter, v any) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}
