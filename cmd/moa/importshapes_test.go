package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"moa/cmd/moa/internal/transfer"
	"moa/nips/event"
	"moa/relay/relaytest"
)

func TestImportTakesTheShapesThatOthersWrite(t *testing.T) {
	all := notes(t, 3)
	indented := func(v any) string {
		text, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	raws := make([]json.RawMessage, len(all))
	var single, messages, answers, pretty strings.Builder
	for i, e := range all {
		raws[i] = e.Raw
		single.WriteString(string(e.Raw) + "\n")
		messages.WriteString(`["EVENT",` + string(e.Raw) + "]\n")
		answers.WriteString(`["EVENT", "a sub", ` + string(e.Raw) + "]\r\n")
		pretty.WriteString(indented(json.RawMessage(e.Raw)) + "\n")
	}
	array, err := json.Marshal(raws)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"a byte order mark":      "\ufeff" + single.String(),
		"a mark before an array": "\ufeff" + string(array),
		"messages of a client":   messages.String(),
		"messages of a relay":    answers.String() + `["EOSE","a sub"]` + "\n",
		"an array":               string(array),
		"arrays, one a line":     string(array) + "\n[]\n",
		"an indented array":      indented(raws),
		"an array of messages":   "[\n" + strings.ReplaceAll(strings.TrimSpace(messages.String()), "\n", ",\n") + "\n]",
		"indented events":        pretty.String(),
	} {
		t.Run(name, func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "data")
			_, report := good(t, "import", "--data", data, "--expect", "3", file(t, "in.json", text))
			says(t, report, "3 accepted")
			if out, _ := good(t, "export", "--data", data); out != jsonl(all) {
				t.Errorf("stored:\n%s", out)
			}
		})
	}
}

func TestImportNamesTheShapesThatItDoesNotTake(t *testing.T) {
	for text, want := range map[string]string{
		"\xff\xfe{\x00":                    "line 1: text in UTF-16",
		"\xfd7zXZ\x00":                     "line 1: compressed with xz",
		"id,pubkey,content\n":              "line 1: it is not JSON: id,pubkey,content",
		`["EOSE","sub"]`:                   "line 1: a message EOSE, which holds no event",
		`{"event":{}}`:                     "line 1: an object that is no event, with the keys event",
		`{"id":"00`:                        "line 1: it begins as JSON does, and is cut off or broken",
		"[\n{\"id\":\"00":                  "line 2: it begins as JSON does, and is cut off or broken",
		"":                                 "moa: nothing was taken: the input is empty",
		"[1,2]":                            "line 1: it is not JSON",
		`{"a":"` + "\x1b[31m\u009b" + `"}`: "line 1: it begins as JSON does",
	} {
		_, report, code := run(t, text, "import", "--data", filepath.Join(t.TempDir(), "data"))
		if says(t, report, want); code != 1 || strings.ContainsAny(report, "\x1b\u009b") {
			t.Errorf("%q: exit code %d", text, code)
		}
	}
}

func TestImportGoesOnInAnArray(t *testing.T) {
	all := notes(t, 9)
	text := "[\n" + strings.ReplaceAll(strings.TrimSpace(jsonl(all)), "\n", ",\n") + "\n]\n"
	path := file(t, "in.json", text)
	half := transfer.Checkpoint{Size: int64(len(text)), Line: 5, At: int64(strings.Index(text, string(all[4].Raw)) - 2)}
	if err := half.Write(path); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	good(t, "import", "--data", data, "--resume", path)
	if out, _ := good(t, "export", "--data", data); out != jsonl(all[4:]) {
		t.Errorf("stored:\n%s", out)
	}
}

func TestImportWritesWhatItRejects(t *testing.T) {
	alice := relaytest.NewKey(1)
	fine, forged := alice.Note(t, "fine"), strings.Replace(string(alice.Note(t, "one").Raw), "one", "two", 1)
	many := alice.Sign(t, event.Event{Kind: 1, Tags: []event.Tag{{"t", "a"}, {"t", "b"}}})
	long := alice.Note(t, strings.Repeat("x", 300))
	large := alice.Sign(t, event.Event{Kind: 1, Tags: []event.Tag{{"t", strings.Repeat("x", 2000)}}})
	lines := strings.Join([]string{string(fine.Raw), "\tnonsense", forged, string(many.Raw), string(long.Raw), string(large.Raw)}, "\n")
	data, rejects := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "rejects.tsv")
	args := []string{"import", "--data", data, "--limits.event-tags", "1", "--limits.content-length", "200", "--limits.message-bytes", "1024", "--rejects", rejects}
	_, report, code := run(t, lines, append(args, "--expect", "2")...)
	says(t, report, "1 accepted", "1 rejected: malformed (line 2)", "1 rejected: bad id (line 3)", "1 rejected: more than 1 tags (line 4)",
		"1 rejected: content is longer than 200 characters (line 5)", "1 rejected: larger than a message of 1024 bytes (line 6)",
		"moa: 1 event was taken or there already; 2 expected")
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	got, err := os.ReadFile(rejects)
	want := "2\tmalformed: it is not JSON: nonsense\tnonsense\n3\tbad id\t" + forged + "\n4\tmore than 1 tags\t" + string(many.Raw) +
		"\n5\tcontent is longer than 200 characters\t" + string(long.Raw) + "\n6\tlarger than a message of 1024 bytes\t" + string(large.Raw) + "\n"
	if err != nil || string(got) != want {
		t.Errorf("%v, rejects:\n%s\nwant:\n%s", err, got, want)
	}
}

// What a running relay refuses is told by reason and line, and its words are in the
// file of rejects.
func TestImportTellsWhatARelayRefuses(t *testing.T) {
	s := serveIn(t, t.TempDir(), "--config", writeConfig(t, "[[policy]]\nuse = \"kinds\"\ndeny = \"7\"\n"))
	alice := relaytest.NewKey(1)
	reaction := func(text string) *event.Event { return alice.Sign(t, event.Event{Kind: 7, Content: text}) }
	forged := strings.Replace(string(alice.Note(t, "forged").Raw), `"sig":"`, `"sig":"00000000`, 1)
	forged = forged[:len(forged)-len(`00000000"}`)] + `"}`
	fine, plus, minus := alice.Note(t, "fine"), reaction("+"), reaction("-")
	rejects := filepath.Join(t.TempDir(), "rejects.tsv")
	_, report, code := run(t, strings.Join([]string{string(plus.Raw), string(fine.Raw), forged, string(minus.Raw), "nonsense"}, "\n"),
		"import", "--relay", s.URL, "--rejects", rejects, "--expect", "2")
	says(t, report, "1 accepted", "2 rejected: by the relay: blocked (line 1, 4)", "1 rejected: by the relay: invalid (line 3)", "1 rejected: malformed (line 5)",
		"moa: 1 event was taken or there already; 2 expected")
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	text, err := os.ReadFile(rejects)
	for _, want := range []string{"1\tby the relay: blocked: blocked: ", "\t" + string(plus.Raw) + "\n", "3\tby the relay: invalid: invalid: the signature does not hold\t" + forged + "\n"} {
		if err != nil || !strings.Contains("\n"+string(text), want) {
			t.Errorf("%v, no %q in\n%s", err, want, text)
		}
	}
	if _, report, code := run(t, string(minus.Raw), "import", "--relay", s.URL); code != 1 || !strings.Contains(report, "nothing was taken") {
		t.Errorf("exit code %d: %s", code, report)
	}
}

// pickyRelay takes events of up to most bytes, and ends the connection with
// the code, or without a word for 0, when a larger one comes.
func pickyRelay(t *testing.T, most int, code websocket.StatusCode) (url string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(1 << 20)
		for {
			_, frame, err := c.Read(r.Context())
			if err != nil {
				return
			}
			if len(frame) > most {
				if code != 0 {
					c.Close(code, "too big")
				}
				return
			}
			e, err := event.Parse(frame[len(`["EVENT",`) : len(frame)-1])
			if err == nil {
				err = c.Write(r.Context(), websocket.MessageText, fmt.Appendf(nil, `["OK","%s",true,""]`, e.ID))
			}
			if err != nil {
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

func TestAnEventTooLargeForARelayEndsNoImport(t *testing.T) {
	all := notes(t, 700)
	for _, at := range []int{3, 600} {
		all[at] = relaytest.NewKey(1).Note(t, strings.Repeat("x", 50_000+at))
	}
	in := file(t, "in.jsonl", jsonl(all))
	_, report := good(t, "import", "--relay", pickyRelay(t, 40_000, websocket.StatusMessageTooBig), in)
	says(t, report, "2 rejected: too large for the relay, which ended the connection (line 4, 601)")
	_, report = good(t, "import", "--relay", pickyRelay(t, 40_000, 0), in)
	says(t, report, "2 rejected: the relay ends the connection when it comes (line 4, 601)")
	s := serveIn(t, t.TempDir(), "--limits.message-bytes", "40000")
	_, report = good(t, "import", "--relay", s.URL, in)
	says(t, report, "698 accepted", "2 rejected: larger than a message of 40000 bytes, the most that the relay takes (line 4, 601)")
}
