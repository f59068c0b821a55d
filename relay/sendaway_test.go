package relay_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"moa/nips/event"
	"moa/nips/wire"
	"moa/relay"
	"moa/relay/relaytest"
)

// textFrame is a message as a client sends it, masked with zeros.
func textFrame(m string) []byte {
	if len(m) < 126 {
		return append([]byte{0x81, 0x80 | byte(len(m)), 0, 0, 0, 0}, m...)
	}
	b := []byte{0x81, 0x80 | 126, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(b[2:], uint16(len(m)))
	return append(b, m...)
}

// A connection that moa ends for what its client sent has had its answers: all
// that was said before, in one write with what ends it, is decided and answered,
// and the close frame is last. What the client goes on to say is read for a moment:
// a connection that was closed with bytes unread would be reset, and its client
// might hear nothing of all that.
func TestWhatWasSaidBeforeTheEndIsAnswered(t *testing.T) {
	huge := []byte{0x81, 0x80 | 127, 0, 0, 0, 0, 0x7f, 0, 0, 0, 0, 0, 0, 0} // the header of 2 GB
	garbage := []byte{}
	for range 257 {
		garbage = append(garbage, textFrame("{")...)
	}
	for _, end := range []struct {
		name  string
		bytes []byte
		code  int
		more  int // answers to what ends it
	}{
		{"too big", huge, 1009, 0},
		{"against the protocol", []byte{0x83, 0x80, 0, 0, 0, 0}, 1002, 0},
		{"no UTF-8", textFrame("\xff"), 1007, 0},
		{"garbage", garbage, 1008, 257},
		{"too slow", textFrame("[half of it")[:9], 1008, 0},
	} {
		t.Run(end.name, func(t *testing.T) {
			onStores(t, func(t *testing.T, r *relaytest.Relay) {
				before := series(t, r.Dial(t), bob, 700)
				slow := end.name == "too slow"
				if slow {
					relay.SetMessageTimeout(r.Server, 2*time.Second)
				}
				c := dialRaw(t, r)
				all := []byte{}
				for i := range 5 {
					all = append(all, textFrame(`["EVENT",`+string(alice.Sign(t, event.Event{Kind: 7, Content: fmt.Sprint(i)}).Raw)+`]`)...)
				}
				all = append(all, textFrame(`["REQ","q",{"kinds":[1],"limit":700}]`)...)
				all = append(append(all, textFrame(`["COUNT","n",{"kinds":[1]}]`)...), end.bytes...)
				if !slow {
					all = append(all, textFrame(strings.Repeat("y", 60_000))...)
				}
				if _, err := c.Write(all); err != nil {
					t.Fatal(err)
				}
				heard := map[wire.Verb]int{}
				code := c.untilClose(t, func(m string) {
					v, err := wire.ParseReply([]byte(m))
					if err != nil || v.Verb == wire.OK && !v.OK {
						t.Errorf("heard %s", m)
					}
					heard[v.Verb]++
				})
				if heard[wire.OK] != 5 || heard[wire.Event] != len(before) || heard[wire.EOSE] != 1 || heard[wire.Count] != 1 || heard[wire.Notice] != end.more {
					t.Errorf("heard %v", heard)
				}
				if code != end.code {
					t.Errorf("closed with %d", code)
				}
				if n := r.Dial(t).Count(t, `{"kinds":[7]}`); n != 5 {
					t.Errorf("%d are stored", n)
				}
			})
		})
	}
}

// It is so, too, when a message finds no room among those that all clients are
// sending.
func TestWhatWasSaidIsAnsweredWhenThereIsNoRoom(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.Limits.InboxTotalMiB = 1 })
	dialRaw(t, r).half(t, 900_000)
	relaytest.Eventually(t, "it takes nearly all the room", func() bool { return held(t, r, "inbox") > 500_000 })
	c := dialRaw(t, r)
	all := []byte{}
	for i := range 5 {
		all = append(all, textFrame(`["EVENT",`+string(alice.Note(t, fmt.Sprint(i)).Raw)+`]`)...)
	}
	if _, err := c.Write(all); err != nil {
		t.Fatal(err)
	}
	c.half(t, 900_000)
	oks := 0
	if code := c.untilClose(t, func(m string) {
		if v, err := wire.ParseReply([]byte(m)); err == nil && v.Verb == wire.OK && v.OK {
			oks++
		}
	}); code != 1013 || oks != 5 {
		t.Errorf("%d were acknowledged, and closed with %d", oks, code)
	}
}

// A message that is too long, but not very, is refused by what it is about, and
// the connection goes on: to end it would have its client send it again.
func TestAMessageThatIsTooLongIsRefused(t *testing.T) {
	const most = 10_000
	r := start(t, func(c *relay.Config) { c.Limits.MessageBytes = most })
	for _, compressed := range []bool{false, true} {
		c := r.Dial(t)
		if compressed {
			c = r.DialCompressed(t)
		}
		note := alice.Note(t, strings.Repeat("x", most))
		c.Publish(t, note)
		if ok := c.HearOK(t, note.ID.String()); ok.OK || !strings.HasPrefix(ok.Text, "invalid: the message has ") {
			t.Errorf("%v %s", ok.OK, ok.Text)
		}
		// As nostr-tools writes it: the id comes late.
		late := `["EVENT",{"kind":1,"created_at":1,"tags":[],"content":"` + strings.Repeat("x", most) + `","pubkey":"` + alice.Hex() + `","id":"` + note.ID.String() + `","sig":""}]`
		c.Say(t, "%s", late)
		c.HearOK(t, note.ID.String())
		c.Say(t, "%s", `["EVENT",{"content":"`+strings.Repeat("x", most)+`"}]`)
		c.Hear(t, wire.Notice)
		c.Closed(t, "q", "invalid: the message has ", `["REQ","q",{"#t":["`+strings.Repeat("x", most)+`"]}]`)
		c.Say(t, "%s", strings.Repeat("x", 2*most))
		c.Hear(t, wire.Notice)
		c.Accepted(t, alice.Note(t, fmt.Sprint("short ", compressed)))
		c.TrySay(`["EVENT",{"content":"` + strings.Repeat("x", 2*most) + `"}]`)
		if code := websocket.CloseStatus(lastError(c)); code != websocket.StatusMessageTooBig {
			t.Errorf("closed with %d", code)
		}
	}
}
