package admin_test

import (
	"testing"

	"moa/nips/event"
	"moa/nips/nip19"
	"moa/store/state"
)

// TestAnOperatorUsesABrowser has a real browser sign in with an extension, invite somebody,
// and ban an author that is reported, seen on the connection of a client. It looks at each
// page on a phone and on a desk.
func TestAnOperatorUsesABrowser(t *testing.T) {
	c := openChromium(t, boss)
	m := start(t, nil)
	must(t, m.state.CreateRole(t.Context(), state.Actor{Door: "shell"}, state.Role{ID: "editor", Label: "Editor"}))
	client := m.Dial(t)
	note := bob.Note(t, "Buy followers now!\nhttps://example.com/a-very-long-address-that-has-no-place-to-break-"+bob.Hex()+bob.Hex())
	client.Accepted(t, note, alice.Sign(t, event.Event{
		Kind: 1984, CreatedAt: m.Now().Unix(), Tags: []event.Tag{{"p", bob.Hex(), "spam"}, {"e", note.ID.String(), "spam"}},
	}))
	at := "http://" + m.Addr + "/admin"
	looks := func(name string) {
		t.Helper()
		c.keeps(t, name, 390, "dark")
		c.keeps(t, name, 1280, "light")
	}

	c.goes(t, at, "Manage this relay")
	looks("signin")
	c.does(t, `document.querySelector("button").click()`)
	c.sees(t, "Reported authors")
	looks("overview")
	if cookie := c.does(t, "document.cookie"); cookie != "" {
		t.Errorf("scripts see the cookie: %s", cookie)
	}

	c.goes(t, at+"/invites", "There are no invites")
	c.fills(t, "/admin/invites/make", "people", "3", "role", "editor")
	c.sees(t, "The invite was made. Its code is ")
	looks("invites")
	if list, err := m.state.Invites(t.Context(), nil, 0, 2); err != nil || len(list) != 1 || list[0].Most != 3 || list[0].By != boss.PubKey {
		t.Errorf("the invites are %+v, %v", list, err)
	}

	c.goes(t, at+"/members", "There are no members yet")
	c.fills(t, "/admin/members/add", "key", nip19.Npub(alice.PubKey))
	c.sees(t, "1 in all")
	c.fills(t, "/admin/members/give", "role", "editor")
	c.sees(t, "The member has the role.")
	looks("members")

	c.goes(t, at+"/reports", "Reported by 1 person: spam 1")
	c.sees(t, "Buy followers now!")
	looks("reports")
	c.fills(t, "/admin/reports/ban", "why", "advertisements")
	c.sees(t, "Nothing is reported.")
	client.Refused(t, bob.Note(t, "Buy more!"), "blocked: ")

	c.goes(t, at+"/bans", nip19.Npub(bob.PubKey))
	c.sees(t, "advertisements")
	looks("bans")
	c.goes(t, at+"/log", "ban author")
	looks("log")
	c.fills(t, "/admin/signout")
	c.sees(t, "Manage this relay")
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.failed) > 0 {
		t.Errorf("the browser complains: %q", c.failed)
	}
}
