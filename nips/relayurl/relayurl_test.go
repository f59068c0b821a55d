package relayurl_test

import (
	"testing"

	"moa/nips/relayurl"
)

func TestTheSameRelayWrittenDifferently(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"wss://relay.example.com", "relay.example.com"},
		{"wss://relay.example.com/", "relay.example.com"},
		{"WSS://Relay.Example.COM//", "relay.example.com"},
		{"ws://relay.example.com", "relay.example.com"},
		{"https://relay.example.com", "relay.example.com"},
		{"relay.example.com", "relay.example.com"},
		{"relay.example.com:443", "relay.example.com"},
		{"wss://relay.example.com:443/", "relay.example.com"},
		{"ws://relay.example.com:80", "relay.example.com"},
		{"wss://relay.example.com.", "relay.example.com"},
		{"wss://relay.example.com/?x=1#y", "relay.example.com"},
		{"wss://relay.example.com:7777", "relay.example.com:7777"},
		{"wss://relay.example.com/Inbox/", "relay.example.com/Inbox"},
		{"ws://127.0.0.1:80", "127.0.0.1"},
		{"ws://[::1]:7777", "[::1]:7777"},
		{"ws://[2001:DB8::1]", "[2001:db8::1]"},
	} {
		got, err := relayurl.Parse(c.in)
		if err != nil || got.String() != c.want {
			t.Errorf("%s: %q, %v; want %q", c.in, got, err, c.want)
		}
		if again, err := relayurl.Parse(got.String()); err != nil || again != got {
			t.Errorf("%s: %q read again is %q, %v", c.in, got, again, err)
		}
	}
}

func TestWhatIsNoRelayURL(t *testing.T) {
	for _, in := range []string{
		"", "wss://", "wss:///x", "ftp://relay.example.com", "javascript://x", "wss://user@relay.example.com",
		"wss://relay.example.com:x", "wss://relay example.com", "wss://%zz", "ALL_RELAYS://",
	} {
		if got, err := relayurl.Parse(in); err == nil {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestNameAndPort(t *testing.T) {
	for in, want := range map[string][2]string{
		"wss://relay.example.com/x": {"relay.example.com", ""}, "ws://relay.example.com:7777": {"relay.example.com", "7777"},
		"ws://[::1]:7777": {"::1", "7777"}, "ws://[2001:db8::1]": {"2001:db8::1", ""}, "wss://relay.example.com:443": {"relay.example.com", ""},
	} {
		l, err := relayurl.Parse(in)
		if got := [2]string{l.Name(), l.Port()}; err != nil || got != want {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
}
