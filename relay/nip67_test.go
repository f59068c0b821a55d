package relay_test

import (
	"fmt"
	"slices"
	"testing"

	"moa/nips/event"
	"moa/nips/wire"
	"moa/relay"
	"moa/relay/relaytest"
)

func TestNIP67TheHintInEOSE(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		cfg := relaytest.Config()
		cfg.EOSEHints = true
		if err := r.Server.Reload(cfg, nil); err != nil {
			t.Fatal(err)
		}
		c := r.Dial(t)
		series(t, c, alice, 10)
		c.Accepted(t, carol.Sign(t, event.Event{Kind: 1059, CreatedAt: 2000, Tags: tags([]string{"p", bob.Hex()})}))
		for i := range 4 { // of one second
			c.Accepted(t, bob.Sign(t, event.Event{Kind: 7, CreatedAt: 500, Content: fmt.Sprint(i)}))
		}
		for _, q := range []struct {
			name, filter, more, want string
		}{
			{"NIP67.1 all", `{"kinds":[1]}`, ``, "finish"},
			{"NIP67.1 none", `{"kinds":[8]}`, ``, "finish"},
			{"NIP67.2 as many as the limit", `{"kinds":[1],"limit":10}`, ``, "finish"},
			{"NIP67.2 one more than the limit", `{"kinds":[1],"limit":9}`, ``, "more"},
			{"NIP67.2 both filters", `{"kinds":[1],"since":1005}`, `,{"kinds":[1],"until":1004}`, "finish"},
			{"NIP67.2 one of the filters", `{"kinds":[1],"since":1005}`, `,{"kinds":[1],"until":1004,"limit":1}`, "more"},
			{"NIP67.2 withheld ones do not count", `{"kinds":[1,7]}`, ``, "finish"},
			{"NIP67.6 there may be withheld ones", `{"limit":14}`, ``, ""},
			{"NIP67.6 more there are all the same", `{"limit":13}`, ``, "more"},
			{"NIP67.3 a limit inside a second", `{"kinds":[7],"limit":3}`, ``, "more"},
			{"NIP67.3 a limit at a second's end", `{"kinds":[7],"limit":4}`, ``, "finish"},
			{"NIP67.4 limit 0", `{"kinds":[1],"limit":0}`, ``, ""},
		} {
			c.Say(t, "%s", `["REQ","q",`+q.filter+q.more+`]`)
			for {
				m, err := wire.ParseReply([]byte(c.Next(t)))
				if err != nil {
					t.Fatal(err)
				}
				if m.Verb != wire.EOSE {
					continue
				}
				if got := slices.Concat(m.Hints, []string{""})[0]; got != q.want {
					t.Errorf("%s: %q, want %q", q.name, got, q.want)
				}
				break
			}
		}
	})
}

// Clients that count the elements of an EOSE wait forever for one of two.
func TestNIP67HintsAreOffByDefaultAndListedWhenOn(t *testing.T) {
	r := start(t, nil)
	c := r.Dial(t)
	c.Say(t, `["REQ","q",{"kinds":[1]}]`)
	if m := c.Next(t); m != `["EOSE","q"]` {
		t.Errorf("NIP67.5: %s", m)
	}
	listed := func() bool { return slices.Contains(document(t, r)["supported_nips"].([]any), any(67.0)) }
	if listed() {
		t.Error("NIP67.1: listed, and not there")
	}
	cfg := relaytest.Config()
	cfg.EOSEHints = true
	if err := r.Server.Reload(cfg, nil); err != nil {
		t.Fatal(err)
	}
	if !listed() {
		t.Error("NIP67.1: there, and not listed")
	}
	c.Say(t, `["REQ","q",{"kinds":[1]}]`)
	if m := c.Next(t); m != `["EOSE","q",["finish"]]` {
		t.Errorf("NIP67.1: %s", m)
	}
}

// A page that is all of one second is followed by the rest of the second, which
// is not the rest of everything.
func TestNIP67TheRestOfASecondIsNotAll(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		cfg := relaytest.Config()
		cfg.EOSEHints = true
		if err := r.Server.Reload(cfg, nil); err != nil {
			t.Fatal(err)
		}
		c := r.Dial(t)
		for i := range 6 {
			c.Accepted(t, alice.Sign(t, event.Event{Kind: 1, CreatedAt: 1000, Content: fmt.Sprint(i)}))
		}
		filter := `{"kinds":[1],"until":1000,"limit":3}`
		if got, eose := c.Ask(t, "q", filter); len(got) != 6 || fmt.Sprint(eose.Hints) != "[finish]" {
			t.Errorf("all there is: %d, %v", len(got), eose.Hints)
		}
		c.Say(t, `["CLOSE","q"]`)
		c.Accepted(t, alice.Sign(t, event.Event{Kind: 1, CreatedAt: 500}))
		if got, eose := c.Ask(t, "q", filter); len(got) != 6 || fmt.Sprint(eose.Hints) != "[more]" {
			t.Errorf("there is an older one: %d, %v", len(got), eose.Hints)
		}
		if got, eose := c.Ask(t, "q", `{"kinds":[1],"since":1000,"until":1000,"limit":3}`); len(got) != 6 || fmt.Sprint(eose.Hints) != "[finish]" {
			t.Errorf("of the second only: %d, %v", len(got), eose.Hints)
		}
	})
}

func TestNIP67TheMaximumLimitIsALimit(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.Limits.Limit, c.Limits.DefaultLimit, c.EOSEHints = 5, 3, true })
	c := r.Dial(t)
	all := series(t, c, alice, 7)
	for _, q := range []struct {
		limit string
		want  int
	}{{`{}`, 3}, {`{"limit":4}`, 4}, {`{"limit":5}`, 5}, {`{"limit":6}`, 5}, {`{"limit":1000000}`, 5}} {
		got, eose := c.Ask(t, "q", q.limit)
		sameIDs(t, "NIP01.32 "+q.limit, got, all[:q.want]...)
		if fmt.Sprint(eose.Hints) != "[more]" {
			t.Errorf("NIP67.2 %s: %q", q.limit, eose.Hints)
		}
	}
}

// What is withheld for want of AUTH is asked for, and nothing claims that all was
// said: by the filter alone, whether there is anything or not.
func TestWhatIsWithheldIsNotCalledWhole(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		cfg := relaytest.Config()
		cfg.EOSEHints = true
		if err := r.Server.Reload(cfg, nil); err != nil {
			t.Fatal(err)
		}
		tag := []string{"p", bob.Hex()}
		note := alice.Sign(t, event.Event{Kind: 1, CreatedAt: 5, Tags: tags(tag)})
		for _, written := range []bool{false, true} {
			if written {
				r.Dial(t).Accepted(t, note, carol.Sign(t, event.Event{Kind: 1059, CreatedAt: 6, Tags: tags(tag)}))
			}
			for filter, challenged := range map[string]bool{
				`{"#p":["` + bob.Hex() + `"]}`: true, `{"authors":["` + bob.Hex() + `"]}`: true, `{"kinds":[1,1059]}`: true,
				`{"ids":["` + note.ID.String() + `"]}`: false, `{"#t":["x"]}`: false, `{}`: false,
			} {
				for _, ask := range []string{"REQ", "COUNT", "NEG-OPEN"} {
					c := r.Dial(t)
					c.Say(t, "%s", `["`+ask+`","q",`+filter+map[string]string{"NEG-OPEN": `,"61"`}[ask]+`]`)
					heard := false
					for {
						m, err := wire.ParseReply([]byte(c.Next(t)))
						if err != nil {
							t.Fatal(err)
						}
						heard = heard || m.Verb == wire.Auth
						if m.Verb == wire.EOSE && len(m.Hints) > 0 || m.Verb == wire.Count && !m.Approximate {
							t.Errorf("%s %s: %v is called whole", ask, filter, m)
						}
						if m.Verb == wire.EOSE || m.Verb == wire.Count || m.Verb == wire.NegMsg {
							break
						}
					}
					if heard != challenged {
						t.Errorf("%s %s, written %v: challenged %v", ask, filter, written, heard)
					}
				}
			}
		}
		c := r.Dial(t)
		c.Authenticate(t, bob, c.Challenge(t))
		if got, eose := c.Ask(t, "q", `{"#p":["`+bob.Hex()+`"]}`); len(got) != 2 || fmt.Sprint(eose.Hints) != "[finish]" {
			t.Errorf("bob: %d, %v", len(got), eose.Hints)
		}
	})
}
