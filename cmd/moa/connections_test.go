package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"moa/nips/nip19"
	"moa/relay"
	"moa/relay/relaytest"
)

func connectionsOf(t *testing.T, args ...string) (list []relay.Connection) {
	t.Helper()
	out, _ := good(t, append([]string{"connections", "list", "--json"}, args...)...)
	mustDo(t, json.Unmarshal([]byte(out), &list))
	return list
}

func TestConnectionsAtTheCommandLine(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	s := serveIn(t, data, "--trusted-proxies", "127.0.0.0/8")
	if out, _ := good(t, "connections", "list", "--data", data); out != "no client is connected\n" {
		t.Error(out)
	}
	dial := func(from string) *relaytest.Client {
		c, _, err := relaytest.TryDial(s.URL, "X-Forwarded-For", from)
		mustDo(t, err)
		t.Cleanup(c.Close)
		c.Stored(t, "x", `{"limit":0}`)
		return c
	}
	alice := relaytest.NewKey(1)
	one, other := dial("203.0.113.7"), dial("203.0.113.8")
	third, far := dial("203.0.113.9"), dial("198.51.100.1")
	one.Authenticate(t, alice, one.Challenge(t))
	out, _ := good(t, "connections", "list", "--data", data)
	for _, want := range []string{"id  address", "203.0.113.7", "203.0.113.8", "198.51.100.1", "  " + nip19.Npub(alice.PubKey) + "\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	list := connectionsOf(t, "--data", data, "--address", "203.0.113.0/24")
	if len(list) != 3 || list[0].Address.String() != "203.0.113.7" || list[0].Subscriptions != 1 || list[0].Sent == 0 {
		t.Fatalf("%+v", list)
	}
	gone := func(c *relaytest.Client) {
		t.Helper()
		for {
			if _, err := c.TryNext(relaytest.Patience); err != nil {
				return
			}
		}
	}
	id := fmt.Sprint(list[0].ID)
	if out, _ := good(t, "connections", "close", "--data", data, "--note", "too loud", id); out != "1 connection was ended\n" {
		t.Error(out)
	}
	gone(one)
	relaytest.Eventually(t, "it is gone", func() bool { return len(connectionsOf(t, "--data", data)) == 3 })
	if out, _ := good(t, "connections", "close", "--data", data, "--address", "203.0.113.0/24"); out != "2 connections were ended\n" {
		t.Error(out)
	}
	gone(other)
	gone(third)
	far.Accepted(t, alice.Note(t, "here"))
	log := auditLog(t, data, "")
	if len(log) != 2 || log[0].Verb != "disconnect" || log[0].Door != "shell" || log[0].Subject != "203.0.113.7/32" || log[0].Why != "too loud" ||
		log[1].Subject != "203.0.113.0/24" || string(log[1].Became) != "2" {
		t.Errorf("the audit log has %v", log)
	}
	for _, c := range log {
		if strings.Contains(string(c.Became)+string(c.Was)+c.Subject, alice.Hex()) {
			t.Error("the audit log ties an address to a key")
		}
	}
	for args, want := range map[string]string{
		id: "there is no connection " + id, "--address=192.0.2.1": "there is no connection from 192.0.2.1/32",
		"": "takes the ID of a connection, or --address NET", "--address=x": "is no IP address", "seven": "is not the ID of a connection",
		"--address=::/0 7": "takes the ID of a connection, or --address NET",
	} {
		if _, stderr, code := run(t, "", append([]string{"connections", "close", "--data", data}, strings.Fields(args)...)...); code != 2 || !strings.Contains(stderr, want) {
			t.Errorf("%q: exit code %d, %q; want %q", args, code, stderr, want)
		}
	}
	if n := len(auditLog(t, data, "")); n != 2 {
		t.Errorf("the audit log has %d rows", n)
	}
	s.stop(t)
	if _, stderr, code := run(t, "", "connections", "list", "--data", data); code != 2 || !strings.Contains(stderr, "no relay can be reached") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
