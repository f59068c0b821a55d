package ws

import (
	"bytes"
	stdflate "compress/flate"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
	gorilla "github.com/fasthttp/websocket"
	"github.com/gobwas/ws"
)

// note is a body that deflates.
func note(n int) string {
	words := strings.Fields("nostr relay event the quick brown fox jumps over lazy dogs wss pubkey sig content tags")
	r := rand.New(rand.NewPCG(uint64(n), 1))
	var b strings.Builder
	for b.WriteString(`{"content":"`); b.Len() < n; {
		b.WriteString(words[r.IntN(len(words))] + " ")
	}
	return b.String() + `"}`
}

func noise(n int) string {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(uint64(n), 2))
	for i := range b {
		b[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[r.IntN(64)]
	}
	return string(b)
}

// What is composed of a receiver's head and a shared body is one valid deflate
// stream to an inflater that is not ours.
func TestSharedDeflateInflates(t *testing.T) {
	for _, raw := range []string{note(minDeflate), note(700), note(5000), note(100_000), noise(3000), `{}`} {
		b := &Body{Raw: []byte(raw)}
		d := b.deflated()
		if d == nil {
			if len(raw) > minDeflate && len(deflate(b.Raw)) < len(raw) {
				t.Errorf("%d bytes were not compressed", len(raw))
			}
			continue
		}
		for _, head := range []string{"", `["EVENT","a",`, strings.Repeat("h", maxStored)} {
			stream := append(appendStored(nil, len(head)), head...)
			stream = append(append(stream, d...), syncMark+"\x01\x00\x00\xff\xff"...)
			got, err := io.ReadAll(stdflate.NewReader(bytes.NewReader(stream)))
			if err != nil || string(got) != head+raw+"]" {
				t.Fatalf("head %d, raw %d: %d bytes, %v", len(head), len(raw), len(got), err)
			}
		}
	}
}

// However many connections ask at once, an event is deflated once.
func TestDeflatedOnce(t *testing.T) {
	b := &Body{Raw: []byte(note(1000))}
	var wg sync.WaitGroup
	var first [8][]byte
	for i := range first {
		wg.Go(func() { first[i] = b.deflated() })
	}
	wg.Wait()
	for _, d := range first {
		if &d[0] != &first[0][0] {
			t.Fatal("deflated twice")
		}
	}
}

func TestNegotiation(t *testing.T) {
	const both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	for offer, want := range map[string]string{
		"":                   "",
		"permessage-deflate": both,
		"permessage-deflate; client_max_window_bits":                             both,
		"permessage-deflate; client_max_window_bits=10":                          both,
		"permessage-deflate; server_no_context_takeover":                         both,
		"permessage-deflate; server_max_window_bits=15":                          both + "; server_max_window_bits=15",
		"permessage-deflate; server_max_window_bits=9":                           "",
		"permessage-deflate; server_max_window_bits=9, permessage-deflate":       both,
		"permessage-deflate; unknown":                                            "",
		"permessage-deflate; server_max_window_bits=99":                          "",
		"x-webkit-deflate-frame":                                                 "",
		"permessage-bzip2, permessage-deflate; client_max_window_bits, whatever": both,
	} {
		for _, on := range []bool{true, false} {
			addr := start(t, &Options{Compression: on}, echo)
			req, _ := http.NewRequest("GET", "http://"+addr, nil)
			req.Header = http.Header{
				"Upgrade": {"websocket"}, "Connection": {"keep-alive, Upgrade"},
				"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
			}
			if offer != "" {
				req.Header.Set("Sec-WebSocket-Extensions", offer)
			}
			res, err := new(http.Transport).RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			expect := want
			if !on {
				expect = ""
			}
			got := strings.ReplaceAll(res.Header.Get("Sec-WebSocket-Extensions"), ";", "; ")
			if res.StatusCode != 101 || strings.ReplaceAll(got, "  ", " ") != expect {
				t.Errorf("%q (compression %v): %d %q, want %q", offer, on, res.StatusCode, got, expect)
			}
		}
	}
}

// squeeze deflates as a client does, with the standard library.
func squeeze(text string, level int) string {
	var b bytes.Buffer
	w, _ := stdflate.NewWriter(&b, level)
	w.Write([]byte(text))
	w.Flush()
	return strings.TrimSuffix(b.String(), syncMark)
}

func TestInflatedFrames(t *testing.T) {
	const max = 100_000
	z := func(n int) string { return strings.Repeat("z", n) }
	big := noise(max)
	half := squeeze(big, 6)
	tests := []struct {
		name string
		send [][]byte
		want string
	}{
		{"deflated", [][]byte{frame(0xc1, squeeze("hello", 6))}, "81 hello"},
		{"plain all the same", [][]byte{frame(0x81, "hello")}, "81 hello"},
		{"empty", [][]byte{frame(0xc1, "\x00")}, "81 "},
		{"fragments", [][]byte{frame(0x41, half[:1000]), frame(0x00, half[1000:50_000]), frame(0x89, ""), frame(0x80, half[50_000:])}, "81 " + big},
		{"RSV1 on a continuation", [][]byte{frame(0x41, "a"), frame(0xc0, "b")}, "88 1002"},
		{"RSV1 on a close", [][]byte{frame(0xc8, "")}, "88 1002"},
		{"stored blocks up to the limit", [][]byte{frame(0xc1, squeeze(big, 0))}, "81 " + big},
		{"the limit", [][]byte{frame(0xc1, squeeze(z(max), 6))}, "81 " + z(max)},
		{"over the limit", [][]byte{frame(0xc1, squeeze(z(max+1), 6))}, "88 1009"},
		{"a bomb", [][]byte{frame(0xc1, squeeze(z(20<<20), 6))}, "88 1009"},
		{"too long as it comes", [][]byte{frame(0xc1, noise(max+max>>10+65))}, "88 1009"},
		{"no deflate", [][]byte{frame(0xc1, "\xff\xff\xff")}, "88 1007"},
		{"nothing", [][]byte{frame(0xc1, "")}, "88 1007"},
		{"cut short", [][]byte{frame(0xc1, squeeze(note(500), 6)[:100])}, "88 1007"},
		{"bad UTF-8 inside", [][]byte{frame(0xc1, squeeze("\xff", 6))}, "88 1007"},
	}
	addr := start(t, &Options{MaxMessage: max, Compression: true}, echo)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := dial(t, addr, deflateOffer)
			p.send(test.send...)
			for {
				got, err := p.next()
				if err != nil {
					t.Fatal(err)
				}
				if got == "8a " {
					continue
				}
				if got != test.want {
					t.Fatalf("got %.60q, want %.60q", got, test.want)
				}
				break
			}
		})
	}
}

// What goes out deflated saves bytes, and small or few things go out plain.
func TestWhatIsCompressed(t *testing.T) {
	text := note(2000)
	p := dial(t, start(t, &Options{Compression: true}, func(c *Conn) {
		head := []byte(`["EVENT","s",`)
		c.Write([]Msg{
			{Head: head, Body: &Body{Raw: []byte(text)}},
			{Head: head, Raw: []byte(text)},
			{Head: head, Body: &Body{Raw: []byte(`{"id":1}`)}},
			{Head: []byte(`["EOSE","` + text + `"]`)},
		})
		c.Read()
	}), deflateOffer)
	h, err := ws.ReadHeader(p.in)
	if err != nil || !h.Rsv1() || int(h.Length) > len(text)*2/3 {
		t.Fatalf("%+v %v", h, err)
	}
	p.in.Discard(int(h.Length))
	p.expect(`81 ["EVENT","s",`+text+`]`, `81 ["EVENT","s",{"id":1}]`, `81 ["EOSE","`+text+`"]`)
}

// Two other implementations read what is sent and are read, compressed or not,
// at every length around the limits of frames and buffers.
func TestOtherImplementations(t *testing.T) {
	var sizes []int
	for _, at := range []int{0, 125, minDeflate, smallSize, largeSize, 4 * largeSize} {
		for d := -14; d <= 14; d += 7 {
			sizes = append(sizes, max(at+d, 0))
		}
	}
	body := func(i, n int) string {
		if i%2 == 0 {
			return note(n)
		}
		return noise(n)
	}
	head := []byte(`["EVENT","x",`)
	addr := start(t, &Options{Compression: true, MaxMessage: 1 << 20}, func(c *Conn) {
		for {
			msg, err := c.Read()
			if err != nil {
				return
			}
			b := &Body{Raw: bytes.Clone(msg)}
			if c.Write([]Msg{{Head: head, Body: b}, {Head: b.Raw}, {Head: head, Body: b}}) != nil {
				return
			}
		}
	})
	converse := func(t *testing.T, write func(string) error, read func() (string, error)) {
		for i, n := range sizes {
			text := body(i, n)
			if err := write(text); err != nil {
				t.Fatal(err)
			}
			wrapped := string(head) + text + "]"
			for _, want := range []string{wrapped, text, wrapped} {
				if got, err := read(); err != nil || got != want {
					t.Fatalf("%d bytes: got %d bytes, %v, want %d", n, len(got), err, len(want))
				}
			}
		}
	}
	for name, mode := range map[string]websocket.CompressionMode{
		"coder": websocket.CompressionDisabled, "coder deflates": websocket.CompressionContextTakeover,
		"coder without context": websocket.CompressionNoContextTakeover,
	} {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			c, _, err := websocket.Dial(ctx, "ws://"+addr, &websocket.DialOptions{CompressionMode: mode, CompressionThreshold: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			c.SetReadLimit(-1)
			converse(t, func(s string) error { return c.Write(ctx, websocket.MessageText, []byte(s)) },
				func() (string, error) { _, b, err := c.Read(ctx); return string(b), err })
			if err := c.Close(websocket.StatusNormalClosure, "done"); err != nil {
				t.Fatalf("close handshake: %v", err)
			}
		})
	}
	for name, compress := range map[string]bool{"gorilla's": false, "gorilla's deflates": true} {
		t.Run(name, func(t *testing.T) {
			d := gorilla.Dialer{EnableCompression: compress, WriteBufferSize: 1000} // long messages go in fragments
			c, _, err := d.Dial("ws://"+addr, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			converse(t, func(s string) error {
				w, err := c.NextWriter(gorilla.TextMessage)
				if err != nil {
					return err
				}
				for part := range slices.Chunk([]byte(s), 777) {
					if _, err := w.Write(part); err != nil {
						return err
					}
				}
				return w.Close()
			}, func() (string, error) { _, b, err := c.ReadMessage(); return string(b), err })
		})
	}
}
