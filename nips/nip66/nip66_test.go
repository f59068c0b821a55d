package nip66_test

import (
	"fmt"
	"testing"

	"moa/nips/nip11"
	"moa/nips/nip66"
)

func TestEventTellsWhatTheRelayIsLike(t *testing.T) {
	r := nip66.Relay{
		URL:      "wss://berlin.example/",
		Info:     &nip11.Document{NIPs: []int{1, 77}, Limitation: &nip11.Limitation{AuthRequired: true, MinPoWDifficulty: 8}},
		Document: []byte(`{"name":"Berlin"}`),
		Accepted: []uint16{1}, Refused: []uint16{4},
		Topics: []string{"berlin"}, Languages: []string{"de", "en"}, Geohashes: []string{"u", "u3", "u33"},
	}
	e := r.Event()
	want := "[[d wss://berlin.example/] [n clearnet] [N 1] [N 77] [R auth] [R !payment] [R pow] [R !writes] [k 1] [k !4] [t berlin]" +
		" [L ISO-639-1] [l de ISO-639-1] [l en ISO-639-1] [g u] [g u3] [g u33]]"
	if got := fmt.Sprint(e.Tags); got != want || e.Kind != 30166 || e.Content != `{"name":"Berlin"}` {
		t.Errorf("kind %d %s\n%s\nwant\n%s", e.Kind, e.Content, got, want)
	}
	if e := (&nip66.Relay{URL: "ws://x.onion/", Info: new(nip11.Document)}).Event(); fmt.Sprint(e.Tags) != "[[d ws://x.onion/] [n tor]]" {
		t.Errorf("a relay that says nothing: %v", e.Tags)
	}
}

func TestNormalURL(t *testing.T) {
	for in, want := range map[string]string{
		"wss://relay.example.com":          "wss://relay.example.com/",
		"WSS://Relay.Example.COM:443/":     "wss://relay.example.com/",
		"ws://relay.example.com:80":        "ws://relay.example.com/",
		"ws://relay.example.com:443":       "ws://relay.example.com:443/",
		"wss://me@relay.example.com./?x#y": "wss://relay.example.com/",
		"wss://relay.example.com/Inbox":    "wss://relay.example.com/Inbox",
		"ws://[2001:DB8::1]:7447":          "ws://[2001:db8::1]:7447/",
		"relay.example.com":                "", "https://relay.example.com": "", "wss://": "", "wss://%zz": "",
	} {
		got, err := nip66.NormalURL(in)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q, %v; want %q", in, got, err, want)
		}
		if again, err := nip66.NormalURL(got); want != "" && (again != got || err != nil) {
			t.Errorf("%s: %q again is %q, %v", in, got, again, err)
		}
	}
}

func TestNetwork(t *testing.T) {
	for in, want := range map[string]string{
		"wss://relay.example.com/": "clearnet", "ws://x.ONION/": "tor", "ws://x.b32.i2p/": "i2p", "ws://x.loki/": "loki",
		"ws://onion/": "clearnet", "ws://x.onion.example/": "clearnet", "%zz": "clearnet",
	} {
		if got := nip66.Network(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
