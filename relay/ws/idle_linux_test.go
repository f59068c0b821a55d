package ws

import (
	"bufio"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"moa/nips/testwait"
)

var idleConns = flag.Int("idle", 1000, "connections of TestIdleMemory")

// idleServer, set in the environment, makes this binary TestIdleMemory's server.
const idleServer = "MOA_WS_IDLE_SERVER"

// An idle connection costs little memory: the server runs in a process of its
// own, so that it is measured alone, and each connection has talked before it
// falls silent. -idle 5000 measures more.
func TestIdleMemory(t *testing.T) {
	if mode := os.Getenv(idleServer); mode != "" {
		serveIdle(t, mode == "deflate")
		return
	}
	if racing {
		t.Skip("the race detector's own memory would be measured")
	}
	for _, mode := range []string{"plain", "deflate"} {
		t.Run(mode, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestIdleMemory$")
			cmd.Env = append(os.Environ(), idleServer+"="+mode)
			in, _ := cmd.StdinPipe()
			out, _ := cmd.StdoutPipe()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Wait()
			defer in.Close()
			lines := bufio.NewScanner(out)
			lines.Scan()
			addr := lines.Text()
			rss := func() int {
				fmt.Fprintln(in, "free")
				lines.Scan()
				n, err := strconv.Atoi(lines.Text())
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
			crowd(t, addr, 200, mode)() // what a first connection costs the process
			before := rss()
			defer crowd(t, addr, *idleConns, mode)()
			each := (rss() - before) / *idleConns
			t.Logf("%d connections: %d bytes each", *idleConns, each)
			if each > 4<<10 {
				t.Errorf("an idle connection takes %d bytes", each)
			}
		})
	}
}

// crowd opens connections from several addresses, has each talk, and returns
// what closes them.
func crowd(t *testing.T, addr string, n int, mode string) (stop func()) {
	var conns []net.Conn
	text := frame(0x81, note(600))
	if mode == "deflate" {
		text = frame(0xc1, squeeze(note(600), 6))
	}
	for i := range n {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+i%7))}}
		nc, err := d.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, nc)
		fmt.Fprintf(nc, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n", deflateOffer)
		nc.SetDeadline(time.Now().Add(testwait.Patience))
		r := bufio.NewReaderSize(nc, 512)
		res, err := http.ReadResponse(r, nil)
		if err != nil || res.StatusCode != 101 {
			t.Fatal(res, err)
		}
		nc.Write(text)
		if _, err := r.Discard(600); err != nil { // it echoes
			t.Fatal(err)
		}
	}
	return func() {
		for _, nc := range conns {
			nc.Close()
		}
	}
}

// serveIdle echoes, and answers each line of its input with its RSS in bytes,
// after a garbage collection like the ones that an idle server sees.
func serveIdle(t *testing.T, deflate bool) {
	d := newDormitory(t, Options{Compression: deflate, Keeper: new(Keeper)})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := Upgrade(w, r, d.opt); err == nil {
			(&sleeper{d: d, c: c, over: make(chan error, 1)}).Wake()
		}
	}))
	defer srv.Close()
	fmt.Println(srv.Listener.Addr())
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		testwait.Eventually(t, "all are idle", d.asleep)
		for range 3 {
			debug.FreeOSMemory()
		}
		b, err := os.ReadFile("/proc/self/statm")
		if err != nil {
			t.Fatal(err)
		}
		pages, _ := strconv.Atoi(strings.Fields(string(b))[1])
		fmt.Println(pages * os.Getpagesize())
	}
}
