package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/klauspost/compress/zstd"

	"moa/cmd/moa/internal/transfer"
	"moa/nips/event"
	"moa/nips/sig"
	"moa/relay/relaytest"
	"moa/store/memstore"
)

// notes signs n notes, a second apart, the newest first.
func notes(t testing.TB, n int) []*event.Event {
	t.Helper()
	alice, now := relaytest.NewKey(1), time.Now().Unix()
	all := make([]*event.Event, n)
	for i := range all {
		all[i] = alice.Sign(t, event.Event{Kind: 1, CreatedAt: now - int64(i), Content: fmt.Sprint("note ", i), Tags: []event.Tag{}})
	}
	return all
}

// jsonl writes events one a line.
func jsonl(events []*event.Event) string {
	var b strings.Builder
	for _, e := range events {
		b.Write(e.Raw)
		b.WriteByte('\n')
	}
	return b.String()
}

// file writes a file into a folder of the test's.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// says requires lines of a report.
func says(t *testing.T, report string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !regexp.MustCompile(`(?m)^ *` + regexp.QuoteMeta(line)).MatchString(report) {
			t.Errorf("does not say %q:\n%s", line, report)
		}
	}
}

func TestWhatIsImportedIsExported(t *testing.T) {
	all := notes(t, 700)
	text := jsonl(all)
	pack := map[string]func() string{
		"plain.jsonl": func() string { return text },
		"packed.jsonl.gz": func() string {
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			io.WriteString(z, text)
			z.Close()
			return b.String()
		},
		"packed.jsonl.zst": func() string {
			z, err := zstd.NewWriter(nil)
			if err != nil {
				t.Fatal(err)
			}
			return string(z.EncodeAll([]byte(text), nil))
		},
	}
	for name, packed := range pack {
		t.Run(name, func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "data")
			_, report := good(t, "import", "--data", data, file(t, name, packed()))
			says(t, report, "700 accepted", "0 duplicate")
			out := filepath.Join(t.TempDir(), name)
			good(t, "export", "--data", data, out)
			in, err := transfer.Open(out)
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			var got strings.Builder
			for line, err := in.NextLine(); !errors.Is(err, io.EOF); line, err = in.NextLine() {
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&got, "%s\n", line)
			}
			if got.String() != text {
				t.Errorf("%d bytes came back of %d", got.Len(), len(text))
			}
			if left, _ := filepath.Glob(out + ".*"); len(left) > 0 {
				t.Errorf("left behind: %s", left)
			}
		})
	}
}

func TestImportCountsWhyLinesAreRejected(t *testing.T) {
	alice, bob := relaytest.NewKey(1), relaytest.NewKey(2)
	now := time.Now().Unix()
	note := alice.Note(t, "good")
	deleted := alice.Note(t, "regretted")
	deletion := alice.Sign(t, event.Event{Kind: 5, CreatedAt: now + 1, Tags: []event.Tag{{"e", deleted.ID.String()}}})
	gone := bob.Sign(t, event.Event{Kind: 62, CreatedAt: now, Tags: []event.Tag{{"relay", "ALL_RELAYS"}}})
	elsewhere := alice.Sign(t, event.Event{Kind: 62, CreatedAt: now, Tags: []event.Tag{{"relay", "wss://elsewhere.example.com"}}})
	forged := bytes.Clone(alice.Note(t, "forged").Raw)
	copy(forged[bytes.Index(forged, []byte(`"sig":"`))+7:], "00000000")
	lines := []string{
		string(note.Raw), string(note.Raw), "",
		"nonsense", `{"id":1}`,
		string(deletion.Raw), string(deleted.Raw),
		string(gone.Raw), string(bob.Sign(t, event.Event{Kind: 1, CreatedAt: now - 9, Content: "before"}).Raw),
		string(elsewhere.Raw),
		string(forged), strings.Replace(string(note.Raw), "good", "evil", 1),
		string(alice.Sign(t, event.Event{Kind: 20001}).Raw),
		string(alice.Sign(t, event.Event{Kind: 1, Tags: []event.Tag{{"expiration", "1"}}}).Raw),
		string(alice.Sign(t, event.Event{Kind: 0, CreatedAt: now, Content: "new"}).Raw),
		string(alice.Sign(t, event.Event{Kind: 0, CreatedAt: now - 1, Content: "old"}).Raw),
		strings.Repeat("x", transfer.MaxLineBytes+1),
		string(alice.Sign(t, event.Event{Kind: 1, Tags: []event.Tag{{"-"}}}).Raw), // protected (NIP-70)
	}
	_, report, code := run(t, strings.Join(lines, "\n"), "import", "--data", filepath.Join(t.TempDir(), "data"))
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, report)
	}
	says(t, report, "5 accepted", "1 duplicate", "3 rejected: malformed", "line 4: ", "line 5: ", "line 17: longer than 16 MiB",
		"1 rejected: deleted by its author (line 7)", "1 rejected: its author has vanished", "1 rejected: a request to vanish from another relay",
		"1 rejected: bad signature (line 11)", "1 rejected: bad id (line 12)", "1 rejected: ephemeral", "1 rejected: expired", "1 rejected: a newer version was stored")
}

func TestImportAsksPoliciesOnlyIfTold(t *testing.T) {
	in := file(t, "in.jsonl", jsonl(notes(t, 3)))
	config := writeConfig(t, "[[policy]]\nuse = \"kinds\"\ndeny = \"1\"\n")
	data := filepath.Join(t.TempDir(), "data")
	_, report, code := run(t, "", "import", "--data", data, "--config", config, "--policies", in)
	if says(t, report, "0 accepted", "3 rejected: policy kinds: blocked (line 1, 2, 3)", "moa: nothing was taken"); code != 1 {
		t.Errorf("exit code %d", code)
	}
	_, report = good(t, "import", "--data", data, "--config", config, in)
	says(t, report, "3 accepted")
}

// A request to vanish that was sent to a scope of this relay is one to this relay,
// also when no policy is asked.
func TestImportKnowsTheRelaysOtherAddresses(t *testing.T) {
	config := writeConfig(t, "url = \"wss://geo.example.com\"\n[[policy]]\nuse = \"scopes\"\npaths = true\n")
	var lines []*event.Event
	for n, url := range []string{"wss://geo.example.com/at/u33/", "wss://geo.example.com", "wss://geo.example.com/at/ail", "wss://elsewhere.example.com/at/u33"} {
		lines = append(lines, relaytest.NewKey(byte(n+1)).Sign(t, event.Event{Kind: event.KindVanish, Tags: []event.Tag{{"relay", url}}}))
	}
	_, report := good(t, "import", "--data", filepath.Join(t.TempDir(), "data"), "--config", config, file(t, "in.jsonl", jsonl(lines)))
	says(t, report, "2 accepted", "2 rejected: a request to vanish from another relay (line 3, 4)")
}

// Another relay's export is taken as it is; the operator learns what clients
// will make of it.
func TestImportTellsWhatIsFromTheFuture(t *testing.T) {
	ahead := relaytest.NewKey(1).Sign(t, event.Event{Kind: 1, CreatedAt: time.Now().Unix() + 3600})
	in := file(t, "in.jsonl", jsonl(append(notes(t, 2), ahead)))
	_, report := good(t, "import", "--data", filepath.Join(t.TempDir(), "data"), in)
	says(t, report, "3 accepted", "1 of them from the future")
	_, report = good(t, "import", "--data", filepath.Join(t.TempDir(), "data"), "--policies", in)
	says(t, report, "2 accepted", "1 rejected: policy times: invalid")
}

// TestImportGoesOnAtItsCheckpoint cuts an import off behind its first batch and
// lets another one go on.
func TestImportGoesOnAtItsCheckpoint(t *testing.T) {
	all := notes(t, 4608) // one batch, and two chunks more
	path := file(t, "in.jsonl", "nonsense\n"+jsonl(all))
	st := memstore.New()
	begin := func(from transfer.Checkpoint) *transfer.Importer {
		in, err := transfer.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(in.Close)
		if err := in.Skip(from); err != nil {
			t.Fatal(err)
		}
		im := &transfer.Importer{In: in}
		if im.Verify, err = sig.New(sig.Auto); err != nil {
			t.Fatal(err)
		}
		im.Into(st, nil, nil)
		return im
	}
	first := begin(transfer.Checkpoint{})
	ctx, cut := context.WithCancel(t.Context())
	first.Progress = func(transfer.Checkpoint) error { cut(); return nil }
	done, err := first.Run(ctx, transfer.Checkpoint{})
	if !errors.Is(err, context.Canceled) || done.Line == 0 || done.Line > int64(len(all)) {
		t.Fatalf("cut off behind line %d of %d: %v", done.Line, len(all)+1, err)
	}
	last, err := begin(done).Run(t.Context(), done)
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(len(all)); last.Line != want+1 || last.Tally.Accepted != want || last.Tally.Duplicate != 0 || st.Stats().Events != want {
		t.Errorf("%d events are stored; of %d: %+v", st.Stats().Events, want, last)
	}
	if last.Tally.Rejected["malformed"] != 1 || len(last.Tally.Faults) != 1 {
		t.Errorf("the tally of the first part is lost: %+v", last.Tally)
	}
}

func TestResumePassesOverWhatIsDone(t *testing.T) {
	all := notes(t, 10)
	path := file(t, "in.jsonl", jsonl(all))
	size := int64(len(jsonl(all)))
	half := transfer.Checkpoint{Size: size, Line: 5, At: int64(len(jsonl(all[:5]))), Tally: transfer.Tally{Accepted: 5}}
	if err := half.Write(path); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	_, report := good(t, "import", "--data", data, "--resume", path)
	says(t, report, "10 accepted", "0 duplicate", "5 lines in")
	if out, _ := good(t, "export", "--data", data); out != jsonl(all[5:]) {
		t.Errorf("stored:\n%s", out)
	}
	if _, err := os.Stat(transfer.CheckpointPath(path)); !os.IsNotExist(err) {
		t.Errorf("the checkpoint of a finished import stays: %v", err)
	}

	half.Size++
	if err := half.Write(path); err != nil {
		t.Fatal(err)
	}
	if _, report, code := run(t, "", "import", "--data", data, "--resume", path); code != 2 || !strings.Contains(report, "remove it to begin anew") {
		t.Errorf("the checkpoint of another file: exit code %d: %s", code, report)
	}
}

func TestImportAndExportThroughTheSocket(t *testing.T) {
	s := serveIn(t, t.TempDir(), "--limits.limit", "100", "--limits.default-limit", "100")
	all := notes(t, 1200)
	in := file(t, "in.jsonl", jsonl(all))
	_, report := good(t, "import", "--relay", s.URL, in)
	says(t, report, "1200 accepted")
	_, report = good(t, "import", "--relay", s.URL, in)
	says(t, report, "0 accepted", "1200 duplicate")
	if out, _ := good(t, "export", "--relay", s.URL); out != jsonl(all) {
		t.Errorf("%d events came back of %d", strings.Count(out, "\n"), len(all))
	}
	out, _ := good(t, "export", "--relay", s.URL, "--filter", fmt.Sprintf(`{"until":%d,"limit":7}`, all[300].CreatedAt))
	if out != jsonl(all[300:307]) {
		t.Errorf("the filter gives\n%s", out)
	}
}

// An import that waits because the relay takes no more for now says so, once for a while.
func TestAnImportThatWaitsForARelaySaysSo(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		asked := map[string]int{}
		for {
			_, m, err := c.Read(r.Context())
			if err != nil {
				return
			}
			var message []json.RawMessage
			var e struct{ ID string }
			if json.Unmarshal(m, &message) != nil || len(message) != 2 || json.Unmarshal(message[1], &e) != nil {
				t.Errorf("the import sends %s", m)
				return
			}
			asked[e.ID]++
			answer := `["OK","` + e.ID + `",true,""]`
			if asked[e.ID] < 3 {
				answer = `["OK","` + e.ID + `",false,"rate-limited: slow down"]`
			}
			_ = c.Write(r.Context(), websocket.MessageText, []byte(answer))
		}
	}))
	defer s.Close()
	_, report := good(t, "import", "--relay", "ws"+strings.TrimPrefix(s.URL, "http"), file(t, "in.jsonl", jsonl(notes(t, 3))))
	says(t, report, "3 accepted")
	if !strings.HasPrefix(report, "the relay says rate-limited: 3 events wait and will be sent again\n") || strings.Count(report, "rate-limited") != 1 {
		t.Errorf("it says\n%s", report)
	}
}

func TestExportPagesThroughOneSecond(t *testing.T) {
	s := serveIn(t, t.TempDir(), "--limits.limit", "50", "--limits.default-limit", "50", "--clients.eose-hints=false")
	alice, now := relaytest.NewKey(1), time.Now().Unix()
	var all []*event.Event
	for i := range 120 { // 40 of each second: every page ends within one
		all = append(all, alice.Sign(t, event.Event{Kind: 1, CreatedAt: now - int64(i/40), Content: fmt.Sprint(i)}))
	}
	good(t, "import", "--relay", s.URL, file(t, "in.jsonl", jsonl(all)))
	out, _ := good(t, "export", "--relay", s.URL)
	got := strings.Split(strings.TrimSpace(out), "\n")
	slices.Sort(got)
	if len(got) != len(all) || len(slices.Compact(got)) != len(all) {
		t.Errorf("%d events, %d of them different, not %d", len(got), len(slices.Compact(got)), len(all))
	}
}

func TestExportRefusesWhatIsNoFilter(t *testing.T) {
	if _, stderr, code := run(t, "", "export", "--data", t.TempDir(), "--filter", `{"kinds":["x"]}`); code != 2 {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
