package relay_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/coder/websocket"

	"moa/nips/wire"
	"moa/relay/relaytest"
)

// Whatever a client says, the relay answers what it says next, or has closed
// the connection with a code.
func FuzzMessages(f *testing.F) {
	e := string(alice.Note(f, "x").Raw)
	for _, m := range []string{
		`["EVENT",` + e + `]`, `["AUTH",` + e + `]`, `["REQ","a",{"kinds":[1],"#t":["x"],"since":1,"until":2,"limit":3}]`,
		`["REQ","a",{"ids":["` + alice.Hex() + `"],"authors":[],"search":"x"},{}]`, `["COUNT","a",{}]`, `["CLOSE","a"]`,
		`["NEG-OPEN","n",{},"61"]`, `["NEG-MSG","n","61ff"]`, `["NEG-CLOSE","n"]`, `["x"]`, `[`, ` `, "\x00", `["REQ","\ud800",{}]`,
	} {
		f.Add(m)
	}
	r := relaytest.Start(f, relaytest.Options{})
	f.Fuzz(func(t *testing.T, m string) {
		if len(m) > 100_000 {
			return
		}
		c := r.Dial(t)
		c.Say(t, "%s", m)
		c.TrySay(`["REQ","sentinel",{"kinds":[1],"limit":0}]`)
		for {
			heard, err := c.TryNext(relaytest.Patience)
			if errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("no answer after %q", m)
			}
			if err != nil {
				if code := websocket.CloseStatus(err); code == -1 || utf8.ValidString(m) {
					t.Fatalf("%q ended the connection: %v", m, err)
				}
				return
			}
			if _, err := wire.ParseReply([]byte(heard)); err != nil {
				t.Fatalf("%q was answered by %q: %v", m, heard, err)
			}
			if strings.HasPrefix(heard, `["EOSE","sentinel"`) {
				return
			}
		}
	})
}
