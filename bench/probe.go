package bench

import (
	"strconv"

	"moa/nips/event"
	"moa/nips/wire"
)

// A probe asks for an event right after its OK, on the same connection: a relay
// that says OK must be able to show the event.

// probeable reports that nothing but a fault can hide the event.
func (p *publisher) probeable(e *event.Event) bool {
	k := e.Kind
	return !event.Replaceable(k) && !event.Addressable(k) && !event.Ephemeral(k) &&
		!private(k) && e.Expiration == 0 && !p.s.truth.doomed(e)
}

func (p *publisher) ask(number int32, e *event.Event) {
	p.mu.Lock()
	p.probes[number] = false
	p.mu.Unlock()
	p.probed.Add(1)
	// A lost connection shows in Serve.
	_ = p.conn.Send([]byte(`["REQ","p` + strconv.Itoa(int(number)) + `",{"ids":["` + e.ID.String() + `"]}]`))
}

// Event takes what a probe finds.
func (p *publisher) Event(sub, raw []byte) {
	number, ok := probeNumber(string(sub))
	if !ok {
		p.m.faults.add(EarlyEvent, func() string { return "EVENT for subscription " + string(sub) })
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if found, asked := p.probes[number]; asked && !found {
		p.probes[number] = true
	}
}

func probeNumber(sub string) (int32, bool) {
	if len(sub) < 2 || sub[0] != 'p' {
		return 0, false
	}
	n, err := strconv.Atoi(sub[1:])
	return int32(n), err == nil
}

func (p *publisher) probeDone(r *wire.Reply) {
	number, ok := probeNumber(r.SubID)
	if !ok {
		return
	}
	p.mu.Lock()
	found, asked := p.probes[number]
	delete(p.probes, number)
	p.mu.Unlock()
	if !asked {
		p.m.faults.add(EOSETwice, func() string { return "EOSE for subscription " + r.SubID })
		return
	}
	if r.Verb == wire.Closed {
		p.m.refuse(r.Text)
		return
	}
	if !found {
		p.m.faults.add(LateAfterOK, p.s.truth.events[number].ID.String)
	}
	_ = p.conn.Send([]byte(`["CLOSE","` + r.SubID + `"]`))
}
