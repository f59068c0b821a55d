package khatru

import (
	"context"
	"fmt"

	"github.com/fiatjaf/khatru"
)

// contextKeys are the keys under which khatru's helpers (GetConnection,
// GetAuthed, GetIP, RequestAuth, GetSubscriptionID) look things up. khatru does
// not export them, and a copy would break in silence with the next version: so
// each helper is called once, with a context that notes what it is asked for.
type contextKeys struct {
	connection, subscription any
}

// noting is a context that remembers the last key it was asked for.
type noting struct {
	context.Context
	answer any
	asked  any
}

func (n *noting) Value(key any) any {
	n.asked = key
	return n.answer
}

func askForKeys() (keys contextKeys, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("khatru: this version does not look up its context as expected: %v", r)
		}
	}()
	ask := func(answer any, helper func(context.Context)) any {
		n := &noting{Context: context.Background(), answer: answer}
		helper(n)
		return n.asked
	}
	keys.connection = ask(nil, func(ctx context.Context) { khatru.GetConnection(ctx) })
	keys.subscription = ask("", func(ctx context.Context) { khatru.GetSubscriptionID(ctx) })
	if keys.connection == nil || keys.subscription == nil || keys.connection == keys.subscription {
		return keys, fmt.Errorf("khatru: its context keys cannot be told apart: %v", keys)
	}
	ws := &khatru.WebSocket{}
	if khatru.GetConnection(context.WithValue(context.Background(), keys.connection, ws)) != ws {
		return keys, fmt.Errorf("khatru: key %v does not lead to the connection", keys.connection)
	}
	return keys, nil
}
