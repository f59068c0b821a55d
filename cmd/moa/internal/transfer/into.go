package transfer

import (
	"context"
	"net/netip"
	"time"

	"moa/nips/event"
	"moa/nips/nip62"
	"moa/nips/relayurl"
	"moa/policy"
	"moa/store"
)

// maxAhead is how far ahead an imported event may be dated before the report
// tells of it: as far as a relay takes it by default.
const maxAhead = 15 * time.Minute

// Into sets the importer up to write a store of a relay whose URLs are ours.
func (im *Importer) Into(st store.Store, chain *policy.Chain, ours func(relayurl.Location) bool) {
	im.Admit = func(e *event.Event) (string, bool) {
		if st.Has(e.ID) {
			return "", true
		}
		if r := Admissible(e, time.Now().Unix()); r != "" {
			return r, false
		}
		if why := im.Limits.Refuse(e); why != "" {
			return why, false
		}
		if e.Kind == event.KindVanish {
			if here, err := nip62.Addressed(e, ours); err != nil || !here {
				return "a request to vanish from another relay", false
			}
		}
		return refusal(chain.Early(context.Background(), author{e.PubKey}, e)), false
	}
	if chain != nil {
		im.Late = func(e *event.Event) string {
			return refusal(chain.Late(context.Background(), author{e.PubKey}, e, policy.Decision{}))
		}
	}
	im.Store = func(ctx context.Context, batch Batch) (t Tally, err error) {
		// What has been read is stored, also when ctx has just ended.
		results, err := st.Commit(context.WithoutCancel(ctx), time.Now().Unix(), batch.Events)
		if err != nil {
			return t, err
		}
		ahead := time.Now().Add(maxAhead).Unix()
		for i, r := range results {
			t.count(r.Outcome, batch.Lines[i], batch.Events[i].Raw)
			if r.Outcome == store.Stored && batch.Events[i].CreatedAt > ahead {
				t.Ahead++
			}
		}
		return t, nil
	}
}

// count counts what a store did with the event of a line.
func (t *Tally) count(o store.Outcome, line int64, text []byte) {
	switch o {
	case store.Stored:
		t.Accepted++
		return
	case store.Duplicate:
		t.Duplicate++
		return
	}
	why, ok := map[store.Outcome]string{
		store.Stale: "a newer version was stored", store.Deleted: "deleted by its author", store.Vanished: "its author has vanished",
		store.Expired: "expired", store.TooLarge: "more tags than the store can index",
	}[o]
	if !ok {
		why = "unknown outcome"
	}
	t.reject(why, "", line, text)
}

// Admissible says why no relay should store the event, or "".
func Admissible(e *event.Event, now int64) string {
	switch {
	case event.Ephemeral(e.Kind):
		return "ephemeral"
	case e.Expiration != 0 && e.Expiration <= now:
		return "expired"
	}
	return ""
}

// refusal says why the policies do not want an event stored, or "".
func refusal(d policy.Decision) string {
	switch d.Action {
	case policy.Accept:
		return ""
	case policy.Reject:
		return "policy " + d.By + ": " + string(d.Reason)
	}
	return "policy " + d.By
}

// author is an event's author as the client that policies see in an import.
type author struct{ key event.PubKey }

func (author) ID() uint64               { return 0 }
func (author) IP() netip.Addr           { return netip.Addr{} }
func (author) Host() string             { return "" }
func (author) Path() string             { return "" }
func (a author) Authed() []event.PubKey { return []event.PubKey{a.key} }
