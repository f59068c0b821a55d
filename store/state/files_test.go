package state_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"moa/nips/event"
	"moa/store/state"
)

// A copy that is taken while changes are made is whole: its tables and its log agree.
func TestACopyIsOfOnePointInTime(t *testing.T) {
	s, path := fresh(t)
	ctx, stop := context.WithCancel(t.Context())
	var changing sync.WaitGroup
	defer func() { stop(); changing.Wait() }()
	changed := make(chan struct{})
	changing.Go(func() {
		dice := rand.New(rand.NewPCG(1, 2))
		for ctx.Err() == nil {
			if err := change(ctx, s, dice); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			select {
			case changed <- struct{}{}:
			case <-ctx.Done():
			}
		}
	})
	for range 10 {
		for range 10 {
			<-changed
		}
		f, err := s.Copy(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(f)
		if err = errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(t.TempDir(), state.File)
		if err := os.WriteFile(to, text, 0o600); err != nil {
			t.Fatal(err)
		}
		copied := open(t, to)
		if problems, err := copied.Check(t.Context()); len(problems) > 0 || err != nil {
			t.Fatal(problems, err)
		}
		if is, said := everything(copied), replayed(t, copied); !reflect.DeepEqual(is, said) {
			t.Fatalf("the copy has %v, its log comes to %v", is, said)
		}
	}
	if left, err := filepath.Glob(path + "-copy*"); len(left) > 0 || err != nil {
		t.Errorf("the copies have left %v, %v", left, err)
	}
}

// A copy that a killed process has not finished is gone at the next start, and is no
// foreign file until then.
func TestWhatIsLeftOfACopyIsRemoved(t *testing.T) {
	s, path := fresh(t)
	s.Close()
	left := path + "-copy-123"
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !state.Owns(filepath.Base(left)) {
		t.Error("the copy is a foreign file")
	}
	open(t, path)
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the copy is there: %v", err)
	}
}

// To read makes nothing and changes nothing, also where the last process was killed.
func TestReadingMakesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, state.File)
	if _, err := state.OpenReading(t.Context(), path); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Error(files)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil { // of a process that was killed when it had made it
		t.Fatal(err)
	}
	if _, err := state.OpenReading(t.Context(), path); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := state.OpenReading(t.Context(), path); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// Of a record, twice is once, and what is known already stands.
func TestARecordIsTakenOverOnce(t *testing.T) {
	s, _ := fresh(t)
	known, other, lifted := event.PubKey{1}, event.PubKey{2}, event.PubKey{3}
	if err := s.BanAuthor(t.Context(), shell, known, state.Ban{Why: "since"}, 0); err != nil {
		t.Fatal(err)
	}
	record := ""
	for _, pk := range []event.PubKey{known, other, lifted} {
		record += fmt.Sprintf(`{"at":5,"do":"ban","author":"%s","purge":true,"note":"old"}`+"\n", pk)
	}
	record += fmt.Sprintf(`{"at":6,"do":"undo","author":"%s"}`+"\n"+`{"at":7,"do":"nonsense","author":"%s"}`+"\nnonsense", lifted, other)
	for nth, want := range []int{3, 0} {
		if taken, broken, err := s.TakeOver(t.Context(), strings.NewReader(record)); taken != want || broken != 2 || err != nil {
			t.Errorf("time %d: %d lines, %d broken, %v", 1+nth, taken, broken, err)
		}
		if a := s.Author(known); a.Ban.Why != "since" || a.Erasing {
			t.Errorf("%+v", a)
		}
		if a := s.Author(other); a.Ban.Why != "old" || a.Ban.At != 5 || a.Closed != 5 || !a.Erasing {
			t.Errorf("%+v", a)
		}
		if a := s.Author(lifted); a != (state.Author{}) {
			t.Errorf("%+v", a)
		}
		if jobs, err := s.Jobs(t.Context()); len(jobs) != 1 || err != nil {
			t.Errorf("jobs %v, %v", jobs, err)
		}
	}
}
