package relay_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/nip19"
	"moa/relay"
	"moa/relay/relaytest"
)

func pageOf(t *testing.T, r *relaytest.Relay) string {
	t.Helper()
	resp, body := get(t, r, http.MethodGet, "/")
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", resp.Status, body)
	}
	return body
}

// The page shows the newest notes, as text, with a link that opens each in a client.
func TestThePageShowsTheLastNotes(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{Config: func(c *relay.Config) { c.Info.LastNotes = 3 }})
	if page := pageOf(t, r); strings.Contains(page, "last notes") {
		t.Error("an empty relay has a heading without notes")
	}
	c := r.Dial(t)
	now := time.Now().Unix()
	note := func(age int64, content string, list ...[]string) *event.Event {
		e := alice.Sign(t, event.Event{Kind: event.KindNote, CreatedAt: now - age, Content: content, Tags: tags(list...)})
		c.Accepted(t, e)
		return e
	}
	first := note(50, "the first of all")
	shown := note(40, `<script>alert("x")</script> <b>bold</b>`)
	note(30, "what answers it", []string{"e", first.ID.String()})
	note(20, "a warning", []string{"content-warning", "spiders"})
	note(15, "  \n ")
	note(10, strings.Repeat("ä", 400))
	note(5, "the newest")
	c.Accepted(t, alice.Sign(t, event.Event{Kind: event.KindMetadata, CreatedAt: now, Content: `{"name":" Ali\u202ece <i>\n A. "}`}))
	page := pageOf(t, r)
	for _, want := range []string{
		`&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt; &lt;b&gt;bold`, "the newest", strings.Repeat("ä", 250) + "…",
		nip19.Npub(alice.PubKey)[:12], "<b>Alice &lt;i&gt; A.</b>",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	for _, not := range []string{"the first of all", "what answers it", "a warning", "<script>", strings.Repeat("ä", 251)} {
		if strings.Contains(page, not) {
			t.Errorf("the page shows %s", not)
		}
	}
	var opened []event.ID
	for _, m := range regexp.MustCompile(`href="(nostr:nevent1[^"]+)"`).FindAllStringSubmatch(page, -1) {
		id, err := nip19.ParseEventID(m[1])
		if err != nil {
			t.Fatal(err)
		}
		opened = append(opened, id)
	}
	if len(opened) != 3 || opened[2] != shown.ID {
		t.Errorf("the links open %v", opened)
	}
	if strings.Index(page, "the newest") > strings.Index(page, "alert") {
		t.Error("the newest is not first")
	}
	c.Accepted(t, alice.Sign(t, event.Event{Kind: event.KindDeletion, CreatedAt: now, Tags: tags([]string{"e", shown.ID.String()})}))
	if page := pageOf(t, r); strings.Contains(page, "alert") || !strings.Contains(page, "the first of all") {
		t.Error("a deleted note is shown, or the one before it is not")
	}
}

func TestThePageShowsNoNotesWhereTheyAreOff(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{Config: func(c *relay.Config) { c.Info.LastNotes = 0 }})
	r.Dial(t).Accepted(t, alice.Sign(t, event.Event{Kind: event.KindNote, CreatedAt: time.Now().Unix(), Content: "hello, all"}))
	if strings.Contains(pageOf(t, r), "hello, all") {
		t.Error("it shows one")
	}
}
