package attack

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"moa/relay/relaytest"
)

var (
	sideFlag  = flag.String("side", "", "for TestAttacks, which starts processes of its own: the side that this one is on")
	relayFlag = flag.String("relay", "", "for the same: the relay's address")
)

// side is a process of its own, so that honest clients share no scheduler and no
// heap with the relay, nor either of them with the attackers. It is told a line
// at a time what to do, and answers each with a line.
type side struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// startSide starts a process for one side. A niced one has what is left of the
// processors: attackers have processors of their own, and are to take none of
// the relay's but by what they send.
func startSide(t *testing.T, r *relaytest.Relay, name string, niced bool) *side {
	args := []string{os.Args[0], "-test.run=^TestSide$", "-test.timeout=5m", "-side=" + name, "-relay=" + r.Addr}
	if niced {
		args = append([]string{"nice", "-n", "19"}, args...)
	}
	s := &side{cmd: exec.Command(args[0], args[1:]...)}
	s.cmd.Stderr = os.Stderr
	var err error
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.out = bufio.NewScanner(out)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.answer(t)
	return s
}

// tell has the side do something.
func (s *side) tell(t *testing.T, what string) {
	if _, err := fmt.Fprintln(s.in, what); err != nil {
		t.Fatal(err)
	}
}

func (s *side) answer(t *testing.T) string {
	if !s.out.Scan() {
		t.Fatal("a side has ended: ", s.cmd.Wait())
	}
	return s.out.Text()
}

// end ends the process. What it says last is nobody's.
func (s *side) end() {
	s.in.Close()
	_, _ = io.Copy(io.Discard, s.cmd.Stdout.(io.Reader))
	_ = s.cmd.Wait()
}

// TestSide is the other processes of TestAttacks.
func TestSide(t *testing.T) {
	if *sideFlag == "" {
		t.Skip("only for TestAttacks")
	}
	r := &relaytest.Relay{Addr: *relayFlag, URL: "ws://" + *relayFlag}
	told := bufio.NewScanner(os.Stdin)
	if *sideFlag == "honest" {
		h := newHonest(t, r)
		for fmt.Println("ready"); told.Scan(); {
			long, err := time.ParseDuration(told.Text())
			if err != nil {
				t.Fatal(err)
			}
			answer, err := json.Marshal(h.measure(t, long))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Println(string(answer))
		}
		return
	}
	for _, a := range slices.Concat(attacks, floods, []attack{spin}) {
		if a.name == *sideFlag {
			a.attack(t, r, told)
		}
	}
}

// attack attacks from the first line that it is told until there are no more.
func (a *attack) attack(t *testing.T, r *relaytest.Relay, told *bufio.Scanner) {
	stop := make(chan struct{})
	arena := &arena{t: t, r: r, stop: stop}
	if a.next != nil {
		for i := range prepared {
			arena.made = append(arena.made, arena.sign(a.next(i)))
		}
		arena.next = a.next
	}
	fmt.Println("ready")
	told.Scan()
	time.AfterFunc(3*storm, func() { os.Exit(1) }) // whatever hangs
	go func() {
		told.Scan()
		close(stop)
	}()
	a.run(arena)
}
