package bench

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// FaultName says what a relay did wrong.
type FaultName string

// What is checked while a relay is under load.
const (
	LostAfterOK    FaultName = "lost-after-ok"      // OK true, and later not to be found
	LateAfterOK    FaultName = "not-readable-at-ok" // OK true, and a REQ sent right after it does not find it
	NoOK           FaultName = "ok-missing"         // an EVENT that was never answered
	OKTwice        FaultName = "ok-twice"           // an EVENT that was answered twice
	OKUnknown      FaultName = "ok-unknown"         // an OK for an event that was never sent
	MissingStored  FaultName = "stored-missing"     // an answer lacks an event that matches and was accepted
	DoubleStored   FaultName = "stored-duplicate"   // an answer has an event twice
	WrongStored    FaultName = "stored-mismatch"    // an answer has an event that does not match
	WrongOrder     FaultName = "stored-order"       // an answer is not newest first
	TieOrder       FaultName = "stored-tie-order"   // events of one second are not in the order of their ids
	OverLimit      FaultName = "limit-ignored"      // an answer has more events than its limit
	Altered        FaultName = "event-altered"      // an event came back with other bytes that are no event, or another content
	DeletedServed  FaultName = "deleted-served"     // an event its author had deleted
	ReplacedServed FaultName = "replaced-served"    // an old version of a replaceable event
	EphemeralKept  FaultName = "ephemeral-stored"   // an ephemeral event in a stored answer
	NoEOSE         FaultName = "eose-missing"       // a REQ without EOSE or CLOSED
	EOSETwice      FaultName = "eose-twice"         // a REQ with a second EOSE
	EarlyEvent     FaultName = "event-for-nobody"   // an EVENT for a subscription that was never opened, or after CLOSED
	MissingLive    FaultName = "delivery-missing"   // an accepted event that did not reach a subscription
	DoubleLive     FaultName = "delivery-duplicate" // an event that reached a subscription twice
	WrongLive      FaultName = "delivery-mismatch"  // an event that reached a subscription it does not match
	LiveOrder      FaultName = "delivery-order"     // events of one connection delivered in another order
	HandoverGap    FaultName = "handover-gap"       // an event neither in the stored answer nor in the live feed after it
	HandoverTwice  FaultName = "handover-duplicate" // an event in both
	BadFrame       FaultName = "not-nostr"          // a frame that is no relay message
	Dropped        FaultName = "connection-lost"    // a connection that the relay ended
	NoConnect      FaultName = "connection-refused" // a connection that could not be made
	WrapLeak       FaultName = "gift-wrap-leak"     // a gift wrap for somebody who did not authenticate as its recipient
	NoAuth         FaultName = "auth-refused"       // a correct AUTH that was not accepted
	WrongSync      FaultName = "sync-wrong"         // a reconciliation that found other differences than there are
	LostAtCrash    FaultName = "lost-at-crash"      // OK true, then kill -9, and not to be found after the restart
)

// Fault is something a relay did wrong, how often, and the first case.
type Fault struct {
	Name    FaultName `json:"name"`
	Count   int64     `json:"count"`
	Example string    `json:"example,omitempty"`
}

// faults gathers faults from many connections. The zero value is ready.
type faults struct {
	mu sync.Mutex // guards the following
	by map[FaultName]*Fault
}

// add counts one fault; example is only asked for the first.
func (f *faults) add(name FaultName, example func() string) { f.addN(name, 1, example) }

func (f *faults) addN(name FaultName, n int64, example func() string) {
	if n == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.by == nil {
		f.by = map[FaultName]*Fault{}
	}
	fault := f.by[name]
	if fault == nil {
		fault = &Fault{Name: name, Example: short(example())}
		f.by[name] = fault
	}
	fault.Count += n
}

// exampleMost is how much of an example is kept, in bytes.
const exampleMost = 400

func short(text string) string {
	if len(text) <= exampleMost {
		return text
	}
	return strings.ToValidUTF8(text[:exampleMost], "") + "…"
}

// list returns the faults by name.
func (f *faults) list() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []Fault
	for _, name := range slices.Sorted(maps.Keys(f.by)) {
		out = append(out, *f.by[name])
	}
	return out
}

func (f *faults) total() (n int64) {
	for _, fault := range f.list() {
		n += fault.Count
	}
	return n
}
