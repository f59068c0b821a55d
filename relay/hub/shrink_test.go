package hub

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"moa/nips/event"
)

// After a wave of subscriptions the index gives its memory back, and those that
// stayed, and a next wave, hear what they ask for and nothing else.
func TestMemoryComesBackAfterAWave(t *testing.T) {
	const wave, stay = 30_000, 50
	x := new(Index[int])
	heap() // what runs once
	before := int64(heap())
	r := rand.New(rand.NewPCG(1, 2))
	type client struct {
		sub *Sub[int]
		got counter
		n   int // the person that it follows, besides the one that all follow
	}
	come := func(n int) *client {
		c := &client{n: n}
		c.sub = NewSub("s", &c.got)
		x.Add(c.sub, []*event.Filter{
			{Authors: []event.PubKey{person(n), person(0)}, Kinds: []uint16{1}},
			{Tags: []event.TagFilter{{Name: 'p', Values: []string{person(n).String()}}}},
			{Kinds: []uint16{uint16(n % 5000)}, Until: int64(n), HasUntil: true},
		})
		c.sub.GoLive(0)
		return c
	}
	check := func(clients []*client) {
		t.Helper()
		if n := x.Deliver(0, &event.Event{PubKey: person(0), Kind: 1, CreatedAt: 1 << 40}, 0); n != len(clients) {
			t.Fatalf("%d of %d heard what all ask for", n, len(clients))
		}
		for i, c := range clients {
			if i%97 == 0 || len(clients) <= stay {
				was := c.got.n
				if x.Deliver(0, &event.Event{PubKey: person(c.n), Kind: 1, CreatedAt: 1 << 40}, 0); c.got.n != was+1 {
					t.Fatalf("client %d did not hear the person that it follows", c.n)
				}
			}
		}
	}
	var left []*client
	for round := range 2 {
		clients := left
		for n := range wave {
			clients = append(clients, come(1+round*wave+n))
		}
		check(clients)
		peak := int64(heap()) - before
		r.Shuffle(len(clients), func(i, j int) { clients[i], clients[j] = clients[j], clients[i] })
		for _, c := range clients[stay:] {
			x.Remove(c.sub)
		}
		left = append([]*client(nil), clients[:stay]...)
		clients = nil
		check(left)
		after := int64(heap()) - before
		t.Logf("%d KB at the peak, %d KB after", peak>>10, after>>10)
		if after > peak/20 {
			t.Errorf("%d KB of %d are left with %d of %d subscriptions", after>>10, peak>>10, stay, wave)
		}
	}
	for _, c := range left {
		x.Remove(c.sub)
	}
	x.checkEmpty(t)
	runtime.KeepAlive(x)
}
