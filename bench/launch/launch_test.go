package launch

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestMain is also the relay that the tests start: one that listens on the
// port in its first argument and notes in the folder of the second that it ran.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "relay" {
		relay(os.Args[2], os.Args[3])
	}
	os.Exit(m.Run())
}

func relay(port, data string) {
	if port == "0" {
		fmt.Println("no port for me")
		os.Exit(1)
	}
	f, err := os.OpenFile(filepath.Join(data, "starts"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		f.WriteString("x")
		f.Close()
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		panic(err)
	}
	for {
		if conn, err := l.Accept(); err == nil {
			conn.Close()
		}
	}
}

func TestRelayStartsCrashesAndEnds(t *testing.T) {
	r, err := Start(t.Context(), Command{Args: []string{os.Args[0], "relay", "{port}", "{data}"}})
	if err != nil {
		t.Fatal(err)
	}
	first := r.PID()
	second := first
	for _, crash := range []bool{true, false} {
		before := second
		second, err = r.Restart(t.Context(), crash, func() {
			if exec.Command("kill", "-0", strconv.Itoa(before)).Run() == nil {
				t.Errorf("crash %v: process %d still runs between its end and the next start", crash, before)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if before == 0 || second == before {
			t.Errorf("processes %d and %d: want two", before, second)
		}
	}
	if starts, _ := os.ReadFile(filepath.Join(r.Data, "starts")); string(starts) != "xxx" {
		t.Errorf("it noted %q in its folder, want three starts on the same data", starts)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(r.Data); !os.IsNotExist(err) {
		t.Errorf("the temporary folder is still there: %v", err)
	}
	if exec.Command("kill", "-0", fmt.Sprint(second)).Run() == nil {
		t.Error("the relay still runs")
	}
}

func TestFailureShowsWhatTheRelaySaid(t *testing.T) {
	_, err := Start(t.Context(), Command{Args: []string{os.Args[0], "relay", "0", "{data}"}})
	if err == nil || !strings.Contains(err.Error(), "no port for me") {
		t.Errorf("error is %v", err)
	}
	if _, err := Start(t.Context(), Command{Args: []string{"/no/such/relay"}}); err == nil {
		t.Error("a relay that is not there was started")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Start(ctx, Command{Args: []string{"sleep", "60"}}); err == nil {
		t.Error("a relay that does not listen was taken")
	}
}

func TestCommandLines(t *testing.T) {
	for line, want := range map[string][]string{
		"a b  c":                        {"a", "b", "c"},
		`relay --name "two words" ''`:   {"relay", "--name", "two words", ""},
		`--data={data}/x 'it"s' a"b c"`: {"--data={data}/x", `it"s`, "ab c"},
	} {
		if got, err := Parse(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", line, got, err)
		}
	}
	for _, line := range []string{"", "  ", `a "b`} {
		if _, err := Parse(line); err == nil {
			t.Errorf("%q was taken", line)
		}
	}
}
